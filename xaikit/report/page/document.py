"""The HTML of a page: one file, whose Content-Security-Policy lets nothing in from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, Template
from markupsafe import Markup

from xaikit.report.page.facts import Plain
from xaikit.report.page.payload import as_json

STATIC = Path(__file__).parent / "static"
FIRST = "app"
"""The module that needs all others."""

_IMPORT = re.compile(r'^import [^"]*"\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def files_of(payload: Plain, name: str = "report.html", beside: str = "report") -> dict[str, str]:
    """The files of a page, by name: itself, and where it has several parts, a script of each in the folder beside it, which is
    loaded when somebody looks at what it holds."""
    parts = payload["parts"]
    if len(parts) < 2:
        return {name: document(payload)}
    scripts = [f"{beside}/{name.removesuffix('.html')}-{at}.js" for at in range(len(parts))]
    page = document({**payload, "parts": [{"file": script} for script in scripts]})
    texts = (f"(globalThis.xaikitParts ??= {{}})[{at}] = {as_json(part)};\n" for at, part in enumerate(parts))
    return {name: page, **dict(zip(scripts, texts, strict=True))}


def document(payload: Plain) -> str:
    """A page, as HTML, which may load nothing but what is in it, and scripts of its own folder where it has parts there."""
    script, style = Markup(script_text()), Markup(style_text())
    own = " 'self'" if any("file" in part for part in payload.get("parts", ())) else ""
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data: blob:",
            f"style-src {_digest(style)}",
            f"script-src {_digest(script)}{own}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    data = Markup(as_json(payload))
    return _template().render(policy=policy, style=style, script=script, data=data, title=payload["title"])


@cache
def _template() -> Template:
    return Environment(autoescape=True).from_string((STATIC.parent / "page.html.j2").read_text(encoding="utf-8"))


@cache
def style_text() -> str:
    """All style sheets, one behind the other."""
    return "\n" + "".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.css")))


@cache
def script_text() -> str:
    """All modules as one, each behind those that it imports."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in STATIC.glob("*.js")}
    return "\n" + "".join(_EXPORT.sub("", _IMPORT.sub("", texts[name])) for name in in_order(texts))


def in_order(texts: Mapping[str, str], name: str = FIRST) -> Iterator[str]:
    """The modules that one needs, and then that one.

    >>> list(in_order({"app": 'import { a } from "./a.js";\\n', "a": "", "unused": ""}))
    ['a', 'app']
    """
    yield from dict.fromkeys(_with_imports(texts, name))


def _with_imports(texts: Mapping[str, str], name: str) -> Iterator[str]:
    for imported in _IMPORT.findall(texts[name]):
        yield from _with_imports(texts, imported)
    yield name


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

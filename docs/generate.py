"""The pages that the code writes: docs/hooks.md from the hookspecs, docs/methods.md from the cards.

``python docs/generate.py`` writes both; tests/test_docs.py fails where they differ from the code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xaikit import executors, finish, hookspecs, sources, targets, view
from xaikit.registry import KINDS, Registry
from xaikit.showing import card

HERE = Path(__file__).parent
PROTOCOLS: dict[str, type] = {
    "method": view.Method,
    "target": targets.Target,
    "rectifier": finish.Rectifier,
    "normalizer": finish.Normalizer,
    "scaler": finish.Scaler,
    "resizer": finish.Resizer,
    "fuser": finish.Fuser,
    "model": sources.ModelSource,
    "data": sources.DataSource,
    "executor": executors.Executor,
}
MADE = "<!-- made by `python docs/generate.py`; do not edit -->"


def hooks() -> str:
    """Every hook with its signature and docstring, and the class that it returns."""
    return "\n".join([MADE, "", "# Hooks", "", _prose(hookspecs), *_hooks()]) + "\n"


def _hooks() -> Iterator[str]:
    kinds = {kind.hook: name for name, kind in KINDS.items()}
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, f"{hookspecs.PROJECT}_spec"):
            yield from ("", f"## {name}", "", _python(f"def {name}{inspect.signature(hook, eval_str=True)}"), "")
            yield _prose(hook)
            if name in kinds:
                yield from ("", _contract(kinds[name]))


def _contract(kind: str) -> str:
    """What the class offers, as its protocol states it."""
    reserved = ", ".join(f"`{word}`" for word in sorted(KINDS[kind].reserved))
    protocol = PROTOCOLS[kind]
    where = f"`{protocol.__module__}.{protocol.__name__}`"
    return f"The class keeps {where}; no option is called {reserved}:\n\n{_python(inspect.getsource(protocol).strip())}"


def methods() -> str:
    """The cards of all methods."""
    registry = Registry()
    own = [entry.name for entry in registry.catalogue("method") if entry.distribution == "xaikit"]
    cards = [f"\n## {name}\n\n```text\n{card(registry.find('method', f'xaikit:{name}'))}\n```" for name in own]
    return "\n".join([MADE, "", "# Methods", "", "`xaikit methods NAME` shows these cards.", *cards]) + "\n"


def _python(code: str) -> str:
    return f"```python\n{code}\n```"


def _prose(subject: Any) -> str:
    # the docstrings are reStructuredText, the page is not
    return re.sub(":[a-z]+:`", "`", inspect.cleandoc(subject.__doc__ or "").replace("``", "`"))


PAGES = {"hooks.md": hooks, "methods.md": methods}

if __name__ == "__main__":
    for page, made in PAGES.items():
        (HERE / page).write_text(made(), encoding="utf-8")
        print(f"wrote {HERE / page}")

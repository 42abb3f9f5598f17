"""New distributions: a folder with everything that a plugin of one's own needs to be installed, tested and published."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path
from typing import Any

import jinja2

from xaikit import hookspecs
from xaikit._version import __version__
from xaikit.errors import ConfigError, PluginConflict, nearest
from xaikit.plain.text import read_value
from xaikit.registry import KINDS, Registry
from xaikit.schema.sections import STAGES
from xaikit.schema.sections import WORDS as STAGE_WORDS

SOURCES = ("data", "model")


WORDS = ("method", "metric", "target", "layout", "finisher", "source", "observer")


_TEMPLATES = Path(__file__).parent / "templates" / "new"


_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def kind_of(word: str, stage: str | None = None, of: str | None = None) -> str:
    """The kind of plugin, a key of :data:`xaikit.registry.KINDS`, that the words of the command line mean.

    >>> kind_of("method"), kind_of("finisher", stage="scale"), kind_of("source", of="model")
    ('method', 'scaler', 'model')

    Raises:
        ConfigError: there is no such kind, or a word that says nothing about this kind.
    """
    _choose("KIND", word, WORDS)
    for option, value, owner in (("--stage", stage, "finisher"), ("--of", of, "source")):
        if value is not None and word != owner:
            raise ConfigError(f"{option}: expected with a {owner} only, got {value!r} with a {word}")
    if word == "finisher":
        return STAGES[_choose("--stage", stage or "rectify", STAGES)]
    return _choose("--of", of or "data", SOURCES) if word == "source" else word


def _choose(what: str, word: str, choices: Collection[str]) -> str:
    if word not in choices:
        raise ConfigError(f"{what}: expected one of {', '.join(choices)}, got {word!r}; {nearest(word, choices)}")
    return word


def write(kind: str, name: str, folder: Path) -> Path:
    """Write the distribution ``xaikit-NAME`` below a folder; nothing is ever overwritten.

    Args:
        kind: a key of :data:`xaikit.registry.KINDS`.
        name: the plugin's name, as a YAML will say it.
        folder: where to put the new folder.

    Returns:
        The new folder.

    Raises:
        ConfigError: the name cannot be one, or the folder exists.
        PluginConflict: an installed distribution has the name already.
    """
    _check(kind, name)
    root = folder / _distribution(name)
    if root.exists():
        raise ConfigError(f"folder: expected a new one, got {str(root)!r}, which exists already; nothing was written")
    # everything is rendered before anything is written
    texts = dict(_rendered(kind, name))
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def module_of(name: str) -> str:
    """The module of a new distribution.

    >>> module_of("flip-cam")
    'xaikit_flip_cam'
    """
    return f"xaikit_{name.replace('-', '_')}"


def next_commands(kind: str, name: str, root: Path) -> tuple[str, str, str]:
    """What to type next.

    >>> next_commands("scaler", "mine", Path("xaikit-mine"))
    ("pip install -e './xaikit-mine[test]'", 'xaikit check mine --kind scaler', 'pytest xaikit-mine')
    """
    # pip takes a path without a slash for the name of a distribution
    path = str(root) if root.is_absolute() else f"./{root}"
    option = "" if kind == "method" else f" --kind {kind}"
    return (
        f"pip install -e {shlex.quote(f'{path}[test]')}",
        f"xaikit check {name}{option}",
        f"pytest {shlex.quote(str(root))}",
    )


def _check(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        like = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789") or "mycam"
        raise ConfigError(
            f"name: expected small letters, digits, '-' and '_', a letter first, got {name!r}; perhaps {like!r}?"
        )
    if re.match(r"xaikit[-_]", name):
        raise ConfigError(f"name: expected it without 'xaikit-', which is added, got {name!r}; perhaps {name[7:]!r}?")
    if name in STAGE_WORDS or read_value(name) != name:
        raise ConfigError(f"name: expected a name, got {name!r}, which means something else in a YAML")
    _check_free(kind, name)


def _check_free(kind: str, name: str) -> None:
    owners = [entry.distribution for entry in Registry().catalogue(kind) if entry.name == name]
    if owners:
        raise PluginConflict(f"name: {kind} {name!r} is offered by {' and '.join(owners)} already; choose another")
    module = module_of(name)
    spec = util.find_spec(module)
    if spec is not None:
        raise PluginConflict(
            f"name: it needs a module {module}, and there is one already: {spec.origin}; choose another"
        )
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version(_distribution(name))
        raise PluginConflict(f"name: {_distribution(name)} {version} is installed already; choose another")


def _rendered(kind: str, name: str) -> Iterator[tuple[str, str]]:
    """Path and text of every file; a template's ``dot-`` stands for a dot, which packaging tools would pass over."""
    module = _TEMPLATES / "modules" / f"{kind}.py.jinja"
    words = {
        "kind": kind,
        "name": name,
        "distribution": _distribution(name),
        "module": module_of(name),
        "title": _title(name, kind, module.read_text(encoding="utf-8")),
        "api": hookspecs.API,
        "group": KINDS[kind].group,
        "version": ".".join(__version__.split(".")[:2]),
        "stage": next((stage for stage, stage_kind in STAGES.items() if stage_kind == kind), ""),
        "family": "finisher" if kind in STAGES.values() else "source" if kind in SOURCES else "",
    }
    yield f"{module_of(name)}.py", _text(module, words)
    shared = _TEMPLATES / "every"
    for path in sorted(shared.rglob("*")):
        if path.is_file():
            place = str(path.relative_to(shared)).replace("dot-", ".").removesuffix(".jinja")
            yield place, _text(path, words)


def _text(path: Path, words: dict[str, Any]) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".jinja":
        return text
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(text).render(words)


def _distribution(name: str) -> str:
    return f"xaikit-{name.replace('_', '-')}"


def _title(name: str, kind: str, template: str) -> str:
    """The name of the class: with its kind behind where it would hide what the module imports."""
    title = "".join(part.capitalize() for part in re.split("[-_]", name))
    imported = re.findall(r"\w+", " ".join(re.findall(r" import (.*)", template)))
    return title + kind.capitalize() if title in imported else title

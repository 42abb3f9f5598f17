"""YAML files with the place of every key, and the files that they extend."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from xaikit.config.layers import Layer, layer_of, merge
from xaikit.errors import nearest
from xaikit.plain.bounds import MOST_BYTES, TooLarge, check_bounds
from xaikit.plain.faults import Faults, Mark, Path, shown
from xaikit.plain.text import YamlLoader, problem_of

MOST_EXTENDS = 64
"""Files that are read for one, each as often as it is named."""


@dataclass(frozen=True)
class Trail:
    """The files that lead to one, and all that have been read so far."""

    files: tuple[str, ...] = ()
    read: list[str] = field(default_factory=list)

    def to(self, file: str) -> Trail:
        """One file further."""
        return Trail((*self.files, file), self.read)


def read_file(file: str, faults: Faults, trail: Trail | None = None) -> Layer:
    """A file over the files that it extends. What is wrong goes to ``faults``; a file that cannot be read is an empty layer."""
    marks: dict[Path, Mark] = {(): Mark(file)}
    raw = _read(file, faults.of(marks))
    trail = trail or Trail()
    trail.read.append(file)
    return extend(raw, marks, file, faults, trail)


def extend(
    raw: dict[str, Any], marks: dict[Path, Mark], file: str, faults: Faults, trail: Trail | None = None
) -> Layer:
    """What was read, over the files that its ``extends`` names; these are relative to ``file``, and later ones win."""
    faults = faults.of(marks)
    value = raw.pop("extends", None)
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        faults.add(("extends",), f"expected a file or a list of files, got {shown(value)}")
        names = []
    below, trail = Layer({}), (trail or Trail()).to(file)
    for name in names:
        below = merge(below, _read_base(name, file, faults, trail), faults)
    return merge(below, layer_of(raw, marks, faults), faults)


def _read_base(name: str, file: str, faults: Faults, trail: Trail) -> Layer:
    base = os.path.normpath(os.path.join(os.path.dirname(file), name))
    if os.path.realpath(base) in [os.path.realpath(other) for other in trail.files]:
        faults.add(("extends",), f"the files extend each other in a circle: {' -> '.join([*trail.files, base])}")
    elif not os.path.isfile(base):
        faults.add(("extends",), missing(base))
    elif len(trail.read) >= MOST_EXTENDS:
        faults.add(("extends",), f"expected at most {MOST_EXTENDS} files that extend each other, got more")
    else:
        return read_file(base, faults, trail)
    return Layer({})


def missing(file: str) -> str:
    """What to say of a file that is not there, with the likeliest of its folder."""
    if os.path.isdir(file):
        return f"expected a YAML file, got the folder {file}; of a run that lies there, give the config that it was run with"
    folder = FilePath(file).parent
    if not folder.is_dir():
        return f"there is no file {file}, and no folder {folder}"
    beside = [other.name for other in folder.iterdir() if other.suffix in (".yaml", ".yml")]
    return f"there is no file {file}; {nearest(FilePath(file).name, beside)}"


def _read(file: str, faults: Faults) -> dict[str, Any]:
    try:
        loader = YamlLoader(_text(file))
        node = loader.get_single_node()
        if node is None:
            return {}
        _note(node, (), file, faults, ())
        value = loader.construct_document(node)
        if isinstance(value, dict):
            return value
        faults.add((), f"expected a mapping of keys, got {shown(value)}")
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(file, place.line + 1, place.column + 1) if place else Mark(file)
        faults.add((), problem_of(error), mark=mark)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        faults.add((), f"cannot be read: {error}")
    return {}


def _text(file: str) -> str:
    with open(file, "rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise TooLarge(problem=f"expected at most {MOST_BYTES} bytes, got more")
    text = content.decode("utf-8-sig")
    check_bounds(text)
    return text


def _note(node: yaml.Node, path: Path, file: str, faults: Faults, above: tuple[yaml.Node, ...]) -> None:
    """Mark every key and list element below a node, and note keys that stand twice."""
    if node in above:
        raise yaml.MarkedYAMLError(problem="a value contains itself", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        _note_mapping(node, path, file, faults, (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            faults.marks[(*path, index)] = _mark(file, item, item)
            _note(item, (*path, index), file, faults, (*above, node))


def _note_mapping(node: yaml.MappingNode, path: Path, file: str, faults: Faults, above: tuple[yaml.Node, ...]) -> None:
    marks: dict[str, Mark] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="expected a name as the key", problem_mark=key.start_mark)
        if key.tag == "tag:yaml.org,2002:merge":
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                _note(source, path, file, faults, above)
            continue
        key.tag = "tag:yaml.org,2002:str"  # a key is a name, also where YAML 1.1 would read `on` or 1
        mark = _mark(file, key, value)
        if key.value in marks:
            faults.add((*path, key.value), f"stands twice; first on line {marks[key.value].line}", mark=mark)
        marks[key.value] = mark
        _note(value, (*path, key.value), file, faults, above)
    faults.marks.update({(*path, key): mark for key, mark in marks.items()})


def _mark(file: str, node: yaml.Node, value: yaml.Node) -> Mark:
    text = value.value if isinstance(value, yaml.ScalarNode) and not value.style else ""
    return Mark(file, node.start_mark.line + 1, node.start_mark.column + 1, text)

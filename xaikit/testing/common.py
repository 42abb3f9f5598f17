"""Promises that every kind of plugin makes."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import yaml

from xaikit.registry.modules import summary_of
from xaikit.testing.checks import expect
from xaikit.testing.subjects import Subject


def entry_point_and_name_agree(subject: Subject) -> None:
    """An installed plugin is found under its name, which is one that a YAML can say."""
    plugin = subject.plugin
    if subject.is_offered:
        expect(plugin.name == subject.said, f"expected the name {subject.said!r}, got {plugin.name!r}")
        expect(bool(re.fullmatch(r"[a-z][a-z0-9_]*", plugin.name)), f"expected a name like mycam, got {plugin.name!r}")


def card_is_written(subject: Subject) -> None:
    """There is a first line for the catalogue and a docstring for the card."""
    plugin = subject.plugin
    text = (plugin.cls.__doc__ or "").strip()
    written = bool(text) and not text.startswith(f"{plugin.cls.__name__}(")
    expect(written, f"expected a docstring of {plugin.cls.__name__}, got none")
    if subject.is_offered:
        summary = summary_of(plugin.module)
        expect(not summary.startswith("("), f"expected a first line in the docstring of {plugin.module}, got {summary}")


def options_survive_yaml(subject: Subject) -> None:
    """What a config says is what an instance says of itself, and the other way round."""
    for instance in subject.instances():
        options = {item.name: _plain(getattr(instance, item.name)) for item in dataclasses.fields(instance)}
        again = subject.made(yaml.safe_load(yaml.safe_dump(options)))
        expect(again == instance, f"expected {instance} from YAML again, got {again}")


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


CHECKS = (entry_point_and_name_agree, card_is_written, options_survive_yaml)

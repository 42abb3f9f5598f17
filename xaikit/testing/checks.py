"""What a check is: a name, something to do, and a failure that says what was expected, what was found, and how to see it
again; and the checks of every kind of plugin."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
import yaml
from torch import Tensor

from xaikit.registry.modules import summary_of
from xaikit.testing.subjects import Subject

Work = Callable[[Subject], None]
"""A promise of the contract, as a function that raises where a plugin does not keep it."""


class CheckFailed(AssertionError):
    """A promise of the contract that is not kept; ``reason`` is why, without the name of the check and how to see it again."""

    reason = ""


@dataclass(frozen=True)
class Check:
    """One independent check of one plugin; call it. ``str(check)`` is its name.

    command  that runs this check alone
    """

    name: str
    command: str
    work: Callable[[], None]

    def __call__(self) -> None:
        """Run it.

        Raises:
            CheckFailed: with what was expected and found.
        """
        try:
            self.work()
        except Exception as error:
            is_failure = isinstance(error, CheckFailed)
            message = str(error) if is_failure else f"expected it to work, got {type(error).__name__}: {error}"
            cause = error.__cause__ if is_failure else error
            failure = CheckFailed(f"{self.name}: {message}\n  again: {self.command}")
            failure.reason = message
            raise failure from cause

    @property
    def __name__(self) -> str:
        # what pytest shows as the id of a parametrized test
        return self.name

    def __str__(self) -> str:
        return self.name


def for_each(
    cases: Callable[[Subject], Iterable[tuple[Any, ...]]],
    *promises: Callable[..., None],
    where: Callable[..., str] = lambda *case: "",
) -> tuple[Work, ...]:
    """Promises about one case, such as an instance and what it returned, as promises about all cases of a plugin.

    Args:
        where: what a failure says first of its case.
    """

    def work(promise: Callable[..., None]) -> Work:
        @wraps(promise)
        def hold(subject: Subject) -> None:
            for case in cases(subject):
                try:
                    promise(*case)
                except CheckFailed as error:
                    raise CheckFailed(f"{where(*case)}{error}") from error.__cause__

        return hold

    return tuple(map(work, promises))


def instances(subject: Subject) -> Iterable[tuple[Any]]:
    """Every instance, alone."""
    return zip(subject.instances(), strict=True)


def named(works: Iterable[Work]) -> dict[str, Work]:
    """The works by their names."""
    return {work.__name__: work for work in works}


def expect(holds: bool, message: str) -> None:
    """Raises CheckFailed unless it holds."""
    if not holds:
        raise CheckFailed(message)


def expect_close(actual: Tensor, expected: Tensor, tolerance: float, what: str) -> None:
    """Equal shapes, and equal numbers to a share of the largest; NaN equals NaN."""
    expect(actual.shape == expected.shape, f"{what}: expected shape {tuple(expected.shape)}, got {tuple(actual.shape)}")
    far = distance(actual, expected)
    limit = f"a difference of at most {tolerance:g} of the largest value"
    expect(far <= tolerance, f"{what}: expected {limit}, got {far:.2g}")


def expect_finite(actual: Tensor, what: str) -> None:
    """Neither NaN nor infinite."""
    expect(bool(actual.isfinite().all()), f"{what}: expected finite numbers, got {shown(actual)}")


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference in units of the largest magnitude; 0 where both are zero everywhere."""
    if torch.equal(torch.nan_to_num(one, nan=1e300), torch.nan_to_num(other, nan=1e300)):
        return 0.0
    scale = torch.maximum(one.abs().amax(), other.abs().amax())
    return float((one - other).abs().amax() / scale)


def shown(value: Any) -> str:
    """A value in a message, cut to one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


# --- promises that every kind of plugin makes


def entry_point_and_name_agree(subject: Subject) -> None:
    """An installed plugin is found under its name, which is one that a YAML can say."""
    plugin = subject.plugin
    if subject.is_offered:
        expect(plugin.name == subject.spec, f"expected the name {subject.spec!r}, got {plugin.name!r}")
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


COMMON: tuple[Work, ...] = (entry_point_and_name_agree, card_is_written, options_survive_yaml)

"""What a metric declares is held against its kind before anything is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import Tensor

import xaikit
from helpers.judges import judges
from helpers.runs import config
from xaikit.errors import PluginContract
from xaikit.evaluation.declared import check_declared
from xaikit.metric import MetricNeeds, MetricView
from xaikit.registry import Registry


class Sound:
    needs: ClassVar[Any] = MetricNeeds()
    reads: ClassVar[Any] = "raw"
    higher_is_better: ClassVar[Any] = True
    range: ClassVar[Any] = (0, float("inf"))

    def measure(self, view: MetricView) -> Tensor:
        return view.maps.flatten(2).mean(2)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"needs": {"scores": True}}, r"needs: expected MetricNeeds\(\.\.\.\), got \{'scores': True\}"),
        ({"needs": None}, "needs: expected MetricNeeds"),
        ({"higher_is_better": "yes"}, "higher_is_better: expected True or False, got 'yes'"),
        ({"range": (1, 0)}, r"range: expected the lowest and the highest value, two numbers, got \(1, 0\)"),
        ({"range": (0, float("nan"))}, "range: expected"),
        ({"range": 1}, "range: expected"),
        ({"chance": "half"}, r"chance: expected a number or chance\(view\), got 'half'"),
        ({"no_oracle": "none"}, "no_oracle: expected a sentence"),
        ({"reads": "absolute"}, "reads: expected one of raw"),
        ({"further": -1}, "further: expected a number of scores"),
        ({"suites": "quick"}, "suites: expected names"),
    ],
)
def test_what_is_not_of_its_kind_is_said(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginContract, match=message):
        check_declared(type("Metric", (Sound,), declared)())


def test_every_metric_on_the_shelf_and_a_sound_one_declare_what_they_should() -> None:
    registry = Registry()
    for name in registry.names("metric"):
        if name != "quantus":
            check_declared(registry.find("metric", name).cls())
    check_declared(Sound())
    check_declared(
        type("Metric", (Sound,), {"chance": lambda self, view: view, "no_oracle": "it asks something else"})()
    )


def test_a_plan_names_the_metric(tmp_path: Path) -> None:
    file = judges(tmp_path)
    file.write_text(file.read_text().replace("needs: ClassVar = MetricNeeds()", "needs: ClassVar = {'scores': True}"))
    with pytest.raises(PluginContract, match=r"metric mine: needs: expected MetricNeeds\(\.\.\.\), got"):
        xaikit.plan(config(tmp_path, metrics={"mine": {"use": f"{file}:Mean"}}))

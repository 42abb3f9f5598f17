from __future__ import annotations

import yaml

from xaikit.registry import Entry, Registry
from xaikit.showing import card, catalogue, shown


def test_shown_is_yaml_with_origins() -> None:
    plain = {"seed": 3, "layers": ["a", "auto"], "model": {"source": "x", "output": None}, "empty": {}}
    text = shown(plain, {"seed": "run.yaml:2:1", "model.source": "override 'model.source=x'"})
    assert yaml.safe_load(text) == plain
    lines = text.splitlines()
    assert lines[0].split("#")[1].strip() == "run.yaml:2:1"
    assert "# default" in lines[1]
    assert lines[2] == "model:"
    assert "# override 'model.source=x'" in lines[3]


def test_catalogue_names_the_distribution_of_a_third_party() -> None:
    rows = catalogue([Entry("gradcam", "xaikit", "1", "m", "One."), Entry("mine", "xaikit-mine", "2", "n", "Two.")])
    assert rows == "gradcam  One.\nmine     Two.  [xaikit-mine]"
    assert catalogue([]) == "there are none"


def test_card_has_citation_equation_options_and_needs() -> None:
    text = card(Registry().find("method", "gradcampp"))
    for part in (
        "arXiv:1710.11063",
        "g^2 / (2 g^2 + g^3 sum_ab A_k(a,b))",
        "variant:",
        "= 'paper'",
        "gradients 1",
        "rectify relu",
    ):
        assert part in text
    assert "to: tuple[int, ...] = (required)" in card(Registry().find("resizer", "size"))
    assert "options: none" in card(Registry().find("method", "gradcam"))

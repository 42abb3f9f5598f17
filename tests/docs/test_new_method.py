"""From nothing to a method of one's own that works beside the built-ins, and without a trace when it is uninstalled."""

from __future__ import annotations

from pathlib import Path

import yaml

import xaikit
from helpers.environments import Environment
from helpers.runs import config

FORMULA = "weights = pool(view.gradients.clamp_min(0), view)  # relu first, then the mean"


def test_from_nothing_to_a_method_and_back(tmp_path: Path) -> None:
    sh = Environment(tmp_path / "environment").sh
    sh("xaikit new method mycam", tmp_path)
    module = tmp_path / "xaikit-mycam" / "xaikit_mycam.py"
    text = module.read_text()
    (placeholder,) = (line.strip() for line in text.splitlines() if "# replace this line by your formula" in line)
    module.write_text(text.replace(placeholder, FORMULA))

    sh("pip install './xaikit-mycam[test]'", tmp_path)
    sh("xaikit check mycam", tmp_path)
    sh("pytest xaikit-mycam", tmp_path)

    (tmp_path / "small.yaml").write_text(yaml.safe_dump(config(tmp_path, methods=["gradcam", "mycam", "layercam"])))
    sh("xaikit run small.yaml", tmp_path)
    report = xaikit.open(tmp_path / "run")
    assert report.labels == ("gradcam", "mycam", "layercam")
    assert report.manifest["plugins"]["xaikit.methods:mycam"]["distribution"] == "xaikit-mycam"
    assert not report.failures

    assert "[xaikit-mycam]" in sh("xaikit methods", tmp_path)
    card = sh("xaikit methods mycam", tmp_path)
    assert card.startswith("mycam  (method of xaikit-mycam 0.1.0)\nMycam: channels weighed by")
    assert "needs: activations, gradients 1" in card

    sh("pip uninstall --yes xaikit-mycam", tmp_path)
    assert "no method 'mycam'" in sh("xaikit methods mycam", tmp_path, fails=True)
    assert "xaikit-mycam" not in sh("xaikit methods", tmp_path)
    assert "no method 'mycam'" in sh("xaikit run small.yaml --force", tmp_path, fails=True)

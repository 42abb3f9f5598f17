from __future__ import annotations

from pathlib import Path

import xaikit
from runs import config
from xaikit.manifest import fingerprint


def test_the_fingerprint_is_of_what_maps_depend_on(tmp_path: Path) -> None:
    said = config(tmp_path)
    base = fingerprint(xaikit.load(said))
    same = [
        "name=other",
        "report.to=elsewhere",
        "report.overlays=false",
        "data.batch_size=7",
        "data.workers=3",
        "device=cpu",
    ]
    other = [
        "seed=1",
        "layers=stem",
        "target=2",
        "methods.gradcam.finish.fuse=mean",
        "model.kwargs={seed: 2}",
        "data.transform.size=40",
    ]
    assert {fingerprint(xaikit.load(said, [text])) for text in same} == {base}
    assert len({base, *(fingerprint(xaikit.load(said, [text])) for text in other)}) == 1 + len(other)

from __future__ import annotations

from xaikit.planning import Plan, PlannedTrial


def test_a_plan_reads_like_a_sentence() -> None:
    trials = (
        PlannedTrial("gradcam", "gradcam", ("layer4",), "top (k 1)"),
        PlannedTrial("smooth", "smoothgradcampp", ("layer4",), "top (k 1)", 4),
    )
    plan = Plan("resnet50", "cpu", 17, 8, trials, ("layer4",), 1)
    assert plan.batches == 3
    assert str(plan).splitlines() == [
        "17 photographs in 3 batches of 8, resnet50 on cpu",
        "a batch: 1 forward and 1 gradient call for 2 methods at layer4",
        "  gradcam: gradcam at layer4 for top (k 1)",
        "  smooth: smoothgradcampp at layer4 for top (k 1), and 4 further passes a sample",
    ]

from __future__ import annotations

from xaikit.planning import Plan, PlannedTrial


def test_a_plan_reads_like_a_sentence() -> None:
    trials = (
        PlannedTrial("gradcam", "gradcam", ("layer4",), "top (k 1)"),
        PlannedTrial("smooth", "smoothgradcampp", ("layer4",), "top (k 1)", 4),
        PlannedTrial(
            "ablated", "ablationcam", ("layer3", "inner"), "top (k 1)", 7, {"layer3": "joint", "inner": "full"}
        ),
    )
    plan = Plan("resnet50", "cpu", 17, 8, trials, ("layer4",), 1, "at most in memory at once: 16 variants of inputs")
    assert plan.batches == 3
    assert str(plan).splitlines() == [
        "17 photographs in 3 batches of 8, resnet50 on cpu",
        "a batch: 1 forward and 1 gradient call for 3 methods at layer4",
        "  gradcam: gradcam at layer4 for top (k 1)",
        "  smooth: smoothgradcampp at layer4 for top (k 1), and 4 further passes a sample",
        "  ablated: ablationcam at layer3, inner for top (k 1), and 7 further passes a sample, "
        "of what lies behind layer3 alone, of the whole model for inner",
        "at most in memory at once: 16 variants of inputs",
    ]

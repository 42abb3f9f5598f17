"""Which requests are put together."""

from __future__ import annotations

from helpers.hard_nets import Plain, images, seeded
from helpers.joint_requests import assert_close, labelled
from helpers.requests import batch, explain_all, request_for, target
from xaikit.passes.tally import Tally
from xaikit.targets import FunctionTarget

FIRST = target("logit", index=0)


def test_a_target_without_probabilities_takes_them_from_no_other() -> None:
    """Group-CAM weighs by probabilities where there are some; asked together with a target that has none it still does."""
    plain = [
        request_for("groupcam", wanted=FIRST, groups=2),
        request_for("groupcam", wanted=FunctionTarget(lambda output: output[:, 1]), groups=2),
    ]
    requests = [labelled(one, label) for one, label in zip(plain, ("class", "call"), strict=True)]
    together = explain_all(seeded(Plain), batch(images(), [2, 0]), requests, Tally())
    alone = explain_all(seeded(Plain), batch(images(), [2, 0]), requests[:1], Tally())
    assert_close(together["class"], alone["class"], 0.0)
    remarks = {label: " ".join(map(str, one.warnings)) for label, one in together.items()}
    assert "this target has no probability" not in remarks["class"]
    assert "this target has no probability" in remarks["call"]

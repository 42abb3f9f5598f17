from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import xaikit
from xaikit.planning.costs import COPIES, machine_memory
from xaikit.planning.planned import Plan, PlannedBench, PlannedTrial

TRIALS = (
    PlannedTrial("gradcam", "gradcam", ("layer4",), "top1"),
    PlannedTrial("smooth", "smoothgradcampp", ("layer4",), "top1", 4),
    PlannedTrial("ablated", "ablationcam", ("layer3", "inner"), "top1", 7, {"layer3": "joint", "inner": "full"}),
)
BENCH = PlannedBench(
    model="resnet50",
    device="cpu",
    photographs=17,
    batch_size=8,
    trials=TRIALS,
    taps=("layer4",),
    requests=3,
    maps=4,
    gradient_calls=1,
    further=11,
    seconds=100.0,
    memory=3 * 2**20,
    disk=5000,
    done=2,
    chunks="at most in memory at once: 16 variants of inputs",
)


def test_a_plan_reads_like_a_sentence() -> None:
    plan = Plan((BENCH,))
    assert (plan.batches, plan.photographs, plan.trials) == (3, 17, TRIALS)
    assert str(plan).splitlines() == [
        "17 photographs in 3 batches of 8, resnet50 on cpu",
        "a batch: 1 forward and 1 gradient call for 3 trials at layer4",
        "a photograph: 4 raw maps from 3 calls of methods, 11 further passes",
        "  gradcam: gradcam at layer4 for top1",
        "  smooth: smoothgradcampp at layer4 for top1, and 4 further passes a sample",
        "  ablated: ablationcam at layer3, inner for top1, and 7 further passes a sample, "
        "of what lies behind layer3 alone, of the whole model for inner",
        "at most in memory at once: 16 variants of inputs",
        "about 2 min, memory 3 MiB, disk 5 KiB; 2 of 17 photographs are done",
    ]


def test_a_sweep_is_summed_up_and_long_lists_are_cut() -> None:
    many = replace(BENCH, trials=TRIALS * 10)
    lines = str(Plan((BENCH, many), points=6)).splitlines()
    assert (
        lines[0]
        == "6 points of the sweep, 33 trials (a method with its layers, target and finish) on 2 models with their data"
    )
    assert "  ... and 6 more" in lines


def test_augmented_passes_are_counted_and_shown() -> None:
    config = {
        "model": {"source": "samples"},
        "data": {"source": "samples"},
        "methods": {
            "plain": "gradcam",
            "smooth": {"use": "gradcam", "augment": {"flip": True, "scale": [0.9, 1, 1.1]}},
            "noisy": {"use": "smoothgradcampp", "n": 3, "augment": {"noise": 0.1, "draws": 2}},
            "blind": "lafam",
            "shares": {"use": "layercam", "augment": {"flip": True, "scale": [0.9, 1, 1.1]}},
        },
    }
    plan = xaikit.plan(config)
    plain, smooth, noisy, blind, _ = plan.trials
    assert plan.benches[0].further == 5 + 2 + 2 * 3
    assert [trial.further for trial in (plain, smooth, noisy, blind)] == [0, 5, 2 + 2 * 3, 0]
    assert [trial.traces for trial in (plain, smooth, noisy, blind)] == [1, 6, 2, 1]
    assert "gradcam at bn2 for top1, the mean of 6 augmented passes, and 5 further passes a sample" in str(smooth)
    assert str(blind) == "blind: lafam at bn2 for no target, as none plays a part"


def test_gradient_calls_by_rules_that_differ_on_the_network_are_counted() -> None:
    model = {"source": "torchvision", "name": "resnet18", "weights": None}
    config = {"model": model, "data": {"source": "samples"}, "layers": "layer4", "methods": ["gradcam", "libragrad"]}
    assert xaikit.plan(config).benches[0].gradient_calls == 2
    assert xaikit.plan({**config, "methods": ["libragrad", "decompx"]}).benches[0].gradient_calls == 1
    assert xaikit.plan({**config, "methods": ["gradcam", "libragrad", "lrp"]}).benches[0].gradient_calls == 3


def test_memory_knows_the_number_of_targets() -> None:
    def memory(top: int, method: str = "gradcam", batch: int = 2, layers: str = "layer1") -> int:
        data = {"source": "samples", "batch_size": batch}
        model = {"source": "torchvision", "name": "resnet18", "weights": None}
        target = {"use": "top", "k": top}
        config = {"model": model, "data": data, "methods": method, "layers": layers, "target": target}
        (bench,) = xaikit.plan(config).benches
        assert bench.available == machine_memory(torch.device("cpu"))
        return bench.memory

    gradient = 2 * 64 * 56 * 56 * 4
    assert memory(9) - memory(1) == pytest.approx(
        COPIES * 8 * gradient, rel=1e-4
    )  # the classes themselves are kept too
    assert memory(9, batch=4) - memory(9) > COPIES * 9 * gradient
    assert memory(9, "lafam") == memory(1, "lafam"), "no gradient is taken for any target"
    # the backward of a whole ResNet-18 reads the inputs and outputs of all its convolutions
    assert memory(1, layers="input") - memory(1, layers="layer4") > 2 * 20 * 2**20


def test_a_batch_is_no_larger_than_there_are_photographs() -> None:
    names = ["chelsea", "coffee"]
    plans = [
        xaikit.plan(
            {
                "model": {"source": "samples"},
                "data": {"source": "samples", "names": names, "batch_size": size},
                "methods": "gradcam",
            }
        ).benches[0]
        for size in (2, 100_000)
    ]
    assert plans[0].memory == plans[1].memory
    assert str(plans[1]).startswith("2 photographs in 1 batch of 2, ")


def test_a_plan_for_more_memory_than_there_is_says_so() -> None:
    text = str(Plan((replace(BENCH, memory=9 * 2**30, available=8 * 2**30),)))
    assert text.splitlines()[-1] == (
        "more memory than the 8.0 GiB of this machine: lower data.batch_size, or explain fewer targets or layers at once"
    )
    assert "more memory" not in str(Plan((replace(BENCH, memory=8 * 2**30, available=8 * 2**30),)))


def test_what_memory_there_is_need_not_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = machine_memory(torch.device("cpu"))
    assert known is None or known > 2**28
    monkeypatch.delattr("os.sysconf", raising=False)
    assert machine_memory(torch.device("cpu")) is None

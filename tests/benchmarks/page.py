"""The page of the documentation, made of nothing but the JSON files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = {"of_maps": "benchmarks.json", "of_attributions": "benchmarks.attributions.json", "gpu": "benchmarks.gpu.json"}
"""The arguments of :func:`page`, and where their figures lie: those of ``run.py``, ``attributing.py`` and ``cuda.sh``."""

PEERS = ("TorchCAM", "pytorch-grad-cam")
SIDES = ("xaikit", *PEERS)
HEADER = (
    "what",
    "forward",
    *(f"{side} / forward" for side in SIDES),
    *(f"{peer} / xaikit" for peer in PEERS),
    "target",
    "is",
)
INTRO = """\
# Benchmarks

```sh
{command}
```

measures how long it takes from a model and a batch to finished maps of the size of the input, against the bare forward
(`torch.inference_mode`) and against the peers as installed and as their documentation uses them. Every row is one call of
`xaikit.explain` with its defaults; inputs are NCHW, 224 px, weights random and seeded, models in eval mode. The sides of a row
run by turns in one process. A ratio is the median over the rounds of what stood in one round, in brackets the lowest and the
highest. Memory is the peak of a fresh process over the loaded model. Ratios compare within one table, never between two.
xaikit runs convolutional networks channels_last from a batch of four on, so it can take less than the forward of a user who does
not.

{facts}
"""
ALLOCATOR = """\
## The allocator

glibc gives every large tensor back to the kernel, and each forward on the CPU has the same pages cleared and mapped again.
The command line, `xaikit run`, stops that by itself, and with `-v` names the allocator at its end. The library changes nothing in
a process that is yours. There, set both variables before Python starts:

```sh
MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483647 python yours.py
```

The first keeps tensors of up to 1 GiB out of mappings of their own, the second keeps freed memory with the process. Either alone
is not enough, and the second alone is worse than neither: it freezes the first at 128 KiB. The price is that memory once taken is
kept for the next batch.
"""


GPU = """\
## On {device}

By `tests/benchmarks/cuda.sh`, {date}, torch {torch}. {passed} of {count} checks of `tests/device` pass there. A sweep of
144 trials takes {ratio} times as long as decoding and one forward of the same photographs.

"""
ATTRIBUTIONS = """\
## Attributions of the input

`{command}`, beside bare passes (a forward and the gradient at the input), a plain batched loop, and Captum:

{facts}

"""
ATTRIBUTIONS_HEADER = ("what", "xaikit", "xaikit / forward", "others / xaikit", "target", "is")


def write(path: Path, figures: Mapping[str, Any]) -> None:
    """Leave figures as JSON; where they are of ``FILES``, the page of those that lie beside each other is made anew."""
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside = read(path.parent)
    if path.name in FILES.values() and "of_maps" in beside:
        path.with_name("benchmarks.md").write_text(page(**beside), encoding="utf-8")


def read(docs: Path) -> dict[str, Any]:
    """The figures that a folder has, by the argument of :func:`page`."""
    paths = {name: docs / file for name, file in FILES.items()}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}


def page(
    of_maps: Mapping[str, Any],
    of_attributions: Mapping[str, Any] | None = None,
    gpu: Mapping[str, Any] | None = None,
) -> str:
    """The text of docs/benchmarks.md."""
    tables = [
        f"## {name}: {setting['allocator']}\n\n" + _markdown([HEADER, *map(cells, setting["rows"])])
        for name, setting in of_maps["settings"].items()
    ]
    return "\n".join(
        [
            INTRO.format(command=of_maps["command"], facts=_facts(of_maps)),
            *tables,
            *([attributions(of_attributions)] if of_attributions else []),
            *([on_gpu(gpu)] if gpu else []),
            ALLOCATOR,
        ]
    )


def attributions(figures: Mapping[str, Any]) -> str:
    """The section of ``attributing.py``."""
    text = ATTRIBUTIONS.format(command=figures["command"], facts=_facts(figures))
    return text + _markdown([ATTRIBUTIONS_HEADER, *map(attribution_cells, figures["rows"])])


def attribution_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of that table, one text a column."""
    own, most = row["sides"]["xaikit"], row["sides"]["forward"]["rounds"]
    others = {
        name: _spread(ratio) + (" *" if ratio["rounds"] < most else "") for name, ratio in row["of_xaikit"].items()
    }
    return (
        row["title"],
        f"{own['median']:.3g} s",
        _spread(row["of_forward"]["xaikit"]),
        "; ".join(f"{name} {ratio}" for name, ratio in others.items()),
        row["goal"],
        "met" if row["met"] else "not met",
    )


def on_gpu(gpu: Mapping[str, Any]) -> str:
    """The section of a GPU."""
    facts, checks = gpu["facts"], gpu["checks"]
    text = GPU.format(
        device=facts["device"],
        date=facts["date"],
        torch=facts["versions"]["torch"],
        passed=checks["count"] - len(checks["failed"]),
        count=checks["count"],
        ratio=gpu["sweep"].get("ratio", "(not measured)"),
    )
    return text + _markdown([HEADER, *map(cells, gpu["rows"])])


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of the table, one text a column."""
    of_forward, of_xaikit = row["of_forward"], row["of_xaikit"]
    most = row["sides"]["forward"]["rounds"]
    forward = row["sides"]["forward"]["median"]
    return (
        row["title"],
        f"{forward * 1e3:.0f} ms" if row["measure"] == "s" else f"{forward:.0f} MiB",
        _spread(of_forward["xaikit"]),
        *(_median(of_forward.get(peer), most) for peer in PEERS),
        *(_median(of_xaikit.get(peer), most) for peer in PEERS),
        row["goal"],
        "met" if row["met"] else "not met",
    )


def _spread(ratio: Mapping[str, float]) -> str:
    return f"{_number(ratio['median'])} ({_number(ratio['low'])} to {_number(ratio['high'])})"


def _median(ratio: Mapping[str, float] | None, most: int) -> str:
    """Nothing where the peer was not asked; an asterisk where it took part in fewer rounds."""
    if ratio is None:
        return ""
    return _number(ratio["median"]) + (" *" if ratio["rounds"] < most else "")


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _facts(benchmark: Mapping[str, Any]) -> str:
    facts = benchmark["facts"]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    fewer = {"": "slow_rounds", "memory ": "memory_rounds"}
    others = "; ".join(f"{what}{benchmark[key]}" for what, key in fewer.items() if key in benchmark)
    lines = {
        "date": facts["date"],
        "device": facts["device"],
        "cpu": f"{facts['cpu']}, {facts['cores']} cores, {facts['threads']} threads, load {facts['load']} at the start",
        "system": facts["system"],
        "versions": versions,
        "rounds": f"{benchmark['rounds']} after one to warm up (* {others})",
    }
    return "\n".join(f"- {name}: {line}" for name, line in lines.items())


def _markdown(rows: list[tuple[str, ...]]) -> str:
    header, *body = [f"| {' | '.join(row)} |\n" for row in rows]
    return header + f"|{'---|' * len(rows[0])}\n" + "".join(body)

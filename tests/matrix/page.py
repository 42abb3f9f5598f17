"""The page of the documentation, made of nothing but the JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

PACKAGES = ("xaikit", "torch", "torchvision", "timm", "transformers")
INTRO = """\
# Coverage

Every method on {count} networks, {classifiers} of them classifiers; {versions}. Weights are random and seeded, inputs are
small, {samples} in a batch; weights that start at (nearly) zero, as those of heads, gains and layer scales do, are drawn anew,
since a score of nothing has nothing to explain. The layer is what `layers: auto` finds, the finish that of the paper, the
target the class that wins (`region` for segmenters, `box` for detectors). This says that methods work on these networks, not
that maps of random weights mean anything.

```sh
python tests/matrix/run.py --json docs/coverage.json   # makes this page
python tests/matrix/run.py --check                     # fails where it is no longer so; both need pip install -e '.[test]'
python tests/matrix/run.py --check --cover             # the same on few that show all that becomes of every method, as CI does
python tests/matrix/run.py --only resnet18             # one of them, and nothing is written
```

{totals}

- `+` a map: finite, of the input's size, and not the same everywhere, for every sample of the batch
- `0` nothing left to show for some sample, and a warning says why; numbered below
- `r` refused, and the message says why; numbered below

Not with their defaults, to be quick: {options}.
"""


def page(matrix: Mapping[str, Any]) -> str:
    """The text of docs/coverage.md."""
    rows = matrix["architectures"]
    reasons = {mark: numbered(rows, kind) for mark, kind in (("r", "refused"), ("0", "zero"), ("w", "wrong"))}
    parts = [INTRO.format(**_facts(matrix)), _table(rows, reasons)]
    for mark, title in (("w", "Wrong"), ("r", "Refused"), ("0", "Nothing left")):
        if reasons[mark]:
            parts += [f"## {title}\n", "\n".join(_explained(mark, reasons[mark], rows)) + "\n"]
    parts += ["## Layers\n", _layers(rows)]
    return "\n".join(parts)


def versions() -> dict[str, str]:
    """Of what the networks and their answers come from."""
    return {name: metadata.version(name) for name in PACKAGES}


def numbered(rows: Mapping[str, Any], kind: str) -> dict[str, int]:
    """The reasons for which there is no map, as patterns, most frequent first."""
    count = Counter(
        pattern(cell) for row in rows.values() for cell in row["cells"].values() if cell.startswith(f"{kind}: ")
    )
    ordered = sorted(count, key=lambda one: (-count[one], one))
    return {one: place for place, one in enumerate(ordered, 1)}


def pattern(cell: str) -> str:
    """What is the same of a reason on all networks: without its kind and the layer's name, and with N for numbers.

    >>> pattern("refused: layer layer4.1: expected 3 of it, got 0.25 of x12")
    'expected N of it, got N of x12'
    >>> pattern("refused: attention: got (2, 3, 9, 9) in a.0.b, (2, 9, 9) in c: windows")
    'attention: got SHAPES: windows'
    """
    reason = re.sub(r"\blayer \S+: ", "", cell.partition(": ")[2])
    reason = re.sub(r"(\([\d, ]+\) in [\w.]+(, )?)+", "SHAPES", reason)
    return re.sub(r"(?<![\w.])\d+(\.\d+)?(e[-+]\d+)?(?![\w.]*\w)", "N", reason)


def _facts(matrix: Mapping[str, Any]) -> dict[str, Any]:
    rows = matrix["architectures"]
    count = Counter(cell.partition(":")[0] for row in rows.values() for cell in row["cells"].values())
    kinds = {"map": "maps", "zero": "with nothing left", "refused": "refused", "wrong": "wrong"}
    counts = [f"{count[kind]} {text}" for kind, text in kinds.items() if count[kind]]
    options = [
        f"`{method}` " + ", ".join(f"{key} {value}" for key, value in chosen.items())
        for method, chosen in matrix["options"].items()
    ]
    return {
        "count": len(rows),
        "classifiers": sum(row["kind"] == "classifier" for row in rows.values()),
        "versions": ", ".join(f"{name} {version}" for name, version in matrix["versions"].items()),
        "samples": matrix["samples"],
        "totals": f"Of {sum(count.values())} cells: " + ", ".join(counts) + ".",
        "options": "; ".join(options),
    }


def _table(rows: Mapping[str, Any], reasons: Mapping[str, Mapping[str, int]]) -> str:
    methods = list(next(iter(rows.values()))["cells"])
    marked = [[name, *(_mark(row["cells"][method], reasons) for method in methods)] for name, row in rows.items()]
    return _markdown([["", *methods], *marked])


def _mark(cell: str, reasons: Mapping[str, Mapping[str, int]]) -> str:
    mark = {"map": "+", "refused": "r", "zero": "0", "wrong": "w"}[cell.partition(":")[0]]
    return mark if mark == "+" else f"{mark}<sub>{reasons[mark][pattern(cell)]}</sub>"


def _explained(mark: str, reasons: Mapping[str, int], rows: Mapping[str, Any]) -> Iterator[str]:
    for reason, number in reasons.items():
        where: dict[str, list[str]] = {}
        for name, row in rows.items():
            for method, cell in row["cells"].items():
                if cell != "map" and pattern(cell) == reason:
                    where.setdefault(method, []).append(name)
        places = "; ".join(f"`{method}` on {_few(names, len(rows))}" for method, names in where.items())
        yield f"- {mark}{number}: {reason}  \n  {places}"


def _few(names: list[str], most: int) -> str:
    return "all" if len(names) == most else ", ".join(names) if len(names) <= 8 else f"{len(names)} networks"


def _layers(rows: Mapping[str, Any]) -> str:
    header = ["network", "family", "from", "input", "layer that `auto` finds", "seconds of CPU"]
    body = [
        [
            name,
            row["family"] + ("" if row["kind"] == "classifier" else f" ({row['kind']})"),
            row["source"],
            " x ".join(map(str, row["input"])),
            "; ".join(f"`{layer}` {shape}" for layer, shape in row["layers"].items()) or "none",
            f"{row['seconds']:.1f}",
        ]
        for name, row in rows.items()
    ]
    return _markdown([header, *body])


def _markdown(rows: list[list[str]]) -> str:
    header, *body = [f"| {' | '.join(row)} |\n" for row in rows]
    return header + f"|{'---|' * len(rows[0])}\n" + "".join(body)

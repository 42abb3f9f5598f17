"""The pages that the code writes: docs/hooks.md from the hookspecs, docs/methods.md and docs/targets.md from the cards.

``python docs/generate.py`` writes them; tests/docs/test_pages.py fails where they differ from the code. The table of
docs/methods.md is of docs/discrimination.json, which docs/discrimination.py writes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xaikit import finish, hookspecs, layouts, method, metric, sources, targets
from xaikit.cli.cards import card
from xaikit.registry import KINDS, Registry
from xaikit.runner import executors

HERE = Path(__file__).parent
PROTOCOLS: dict[str, type] = {
    "method": method.Method,
    "metric": metric.Metric,
    "target": targets.Target,
    "rectifier": finish.Rectifier,
    "normalizer": finish.Normalizer,
    "scaler": finish.Scaler,
    "resizer": finish.Resizer,
    "fuser": finish.Fuser,
    "model": sources.ModelSource,
    "data": sources.DataSource,
    "layout": layouts.Arrangement,
    "executor": executors.Executor,
    "observer": hookspecs.Observer,
}
MADE = "<!-- made by `python docs/generate.py`; do not edit -->"
DISCRIMINATION = """
## Class discrimination

Which method tells classes apart? The share of the positive map that lies in the cell of its own class, on a collage of 448
pixels of four photographs (a cat, an espresso, a missile, and a motorcycle that nobody asks for), by EfficientNet-Lite0 with
its real weights, at the layer that `auto` chooses. Every map is rectified and upsampled the same way, whatever its paper
does. 1 is all of it; chance is the area of the cell, which is what a map has that knows nothing. Below pooling and a linear
head several methods are one by theorem (Grad-CAM, HiResCAM, XGrad-CAM, CAM and others), so their rows agree. The zero of
Recipro-CAM's map is moved by the bias of the head, so that its positive part says less than others'. One collage is a
demonstration and no benchmark: small differences mean nothing, and large ones may turn. The sign of
Seg-Eigen-CAM's map goes by its largest deviation, and on another picture all of it may lie in the wrong cell.

```sh
python docs/discrimination.py
python docs/discrimination.py --picture dog_and_cat.png --cell "243: 0,0,1,0.5" --cell "281: 0,0.5,1,1" --overlays runs/cells
```

makes the table again (then `python docs/generate.py`), and the same for a picture of your own: a class index, and left,
top, right and bottom of its cell in shares of the sides.
""".splitlines()
TARGETS = """`xaikit methods NAME --kind target` shows these cards. In a config, `target: top1` or
`target: {use: margin, ...}`; `xaikit.explain(..., target=...)` takes the same, a class index, one index a sample, or a callable.
A target is pinned once, on the clean pass: what is chosen there is scored in every later pass.""".splitlines()
LAYOUTS = """How a tensor at a layer is arranged is found from its shape and the model. Where these do not tell, `model.layout`
of a config and `xaikit.explain(..., layout=...)` say it, and `input_layout` likewise how the model takes its input;
`xaikit methods NAME --kind layout` shows these cards.""".splitlines()


def hooks() -> str:
    """Every hook with its signature and docstring, and the class that it returns."""
    return "\n".join([MADE, "", "# Hooks", "", _prose(hookspecs), *_hooks()]) + "\n"


def _hooks() -> Iterator[str]:
    kinds = {kind.hook: name for name, kind in KINDS.items()}
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, f"{hookspecs.PROJECT}_spec"):
            yield from ("", f"## {name}", "", _python(f"def {name}{inspect.signature(hook, eval_str=True)}"), "")
            yield _prose(hook)
            if name in kinds:
                yield from ("", _contract(kinds[name]))


def _contract(kind: str) -> str:
    """What the class offers, as its protocol states it."""
    reserved = ", ".join(f"`{word}`" for word in sorted(KINDS[kind].reserved))
    protocol = PROTOCOLS[kind]
    where = f"`{protocol.__module__}.{protocol.__name__}`"
    text = f"The class keeps {where}; no option is called {reserved}:\n\n{_source(protocol)}"
    if kind == "target":
        return f"{text}\n\nWhat it pins keeps `xaikit.targets.Pinned`:\n\n{_source(targets.Pinned)}"
    if kind == "observer":
        told = (hookspecs.RunStarted, hookspecs.ShardDone, hookspecs.RunDone, hookspecs.RunFailed)
        handed = "\n\n".join(map(_source, told))
        return f"{text}\n\nThe hooks of who listens:\n\n{_source(hookspecs.ObserverHooks)}\n\nWhat is handed over:\n\n{handed}"
    return text


def _source(protocol: type) -> str:
    return _python(inspect.getsource(protocol).strip())


def methods() -> str:
    """The cards of all methods, behind the table of what they tell apart."""
    found = json.loads((HERE / "discrimination.json").read_text(encoding="utf-8"))
    intro = "`xaikit methods NAME` shows these cards. F is a forward of the model for a batch, T a pass of what lies behind the"
    parts = [MADE, "", "# Methods", "", f"{intro}\nlayer, the tail.", *DISCRIMINATION, "", discrimination_table(found)]
    return "\n".join([*parts, *_cards("method")]) + "\n"


def targets_page() -> str:
    """The cards of all targets and layouts."""
    parts = [MADE, "", "# Targets", "", *TARGETS, *_cards("target"), "", "# Layouts", "", *LAYOUTS, *_cards("layout")]
    return "\n".join(parts) + "\n"


def _cards(kind: str) -> list[str]:
    registry = Registry()
    own = [entry.name for entry in registry.catalogue(kind) if entry.distribution == "xaikit"]
    return [f"\n## {name}\n\n```text\n{card(registry.find(kind, f'xaikit:{name}'))}\n```" for name in own]


def discrimination_table(found: Mapping[str, Any]) -> str:
    """What docs/discrimination.py measured: class-specific methods, then the controls, then those left out."""
    names = [f"{cell['name']} ({cell['class']})" for cell in found["cells"]]
    chances = [_area(cell["box"]) for cell in found["cells"]]
    rows = [["method", "mean", *names, "options"], ["---"] * (len(names) + 3)]
    rows += [_row(row) for row in found["rows"] if row["class_specific"]]
    rows += [["*does not know the class:*", *[""] * (len(names) + 2)]]
    rows += [_row(row) for row in found["rows"] if not row["class_specific"]]
    rows += [["*chance*", _share(sum(chances) / len(chances)), *map(_share, chances), ""]]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    left_out = [f"- `{name}` is left out: {reason}" for name, reason in sorted(found["left_out"].items())]
    return "\n".join([table, *(["", *left_out] if left_out else [])])


def _row(row: Mapping[str, Any]) -> list[str]:
    options = ", ".join(f"{name} {value}" for name, value in row["options"].items())
    return [f"`{row['method']}`", *map(_share, [row["mean"], *row["shares"]]), options]


def _share(share: float | None) -> str:
    return "no map" if share is None else f"{share:.2f}"


def _area(box: list[float]) -> float:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)


def _python(code: str) -> str:
    return f"```python\n{code}\n```"


def _prose(subject: Any) -> str:
    # the docstrings are reStructuredText, the page is not
    return re.sub(":[a-z]+:`", "`", inspect.cleandoc(subject.__doc__ or "").replace("``", "`"))


PAGES = {"hooks.md": hooks, "methods.md": methods, "targets.md": targets_page}

if __name__ == "__main__":
    for page, made in PAGES.items():
        (HERE / page).write_text(made(), encoding="utf-8")
        print(f"wrote {HERE / page}")

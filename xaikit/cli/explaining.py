"""``xaikit explain``: photographs in, pictures out, without any YAML."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xaikit.cli.terminal import echo
from xaikit.errors import ConfigError, DataError
from xaikit.plain.text import typed_value

if TYPE_CHECKING:
    from xaikit import Explanation
    from xaikit.notebook.models import NamedModel

SOME_FAILED = 1


@click.command()
@click.argument("photographs", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "--model", required=True, metavar="SOURCE:NAME", help="Such as torchvision:resnet50, timm:vit_tiny_patch16_224."
)
@click.option("--method", "methods", multiple=True, help="Grad-CAM by default; may be given more than once.")
@click.option(
    "--out", help="The picture, or a folder for several; its ending says the format. By default PHOTO.METHOD.png."
)
@click.option("--layers", default="auto", show_default=True, help="Names or globs, with commas between them.")
@click.option(
    "--target", default="top1", show_default=True, help="A class by index or name, or a target as a YAML says it."
)
@click.option("--weights", help="Of the model: a name that its source knows, or a file.")
@click.option("--random", is_flag=True, help="Random weights, so that nothing is downloaded.")
@click.option(
    "--transform",
    help="How pictures are prepared, as a YAML says it: imagenet, ./mine.py:transform, '{size: 64, crop: 64}'.",
)
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="More of the model, as below model: of a YAML."
)
@click.option("--device", default="auto", show_default=True)
def explain(
    photographs: tuple[str, ...],
    model: str,
    methods: tuple[str, ...],
    out: str | None,
    layers: str,
    target: str,
    weights: str | None,
    random: bool,
    transform: str | None,
    options: tuple[str, ...],
    device: str,
) -> None:
    """Explain PHOTO by a model and write the map over it; exit code 1 where one of several cannot be read.

    xaikit explain photo.jpg --model torchvision:resnet50 --method gradcam --out photo.gradcam.png
    """
    from xaikit.api import DEFAULT_METHOD
    from xaikit.config.arguments import typed_target
    from xaikit.notebook.models import open_model

    methods = methods or (DEFAULT_METHOD,)
    paths = _paths(photographs, methods, out)
    opened = open_model(
        model,
        dict(map(_option, options)),
        weights=weights,
        random=random,
        transform=None if transform is None else typed_value(transform, "--transform"),
        device=device,
    )
    names, stated = [name.strip() for name in layers.split(",")], typed_target(target, "--target", opened.classes or ())
    failed = False
    for photograph in photographs:
        try:
            explanations = _explained(opened, photograph, methods, names, stated)
        except DataError as error:
            if len(photographs) == 1:
                raise
            failed = True
            echo(f"{error}" if photograph in str(error) else f"{photograph}: {error}", err=True)
            continue
        for method, explanation in explanations.items():
            echo("\n".join(_saved(explanation, photograph, paths[photograph, method])))
    if failed:
        sys.exit(SOME_FAILED)


def _explained(
    opened: NamedModel, photograph: str, methods: Sequence[str], layers: Sequence[str], target: Any
) -> dict[str, Explanation]:
    from xaikit.api import explain
    from xaikit.passes.raised import naming_the_layer

    with naming_the_layer(opened.module):
        return explain(
            opened.module,
            photograph,
            list(methods),
            transform=opened.transform,
            layers=list(layers),
            target=target,
            classes=opened.classes,
            output=opened.output,
        )


def _saved(explanation: Explanation, photograph: str, path: Path) -> Iterator[str]:
    """Write the picture, and say what is on it."""
    explanation.save(path)
    explained = ", ".join(explanation.in_words(0))
    yield f"{photograph}: {explained} by {explanation.label} at {', '.join(explanation.maps)}: {path}"
    if explanation.shown is not None and explanation.shown.note:
        yield f"  drawn over {explanation.shown.note}"
    yield from (f"  warning: {remark.layer}: {remark.reason}" for remark in explanation.warnings)


def _paths(photographs: Sequence[str], methods: Sequence[str], out: str | None) -> dict[tuple[str, str], Path]:
    """Where each picture goes. Raises ConfigError where several would go to one file, or one over a photograph."""
    paths = _named(photographs, methods, out)
    for path in paths.values():
        for photograph in photographs:
            if path.exists() and Path(photograph).exists() and path.samefile(photograph):
                raise ConfigError(f"--out: expected another file than the photographs, got {photograph!r}")
    return paths


def _named(photographs: Sequence[str], methods: Sequence[str], out: str | None) -> dict[tuple[str, str], Path]:
    pairs = [(photograph, method) for photograph in photographs for method in methods]
    folder = Path() if out is None else Path(out)
    if out is not None and (len(pairs) == 1 or folder.suffix):
        if len(pairs) > 1:
            raise ConfigError(f"--out: expected a folder for {len(pairs)} pictures, got {out!r}")
        return {pairs[0]: folder if folder.suffix else folder / f"{Path(pairs[0][0]).stem}.{pairs[0][1]}.png"}
    paths = {pair: folder / f"{Path(pair[0]).stem}.{pair[1]}.png" for pair in pairs}
    if len(set(paths.values())) < len(paths):
        raise ConfigError("PHOTO: expected files of different names, as that of a picture is PHOTO.METHOD.png")
    return paths


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ConfigError(f"--option: expected KEY=VALUE, got {text!r}")
    return key, typed_value(value, f"--option {key}")

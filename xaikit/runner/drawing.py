"""Overlays of what is stored, so that picture, page and query agree."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from xaikit.bench.bench import Bench
from xaikit.finish import finish_maps
from xaikit.report import is_signed, overlay, overlay_name, picture_name
from xaikit.runner.results import ShardResults
from xaikit.store import Failure, Store, save_picture
from xaikit.trials.placement import NamedTrial


@dataclass(frozen=True)
class Drawer:
    """Draws the trials of one bench.

    stems  the file stem of each photograph
    """

    store: Store
    bench: Bench
    stems: Mapping[str, str]

    def shard(self, gathered: ShardResults) -> list[Failure]:
        """What the model saw of every picture of a shard, and the finished maps of every trial over it.

        Returns:
            What could not be finished or drawn; the raw maps are kept all the same.

        Raises:
            OSError: the disk does not take the pictures.
        """
        failures = []
        for place, picture in gathered.pictures.items():
            name = picture.photograph.name
            save_picture(self.store.folder, picture_name(self.stems[name]), picture.seen)
            placed = [each for each in self.bench.placed if (place, each.trial.evidence) in gathered.explained]
            raws = {each.name: gathered.decoded(self._keys(each), place) for each in placed}
            failures += self.overlays(name, picture.digest, picture.seen, placed, raws)
        return failures

    def overlays(
        self,
        name: str,
        image: str,
        seen: Image.Image,
        placed: Iterable[NamedTrial],
        raws: Mapping[str, Mapping[str, Tensor]],
    ) -> list[Failure]:
        """The overlays of one photograph.

        Args:
            seen: the photograph as the model saw it.
            raws: the raw maps (T, *S) by trial and key.
        """
        failures = []
        for each in placed:
            try:
                self._draw(name, seen, each, raws[each.name])
            except OSError:
                raise
            except Exception as error:  # a finisher of somebody else may raise anything
                said = f"{each.name}: the map cannot be finished: {type(error).__name__}: {error}"
                details = "".join(traceback.format_exception(error))
                failures.append(Failure(self.bench.key, name, image, each.trial.evidence, said, details))
        return failures

    def _keys(self, placed: NamedTrial) -> tuple[str, ...]:
        return self.bench.asked[placed.trial.evidence].keys

    def _draw(self, name: str, seen: Image.Image, placed: NamedTrial, raws: Mapping[str, Tensor]) -> None:
        asked, reached = self.bench.asked[placed.trial.evidence], self.bench.reached
        assert reached is not None
        by_layer = {
            str(tap): raws[key].unsqueeze(0)
            for tap, key in zip(asked.taps, asked.keys, strict=True)
            if raws[key].dim() == 3  # only maps of pictures are drawn
        }
        strides = {layer: reached.stride(layer) for layer in by_layer}
        fused = finish_maps(self.bench.finishes[placed.trial.id], by_layer, strides, reached.space)[1]
        if fused is None:
            return
        for column, saliency in enumerate(fused[0]):
            picture = overlay(seen, saliency, signed=is_signed(placed.trial.finish.plain()))
            save_picture(self.store.folder, overlay_name(self.stems[name], placed.name, column), picture)

"""Overlays of what is stored, so that picture, page and query agree."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from xaikit.bench.bench import Bench
from xaikit.finish import finish_maps
from xaikit.report import is_signed, overlay, overlay_name, picture_name
from xaikit.runner.results import ShardResults
from xaikit.store import Failure, Store, decode, save_picture
from xaikit.trials.placement import NamedTrial


@dataclass(frozen=True)
class Drawer:
    """Draws the trials of one bench.

    stems  the file stem of each photograph
    """

    store: Store
    bench: Bench
    stems: Mapping[str, str]

    def shard(self, results: ShardResults, encoded: Mapping[str, Tensor]) -> list[Failure]:
        """What the model saw of every picture of a shard, and the finished maps of every trial over it.

        Returns:
            What could not be finished or drawn; the raw maps are kept all the same.

        Raises:
            OSError: the disk does not take the pictures.
        """
        failures: list[Failure] = []
        explained = results.explained()
        maps = {key: decode(key, encoded) for key in results.keys}
        for place, picture in results.pictures.items():
            name = picture.photograph.name
            save_picture(self.store.folder, picture_name(self.stems[name]), picture.rgb)
            for each in self.bench.trials:
                if (place, each.trial.evidence) not in explained:
                    continue
                try:
                    self._draw(name, picture.rgb, each, {key: raw[place] for key, raw in maps.items()})
                except OSError:
                    raise
                except Exception as error:  # a finisher of somebody else may raise anything
                    message = f"{each.name}: the map cannot be finished: {type(error).__name__}: {error}"
                    details = "".join(traceback.format_exception(error))
                    key = self.bench.opened.key
                    failures.append(Failure(key, name, picture.digest, each.trial.evidence, message, details))
        return failures

    def _draw(self, name: str, rgb: Image.Image, named: NamedTrial, raws: Mapping[str, Tensor]) -> None:
        evidence, probe = self.bench.evidence[named.trial.evidence], self.bench.probe
        by_layer = {
            str(tap): raws[key].unsqueeze(0)
            for tap, key in zip(evidence.request.taps, evidence.maps, strict=True)
            if raws[key].dim() == 3  # only maps of pictures are drawn
        }
        strides = {layer: probe.stride(layer) for layer in by_layer}
        fused = finish_maps(self.bench.finishes[named.trial.id], by_layer, strides, probe.space)[1]
        if fused is None:
            return
        for column, saliency in enumerate(fused[0]):
            picture = overlay(rgb, saliency, signed=is_signed(named.trial.finish.plain()))
            save_picture(self.store.folder, overlay_name(self.stems[name], named.name, column), picture)

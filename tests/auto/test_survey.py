from __future__ import annotations

from pathlib import Path

import torch

from helpers.runs import tiny
from xaikit.auto.survey import HEADER, survey


def test_rows_in_order_with_verdicts(tmp_path: Path) -> None:
    net = tiny(tmp_path).train()
    rows = survey(net, torch.rand(1, 3, 32, 32), lambda output: output.max(1).values)
    assert [row.name for row in rows] == ["stem.0", "stem.1", "stem", "body.0", "body.1", "body", "pool"]
    by_name = {row.name: row for row in rows}
    assert (by_name["body"].grid, by_name["body"].stride, by_name["body"].verdict) == ((8, 8), 4.0, "auto: body")
    assert net.training
    assert HEADER == ("layer", "module", "returns", "grid", "stride", "")
    assert rows[5].cells == ("body", "Sequential", "1x8x8x8", "8x8", "4", "auto: body")

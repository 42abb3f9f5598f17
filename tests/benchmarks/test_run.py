from __future__ import annotations

from argparse import Namespace

from benchmarks.rows import chosen
from benchmarks.run import outcome


def test_the_outcome_of_a_setting_has_its_rows_in_order() -> None:
    rows = [row for row in chosen("ResNet-50 layer4, batch 8") if row.measure != "MiB"]
    assert rows
    timed = {"allocator": "glibc", "seconds": {row.title: {name: [1.0, 2.0] for name in row.compared} for row in rows}}
    found = outcome("default", timed, Namespace(rows="ResNet-50 layer4, batch 8"))
    assert found["allocator"] == "glibc"
    assert len(found["rows"]) == len(rows)

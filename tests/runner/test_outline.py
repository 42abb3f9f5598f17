from __future__ import annotations

from pathlib import Path

import pytest

from helpers.runs import config
from xaikit.runner.outline import outline


def test_an_outline_says_what_varies_of_models_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t")
    values = config(tmp_path, sweep={"model.kwargs.token": ["${oc.env:TOKEN}", "own"], "seed": [0, 1]})
    values["model"]["kwargs"] = {"token": "${oc.env:TOKEN}"}
    models = [line.partition(" on ")[0] for line in outline(values).splitlines()[1:]]
    factory = values["model"]["factory"]
    assert models == [f"{factory} (model.kwargs.token=${{oc.env:TOKEN}})", f"{factory} (model.kwargs.token=own)"]
    assert outline({**values, "sweep": None}).splitlines()[1].startswith(f"{factory} on 3 photographs")

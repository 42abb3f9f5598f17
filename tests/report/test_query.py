import sys
import uuid
from pathlib import Path

import pytest

from helpers.run_folders import BENCH, SIGNED, commit, planned, row, trial
from xaikit.cli.tables import as_csv, as_text
from xaikit.errors import StoreError
from xaikit.plain.remarks import ALL_NEGATIVE
from xaikit.report.report import Report
from xaikit.store.compact import compact
from xaikit.store.rows import Failure
from xaikit.store.store import Store

SWEPT = "methods.sharp.top_channels"
TRIALS = [
    trial(f"sharp/{count}", label="sharp", evidence=f"e{count}", options={"top_channels": count}, where={SWEPT: count})
    for count in (8, 16)
]
REMARKS = [f"layer4: {ALL_NEGATIVE}", "layer4: zero gradients"]


def filled(where: str | Path) -> Store:
    store = planned(where, [*TRIALS, trial("signed", evidence="e8", **SIGNED)], ("b.jpg", "a.jpg"))
    commit(
        store,
        "000000-a",
        [row("a.jpg", evidence="e8", score=1.0), row("b.jpg", evidence="e8", score=2.0, warnings=REMARKS)],
    )
    commit(store, "000001-b", [row("a.jpg", evidence="e16", score=3.0), row("b.jpg", evidence="of another plan")])
    store.write_failures([Failure(BENCH, "b.jpg", "", "e16", "cut short"), Failure(BENCH, "c.jpg", error="no picture")])
    return store


@pytest.fixture
def report(tmp_path: Path) -> Report:
    filled(tmp_path)
    return Report(tmp_path)


def test_records_have_a_row_for_every_photograph_and_trial(report: Report) -> None:
    answer = report.query("SELECT name, trial, score FROM records ORDER BY position, trial, score")
    assert [tuple(each.values()) for each in answer.to_pylist()] == [
        ("b.jpg", "sharp/8", 2.0), ("b.jpg", "signed", 2.0),
        ("a.jpg", "sharp/16", 3.0), ("a.jpg", "sharp/8", 1.0), ("a.jpg", "signed", 1.0),
    ]  # fmt: skip
    assert answer.num_rows == len(report.records)


def test_records_have_the_columns_of_a_record(report: Report) -> None:
    (answer,) = report.query("SELECT * FROM records WHERE name = 'b.jpg' AND trial = 'sharp/8'").to_pylist()
    (record,) = (each for each in report.records if (each.name, each.trial) == ("b.jpg", "sharp/8"))
    for name in ("image", "name", "stem", "trial", "label", "target", "target_name", "column", "score", "prediction",
                 "prediction_name", "probability", "seconds"):  # fmt: skip
        assert answer[name] == getattr(record, name), name
    assert tuple(answer["warnings"]) == record.warnings == tuple(REMARKS)
    assert (answer["method"], answer["model"], answer["options"]) == ("gradcam", "resnet50", '{"top_channels": 8}')


def test_a_swept_key_is_a_column(report: Report) -> None:
    answer = report.query(f'SELECT "{SWEPT}" AS swept, avg(score) AS mean FROM records GROUP BY ALL ORDER BY swept')
    assert answer.to_pydict() == {"swept": [8, 16, None], "mean": [1.5, 3.0, 1.5]}


def test_swept_keys_may_be_named_like_anything(tmp_path: Path) -> None:
    keys = ['methods.a"b.x', "seed", "target", "name", "column", "drops_negative", "position", "methods.it's.x"]
    where = {**dict.fromkeys(keys, 1), "methods.Sharp.x": 2, "methods.sharp.x": 3}
    commit(planned(tmp_path, [trial(where=where)]), "000000-a", [row()])
    (answer,) = Report(tmp_path).query("SELECT * FROM records").to_pylist()
    assert (answer['methods.a"b.x'], answer["methods.it's.x"], answer["target"], answer["seed"]) == (1, 1, 281, 0)
    assert (answer["name"], answer["column"], answer["position"]) == ("cat.jpg", 0, 0)
    assert sorted(value for key, value in answer.items() if key.lower().startswith("methods.sharp.x")) == [2, 3]


def test_warnings_are_those_of_the_finish(report: Report) -> None:
    answer = report.query("SELECT trial, warnings FROM records WHERE name = 'b.jpg' ORDER BY trial")
    assert answer.to_pydict() == {"trial": ["sharp/8", "signed"], "warnings": [REMARKS, REMARKS[1:]]}


def test_trials_photographs_and_failures_are_views(report: Report) -> None:
    assert report.query("SELECT count(*) AS n FROM trials").to_pydict() == {"n": [3]}
    assert report.query("SELECT name FROM photographs ORDER BY position").to_pydict() == {"name": ["b.jpg", "a.jpg"]}
    answer = report.query("SELECT name, trials, error FROM failures ORDER BY name").to_pylist()
    assert [tuple(each.values()) for each in answer] == [
        ("b.jpg", "sharp/16", "cut short"),
        ("c.jpg", "", "no picture"),
    ]


@pytest.mark.parametrize("text", ["it's", "[a]*?{b}", "seed=7"])
def test_any_folder_can_be_asked(tmp_path: Path, text: str) -> None:
    filled(tmp_path / text)
    assert Report(tmp_path / text).query("FROM records").num_rows == 5


def test_a_remote_folder_can_be_asked() -> None:
    address = f"memory://{uuid.uuid4().hex}/run"
    filled(address)
    report = Report(address)
    assert report.query("FROM records").num_rows == len(report.records) == 5


def test_a_run_without_rows_answers_with_none(tmp_path: Path) -> None:
    planned(tmp_path)
    report = Report(tmp_path)
    assert report.query("SELECT name, trial, warnings FROM records").num_rows == 0
    assert report.query("FROM failures").num_rows == 0


def test_after_compacting_the_answers_are_the_same(tmp_path: Path) -> None:
    store, sql = filled(tmp_path), "FROM records ORDER BY ALL"
    before = Report(tmp_path).query(sql)
    assert compact(store, [BENCH]) == 2
    assert Report(tmp_path).query(sql).equals(before)


@pytest.mark.parametrize(
    ("sql", "message"),
    [("SELEC 1", "syntax error"), ("SELECT nmae FROM records", "nmae"), ("FROM report", "report does not exist")],
)
def test_a_wrong_query_is_an_error_with_the_views_there_are(report: Report, sql: str, message: str) -> None:
    with pytest.raises(StoreError, match=rf"(?s)query: .*{message}.*there are the views records .*failures"):
        report.query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{folder}/plan.json'",
        "COPY (FROM records) TO '{folder}/out.parquet'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.db'",
        "FROM read_csv('{folder}/plan.json')",
        "FROM read_text('{folder}/plan.json')",
        "FROM read_parquet('{folder}/trials.parquet')",
        "FROM glob('{folder}/*')",
        "FROM '{folder}/trials.parquet'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "FROM read_csv('https://example.org/a.csv')",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "SET temp_directory = '{folder}/out'",
    ],
)
def test_a_query_reaches_nothing_but_the_views(tmp_path: Path, sql: str) -> None:
    filled(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(StoreError, match="query: "):
        Report(tmp_path).query(sql.format(folder=tmp_path))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert Report(tmp_path).query("FROM records").num_rows == 5


def test_columns_of_one_name_are_told_apart(report: Report) -> None:
    sql = "SELECT t.name, p.name, p.name, 1 AS name_1 FROM trials t, photographs p LIMIT 1"
    answer = report.query(sql)
    assert answer.column_names == ["name", "name_2", "name_3", "name_1"]
    assert as_text(answer).splitlines()[0].split() == answer.column_names
    assert as_csv(report.query("SELECT 1 AS a, 2 AS a")) == "a,a_1\n1,2"


def test_a_damaged_part_is_an_error_with_its_name(tmp_path: Path) -> None:
    store = filled(tmp_path)
    report = Report(tmp_path)
    part = tmp_path / store.parts()[0]
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(StoreError, match=part.name):
        report.query("FROM records")


def test_no_query_has_no_answer(report: Report) -> None:
    assert report.query("").num_rows == 0


def test_pandas_has_the_records_in_their_order(report: Report) -> None:
    frame = report.to_pandas()
    assert frame["trial"].tolist() == ["sharp/8", "signed", "sharp/16", "sharp/8", "signed"]
    assert frame[SWEPT].isna().sum() == 2


def test_without_pandas_the_message_says_what_to_install(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(StoreError, match=r"pandas is not installed: pip install 'xaikit\[pandas\]'"):
        report.to_pandas()

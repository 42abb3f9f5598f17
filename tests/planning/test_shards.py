from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaikit.planning.shards import Shard, cut, rounds

ALL, ONE = frozenset({"a", "b"}), frozenset({"b"})
NONE: frozenset[str] = frozenset()


def test_a_new_run_is_cut_into_windows_of_whole_batches() -> None:
    shards = cut(3, [ALL] * 7, batch_size=2, shard_size=3, order=("b", "a"))
    assert shards == [Shard(3, 0, ((0, 1), (2, 3)), ("b", "a")), Shard(3, 1, ((4, 5), (6,)), ("b", "a"))]
    assert shards[0].positions == (0, 1, 2, 3)


def test_photographs_that_miss_the_same_go_together_in_the_batches_of_the_plan() -> None:
    missing = [ALL, NONE, ONE, ALL, ONE, NONE]
    assert cut(0, missing, batch_size=2, shard_size=6, order=("a", "b")) == [
        Shard(0, 0, ((0,), (3,)), ("a", "b")),
        Shard(0, 0, ((2,), (4,)), ("b",)),
    ]


def test_nothing_missing_is_no_shard() -> None:
    assert cut(0, [NONE] * 3, batch_size=2, shard_size=2, order=("a",)) == []
    assert cut(0, [], batch_size=2, shard_size=2, order=("a",)) == []


@given(st.lists(st.sampled_from([ALL, ONE, NONE])), st.integers(1, 4), st.integers(1, 9))
def test_what_is_missing_is_done_once_and_batches_begin_where_the_whole_plan_has_them(
    missing: list[frozenset[str]], batch_size: int, shard_size: int
) -> None:
    shards = cut(0, missing, batch_size=batch_size, shard_size=shard_size, order=("a", "b"))
    done = Counter((position, key) for shard in shards for position in shard.positions for key in shard.evidence)
    assert done == Counter((position, key) for position, keys in enumerate(missing) for key in keys)
    for shard in shards:
        assert all(len({position // batch_size for position in batch}) == 1 for batch in shard.batches)


def test_alone_is_a_photograph_at_a_time() -> None:
    alone = Shard(1, 2, ((0, 1), (4,)), ("a",)).alone()
    assert [each.positions for each in alone] == [(0,), (1,), (4,)]
    assert {(each.bench, each.number, each.evidence) for each in alone} == {(1, 2, ("a",))}


@pytest.mark.parametrize(
    ("together", "order"), [(False, [(0, 0), (0, 1), (1, 0), (1, 1)]), (True, [(0, 0), (1, 0), (0, 1), (1, 1)])]
)
def test_benches_follow_each_other_or_go_together(together: bool, order: list[tuple[int, int]]) -> None:
    shards = [Shard(bench, number, ((0,),), ("a",)) for bench in (1, 0) for number in (1, 0)]
    assert [(shard.bench, shard.number) for shard in rounds(shards, together=together)] == order

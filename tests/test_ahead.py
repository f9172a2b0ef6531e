"""What runs ahead in threads comes out as if it had not: in order, with its errors, and closed when nobody wants more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from llmaudit.sources.ahead import Ahead, in_turn


def test_items_come_in_their_order():
    assert list(Ahead(iter(range(50)))) == list(range(50))


def test_an_error_is_raised_where_the_items_are_asked_for_and_what_came_before_it_is_not_lost():
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    items = Ahead(broken())
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_items_nobody_wants_are_not_worked_out_and_their_maker_is_closed():
    made: list[int] = []
    closed: list[bool] = []

    def many() -> Iterator[int]:
        try:
            for number in range(10_000):
                made.append(number)
                yield number
        finally:
            closed.append(True)

    with closing(Ahead(many())) as items:
        assert next(items) == 0
    assert closed == [True]
    assert len(made) < 10


@pytest.mark.parametrize("most", [1, 2, 5])
def test_groups_come_in_turn_with_their_own_items_whether_they_run_ahead_or_not(most):
    def items_of(group: int) -> Iterator[tuple[int, int]]:
        yield from ((group, item) for item in range(group))

    with closing(in_turn(range(6), items_of, lambda group: group != 3, most)) as turns:
        found = [(group, list(items)) for group, items in turns]
    assert found == [(group, [(group, item) for item in range(group)]) for group in range(6)]


def test_groups_that_were_opened_ahead_are_closed_when_one_before_them_fails():
    closed: list[int] = []

    def items_of(group: int) -> Iterator[int]:
        try:
            if group == 0:
                raise ValueError("not this one")
            while True:
                yield group
        finally:
            closed.append(group)

    def take() -> None:
        with closing(in_turn([0, 1, 2], items_of, bool, 2)) as turns:
            for _, items in turns:
                list(items)

    with pytest.raises(ValueError, match="not this one"):
        take()
    assert sorted(closed) == [0, 1, 2]

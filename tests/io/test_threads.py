import threading
from collections.abc import Iterator

import pytest

from cryoal.io.threads import in_threads


def test_results_come_in_order_and_items_are_taken_as_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = in_threads(lambda i: i * i, items(), threads=3, ahead=5)
    assert next(results) == 0
    assert len(taken) == 6
    assert [*results] == [i * i for i in range(1, 100)]


def test_work_is_done_side_by_side() -> None:
    meeting = threading.Barrier(4, timeout=30)
    assert sorted(in_threads(lambda _: meeting.wait(), range(4), threads=4)) == [0, 1, 2, 3]


def test_the_first_error_ends_it_and_what_waits_is_not_begun() -> None:
    begun = []

    def work(i: int) -> None:
        begun.append(i)
        if i == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        list(in_threads(work, range(1000), threads=1, ahead=10))
    assert len(begun) <= 3 + 10 + 2

"""Work on thousands of files, each of which mostly waits for the disk or the network."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_THREADS = 16
_AHEAD = 4
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(
    work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int = _THREADS, ahead: int = _AHEAD * _THREADS
) -> Iterator[_Result]:
    """Results of work on each item, in their order; the first error ends it.

    Parameters
    ----------
    work : callable
    items : iterable
        Taken as they are needed.
    threads : int
    ahead : int
        So many items are worked on before their results are asked for.
    """
    with ThreadPoolExecutor(threads, "file") as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

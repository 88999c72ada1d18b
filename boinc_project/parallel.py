"""Calls on several processors of this machine; their results come in the order of the items."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(
    call: Callable[[Item], Result], items: Iterable[Item], jobs: int = 1
) -> Iterator[Result]:
    """Yield the result of each item, computed by so many threads at once.

    Threads are enough where kernels and numpy work, because these release the interpreter. No more
    than `jobs` results wait for whoever takes them, so that memory stays bounded. Warnings are not
    shown meanwhile: Python keeps one list of filters for all threads, and ``catch_warnings`` in two
    of them would leave it as neither has found it.

    Parameters
    ----------
    call : Callable
        Must not change what the calls share.
    items : iterable
        What it is called with.
    jobs : int
        Threads; 1: none, and calls are made when their results are asked for.
    """
    if jobs <= 1:
        yield from map(call, items)
        return
    waiting: deque[Future[Result]] = deque()
    rest = iter(items)
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(jobs) as pool:
        try:
            waiting.extend(pool.submit(call, item) for item in islice(rest, jobs))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(call, item) for item in islice(rest, 1))
        finally:
            for future in waiting:
                future.cancel()

"""Iterators that run ahead in threads: the next rows are read while these are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
G = TypeVar("G")


class Ahead(Generic[T]):
    """What `items` gives, in its order, worked out in a thread that stays one item ahead. Close it when done with it."""

    def __init__(self, items: Generator[T] | Iterator[T]) -> None:
        self._queue: Queue[tuple[T] | BaseException | None] = Queue(maxsize=1)
        self._stopped = Event()
        self._thread = Thread(target=self._run, args=(items,), daemon=True)
        self._thread.start()

    def _run(self, items: Generator[T] | Iterator[T]) -> None:
        try:
            for item in items:
                self._put((item,))
                if self._stopped.is_set():
                    break
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised where the items are asked for
            self._put(error)
        finally:
            if isinstance(items, Generator):
                items.close()

    def _put(self, found: tuple[T] | BaseException | None) -> None:
        while not self._stopped.is_set():
            with suppress(Full):
                self._queue.put(found, timeout=0.1)
                return

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._stopped.is_set():
            raise StopIteration
        found = self._queue.get()
        if isinstance(found, tuple):
            return found[0]
        self.close()
        if found is None:
            raise StopIteration
        raise found

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()


def in_turn(
    groups: Iterable[G], rows_of: Callable[[G], Iterator[T]], runs_ahead: Callable[[G], bool], most: int
) -> Generator[tuple[G, Iterator[T]]]:
    """Each group with its rows, of which up to `most` further groups' are worked out meanwhile, where they may be."""
    opened: deque[tuple[G, Iterator[T]]] = deque()
    try:
        for group in groups:
            opened.append((group, Ahead(rows_of(group)) if runs_ahead(group) else rows_of(group)))
            if len(opened) > most:
                yield opened[0]
                opened.popleft()
        while opened:
            yield opened[0]
            opened.popleft()
    finally:
        for _, rows in opened:
            if isinstance(rows, Ahead):
                rows.close()

"""Every version of a call that levers have made, each by what differs from the one it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MOST_PARTS = 64
"""Of a column, before it is made one again."""

Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Growing:
    """An array that is added to at its end, without copying it each time."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._all, self._length = values, len(values)

    def __len__(self) -> int:
        return self._length

    @property
    def now(self) -> npt.NDArray[Any]:
        return self._all[: self._length]

    def extend(self, values: npt.NDArray[Any]) -> None:
        end = self._length + len(values)
        if end > len(self._all):
            room = np.empty(max(end, 2 * len(self._all)), self._all.dtype)
            room[: self._length] = self.now
            self._all = room
        self._all[self._length : end] = values
        self._length = end


class Versions:
    """Numbers from 0: first the calls as logged, in the order of `rows`, then whatever was made of them."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._origin = Growing(np.arange(rows.num_rows))
        self._before = Growing(np.full(rows.num_rows, -1))
        billable = pc.fill_null(rows["billable"], False).to_numpy()
        self._billable = Growing(billable)
        self._columns: dict[str, _Column] = {}

    def __len__(self) -> int:
        return len(self._origin)

    @property
    def origin(self) -> Numbers:
        """The call that each version is of."""
        return self._origin.now

    @property
    def before(self) -> Numbers:
        """The version that each was made from."""
        return self._before.now

    @property
    def billable(self) -> Bools:
        return self._billable.now

    @property
    def changed(self) -> set[str]:
        """Columns that differ in any version from the call as logged."""
        return set(self._columns)

    def take(self, numbers: Numbers, names: Sequence[str] | None = None) -> pa.Table:
        """These versions, as rows."""
        names = self._rows.column_names if names is None else names
        logged = self._rows.select([name for name in names if name not in self._columns])
        found = logged.take(pa.array(self.origin[numbers]))
        columns = [self._columns[name].take(numbers) if name in self._columns else found[name] for name in names]
        return pa.table(columns, schema=pa.schema([self._rows.schema.field(name) for name in names]))

    def add(self, before: Numbers, was: pa.RecordBatch, now: pa.RecordBatch) -> Numbers:
        """Take in what versions have become: rows as they were and as they are now. Returns their numbers."""
        first = len(self)
        for name in now.schema.names:
            is_new = not now[name].equals(was[name])
            if is_new and name not in self._columns:
                self._columns[name] = _Column(self._rows[name], self.origin)
            if name in self._columns:
                self._columns[name].add(before, now[name] if is_new else None)
        self._origin.extend(self.origin[before])
        self._before.extend(before)
        self._billable.extend(pc.fill_null(now["billable"], False).to_numpy(zero_copy_only=False))
        return np.arange(first, len(self))


class _Column:
    """The values of a column that some version has otherwise than its call."""

    def __init__(self, logged: pa.ChunkedArray, origin: Numbers) -> None:
        self._parts, self._length = list(logged.chunks), len(logged)
        self._type = logged.type
        self._at = Growing(origin.copy())

    def take(self, versions: Numbers) -> pa.ChunkedArray:
        if len(self._parts) > MOST_PARTS:
            self._parts = [pa.concat_arrays(self._parts)]
        return pa.chunked_array(self._parts, self._type).take(pa.array(self._at.now[versions]))

    def add(self, before: Numbers, values: pa.Array | None) -> None:
        if values is None:
            self._at.extend(self._at.now[before])
            return
        self._parts.append(values)
        self._at.extend(np.arange(self._length, self._length + len(values)))
        self._length += len(values)

"""What belongs together, from what is linked: connected components, whole columns at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LINKS = pa.schema([("name", pa.string()), ("first", pa.string())])
"""Two names of things that belong together."""

JOINED = pa.schema([("name", pa.string()), ("first", pa.string())])
"""Each name that was linked, and the least of all names that it belongs together with."""


def joined(links: pa.Table) -> pa.Table:
    """JOINED of LINKS, however long the chains of links are.

    >>> found = joined(pa.table({"name": ["b", "c", "y"], "first": ["a", "b", "x"]}))
    >>> dict(zip(found["name"].to_pylist(), found["first"].to_pylist(), strict=True))
    {'a': 'a', 'b': 'a', 'c': 'a', 'x': 'x', 'y': 'x'}
    """
    if not links.num_rows:
        return JOINED.empty_table()
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    both = pa.chunked_array([*links["name"].chunks, *links["first"].chunks], pa.string())
    names = pc.unique(both).sort()
    ends = [pc.index_in(links[side], names).to_numpy() for side in ("name", "first")]
    size = len(names)
    graph = sparse.coo_matrix((np.ones(len(ends[0]), np.int8), ends), (size, size))
    _, number = connected_components(graph, directed=False)
    _, least = np.unique(number, return_index=True)
    return pa.table([names, names.take(pa.array(least[number]))], schema=JOINED)

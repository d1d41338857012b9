"""Rows of numbers on disk, for fits whose features do not fit into memory."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


class RowFile:
    """Rows ``[row, feature]`` that are written one batch after the other, and read in an order.

    The file is removed with the object.

    Examples
    --------
    >>> file = RowFile()
    >>> file.append(np.array([[2.0], [3.0]], dtype=np.float32))
    >>> file.append(np.array([[1.0]], dtype=np.float32))
    >>> file.order = np.array([2, 0, 1])
    >>> len(file), file[0:2].ravel().tolist()
    (3, [1.0, 2.0])
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="climbench-rows-")
        self._path = Path(self._folder.name) / "rows.bin"
        self._length, self._width = 0, 0
        self.order: NDArray[np.int64] | None = None
        """Which written row is read at each place; by default as they were written."""

    def append(self, rows: Rows) -> None:
        """Write rows ``[row, feature]`` behind those that there are."""
        with self._path.open("ab") as file:
            np.ascontiguousarray(rows, dtype=np.float32).tofile(file)
        self._length, self._width = self._length + len(rows), rows.shape[1]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> Rows:
        """Return some consecutive rows, in memory."""
        written = np.memmap(self._path, np.float32, "r", shape=(self._length, self._width))
        return np.array(written[part] if self.order is None else written[self.order[part]])

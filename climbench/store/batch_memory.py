"""Memory for batches, used again when the last batch in it is forgotten."""

import sys
from threading import Lock

import numpy as np
from numpy.typing import NDArray

KEPT = 3  # arrays: one is read into, one waits, one is trained on
LEAST_BYTES = 2**22  # the system keeps smaller pieces of freed memory itself
UNUSED = 3  # references to an array that nobody else has: the list's, a variable's and a call's


class BatchMemory:
    """Uninitialised arrays that are handed out again when nobody holds them any more.

    Fresh memory of a hundred megabytes costs a page fault for each 4 kB of it, which takes longer
    than copying a batch into it. An array is free when its references are those of this object;
    a view or a tensor of it is one more.
    """

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.float32]] = []
        self._lock = Lock()

    def empty(self, *shape: int) -> NDArray[np.float32]:
        """Return an array of a shape whose values are left over."""
        size = int(np.prod(shape))
        if 4 * size < LEAST_BYTES:
            return np.empty(shape, dtype=np.float32)
        with self._lock:
            for array in self._arrays:
                fits = size <= array.size <= 1.2 * size
                if fits and sys.getrefcount(array) == UNUSED:
                    return array[:size].reshape(shape)
            array = np.empty(int(1.05 * size), dtype=np.float32)  # batches differ by a sample
            self._arrays = [array, *self._arrays][:KEPT]
            return array[:size].reshape(shape)

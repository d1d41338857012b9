"""Memory for batches is used again, and never while anybody can still see what is in it."""

import numpy as np
import torch

from climbench.store.batch_memory import KEPT, LEAST_BYTES, BatchMemory

ROWS = LEAST_BYTES // 4 // 1000 + 1


def test_forgotten_memory_is_used_again():
    memory = BatchMemory()
    first = memory.empty(ROWS, 1000)
    place = first.ctypes.data
    del first
    assert memory.empty(ROWS, 1000).ctypes.data == place


def test_what_is_still_seen_is_not_touched():
    memory = BatchMemory()
    held = []
    for number in range(KEPT + 2):
        fields = memory.empty(ROWS, 1000)
        fields[:] = number
        held.append(torch.from_numpy(fields.reshape(1, ROWS, 1000))[:, ::2])
        del fields
    assert [float(view.unique()) for view in held] == list(range(KEPT + 2))


def test_small_pieces_are_left_to_the_system():
    memory = BatchMemory()
    assert memory.empty(2, 3).shape == (2, 3)
    assert not memory._arrays
    assert memory.empty(ROWS, 10, 100).dtype == np.float32

"""How kernels are compiled: once per machine where a folder can be written, without the GIL."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# Sums may be regrouped (that is what makes them vectors), but missing values stay missing.
REGROUP = {"reassoc", "contract", "nsz"}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function with numba when it is first called (decorator)."""
    return numba.njit(nogil=True, cache=True)(function)


def vectorised(function: Callable[..., Any]) -> Any:
    """Compile as ``compiled`` does, with sums that may be regrouped into vectors (decorator).

    In such a function test for missing values by comparison: numba's ``isfinite`` of a computed
    value subtracts it from itself, which regrouping folds to zero.
    """
    return numba.njit(nogil=True, cache=True, fastmath=REGROUP)(function)


def _ensure_cache_folder() -> None:
    """Where neither the package nor the home can be written, compile into a temporary folder."""
    folders = (Path(__file__).parent, Path.home())
    writable = any(os.access(folder, os.W_OK) for folder in folders)
    if not numba.config.CACHE_DIR and not writable:
        # Private and new: a cache holds pickles, and others may write into shared folders.
        numba.config.CACHE_DIR = tempfile.mkdtemp(prefix="climbench-kernels-")


_ensure_cache_folder()

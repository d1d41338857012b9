"""The pass over the data, shared among the workers of a dask.distributed cluster."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from climbench.errors import UserError
from climbench.evaluation.streaming import Data, accumulate
from climbench.metrics.averaging import Regions
from climbench.metrics.fields import Index
from climbench.metrics.state import State
from climbench.metrics.statistic import Statistic

PARTS_PER_WORKER = 4


def accumulate_on(
    scheduler: str,
    data: Data,
    regions: Regions,
    statistics: Sequence[Statistic],
    cell_statistics: Sequence[Statistic] = (),
) -> State:
    """Do what ``accumulate`` does, each worker for some of the samples.

    Means of samples have the same bits as without workers; sums per cell are added part by part
    and agree to rounding.

    Parameters
    ----------
    scheduler
        Address, such as ``tcp://10.0.0.1:8786``. Its workers must see the same files.
    data, regions, statistics, cell_statistics
        As for :func:`climbench.evaluation.streaming.accumulate`.

    Raises
    ------
    UserError
        If dask.distributed is not installed or nobody answers at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError(
            "The option 'scheduler' needs dask.distributed: pip install 'climbench[cluster]'."
        ) from error
    if not re.fullmatch(r"(\w+://)?[^/\s]+:\d+|(inproc|ucx)://.+", str(scheduler)):
        raise UserError(
            f"The option 'scheduler' cannot be '{scheduler}': write its address, tcp://HOST:PORT."
        )
    try:
        client = Client(scheduler, timeout="20s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"No dask scheduler answers at '{scheduler}', the option 'scheduler': {error}"
        ) from error
    with client:
        number = max(1, len(client.nthreads())) * PARTS_PER_WORKER
        samples = np.arange(len(data.pairs.samples))
        parts = [part for part in np.array_split(samples, number) if part.size]
        rest = (data, regions, tuple(statistics), tuple(cell_statistics))
        futures = [client.submit(_part, part, *rest, pure=False) for part in parts]
        whole: State = reduce(add, (future.result() for future in futures))
        return whole


def _part(
    samples: Index,
    data: Data,
    regions: Regions,
    statistics: Sequence[Statistic],
    cell_statistics: Sequence[Statistic],
) -> State:
    part = replace(data, pairs=data.pairs.part(samples))
    return accumulate(part, regions, statistics, cell_statistics)

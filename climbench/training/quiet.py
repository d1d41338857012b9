"""Less talk from Lightning: only what a user can act on."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = (
    ".*does not have many workers.*",  # workers lose against batched reading, see data.py
    ".*returned `None`, this fit will run with no optimizer.*",  # closed forms
    ".*isinstance.treespec, LeafSpec.*",  # lightning 2.6 with torch 2.13
    ".*Checkpoint directory .* exists and is not empty.*",  # resuming
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*`training_step` returned `None`.*",  # closed forms
    ".*can be set to make use of.*",
    ".*FSDP2-wrapped module .* returned a view tensor.*",  # which no network changes in place
    ".*WeightAveraging callback with a model that overrides.*",  # it shards nothing by itself
)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the warnings and advertisements of Lightning that tell the user nothing."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in NOISE:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        log.setLevel(level)

"""Loaders: whole batches at once, every sample once in an epoch, for any number of ranks."""

import math
import multiprocessing
from collections.abc import Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from climbench.config import TrainerConfig
from climbench.errors import UserError
from climbench.tasks.sample import Signature
from climbench.tasks.task import Split, Task

STEADY_BYTES = 2**23


class Batches(Sampler[list[int]]):
    """The batches of one rank: every sample is in one batch of one rank, once in an epoch.

    The samples, shuffled alike on all ranks, are cut into as many even steps as full batches of
    all ranks need; a step is dealt out evenly. So all ranks take the same number of steps, none
    of them empty; no sample is dropped at the end, and none is repeated to fill up.

    Parameters
    ----------
    size
        Number of samples, at least one for each rank.
    batch_size
        Most samples of a rank in a step (one more where a rank would else get none).
    shuffle
        Whether the order changes with the epoch; else it is that of the split.
    seed
        Of the shuffling.
    rank, ranks
        Which of how many processes this is.

    Examples
    --------
    >>> [list(Batches(5, 2, shuffle=False, rank=rank, ranks=2)) for rank in (0, 1)]
    [[[0, 1], [3]], [[2], [4]]]
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if size < ranks:
            raise ValueError(f"{size} samples cannot be dealt out to {ranks} ranks")
        self.size, self.batch_size, self.shuffle, self.seed = size, batch_size, shuffle, seed
        self.rank, self.ranks, self.epoch = rank, ranks, 0

    @property
    def sampler(self) -> "Batches":
        """Where Lightning looks for :meth:`set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which decides the order; Lightning does, on resuming too."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of steps."""
        full = math.ceil(self.size / (self.batch_size * self.ranks))
        return min(full, self.size // self.ranks)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the samples of each step."""
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for step in np.array_split(order, len(self)):
            yield np.array_split(step, self.ranks)[self.rank].tolist()


def steady_batch(signature: Signature, batch_size: int) -> int:
    """Return the batch size where it changes the speed alone: closed forms, scoring, prediction.

    Parameters
    ----------
    signature
        Channels and grid, which say how large a sample is.
    batch_size
        What the user trains with: never less than that.
    """
    channels = signature.history * len(signature.inputs) + signature.leads * len(signature.targets)
    rows, columns = signature.shape
    return max(batch_size, STEADY_BYTES // (4 * channels * rows * columns))


class SplitLoaders(L.LightningDataModule):  # type: ignore[misc]  # lightning is not typed here
    """The training and validation split of a task.

    Parameters
    ----------
    task
        Gives the samples.
    trainer
        Batch size (of a rank), workers and seed.
    """

    def __init__(self, task: Task, trainer: TrainerConfig) -> None:
        super().__init__()
        self.task, self.options = task, trainer

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the training samples, shuffled."""
        return self._loader("train", shuffle=True, batch_size=self.options.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the validation samples, in order."""
        steady = steady_batch(self.task.signature, self.options.batch_size)
        return self._loader("validation", shuffle=False, batch_size=steady)

    def _loader(self, name: Split, shuffle: bool, batch_size: int) -> DataLoader[Any]:
        samples: Any = self.task.split(name)
        rank, ranks = 0, 1
        if self.trainer is not None:
            rank, ranks = self.trainer.global_rank, self.trainer.world_size
        if len(samples) < ranks:
            raise UserError(
                f"the {name} split has {len(samples)} samples for {ranks} devices: "
                "use fewer devices or lengthen the period"
            )
        options = self.options
        return load(
            samples,
            Batches(len(samples), batch_size, shuffle, options.seed, rank, ranks),
            options.num_workers,
        )


def load(samples: Any, batches: Batches, num_workers: int = 0) -> DataLoader[Any]:
    """Return a loader that asks the dataset for whole batches and hands them on as they are."""
    return DataLoader(
        samples,
        batch_sampler=batches,
        collate_fn=_as_it_is,
        num_workers=num_workers,
        multiprocessing_context=_context() if num_workers else None,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _context() -> Any:
    """Return how workers start: forked from a clean process that has imported what they need.

    Workers forked from this process would share its file handles and threads.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["climbench.tasks"])
    return context


def _as_it_is(batch: Any) -> Any:
    return batch

"""Loaders: whole batches at once, every sample once in an epoch, for any number of ranks."""

import math
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from climbench.config import TrainerConfig
from climbench.errors import UserError
from climbench.tasks.forecasting import IterativeForecasting
from climbench.tasks.sample import Signature
from climbench.tasks.task import Samples, Split, Task

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
        self.done = 0  # steps of this epoch that an interrupted training has taken already

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
        """Yield the samples of each step that is not done."""
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for step in np.array_split(order, len(self))[self.done :]:
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
    fit_on
        What the training samples are: see :class:`climbench.config.ModelConfig`.
    steps
        Of how many steps samples hold the truth, for training by rollout.
    """

    def __init__(
        self, task: Task, trainer: TrainerConfig, fit_on: str = "train", steps: int | None = None
    ) -> None:
        super().__init__()
        self.task, self.options, self.fit_on, self.steps = task, trainer, fit_on, steps
        self.training: Loader | None = None
        self.interrupted: dict[str, int] | None = None

    def train_dataloader(self) -> "Loader":
        """Return the training samples, shuffled."""
        size = self.options.batch_size
        self.training = self._loader(self.fit_on, shuffle=True, batch_size=size)
        if self.interrupted is not None:
            self.training.load_state_dict(self.interrupted)
            self.interrupted = None
        return self.training

    def in_order(self) -> "Loader":
        """Return all training samples in order, the same on every rank."""
        samples: Any = self._samples(cast(Split, self.fit_on))
        steady = steady_batch(self.task.signature, self.options.batch_size)
        return Loader(samples, Batches(len(samples), steady, shuffle=False))

    def state_dict(self) -> dict[str, int]:
        """Return how far the training is in its epoch, for a checkpoint.

        Lightning saves it with the loader too, but gives it back to none that was made before it
        read the checkpoint; and the schedule of the learning rate asks for the loader's length.
        """
        return {} if self.training is None else self.training.state_dict()

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Let the training go on where it was interrupted.

        With shared-out weights Lightning reads the checkpoint after the loader was made.
        """
        self.interrupted = state_dict or None
        if self.training is not None and self.interrupted is not None:
            self.training.load_state_dict(self.interrupted)
            self.interrupted = None

    def val_dataloader(self) -> "Loader":
        """Return the validation samples, in order."""
        steady = steady_batch(self.task.signature, self.options.batch_size)
        return self._loader("validation", shuffle=False, batch_size=steady)

    def _samples(self, name: Split) -> Samples:
        if self.steps is None:
            return self.task.split(name)
        return cast(IterativeForecasting, self.task).sequences(name, self.steps)

    def _loader(self, name: str, shuffle: bool, batch_size: int) -> "Loader":
        samples: Any = self._samples(cast(Split, name))
        rank, ranks = 0, 1
        if self.trainer is not None:
            rank, ranks = self.trainer.global_rank, self.trainer.world_size
        if len(samples) < ranks:
            raise UserError(
                f"the {name} split has {len(samples)} samples for {ranks} devices: "
                "use fewer devices or lengthen the period"
            )
        options = self.options
        return Loader(
            samples,
            Batches(len(samples), batch_size, shuffle, options.seed, rank, ranks),
            options.num_workers,
            options.prefetch_batches,
        )


class Loader(DataLoader[Any]):
    """Asks the dataset for whole batches and hands them on as they are, in the sampler's order.

    Without worker processes a thread reads the next batches while the current one is used: copying
    needs no interpreter, and nothing is sent between processes. The order does not depend on
    workers or the thread. Lightning saves how many batches of an epoch were taken, and an
    interrupted epoch goes on behind them.

    Parameters
    ----------
    samples
        Gives a batch for a list of positions.
    batches
        The positions of each batch.
    num_workers
        Processes that read; 0: the thread.
    ahead
        Batches that are read ahead by the thread or by each worker; 0: read when asked for.
    """

    def __init__(
        self, samples: Any, batches: Batches, num_workers: int = 0, ahead: int = 1
    ) -> None:
        super().__init__(
            samples,
            batch_sampler=batches,
            collate_fn=_as_it_is,
            num_workers=num_workers,
            prefetch_factor=max(1, ahead) if num_workers else None,
            multiprocessing_context=_context() if num_workers else None,
            persistent_workers=num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # iterating must not draw from the one of the weights
        )
        self.batches, self.ahead, self.taken, self.resumed = batches, ahead, 0, 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of an epoch; nothing is read before the first is asked for.

        Lightning makes iterators before it says which epoch it is.
        """
        self.batches.done, self.resumed = self.resumed, 0
        self.taken = self.batches.done
        source: Iterator[Any] = map(cast(Any, self.dataset).__getitems__, self.batches)
        if self.num_workers or self.pin_memory:
            source = super().__iter__()
        if self.ahead and not self.num_workers:
            source = read_ahead(source, self.ahead)
        for batch in source:
            self.taken += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of how many were taken."""
        return {"taken": self.taken, "steps": len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next epoch begin behind the batches that were taken.

        Raises
        ------
        UserError
            If the epoch was cut into other batches.
        """
        taken = state["taken"] % state["steps"]
        if taken and state["steps"] != len(self):
            raise UserError(
                f"the training was interrupted in an epoch of {state['steps']} steps and would go "
                f"on in one of {len(self)}: use the same 'batch_size' and number of devices"
            )
        self.resumed = taken


def read_ahead(batches: Iterable[Any], ahead: int) -> Iterator[Any]:
    """Yield the same batches while a thread gets the next ones.

    An error is raised where its batch would have come. The thread ends with the last batch, when
    the iterator is closed or forgotten, and at the exit of the interpreter.

    Parameters
    ----------
    batches
        Where they come from; used by the thread alone.
    ahead
        How many are got before they are asked for, at least 1.
    """
    end, source = object(), iter(batches)
    device = torch.cuda.current_device() if torch.cuda.is_available() else None
    thread = ThreadPoolExecutor(1, "read-ahead", _use_device, (device,))
    try:
        waiting = deque(thread.submit(next, source, end) for _ in range(ahead))
        while (batch := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, source, end))
            yield batch
            del batch  # else it would be kept while the next one is waited for
    finally:
        thread.shutdown(wait=True, cancel_futures=True)


def _use_device(device: int | None) -> None:
    """Pin memory for the GPU of this rank: the current device is each thread's own."""
    if device is not None:
        torch.cuda.set_device(device)


def _context() -> Any:
    """Return how workers start: forked from a clean process that has imported what they need.

    Workers forked from this process would share its file handles and threads.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["climbench.tasks"])
    return context


def _as_it_is(batch: Any) -> Any:
    return batch

"""Every sample once in an epoch, for any number of ranks, workers and batches."""

import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_stores import weather, write_store
from small_training import CLIMATOLOGY, fit, python

from climbench.config import TrainerConfig
from climbench.errors import UserError
from climbench.tasks import DirectForecasting
from climbench.training import load_checkpoint
from climbench.training.data import Batches, Loader, SplitLoaders, read_ahead

OPTIONS = {
    "inputs": ["geopotential_500"],
    "targets": ["geopotential_500"],
    "lead_times": (6, 24),
    "train": ("2000-01-01", "2000-01-20"),
    "validation": ("2000-01-21", "2000-01-25"),
    "test": ("2000-01-26", "2000-01-31"),
}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-01-31T18", freq="6h")
    folder = tmp_path_factory.mktemp("stores")
    return DirectForecasting(store=write_store(folder / "planet", weather(times)), **OPTIONS)


@settings(deadline=None)
@given(
    size=st.integers(1, 200),
    batch_size=st.integers(1, 40),
    ranks=st.integers(1, 5),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
)
def test_every_sample_is_in_one_batch_of_one_rank(size, batch_size, ranks, epoch, shuffle):
    if size < ranks:
        with pytest.raises(ValueError, match="cannot be dealt out"):
            Batches(size, batch_size, shuffle, ranks=ranks)
        return
    dealt = [Batches(size, batch_size, shuffle, 3, rank, ranks) for rank in range(ranks)]
    for batches in dealt:
        batches.set_epoch(epoch)
    lists = [list(batches) for batches in dealt]
    assert len({len(batches) for batches in lists}) == 1  # else one rank would wait for ever
    assert [len(b) for b in lists] == [len(b) for b in dealt]
    sizes = [len(batch) for batches in lists for batch in batches]
    assert 1 <= min(sizes) and max(sizes) <= batch_size + 1
    indices = [index for batches in lists for batch in batches for index in batch]
    assert sorted(indices) == list(range(size))


def test_the_order_changes_with_the_epoch_and_comes_back():
    batches = Batches(50, 8, shuffle=True, seed=1)
    orders = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        orders.append(np.concatenate(list(batches)).tolist())
    assert orders[0] == orders[2] != orders[1]
    assert orders[0] != sorted(orders[0])


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("workers", "ranks"),
    [(0, 1), (0, 2), (0, 3), (2, 1), slow(1, 1), slow(5, 1), slow(1, 2), slow(2, 3)],
)
def test_workers_and_ranks_cover_every_window_once(task, workers, ranks):
    samples = task.split("train")
    seen, inputs = [], {}
    for rank in range(ranks):
        for batch in Loader(samples, Batches(len(samples), 16, True, 0, rank, ranks), workers):
            seen += batch.index.tolist()
            inputs |= dict(zip(batch.index.tolist(), batch.inputs, strict=True))
    assert sorted(seen) == list(range(len(samples))) == list(range(80 - 4))
    whole = samples.__getitems__(range(len(samples)))
    assert torch.equal(torch.stack([inputs[i] for i in range(len(samples))]), whole.inputs)


@pytest.mark.parametrize("workers", [0, slow(1), slow(2), slow(5)])
def test_neither_workers_nor_thread_change_the_order(task, workers):
    samples = task.split("train")
    batches = Batches(len(samples), 16, True)
    loader = Loader(samples, batches, workers)
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        expected = list(batches)
        assert [batch.index.tolist() for batch in loader] == expected
        plain = Loader(samples, batches, ahead=0)
        assert [batch.index.tolist() for batch in plain] == expected


def test_the_epoch_may_be_set_after_the_iterator_is_made(task):
    samples = task.split("train")
    batches = Batches(len(samples), 16, True)
    iterator = iter(Loader(samples, batches))  # as Lightning does on resuming
    batches.set_epoch(3)
    assert [batch.index.tolist() for batch in iterator] == list(batches)


@pytest.mark.parametrize("workers", [0, slow(2)])
def test_an_interrupted_epoch_goes_on_behind_the_batches_that_were_taken(task, workers):
    samples = task.split("train")
    first = Loader(samples, Batches(len(samples), 16, True), workers)
    iterator = iter(first)
    taken = [next(iterator).index.tolist() for _ in range(2)]
    state = first.state_dict()  # the thread has read more than that
    second = Loader(samples, Batches(len(samples), 16, True), workers)
    second.load_state_dict(state)
    rest = [batch.index.tolist() for batch in second]
    assert taken + rest == list(Batches(len(samples), 16, True))
    assert len(list(second)) == len(second)  # the epoch after that is whole
    assert second.state_dict()["taken"] == len(second)
    third = Loader(samples, Batches(len(samples), 16, True))
    third.load_state_dict(second.state_dict())  # saved at the end of an epoch
    assert len(list(third)) == len(third)
    other = Loader(samples, Batches(len(samples), 20, True))
    with pytest.raises(UserError, match="in an epoch of 5 steps and would go on in one of 4"):
        other.load_state_dict(state)


def test_batches_are_read_ahead_of_their_use_and_no_further():
    read, used = [], []

    def numbers():
        for number in range(6):
            read.append(number)
            yield number

    for number in read_ahead(numbers(), 2):
        used.append(number)
        deadline = time.monotonic() + 10
        while len(read) < min(6, len(used) + 2) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert len(read) == min(6, len(used) + 2)
    assert used == list(range(6))


def test_an_error_of_the_thread_comes_in_the_place_of_its_batch():
    def broken():
        yield from (1, 2)
        raise OSError("the disk is gone")

    batches = read_ahead(broken(), 3)
    assert [next(batches), next(batches)] == [1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
    assert reading_threads() == []


@pytest.mark.parametrize("end", ["break", "close", "error", "forgotten"])
def test_the_thread_ends_with_its_user(end):
    batches = read_ahead(iter(range(10**9)), 2)
    if end == "break":
        for _ in batches:
            break
        del batches, _
    elif end == "error":
        with pytest.raises(KeyboardInterrupt):
            use_and_fail(batches)
        batches.close()
    else:
        next(batches)
        if end == "close":
            batches.close()
        else:
            del batches
    assert reading_threads() == []


def use_and_fail(batches):
    next(batches)
    raise KeyboardInterrupt


def reading_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("read-ahead")]


@pytest.mark.slow
def test_an_unfinished_epoch_does_not_hold_up_the_exit_of_the_interpreter():
    process = python(
        "from climbench.training.data import read_ahead; import itertools; "
        "batches = read_ahead(itertools.count(), 2); next(batches); print('end')"
    )
    assert process.wait(timeout=60) == 0


def test_lightning_tells_the_epoch(task):
    loader = SplitLoaders(task, TrainerConfig()).train_dataloader()
    assert loader.batch_sampler.sampler is loader.batch_sampler
    assert callable(loader.batch_sampler.sampler.set_epoch)


def test_two_ranks_fit_the_same_closed_form_as_one(tmp_path):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    store = write_store(tmp_path / "planet", weather(times))
    process = python(
        "from pathlib import Path; from small_training import *; "
        f"store, folder = Path({str(store)!r}), Path({str(tmp_path)!r}); "
        "fit(store, CLIMATOLOGY, folder / 'closed', ranks=2); "
        "fit(store, convolution(epochs=2), folder / 'gradient', ranks=2)"
    )
    assert process.wait() == 0
    fit(store, CLIMATOLOGY, tmp_path / "one")
    one, two = (load_checkpoint(tmp_path / n / "checkpoint.ckpt") for n in ("one", "closed"))
    torch.testing.assert_close(one.network.mean, two.network.mean)
    load_checkpoint(tmp_path / "gradient" / "checkpoint.ckpt")


def test_more_devices_than_samples_is_an_error(task):
    loaders = SplitLoaders(task, TrainerConfig())

    class ManyRanks:
        global_rank, world_size = 0, 1000

    loaders.trainer = ManyRanks()
    with pytest.raises(UserError, match="76 samples for 1000 devices"):
        loaders.train_dataloader()

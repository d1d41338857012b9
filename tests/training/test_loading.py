"""Every sample once in an epoch, for any number of ranks, workers and batches."""

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
from climbench.training.data import Batches, SplitLoaders, load

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


@pytest.mark.parametrize(("workers", "ranks"), [(0, 1), (0, 2), (1, 1), (2, 1)])
def test_workers_and_ranks_cover_every_window_once(task, workers, ranks):
    samples = task.split("train")
    seen, inputs = [], {}
    for rank in range(ranks):
        for batch in load(samples, Batches(len(samples), 16, True, 0, rank, ranks), workers):
            seen += batch.index.tolist()
            inputs |= dict(zip(batch.index.tolist(), batch.inputs, strict=True))
    assert sorted(seen) == list(range(len(samples))) == list(range(80 - 4))
    whole = samples.__getitems__(range(len(samples)))
    assert torch.equal(torch.stack([inputs[i] for i in range(len(samples))]), whole.inputs)


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

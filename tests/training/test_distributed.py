"""Two processes on one task: the same weights as one with twice the batch, every sample once."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from small_distributed import fitted
from small_stores import weather, write_store
from small_training import python

from climbench.config import OptimizerConfig
from climbench.errors import UserError
from climbench.tasks import Normalisation
from climbench.testing.model_contract import GLOBAL
from climbench.training import load_checkpoint, validation_loss
from climbench.training.gradient import GradientModule
from climbench.training.train import check_launcher

CHANNELS = tuple({*GLOBAL.inputs, *GLOBAL.forcings, *GLOBAL.static, *GLOBAL.targets})
SCALE = Normalisation(CHANNELS, (0.0,) * len(CHANNELS), (1.0,) * len(CHANNELS))
TINY = (
    *("experiment=quickstart", "model=resnet_small", "trainer.progress_bar=false"),
    *("recipe_overrides.dates.end=2000-03-31", "trainer.accelerator=cpu"),
    "recipe_overrides.statistics.period=[2000-01-01,2000-01-31]",
    *("task.train=[2000-01-01,2000-01-31]", "task.validation=[2000-02-01,2000-02-20]"),
    *("task.test=[2000-02-21,2000-03-31]", "task.lead_times=[24]"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))


def weights(folder):
    module = load_checkpoint(folder / "checkpoint.ckpt")
    return torch.cat([v.flatten() for v in module.network.state_dict().values()]).numpy()


def test_two_ranks_equal_one_rank_with_twice_the_batch(store, tmp_path):
    """To rounding: each rank adds up its own half of a batch, then the halves are averaged.

    That is another order of the same additions than over the whole batch, so the last bits differ.
    The 60 windows of an epoch make even halves; the loss of uneven ones is a mean of means.
    """
    fitted(store, tmp_path / "one", batch_size=20, devices=1, strategy="auto")
    process = python(
        "from pathlib import Path; from small_distributed import fitted; "
        f"fitted(Path({str(store)!r}), Path({str(tmp_path / 'two')!r}), "
        "batch_size=10, strategy='ddp_fork')"
    )
    assert process.wait() == 0
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)
    seen = [np.load(file) for file in sorted((tmp_path / "two").glob("seen-*.npy"))]
    assert len(seen) == 2 and len(seen[0]) == len(seen[1])
    counted = np.bincount(np.concatenate(seen))
    assert counted.size == 60 and (counted == 2).all()  # once in each of two epochs


def test_processes_must_be_started_from_outside(monkeypatch):
    import lightning as L

    fitting = L.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False)
    monkeypatch.setattr(sys, "argv", ["climbench train", "trainer=ddp"])
    with pytest.raises(UserError, match="start it with `torchrun"):
        check_launcher(fitting, "ddp")
    monkeypatch.setattr(sys, "argv", [__file__])  # a script may be started again
    check_launcher(fitting, "ddp")


def test_sharding_hides_neither_what_decays_nor_the_norm_of_the_gradient(monkeypatch):
    """FSDP itself needs GPUs: torch refuses to shard on CPUs, so its parts are tried alone."""
    network = torch.nn.Linear(3, 2)
    optimizer = OptimizerConfig(learning_rate=1e-3, weight_decay=0.1)
    module = GradientModule(network, GLOBAL, SCALE, {}, optimizer=optimizer)
    module.setup("fit")
    network.weight = torch.nn.Parameter(network.weight.detach().flatten())  # as a shard lies
    groups = {group["weight_decay"]: group["params"] for group in module._groups()}
    assert groups[0.1][0] is network.weight and groups[0.0][0] is network.bias

    class Sharded:
        def clip_grad_norm_(self, limit):
            self.limit = limit

    monkeypatch.setattr("climbench.training.gradient.FullyShardedDataParallel", Sharded)
    module._trainer = SimpleNamespace(strategy=SimpleNamespace(model=Sharded()))
    module.configure_gradient_clipping(None, 0.5)
    assert module._trainer.strategy.model.limit == 0.5


@pytest.mark.slow
def test_torchrun_and_parallel_sweeps_of_the_command_line(tmp_path):
    def called(*words):
        done = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ
        )
        assert done.returncode == 0, done.stderr
        found = (line for line in done.stdout.splitlines() if line.endswith(".ckpt"))
        return [validation_loss(tmp_path / line) for line in found]

    folder = Path(sys.executable).parent
    ranks = [folder / "torchrun", "--nproc-per-node=2", "--no-python", folder / "climbench"]
    together = called(*ranks, "train", "trainer=ddp", "trainer.devices=2", *TINY)
    assert len(together) == 2 and together[0] == together[1]
    rates = "model.optimizer.learning_rate=1e-3,3e-3"
    sweep = called(folder / "climbench", "train", "--multirun", "launcher=joblib", *TINY, rates)
    assert len(set(sweep)) == 2

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
from lightning.pytorch.callbacks import Timer
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


def test_shared_out_weights_refuse_what_they_cannot_keep(store, tmp_path):
    """Lightning cannot load the state of an optimizer that has none, to go on with it."""
    with pytest.raises(UserError, match=r"'optimizer\.name' = sgd"):
        fitted(store, tmp_path, strategy="fsdp", devices=1)


def test_processes_must_be_started_from_outside(monkeypatch):
    import lightning as L

    fitting = L.Trainer(accelerator="cpu", devices=2, strategy="ddp", logger=False)
    monkeypatch.setattr(sys, "argv", ["climbench train", "trainer=ddp"])
    with pytest.raises(UserError, match="start it with `torchrun"):
        check_launcher(fitting, "ddp")
    monkeypatch.setattr(sys, "argv", [__file__])  # a script may be started again
    check_launcher(fitting, "ddp")


def test_ranks_agree_on_the_clock(monkeypatch):
    """By clocks of their own their learning rates would differ, and their weights drift apart."""
    optimizer = OptimizerConfig(learning_rate=1e-3)
    module = GradientModule(torch.nn.Linear(3, 2), GLOBAL, SCALE, {}, optimizer=optimizer)
    monkeypatch.setattr(Timer, "time_remaining", lambda self: 30.0)
    monkeypatch.setattr(Timer, "time_elapsed", lambda self: 10.0)
    first = SimpleNamespace(broadcast=lambda share: 0.5)  # what the first rank says
    module._trainer = SimpleNamespace(
        estimated_stepping_batches=100, callbacks=[Timer("00:00:01:00")], strategy=first
    )
    assert module.progress(3) == 0.5
    assert module.progress(90) == 0.91


def together(store, folder, **trainer):
    """Start two processes of one training, and return the process that has started them."""
    program = (
        "from pathlib import Path; from small_distributed import fitted; "
        f"fitted(Path({str(store)!r}), Path({str(folder)!r}), **{trainer})"
    )
    words = [Path(sys.executable).parent / "torchrun", "--nproc-per-node=2", "--no-python"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen([*words, sys.executable, "-c", program], env=environment)


@pytest.mark.slow
def test_shared_out_weights_are_trained_like_whole_ones(store, tmp_path):
    """FSDP, with weight decay, clipped gradients and a checkpoint of whole weights."""
    fitted(store, tmp_path / "one", batch_size=20, devices=1, strategy="auto", optimizer="adamw")
    options = {"batch_size": 10, "activation_checkpointing": True, "strategy": "fsdp"}
    options |= {"optimizer": "adamw"}
    assert together(store, tmp_path / "two", **options).wait() == 0
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_fork", "fsdp"])
def test_two_ranks_that_are_told_to_end_go_on_where_they_were(store, tmp_path, strategy):
    """SIGTERM to what has started them: torchrun, or the process that waits for its forks."""
    options = {"batch_size": 10, "strategy": strategy, "optimizer": "adamw"}
    assert start(store, tmp_path / "whole", options).wait() == 0
    process = start(store, tmp_path / "cut", options | {"told_to_end_at": 4})  # of 3 + 3 steps
    assert process.wait(timeout=120) != 0
    assert not (tmp_path / "cut/checkpoint.ckpt").exists()
    last = torch.load(tmp_path / "cut/last.ckpt", weights_only=True)
    assert last["global_step"] in (4, 5)
    assert start(store, tmp_path / "cut", options).wait() == 0
    np.testing.assert_array_equal(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def start(store, folder, options):
    """Start a training of two processes in the way of its strategy."""
    if options["strategy"] != "ddp_fork":
        return together(store, folder, **options)
    return python(
        "from pathlib import Path; from small_distributed import fitted; "
        f"fitted(Path({str(store)!r}), Path({str(folder)!r}), **{options})"
    )


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

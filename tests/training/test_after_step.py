"""Parts of a network that follow an optimizer's step do so once for each, and never else."""

import pandas as pd
import pytest
import torch
from small_stores import weather, write_store
from small_training import OPTIONS, TRAINER
from torch import Tensor, nn

from climbench.config import ModelConfig, OptimizerConfig
from climbench.tasks import DirectForecasting, Sample, Signature
from climbench.training import load_checkpoint, train
from climbench.training.gradient import GradientModule

MET2NET = {
    "_target_": "climbench.models.met2net.Met2Net",
    "frame_channels": 2, "hidden_channels": 4, "blocks": 1, "heads": 2, "drop_path": 0.0,
}  # fmt: skip


class Follower(nn.Module):
    """Counts the steps that it follows."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def after_step(self) -> None:
        """Count."""
        self.steps += 1


class FollowedNetwork(nn.Module):
    """A network whose part follows its steps."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.part = Follower()

    def forward(self, sample: Sample) -> Tensor:
        """Return the last input, scaled."""
        return self.scale * sample.inputs[:, -1:]


def config(network: dict, epochs: int = 2) -> ModelConfig:
    optimizer = OptimizerConfig(learning_rate=1e-3, schedule="constant")
    return ModelConfig(name="followed", network=network, optimizer=optimizer, max_epochs=epochs)


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> DirectForecasting:
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    store = write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))
    return DirectForecasting(store=store, **OPTIONS, lead_times=(6,))


def test_once_for_each_step(task, tmp_path):
    network = {"_target_": f"{__name__}.FollowedNetwork"}
    module = load_checkpoint(train(task, config(network, 1), TRAINER, tmp_path))
    batches = -(-len(task.split("train")) // TRAINER.batch_size)
    assert module.network.part.steps == batches
    module.predict_step(task.split("test").__getitems__([0]), 0)
    assert module.network.part.steps == batches


def test_a_resumed_training_goes_on_with_what_followed(task, tmp_path, monkeypatch):
    """The translator that Met2Net keeps is part of the state: an interruption loses nothing."""
    whole = load_checkpoint(train(task, config(MET2NET), TRAINER, tmp_path / "whole"))
    monkeypatch.setattr(GradientModule, "on_train_epoch_start", stop_in_the_second_epoch)
    with pytest.raises(InterruptedError):
        train(task, config(MET2NET), TRAINER, tmp_path / "broken")
    monkeypatch.undo()
    resumed = load_checkpoint(train(task, config(MET2NET), TRAINER, tmp_path / "broken"))
    expected = whole.network.state_dict()
    assert any(name.startswith("key_translator") for name in expected)
    torch.testing.assert_close(resumed.network.state_dict(), expected)


def stop_in_the_second_epoch(module: GradientModule) -> None:
    """Break off as a failing machine would."""
    if module.current_epoch == 1:
        raise InterruptedError

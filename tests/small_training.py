"""A small task and small models, trained in a process of their own or in the test's."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from climbench.config import ModelConfig, OptimizerConfig, TrainerConfig
from climbench.tasks import DirectForecasting, Sample, Signature
from climbench.training import train

NAMES = ["geopotential_500", "2m_temperature"]
OPTIONS = {
    "inputs": NAMES,
    "targets": NAMES,
    "train": ("2000-01", "2000-02"),
    "validation": ("2000-03", "2000-03"),
    "test": ("2000-04", "2000-04"),
}
TRAINER = TrainerConfig(progress_bar=False, accelerator="cpu", devices=1, batch_size=32)


def baseline(name: str, target: str) -> ModelConfig:
    """Return a model without options."""
    return ModelConfig(name=name, network={"_target_": f"climbench.models.{target}"})


CLIMATOLOGY = baseline("climatology", "climatology.Climatology")
PERSISTENCE = baseline("persistence", "persistence.Persistence")


def convolution(channels: int = 2, epochs: int = 3, rate: float = 1e-2, **options) -> ModelConfig:
    """Return a network from outside climbench with one layer."""
    network = {
        "_target_": "torch.nn.Conv2d",
        "in_channels": channels,
        "out_channels": 2,
        "kernel_size": 3,
        "padding": 1,
        "padding_mode": "circular",
    }
    optimizer = OptimizerConfig(learning_rate=rate, warmup_fraction=0.1)
    return ModelConfig(
        name="convolution", network=network, optimizer=optimizer, max_epochs=epochs, **options
    )


def fit(store: Path, model: ModelConfig, directory: Path, ranks: int = 1) -> None:
    """Fit a model on one or more processes."""
    task = DirectForecasting(store=store, **OPTIONS, lead_times=(6,))
    strategy = "ddp_fork" if ranks > 1 else "auto"
    train(
        task, model, TRAINER.model_copy(update={"devices": ranks, "strategy": strategy}), directory
    )


def python(program: str) -> subprocess.Popen:
    """Start a Python process that can import this module."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path})


class OutsideNetwork(nn.Module):
    """A network that knows samples, with options that it only hands on."""

    def __init__(self, signature: Signature, scale: float = 1.0, **options) -> None:
        super().__init__()
        self.options = options
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, sample: Sample) -> torch.Tensor:
        """Return the last input, scaled."""
        return self.scale * sample.inputs[:, -1:]


class DropoutNetwork(nn.Module):
    """A convolution whose training draws random numbers."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(2, 2, 3, padding=1))

    def forward(self, sample: Sample) -> torch.Tensor:
        """Return the convolution of the last input."""
        return self.layers(sample.inputs[:, -1])[:, None]

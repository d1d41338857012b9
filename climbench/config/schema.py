"""Typed options of the Hydra groups: unknown keys are refused, nothing is filled in silently."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Options(BaseModel):
    """Base of all option groups: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OptimizerConfig(Options):
    """How a network's weights are fitted (conf/model/*.yaml, key ``optimizer``).

    ``warmup_fraction`` is the share of all steps during which the learning rate rises linearly;
    after it, ``cosine`` lowers the rate to zero, ``constant`` keeps it, and ``exponential`` lowers
    it smoothly by ``factor_per_epoch``.
    """

    name: Literal["adam", "adamw", "rmsprop", "sgd"] = "adamw"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_fraction: float = Field(default=0.0, ge=0, lt=1)
    schedule: Literal["cosine", "constant", "exponential"] = "cosine"
    factor_per_epoch: float | None = Field(default=None, gt=0, le=1)
    gradient_clip: float | None = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _one_needs_the_other(self) -> Self:
        if (self.schedule == "exponential") != (self.factor_per_epoch is not None):
            raise ValueError(
                "'schedule: exponential' and 'factor_per_epoch' go together: give both or none"
            )
        return self


class ModelConfig(Options):
    """A model of the zoo (conf/model/*.yaml).

    ``network`` holds ``_target_`` and the hyper-parameters of its constructor. Closed-form
    models have no optimizer and see the training data once. ``initial_weights`` is a file whose
    weights a training starts from: a checkpoint of climbench or, for ClimaX, of its authors.
    ``batch_size`` is that of a published training, in the place of the trainer's.
    """

    name: str
    network: dict[str, Any]
    optimizer: OptimizerConfig | None = None
    max_epochs: int = Field(default=1, ge=1)
    patience: int | None = Field(default=None, ge=1)
    initial_weights: Path | None = None
    batch_size: int | None = Field(default=None, ge=1)


class TrainerConfig(Options):
    """How training runs on this machine (conf/trainer/*.yaml)."""

    accelerator: Literal["auto", "cpu", "gpu", "mps", "tpu"] = "auto"
    devices: int | str | list[int] = "auto"
    num_nodes: int = Field(default=1, ge=1)
    strategy: str = "auto"
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"] = "32-true"
    batch_size: int = Field(default=32, ge=1)
    num_workers: int = Field(default=0, ge=0)
    seed: int = 0
    max_minutes: float | None = Field(default=None, gt=0)
    deterministic: bool = True
    progress_bar: bool = True

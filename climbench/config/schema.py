"""Typed options of the Hydra groups: unknown keys are refused, nothing is filled in silently."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Options(BaseModel):
    """Base of all option groups: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Options):
    """How a network's weights are fitted (``conf/model/*.yaml``, key ``optimizer``).

    Attributes
    ----------
    name
        Of torch's optimizers.
    learning_rate
        The highest of the schedule.
    weight_decay
        Of all weights that are matrices or larger.
    warmup_fraction
        Share of all steps during which the learning rate rises linearly.
    schedule
        After the warm-up: ``cosine`` lowers the rate to zero, ``constant`` keeps it,
        ``exponential`` lowers it smoothly, ``cyclic`` lets it rise from ``lowest_share`` of itself
        and fall back in each cycle, half as high each time (Smith 2017, triangular2).
    factor_per_epoch
        What ``exponential`` multiplies the rate with in an epoch.
    cycle_epochs
        Epochs of one cycle of ``cyclic``.
    lowest_share
        Share of the learning rate from which ``cyclic`` rises.
    gradient_clip
        Largest norm of the gradient of all weights together; null: any.
    betas
        Decays of Adam's two running means.
    average_decay
        The weights that are validated and kept are running means of the trained ones, with this
        decay, see :class:`climbench.training.averaging.RunningMean`.
    """

    name: Literal["adam", "adamw", "radam", "rmsprop", "sgd"] = "adamw"
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_fraction: float = Field(default=0.0, ge=0, lt=1)
    schedule: Literal["cosine", "constant", "exponential", "cyclic"] = "cosine"
    factor_per_epoch: float | None = Field(default=None, gt=0, le=1)
    cycle_epochs: float | None = Field(default=None, gt=0)
    lowest_share: float = Field(default=0.1, ge=0, lt=1)
    gradient_clip: float | None = Field(default=1.0, gt=0)
    betas: tuple[Decay, Decay] | None = None
    average_decay: Decay | None = None

    @model_validator(mode="after")
    def _one_needs_the_other(self) -> Self:
        if (self.schedule == "exponential") != (self.factor_per_epoch is not None):
            raise ValueError(
                "'schedule: exponential' and 'factor_per_epoch' go together: give both or none"
            )
        if (self.schedule == "cyclic") != (self.cycle_epochs is not None):
            raise ValueError("'schedule: cyclic' and 'cycle_epochs' go together: give both or none")
        if self.betas is not None and self.name not in ("adam", "adamw"):
            raise ValueError(f"'betas' are options of adam and adamw, not of {self.name}")
        return self


class ReplayConfig(Options):
    """Training on states from a buffer of earlier answers (key ``rollout.replay``).

    In each step a batch is drawn from the buffer, answered once, and what was answered put back.

    Attributes
    ----------
    size
        How many states are kept.
    fresh_every
        In every which step a new batch of the training split comes in.
    """

    size: int = Field(ge=1)
    fresh_every: int = Field(default=1, ge=1)


class RolloutConfig(Options):
    """Training on a model's own answers as inputs (``conf/model/*.yaml``, key ``rollout``).

    Attributes
    ----------
    steps
        How many steps are taken, one number for each of as many even shares of the epochs.
    detach
        Whether no gradient flows from a step into the one before.
    replay
        The states come from a buffer, where they stay until they are ``steps`` old, and a
        gradient is of one step.
    """

    steps: tuple[int, ...] = Field(min_length=1)
    detach: bool = False
    replay: ReplayConfig | None = None

    @model_validator(mode="after")
    def _steps_go_up(self) -> Self:
        if self.steps[0] < 1 or list(self.steps) != sorted(self.steps):
            raise ValueError(f"'steps' = {list(self.steps)} must be 1 or more, and never fewer")
        return self


class LowRankConfig(Options):
    """Changes of low rank to linear layers, whose own weights stay (Hu et al. 2021, LoRA).

    Attributes
    ----------
    layers
        Patterns of names of linear layers, such as ``*.attention.1.query_key_value``.
    rank
        Of the two matrices whose product is the change.
    alpha
        The product counts ``alpha / rank`` times.
    """

    layers: tuple[str, ...] = Field(min_length=1)
    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)


class FineTuningConfig(Options):
    """What a training changes in a network that has learnt before (key ``fine_tuning``).

    Attributes
    ----------
    trainable
        ``all``, the name of a group that the network offers (ClimaX: ``frozen``, ``head``), or
        patterns of names of weights, read in order; one that begins with ``!`` takes weights out
        again.
    low_rank
        Linear layers that change by matrices of low rank alone.
    pretrained_rate
        How many times as fast as new weights those learn that come from ``initial_weights``.
    """

    trainable: str | tuple[str, ...] = "all"
    low_rank: LowRankConfig | None = None
    pretrained_rate: float = Field(default=1.0, gt=0)


class ModelConfig(Options):
    """A model of the zoo (``conf/model/*.yaml``).

    Attributes
    ----------
    name
        In tables, and in the folders of a run.
    network
        ``_target_``, the class, and the hyper-parameters of its constructor.
    optimizer
        Of networks. Closed-form models have none and see the training data once.
    max_epochs
        Passes over the training data, at most.
    patience
        Epochs without a better validation loss after which a training ends; null: none.
    initial_weights
        File whose weights a training starts from: a checkpoint of climbench or, for ClimaX, of its
        authors.
    batch_size
        That of a published training, in the place of the trainer's.
    fit_on
        Whether a closed form, which chooses nothing on the validation split, learns from it too.
    fine_tuning
        Which weights are trained, and how; all alike without it.
    loss
        What is minimised (:mod:`climbench.training.losses`); by default the mean squared error.
    rollout
        How many steps of an iterative task are trained through.
    """

    name: str
    network: dict[str, Any]
    optimizer: OptimizerConfig | None = None
    max_epochs: int = Field(default=1, ge=1)
    patience: int | None = Field(default=None, ge=1)
    initial_weights: Path | None = None
    batch_size: int | None = Field(default=None, ge=1)
    fit_on: Literal["train", "train_and_validation"] = "train"
    fine_tuning: FineTuningConfig | None = None
    loss: dict[str, Any] | None = None
    rollout: RolloutConfig | None = None

    @model_validator(mode="after")
    def _closed_forms_have_no_loss(self) -> Self:
        for option in ("loss", "rollout"):
            if self.optimizer is None and getattr(self, option) is not None:
                raise ValueError(f"'{option}' is for networks, which have an 'optimizer'")
        return self

    @model_validator(mode="after")
    def _networks_need_validation(self) -> Self:
        if self.optimizer is not None and self.fit_on != "train":
            raise ValueError(
                "'fit_on: train_and_validation' is for closed forms: a network chooses its best "
                "weights on the validation split"
            )
        return self

    @model_validator(mode="after")
    def _closed_forms_have_nothing_to_tune(self) -> Self:
        if self.optimizer is None and self.fine_tuning is not None:
            raise ValueError("'fine_tuning' is for networks, which have an 'optimizer'")
        tuning = self.fine_tuning
        if tuning is not None and tuning.pretrained_rate != 1 and self.initial_weights is None:
            raise ValueError("'fine_tuning.pretrained_rate' needs 'initial_weights'")
        return self


class ReportConfig(Options):
    """What a page shows (``conf/report/*.yaml``).

    Attributes
    ----------
    lead_hours
        Lead time of the headline score and of the maps; the nearest one that was scored is taken.
    map_channels
        Maps are drawn for the first so many variables; 0 for none.
    forecast_channels
        Truth and forecast are shown for the first so many variables; 0 for none.
    times
        Initial times of these forecasts, the nearest are taken; by default one in the middle.
    """

    lead_hours: float = Field(default=24.0, ge=0)
    map_channels: int = Field(default=8, ge=0)
    forecast_channels: int = Field(default=3, ge=0)
    times: tuple[str, ...] = ()


class TrainerConfig(Options):
    """How training runs on this machine (``conf/trainer/*.yaml``).

    Attributes
    ----------
    accelerator
        Kind of device; ``auto`` takes a GPU where there is one.
    devices
        How many of them, or which; ``auto`` takes all.
    num_nodes
        Machines that train together.
    strategy
        How devices share the work, as Lightning names it: ``ddp_spawn``, ``ddp``; or ``fsdp``.
    precision
        Of the network's numbers; the loss is always of float32 or better.
    batch_size
        Samples of one device in one step.
    num_workers
        Processes that read; 0: a thread.
    prefetch_batches
        Read ahead while the current one is used.
    reader
        Where samples are read from: a packed copy in memory (``ram``) or on disk (``mmap``), or
        the store itself (``zarr``).
    reader_memory
        Share of the free memory that the packed copy may fill.
    seed
        Of weights, shuffling and noise.
    max_minutes
        Training ends after so long; the best weights so far are kept.
    checkpoint_minutes
        Saved so often within epochs too, so that an interrupted training goes on there.
    accumulate_batches
        Batches whose gradients make one step.
    activation_checkpointing
        What blocks of a network have computed is freed, and computed again for the gradient.
    compile
        Whether torch compiles the network.
    sync_batchnorm
        Whether batch norms are taken over all devices.
    deterministic
        Whether only algorithms are used that give the same bits again.
    progress_bar
        Whether a bar is shown.
    """

    accelerator: Literal["auto", "cpu", "gpu", "mps", "tpu"] = "auto"
    devices: int | str | list[int] = "auto"
    num_nodes: int = Field(default=1, ge=1)
    strategy: str = "auto"
    # None of half precision throughout: Lightning would cast fields before they are scaled.
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"] = "32-true"
    batch_size: int = Field(default=32, ge=1)
    num_workers: int = Field(default=0, ge=0)
    prefetch_batches: int = Field(default=1, ge=0)
    reader: Literal["auto", "ram", "mmap", "zarr"] = "auto"
    reader_memory: float = Field(default=0.25, gt=0, le=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    max_minutes: float | None = Field(default=None, gt=0)
    checkpoint_minutes: float | None = Field(default=10.0, ge=0)
    accumulate_batches: int = Field(default=1, ge=1)
    activation_checkpointing: bool = False
    compile: bool = False
    sync_batchnorm: bool = False
    deterministic: bool = True
    progress_bar: bool = True

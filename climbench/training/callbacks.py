"""What accompanies the training of a network: the best weights, resuming, stopping, averaging."""

from pathlib import Path

from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from climbench.config import ModelConfig, TrainerConfig
from climbench.training.averaging import RunningMean
from climbench.training.resume import ResumePoints

JUDGE = "validation/loss"  # in normalised units, so that no variable's unit has a say


def callbacks_of(model: ModelConfig, trainer: TrainerConfig, directory: Path) -> list[Callback]:
    """Return the callbacks of a training by gradients.

    ``directory/best.ckpt`` holds the epoch of the lowest validation loss, ``last.ckpt`` the state
    from which an interrupted training goes on.
    """
    found: list[Callback] = []
    if model.optimizer is not None and model.optimizer.average_decay is not None:
        found.append(RunningMean(model.optimizer.average_decay))  # moves before anything is saved
    if model.patience is not None:
        found.append(EarlyStopping(JUDGE, patience=model.patience))
    found.append(ResumePoints(directory / "last.ckpt", trainer.checkpoint_minutes))
    best = ModelCheckpoint(
        directory, filename="best", monitor=JUDGE, save_last=True, enable_version_counter=False
    )
    return [*found, best]

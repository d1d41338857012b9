"""A small training for several processes, which notes the samples that each of them sees."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from small_training import OPTIONS, TRAINER, convolution

from climbench.tasks import DirectForecasting
from climbench.training import train
from climbench.training.gradient import GradientModule

DAYS = OPTIONS | {"train": ("2000-01-01", "2000-01-16T00")}  # 60 windows


def fitted(
    store: Path,
    folder: Path,
    told_to_end_at: int | None = None,
    optimizer: str = "sgd",
    **trainer: Any,
) -> None:
    """Fit perceptrons for two epochs; rank by rank the samples are in ``seen-RANK.npy``.

    Before step ``told_to_end_at`` (of all) SIGTERM is sent to the process that started this one.
    """
    task = DirectForecasting(store=store, **DAYS, lead_times=(6,))
    rate = 0.1 if optimizer == "sgd" else 0.01
    changes = {"name": optimizer, "learning_rate": rate, "weight_decay": 1e-3}
    model = convolution(epochs=2).model_copy(
        update={"network": {"_target_": "small_networks.Blocks"}}
    )
    model = model.model_copy(update={"optimizer": model.optimizer.model_copy(update=changes)})
    options = {"devices": 2, "strategy": "ddp", "checkpoint_minutes": None} | trainer
    seen: list[int] = []
    step = GradientModule.training_step

    def noting(self: Any, batch: Any, batch_idx: int) -> Any:
        seen.extend(batch.index.tolist())
        np.save(folder / f"seen-{self.global_rank}.npy", seen)
        if self.global_rank == 0 and self.global_step + 1 == told_to_end_at:
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(0.5)  # it may come a little later
        return step(self, batch, batch_idx)

    GradientModule.training_step = noting
    try:
        train(task, model, TRAINER.model_copy(update=options), folder)
    finally:
        GradientModule.training_step = step

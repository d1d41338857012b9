"""A small training for several processes, which notes the samples that each of them sees."""

from pathlib import Path
from typing import Any

import numpy as np
from small_training import OPTIONS, TRAINER, convolution

from climbench.tasks import DirectForecasting
from climbench.training import train
from climbench.training.gradient import GradientModule

DAYS = OPTIONS | {"train": ("2000-01-01", "2000-01-16T00")}  # 60 windows


def fitted(store: Path, folder: Path, **trainer: Any) -> None:
    """Fit perceptrons for two epochs; rank by rank the samples are in ``seen-RANK.npy``."""
    task = DirectForecasting(store=store, **DAYS, lead_times=(6,))
    optimizer = {"name": "sgd", "learning_rate": 0.1, "weight_decay": 1e-3}
    model = convolution(epochs=2).model_copy(
        update={"network": {"_target_": "small_networks.Blocks"}}
    )
    model = model.model_copy(update={"optimizer": model.optimizer.model_copy(update=optimizer)})
    options = {"devices": 2, "strategy": "ddp", "checkpoint_minutes": None} | trainer
    seen: list[int] = []
    step = GradientModule.training_step

    def noting(self: Any, batch: Any, batch_idx: int) -> Any:
        seen.extend(batch.index.tolist())
        np.save(folder / f"seen-{self.global_rank}.npy", seen)
        return step(self, batch, batch_idx)

    GradientModule.training_step = noting
    try:
        train(task, model, TRAINER.model_copy(update=options), folder)
    finally:
        GradientModule.training_step = step

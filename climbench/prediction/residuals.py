"""What a model's answers leave over a split, along the times that they are for."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import xarray as xr

from climbench.tasks.telemetry import TelemetryForecasting
from climbench.training.module import FittedModule

BATCH = 512
INTERVAL = ("lower", "upper")


@torch.no_grad()
def residuals(
    module: FittedModule,
    task: TelemetryForecasting,
    split: Literal["train", "validation", "test"],
    lead: int,
    interval: bool = False,
) -> xr.Dataset:
    """Return truth, forecast and, if asked for, the outermost members at one lead.

    Parameters
    ----------
    module
        The fitted model.
    task
        What it answers.
    split
        Whose samples are answered.
    lead
        Position among the lead times.
    interval
        Whether ``lower`` and ``upper`` are wanted, of a model with members.

    Returns
    -------
    xarray.Dataset
        ``truth``, ``forecast``, (``lower``, ``upper``) ``[time, target]`` in physical units, at
        the valid times.
    """
    windows = task.split(split)
    names = ["truth", "forecast", *(INTERVAL if interval and module.members else ())]
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    module.eval()
    for at in _batches(len(windows)):
        sample = windows.__getitems__(at)
        answers = {"truth": sample.targets, "forecast": module(sample)}
        if len(names) > 2:
            ends = (0, module.members - 1)
            drawn = (module.draw(sample, member) for member in ends)
            answers |= dict(zip(INTERVAL, drawn, strict=True))
        for name, fields in answers.items():
            parts[name].append(fields[:, lead, :, 0, 0].numpy())
    times = task.timeline.index[windows.target_positions[:, lead]]
    whole = {name: (("time", "target"), np.concatenate(each)) for name, each in parts.items()}
    return xr.Dataset(whole, {"time": times, "target": list(task.targets)})


def _batches(size: int) -> Iterator[list[int]]:
    for start in range(0, size, BATCH):
        yield list(range(start, min(start + BATCH, size)))

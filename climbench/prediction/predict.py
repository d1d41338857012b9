"""From a checkpoint to a store of predictions over the test split."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from climbench.prediction.rollout import Model, answer
from climbench.progress import track
from climbench.store import (
    create_store,
    encoding,
    open_store,
    store_hash,
    with_expected,
    write_part,
)
from climbench.store.disk import disk_full_is_a_user_error
from climbench.store.layout import consolidate
from climbench.store.provenance import file_sha256
from climbench.tasks.forecasting import IterativeForecasting
from climbench.tasks.sample import Sample
from climbench.tasks.task import Samples, Task
from climbench.training.checkpoint import check_fits, load_checkpoint
from climbench.training.module import FittedModule


def predict(
    checkpoint: Path, task: Task, path: Path, batch_size: int, progress_bar: bool = False
) -> Path:
    """Write the predictions of a model over the test split of a task.

    Forecasts are in the layout of WeatherBench 2, ``[time, prediction_timedelta, (level),
    latitude, longitude]``; emulations ``[scenario, time, latitude, longitude]``; an ensemble has
    ``member`` as its second dimension, and beside each variable ``NAME_mean``, what the model
    expects: the answer of its ``forward``, without the noise that the mean of a few draws holds.
    (Not in forecasts by steps: fed with its expected states a model goes another way; nor of a
    network with ``forward_is_mean_of_members``, whose members tell the same.) A block
    of them is in memory at a time, and the store is renamed from ``path.building`` when it is
    whole.

    Parameters
    ----------
    checkpoint
        From :func:`climbench.training.train`.
    task
        What is asked; of the grid and channels of the checkpoint.
    path
        The Zarr store to write; replaced if it exists.
    batch_size
        Samples that the model answers at once; no effect on the result.
    progress_bar
        Whether progress is shown.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    UserError
        If the checkpoint is damaged or does not fit the task, or the disk is full.
    """
    module = load_checkpoint(checkpoint)
    check_fits(checkpoint, module.signature, task.signature)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device)
    samples, blocks = task.split("test"), task.blocks()
    building = path.with_name(path.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    building.parent.mkdir(parents=True, exist_ok=True)
    start = 0
    with disk_full_is_a_user_error(building):
        for block in track(blocks, f"predict {module.record['model']['name']}", shown=progress_bar):
            part = _part(module, task, samples, block, batch_size)
            if start == 0:
                template, size = _template(module, task), part.sizes[task.part_dimension]
                chunk = min(size, getattr(task, "prediction_chunk", 1))
                layout = encoding(template, task.part_dimension, chunk=chunk, shard=size)
                create_store(building, template, _attributes(checkpoint, module, task), layout)
            write_part(building, part, task.part_dimension, start)
            start += part.sizes[task.part_dimension]
        consolidate(building)
    shutil.rmtree(path, ignore_errors=True)
    return building.rename(path)


def _part(
    module: FittedModule, task: Task, samples: Samples, block: NDArray[np.int64], batch_size: int
) -> xr.Dataset:
    """Return the predictions of a block, with ``member`` as second dimension if there are any."""

    def answers(model: Model) -> xr.Dataset:
        return task.to_dataset(block, _answers(model, module, task, samples, block, batch_size))

    if not module.members:
        return answers(module)
    members = [answers(partial(module.draw, member=member)) for member in range(module.members)]
    whole = xr.concat(members, xr.Variable("member", np.arange(module.members)), join="exact")
    whole = whole.transpose(task.part_dimension, "member", ...)
    return with_expected(whole, answers(module)) if _expects(module, task) else whole


def _expects(module: FittedModule, task: Task) -> bool:
    """Tell whether ``forward`` knows the mean of what a model draws better than its members do."""
    known_by_members = getattr(module.network, "forward_is_mean_of_members", False)
    return not known_by_members and not isinstance(task, IterativeForecasting)


def _template(module: FittedModule, task: Task) -> xr.Dataset:
    template = task.template()
    if not module.members:
        return template
    whole = template.expand_dims(member=np.arange(module.members), axis=1)
    return with_expected(whole, template) if _expects(module, task) else whole


def _answers(
    model: Model,
    module: FittedModule,
    task: Task,
    samples: Samples,
    block: NDArray[np.int64],
    batch_size: int,
) -> NDArray[np.float32]:
    answers = []
    with torch.inference_mode():
        for start in range(0, block.size, batch_size):
            sample = samples.__getitems__(block[start : start + batch_size].tolist())
            placed = Sample(*(part.to(module.device) for part in sample))
            answers.append(answer(model, placed, task).cpu().numpy())
    return np.concatenate(answers)


def _attributes(checkpoint: Path, module: FittedModule, task: Task) -> dict[str, Any]:
    return {
        "model": module.record["model"]["name"],
        "task": json.dumps(task.options(), sort_keys=True),
        "task_hash": task.hash,
        "checkpoint_sha256": file_sha256(checkpoint),
        "store_hash": store_hash(task.store),
        "simulated": open_store(task.store).attrs.get("simulated", "false"),
    }

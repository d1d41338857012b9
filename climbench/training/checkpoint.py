"""Checkpoints that say all about themselves and load without running foreign code."""

import pickle
from pathlib import Path
from typing import Any

import torch

from climbench.config import ModelConfig, TrainerConfig, instantiate
from climbench.errors import UserError
from climbench.models.closed_form import ClosedForm
from climbench.store import software_versions, store_hash
from climbench.tasks.sample import Signature
from climbench.tasks.task import Normalisation, Task
from climbench.training.changes import deviations_of_change
from climbench.training.closed_form import ClosedFormModule
from climbench.training.fine_tuning import plain_weights
from climbench.training.gradient import GradientModule
from climbench.training.losses import build_loss, needs_changes
from climbench.training.module import FittedModule
from climbench.training.network import build_network
from climbench.training.rollout import RolloutModule

FORMAT = 1
DAMAGE = (
    *(RuntimeError, OSError, EOFError, pickle.UnpicklingError, ValueError, LookupError, TypeError),
    AttributeError,
)


def describe(task: Task, model: ModelConfig, trainer: TrainerConfig) -> dict[str, Any]:
    """Return what a checkpoint says about itself: plain values that build the module again."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "model": model.model_dump(mode="json"),
        "signature": task.signature.to_dict(),
        "normalisation": task.normalisation.to_dict(),
        "task": task.options(),
        "task_hash": task.hash,
        "store_hash": store_hash(task.store),
        "seed": trainer.seed,
        "trainer": trainer.model_dump(mode="json"),
        "software": software_versions(),
    }
    if needs_changes(model.loss):
        record["changes"] = deviations_of_change(task, task.split("train"))
    return record


def build_module(record: dict[str, Any]) -> FittedModule:
    """Return the module that a record describes, not yet fitted.

    Raises
    ------
    UserError
        If the network cannot be built, or has weights to fit and no optimizer.
    """
    model = ModelConfig(**record["model"])
    signature = Signature.from_dict(record["signature"])
    normalisation = Normalisation.from_dict(record["normalisation"])
    network = build_network(model.network, signature)
    if model.optimizer is not None:
        criterion = build_loss(model.loss, signature, record.get("changes"))
        parts = (network, signature, normalisation, record, criterion)
        if model.rollout is None:
            return GradientModule(*parts, optimizer=model.optimizer)
        return RolloutModule(
            *parts, optimizer=model.optimizer, rollout=model.rollout, step=record["task"]["step"]
        )
    if not isinstance(network, ClosedForm):
        raise UserError(f"model '{model.name}' has no option 'optimizer', which fits its weights.")
    return ClosedFormModule(network, signature, normalisation, record)


def save_checkpoint(module: FittedModule, path: Path) -> Path:
    """Write a checkpoint of plain weights under a temporary name, then rename it."""
    partial = path.with_name(path.name + ".partial")
    torch.save({"climbench": module.record, "state_dict": plain_weights(module.network)}, partial)
    partial.replace(path)
    return path


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Return ``climbench`` (the record) and ``state_dict`` of a checkpoint, on the CPU.

    Raises
    ------
    UserError
        If there is no such file, or it is damaged or no checkpoint of climbench.
    """
    path = Path(path)
    if (path / "checkpoint.ckpt").is_file():
        raise UserError(f"{path} is a folder: give {path / 'checkpoint.ckpt'}.")
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}: `climbench train` makes one.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise UserError(
            f"{path} is not a checkpoint or is truncated: train the model again."
        ) from error
    if not isinstance(content, dict) or "climbench" not in content:
        raise UserError(f"{path} is a torch file but no checkpoint of `climbench train`.")
    if content["climbench"]["format"] != FORMAT:
        raise UserError(
            f"{path} has checkpoint format {content['climbench']['format']} and this climbench "
            f"reads format {FORMAT}: train the model again."
        )
    return content


def load_checkpoint(path: Path | str) -> FittedModule:
    """Return the fitted module of a checkpoint, ready to predict, on the CPU.

    Raises
    ------
    UserError
        If the file is damaged or no checkpoint, or its weights do not fit the model's code.
    """
    content = read_checkpoint(path)
    module = build_module(content["climbench"])
    try:
        module.network.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise UserError(
            f"the weights in {path} do not fit {type(module.network).__name__}: "
            "was its code changed since the training?"
        ) from error
    module.eval()
    return module


def task_of(path: Path | str, store: Path | None = None) -> Task:
    """Return the task that a checkpoint was trained for.

    Parameters
    ----------
    path
        The checkpoint.
    store
        Where the store lies now; by default where it lay when the model was trained.
    """
    options = dict(read_checkpoint(path)["climbench"]["task"])
    if store is not None:
        options |= {"store": str(store), "cache": None}
    task: Task = instantiate(options)
    return task


def validation_loss(path: Path | str) -> float | None:
    """Return the loss of a model on the validation split, in normalised units: what sweeps lower.

    It is the loss that was trained with. None where a closed form was not validated.
    """
    loss = read_checkpoint(path)["climbench"].get("validation_loss")
    return None if loss is None else float(loss)


def check_fits(path: Path, trained: Signature, asked: Signature) -> None:
    """Check that a checkpoint answers the question of a task.

    Raises
    ------
    UserError
        If grid, channels or history differ; the sentence names both.
    """
    for what, one, other in (
        ("", _target_grid(trained), _target_grid(asked)),
        ("inputs on ", _input_grid(trained), _input_grid(asked)),
    ):
        if not _same_grid(one, other):
            raise UserError(
                f"checkpoint {path} was trained with {what}the grid {_grid(*one)} and the task's "
                f"store has {_grid(*other)}: train on this store, or regrid it in its recipe."
            )
    parts = (
        *("inputs", "forcings", "static", "targets", "history", "leads", "climate_models"),
        "stations",
    )
    for part in parts:
        one, other = getattr(trained, part), getattr(asked, part)
        if one != other:
            raise UserError(
                f"checkpoint {path} was trained with {part} {_list(one)} and the task has "
                f"{_list(other)}: choose the task it was trained for, or train again."
            )


Grid = tuple[tuple[float, ...], tuple[float, ...]]
"""Latitudes and longitudes."""


def _target_grid(signature: Signature) -> Grid:
    return signature.latitude, signature.longitude


def _input_grid(signature: Signature) -> Grid:
    return (
        signature.input_latitude or signature.latitude,
        signature.input_longitude or signature.longitude,
    )


def _same_grid(one: Grid, other: Grid) -> bool:
    return all(
        len(a) == len(b) and all(abs(x - y) < 1e-4 for x, y in zip(a, b, strict=True))
        for a, b in zip(one, other, strict=True)
    )


def _grid(latitude: tuple[float, ...], longitude: tuple[float, ...]) -> str:
    return (
        f"{len(latitude)} x {len(longitude)} (latitude {latitude[0]:g}..{latitude[-1]:g}, "
        f"longitude {longitude[0]:g}..{longitude[-1]:g})"
    )


def _list(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)

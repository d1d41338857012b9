"""Fitting a model to a task: every model goes through Lightning's ``Trainer.fit``."""

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException

from climbench.config import ModelConfig, TrainerConfig
from climbench.errors import UserError
from climbench.tasks.task import Task
from climbench.training.checkpoint import (
    build_module,
    describe,
    read_checkpoint,
    save_checkpoint,
)
from climbench.training.data import SplitLoaders, steady_batch
from climbench.training.initial_weights import load_initial_weights
from climbench.training.module import FittedModule

NAME = "checkpoint.ckpt"
DECIDES = ("model", "task_hash", "seed")  # what makes two trainings the same training
NOISE = (
    ".*does not have many workers.*",  # workers lose against batched reading, see data.py
    ".*returned `None`, this fit will run with no optimizer.*",  # closed forms
    ".*isinstance.treespec, LeafSpec.*",  # lightning 2.6 with torch 2.13
    ".*Checkpoint directory .* exists and is not empty.*",  # resuming
    ".*The number of training batches .* is smaller than the logging interval.*",
    ".*`training_step` returned `None`.*",  # closed forms
    ".*can be set to make use of.*",
)


def train(task: Task, model: ModelConfig, trainer: TrainerConfig, directory: Path) -> Path:
    """Fit a model and return its checkpoint.

    A network is fitted until ``max_epochs``, ``max_minutes``, or ``patience`` epochs without a
    better loss on the validation split, whose best weights are kept. A closed-form model sees
    each training sample once. An interrupted training continues from ``directory/last.ckpt``; a
    finished one is not repeated.

    Parameters
    ----------
    task
        What is asked.
    model
        The network, the weights it starts from, and how it is fitted.
    trainer
        The machine, batch size and seed.
    directory
        Folder of the checkpoint and the logs.

    Returns
    -------
    Path
        ``directory/checkpoint.ckpt``, for :func:`climbench.training.load_checkpoint`.

    Raises
    ------
    UserError
        If the model does not fit the task, the folder holds another training, or the loss
        becomes infinite.
    """
    if model.batch_size is not None:
        trainer = trainer.model_copy(update={"batch_size": model.batch_size})
    directory.mkdir(parents=True, exist_ok=True)
    target, last = directory / NAME, directory / "last.ckpt"
    record = describe(task, model, trainer)
    for path in (target, last):
        _check_same_training(path, record)
    if target.exists():
        return target
    with quiet():
        L.seed_everything(trainer.seed, workers=True, verbose=False)
        module = build_module(record)
        try:
            fitting = _trainer(model, trainer, directory)
        except (MisconfigurationException, ValueError) as error:
            raise UserError(f"the options of 'trainer' do not fit this machine: {error}") from error
        if model.optimizer is None:
            steady = steady_batch(task.signature, trainer.batch_size)
            trainer = trainer.model_copy(update={"batch_size": steady})
        loaders = SplitLoaders(task, trainer)
        resume = str(last) if last.exists() else None
        if model.initial_weights is not None and resume is None:
            load_initial_weights(module.network, model.initial_weights)
        try:
            fitting.fit(module, datamodule=loaders, ckpt_path=resume, weights_only=True)
        except SIGTERMException as stop:  # which by itself exits as if all were done
            raise SystemExit(128 + signal.SIGTERM) from stop
        if fitting.is_global_zero:
            if model.optimizer is not None:
                _take_best(directory / "best.ckpt", module, model.name)
            save_checkpoint(module, target)
            for path in (last, directory / "best.ckpt"):
                path.unlink(missing_ok=True)
        fitting.strategy.barrier()
    return target


def _check_same_training(path: Path, record: dict[str, Any]) -> None:
    if not path.exists():
        return
    found = read_checkpoint(path)["climbench"]
    for part in DECIDES:
        if found[part] != record[part]:
            raise UserError(
                f"{path.parent} holds the training of another {part.removesuffix('_hash')}: "
                "choose another folder or delete it."
            )


def _trainer(model: ModelConfig, trainer: TrainerConfig, directory: Path) -> L.Trainer:
    by_gradient = model.optimizer is not None
    minutes = trainer.max_minutes if by_gradient else None
    return L.Trainer(
        accelerator=trainer.accelerator,
        devices=trainer.devices,
        num_nodes=trainer.num_nodes,
        strategy=trainer.strategy,
        precision=trainer.precision if by_gradient else "32-true",
        max_epochs=model.max_epochs if by_gradient else 1,
        max_time=timedelta(minutes=minutes) if minutes else None,
        gradient_clip_val=model.optimizer.gradient_clip if model.optimizer else None,
        deterministic=trainer.deterministic,
        callbacks=_callbacks(model, directory) if by_gradient else [],
        enable_checkpointing=by_gradient,
        logger=CSVLogger(directory, name="logs"),
        enable_progress_bar=trainer.progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # Batches deals out the samples, none of them twice
    )


def _callbacks(model: ModelConfig, directory: Path) -> list[Callback]:
    best = ModelCheckpoint(
        directory,
        filename="best",
        monitor="validation/loss",
        save_last=True,
        enable_version_counter=False,
    )
    if model.patience is None:
        return [best]
    return [best, EarlyStopping("validation/loss", patience=model.patience)]


def _take_best(path: Path, module: FittedModule, name: str) -> None:
    """Give the module the weights of the best epoch."""
    best = torch.load(path, map_location="cpu", weights_only=True)
    states = best["callbacks"].values()
    score = next(s["best_model_score"] for s in states if "best_model_score" in s)
    if not torch.isfinite(score):
        raise UserError(
            f"the training of '{name}' diverged, its validation loss is {score:g}: "
            "lower the learning rate or check the data for outliers."
        )
    module.load_state_dict(best["state_dict"])


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the warnings and advertisements of Lightning that tell the user nothing."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in NOISE:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        log.setLevel(level)

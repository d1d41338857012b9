"""Fitting a model to a task: every model goes through Lightning's ``Trainer.fit``."""

import copy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import StrategyRegistry
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
from torch import nn
from torch.multiprocessing.spawn import ProcessExitedException

from climbench.config import ModelConfig, TrainerConfig
from climbench.errors import UserError, nearest
from climbench.store.reading import Reading
from climbench.tasks.base_forecasting import Forecasting
from climbench.tasks.forecasting import IterativeForecasting
from climbench.tasks.task import Task
from climbench.training.callbacks import JUDGE, callbacks_of
from climbench.training.checkpoint import (
    build_module,
    describe,
    read_checkpoint,
    save_checkpoint,
)
from climbench.training.data import SplitLoaders, steady_batch
from climbench.training.fine_tuning import fine_tune
from climbench.training.gradient import GradientModule
from climbench.training.initial_weights import console, load_initial_weights, read_report
from climbench.training.module import FittedModule
from climbench.training.network import build_network
from climbench.training.progress_bar import TrainingBar
from climbench.training.quiet import quiet
from climbench.training.recomputation import recompute_blocks
from climbench.training.resume import INTERRUPTED, TOLD_TO_END
from climbench.training.sharding import SharedOut

NAME = "checkpoint.ckpt"
DECIDES = ("model", "task_hash", "seed")  # what makes two trainings the same training


def train(task: Task, model: ModelConfig, trainer: TrainerConfig, directory: Path) -> Path:
    """Fit a model and return its checkpoint.

    A network is fitted until ``max_epochs``, ``max_minutes``, or ``patience`` epochs without a
    better loss on the validation split, whose best weights are kept. A closed-form model sees
    each training sample once. An interrupted training continues from ``directory/last.ckpt``, in
    the middle of an epoch too, to the weights that it would have had; a finished one is not
    repeated.

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
        ``directory/checkpoint.ckpt``, for :func:`climbench.training.load_checkpoint`. Beside it
        ``initial_weights.json`` says what became of each weight of that file.

    Raises
    ------
    UserError
        If the model does not fit the task, the folder holds another training, or the loss
        becomes infinite.
    """
    _check_options(task, model)
    if model.batch_size is not None:
        trainer = trainer.model_copy(update={"batch_size": model.batch_size})
    task.reading = Reading(trainer.reader, trainer.reader_memory)
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
        _check_pairs(task, module.network, model.name)
        _check_strategy(trainer.strategy)
        try:
            fitting = _trainer(model, trainer, directory)
        except (MisconfigurationException, ValueError, TypeError) as error:
            raise UserError(f"the options of 'trainer' do not fit this machine: {error}") from error
        check_launcher(fitting, trainer.strategy)
        if model.optimizer is None:
            steady = steady_batch(task.signature, trainer.batch_size)
            trainer = trainer.model_copy(update={"batch_size": steady})
        steps = None if model.rollout is None else model.rollout.steps[-1]
        loaders = SplitLoaders(task, trainer, model.fit_on, steps)
        resume = str(last) if last.exists() else None
        _start(module, model, directory, fresh=resume is None)
        fitted = _prepare(module, model, trainer, fitting)
        with told_to_end(fitting):
            fitting.fit(module, datamodule=loaders, ckpt_path=resume, weights_only=True)
        if fitting.is_global_zero:
            _keep(fitted, model, fitting, directory)
        fitting.strategy.barrier()
    return target


def check_model(task: Task, model: ModelConfig) -> None:
    """Refuse a model that cannot answer a task, before any other is trained.

    Raises
    ------
    UserError
        If an option is wrong, or the model is for other questions.
    """
    _check_options(task, model)
    network = build_network(model.network, task.signature)
    _check_pairs(task, network, model.name)
    if getattr(task, "held_out", ()) and not getattr(network, "answers_new_places", True):
        raise UserError(
            f"'{model.name}' has coefficients of each station and none of those that are held out: "
            "leave it out, or take station_regression."
        )


def _check_options(task: Task, model: ModelConfig) -> None:
    if model.fit_on != "train" and getattr(type(task), "split", None) is not Forecasting.split:
        raise UserError(
            f"option 'fit_on' = {model.fit_on} of '{model.name}' is for forecasting: leave it out."
        )
    if model.rollout is not None and not isinstance(task, IterativeForecasting):
        raise UserError(
            f"model '{model.name}' has the option 'rollout': it needs task=iterative_forecasting."
        )


def _check_strategy(name: str) -> None:
    known = ["auto", *StrategyRegistry.available_strategies()]
    if name not in known:
        raise UserError(f"there is no trainer.strategy '{name}': {nearest(name, known)}")


def _keep(module: FittedModule, model: ModelConfig, fitting: L.Trainer, directory: Path) -> None:
    """Write the checkpoint of the best weights, and remove what resuming would have needed."""
    best = directory / "best.ckpt"
    if model.optimizer is not None:
        _take_best(best, module, model.name)
    elif JUDGE in fitting.callback_metrics:
        module.record["validation_loss"] = float(fitting.callback_metrics[JUDGE])
    save_checkpoint(module, directory / NAME)
    for path in (directory / "last.ckpt", best):
        path.unlink(missing_ok=True)


@contextmanager
def told_to_end(fitting: L.Trainer) -> Iterator[None]:
    """Exit with the code of SIGTERM where a training has saved itself and ended.

    After an interruption from the keyboard Lightning would exit too, even from a notebook. Where
    this process only waits for those that it has started, SIGTERM is handed on to them.
    """
    launcher = fitting.strategy.launcher
    before = None
    in_main = threading.current_thread() is threading.main_thread()
    if isinstance(launcher, _MultiProcessingLauncher) and in_main:
        before = signal.signal(signal.SIGTERM, lambda number, _: launcher.kill(number))
    try:
        yield
    except SystemExit as stop:  # which by itself may exit as if all were done
        if stop.code == INTERRUPTED or isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        if isinstance(stop, SIGTERMException):
            raise SystemExit(TOLD_TO_END) from stop
        raise
    except ProcessExitedException as stop:
        raise SystemExit(TOLD_TO_END) if stop.exit_code == TOLD_TO_END else stop from stop
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


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


def _start(module: FittedModule, model: ModelConfig, directory: Path, fresh: bool) -> None:
    """Give a module its initial weights, unless its training goes on, and freeze what stays."""
    report, tuning = directory / "initial_weights.json", model.fine_tuning
    if model.initial_weights is not None and fresh:
        load_initial_weights(module.network, model.initial_weights).write(report)
    if tuning is None:
        return
    if tuning.pretrained_rate != 1.0 and isinstance(module, GradientModule):
        module.rates = dict.fromkeys(read_report(report).taken, tuning.pretrained_rate)
    console.print(fine_tune(module.network, tuning), markup=False, highlight=False)


def _prepare(
    module: FittedModule, model: ModelConfig, trainer: TrainerConfig, fitting: L.Trainer
) -> FittedModule:
    """Prepare a module for its machine, and return the one that the best weights go into."""
    if model.optimizer is None:
        return module
    sharded = isinstance(fitting.strategy, SharedOut)
    if sharded and model.optimizer.average_decay is not None:
        raise UserError("option 'optimizer.average_decay' needs whole weights: take trainer=ddp.")
    if sharded and model.optimizer.name == "sgd":
        raise UserError("option 'optimizer.name' = sgd: not with fsdp, which needs a state of it.")
    if sharded and trainer.sync_batchnorm:
        raise UserError("option 'trainer.sync_batchnorm' needs whole weights: take trainer=ddp.")
    plain = copy.deepcopy(module) if sharded else module
    if trainer.activation_checkpointing:
        recompute_blocks(module.network)
    if trainer.compile and hasattr(module.network, "loss"):
        raise UserError(
            f"model '{model.name}' has a loss of its own, which torch.compile does not reach: "
            "leave out 'trainer.compile'."
        )
    if trainer.compile:
        module.network.compile()
    return plain


def check_launcher(fitting: L.Trainer, strategy: str) -> None:
    """Refuse to start other processes by a command that is no script, such as ours."""
    starts_scripts = isinstance(fitting.strategy.launcher, _SubprocessScriptLauncher)
    external = starts_scripts and fitting.strategy.cluster_environment.creates_processes_externally
    if starts_scripts and not external and fitting.world_size > 1:
        if not Path(sys.argv[0]).is_file():
            raise UserError(
                f"option 'trainer.strategy' = {strategy} with {fitting.world_size} devices: start "
                "it with `torchrun --nproc-per-node=N --no-python climbench ...` or `srun`, or "
                "take trainer.strategy=ddp_spawn."
            )


def _check_pairs(task: Task, network: nn.Module, name: str) -> None:
    """Refuse to learn pairs from archives whose dates are not of the same weather."""
    if getattr(task, "synchronous", True) or not getattr(network, "learns_from_pairs", True):
        return
    raise UserError(
        f"'{name}' learns from pairs of inputs and targets, and this task is not synchronous: "
        "its dates are no pairs. Take quantile_mapping, bcsd or an interpolation."
    )


def _trainer(model: ModelConfig, trainer: TrainerConfig, directory: Path) -> L.Trainer:
    by_gradient = model.optimizer is not None
    minutes = trainer.max_minutes if by_gradient else None
    strategy: Any = trainer.strategy
    if strategy == "fsdp":
        strategy = SharedOut() if by_gradient else "ddp"
    return L.Trainer(
        default_root_dir=directory,  # where Lightning looks for what SLURM interrupted
        accelerator=trainer.accelerator,
        devices=trainer.devices,
        num_nodes=trainer.num_nodes,
        strategy=strategy,
        precision=trainer.precision if by_gradient else "32-true",
        max_epochs=model.max_epochs if by_gradient else 1,
        max_time=timedelta(minutes=minutes) if minutes else None,
        gradient_clip_val=model.optimizer.gradient_clip if model.optimizer else None,
        accumulate_grad_batches=trainer.accumulate_batches if by_gradient else 1,
        sync_batchnorm=trainer.sync_batchnorm,
        deterministic=trainer.deterministic,
        callbacks=[
            *(callbacks_of(model, trainer, directory) if by_gradient else []),
            *([TrainingBar(f"train {model.name}")] if trainer.progress_bar else []),
        ],
        enable_checkpointing=by_gradient,
        logger=CSVLogger(directory, name="logs"),
        enable_progress_bar=trainer.progress_bar,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # Batches deals out the samples, none of them twice
    )


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
    module.record["validation_loss"] = float(score)

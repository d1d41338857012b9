"""Trainings of one model on many draws of members, one after the other or side by side."""

import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from climbench.config import ModelConfig, TrainerConfig
from climbench.experiments.internal_variability.bench import Key, drawn_task, number_of_members
from climbench.experiments.stage import Stage
from climbench.prediction import predict
from climbench.tasks import Emulation
from climbench.training import steady_batch, train


@dataclass(frozen=True)
class Fit:
    """One training: which members, by which seed, from which random weights."""

    members: int
    member_seed: int
    model_seed: int

    @property
    def draw(self) -> Key:
        """Number of members, and the seed of their draw."""
        return self.members, self.member_seed

    @property
    def label(self) -> str:
        """What its folder is called."""
        return (
            f"members-{self.members:03d}-draw-{self.member_seed:02d}-weights-{self.model_seed:03d}"
        )


@dataclass(frozen=True)
class Trainings:
    """How one model is trained on draws, and where the results lie.

    Attributes
    ----------
    task
        What is asked, with all members.
    name
        Of the model in the experiment.
    model, trainer
        What is trained, and how.
    root
        The run folder.
    """

    task: Emulation
    name: str
    model: ModelConfig
    trainer: TrainerConfig
    root: Path

    def same_as(self, fit: Fit) -> Fit:
        """Return the first fit that must come out the same: it is trained once for all.

        All draws of all members are one draw, and a closed form has no random weights to begin
        with.
        """
        if fit.members == number_of_members(self.task):
            fit = replace(fit, member_seed=0)
        return replace(fit, model_seed=self.trainer.seed) if self.model.optimizer is None else fit

    def stage(self, fit: Fit) -> Stage:
        """Return the stage of a fit: its checkpoint and its predictions."""
        fit = self.same_as(fit)
        options = self._options(fit).model_dump(exclude={"progress_bar", "num_workers"})
        task = drawn_task(self.task, fit.draw)
        inputs = {"task": task.hash, "model": self.model.model_dump(), "trainer": options}
        return Stage(f"fits/{self.name}/{fit.label}", inputs, self.root)

    def run(self, fit: Fit) -> None:
        """Train on one draw and write the predictions, if they are not there."""
        fit = self.same_as(fit)
        options = self._options(fit)

        def work(path: Path) -> None:
            # The mean over a draw is used once: its copy goes when the training is done.
            task = drawn_task(self.task, fit.draw, path / "cache")
            checkpoint = train(task, self.model, options, path)
            batch = steady_batch(task.signature, options.batch_size)
            predict(checkpoint, task, path / "predictions.zarr", batch)
            shutil.rmtree(path / "cache", ignore_errors=True)

        self.stage(fit).run(work)

    def run_all(self, fits: Sequence[Fit], processes: int) -> Iterator[None]:
        """Train on all draws and yield after each of them.

        Parameters
        ----------
        fits
            What is trained; none twice.
        processes
            How many are trained side by side; they share the processor's cores.
        """
        if min(processes, len(fits)) < 2:
            yield from map(self.run, fits)
            return
        context = multiprocessing.get_context("spawn")  # a fork would share threads that hold locks
        threads = max(1, (os.cpu_count() or 1) // processes)
        with ProcessPoolExecutor(processes, context, torch.set_num_threads, (threads,)) as pool:
            yield from pool.map(self.run, fits)

    def _options(self, fit: Fit) -> TrainerConfig:
        return self.trainer.model_copy(update={"seed": fit.model_seed, "progress_bar": False})

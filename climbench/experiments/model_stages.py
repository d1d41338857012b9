"""The stages of one model: fitted, its predictions of the test period, and their scores."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import xarray as xr
from rich.console import Console

from climbench.config import ModelConfig
from climbench.evaluation import evaluate, write_scores
from climbench.evaluation.options import without_climatology
from climbench.experiments.stage import Stage
from climbench.prediction import predict
from climbench.progress import duration_in_words
from climbench.report.comparable import DATA, data_identity
from climbench.tasks import ColumnEmulation, Task
from climbench.tasks.base_forecasting import Forecasting
from climbench.training import initial_weights_hash, steady_batch, train

if TYPE_CHECKING:
    from climbench.experiments.run import RunConfig

console = Console(stderr=True)
NO_MATTER = {
    *("progress_bar", "num_workers", "prefetch_batches"),
    *("reader", "reader_memory", "checkpoint_minutes"),
}
"""Options of a trainer that change the speed alone, not the weights."""
PREDICTION_LAYOUT = 2  # of what predict writes: with another number what was written is not used


@dataclass(frozen=True)
class ModelStages:
    """What is done with a model of an experiment, each stage known by all that goes into it."""

    name: str
    model: ModelConfig
    train: Stage
    predict: Stage
    evaluate: Stage

    @classmethod
    def of(cls, config: "RunConfig", task: Task, name: str, model: ModelConfig) -> Self:
        """Return the stages of a model; nothing is done yet."""
        trainer = config.trainer.model_dump(exclude=NO_MATTER)
        inputs = {"task": task.hash, "model": model.model_dump(), "trainer": trainer}
        if model.initial_weights is not None:
            inputs["initial_weights"] = initial_weights_hash(model.initial_weights)
        root = config.runs_dir / config.name
        fitted = Stage(f"train/{name}", inputs, root)
        predicted = {"train": fitted.hash, "layout": PREDICTION_LAYOUT}
        prediction = Stage(f"predict/{name}", predicted, root)
        scored = {"predict": prediction.hash, "options": config.evaluation}
        return cls(name, model, fitted, prediction, Stage(f"evaluate/{name}", scored, root))

    @property
    def checkpoint(self) -> Path:
        """The fitted model."""
        return self.train.directory / "checkpoint.ckpt"

    @property
    def predictions(self) -> Path:
        """The store of the predictions."""
        return self.predict.directory / "predictions.zarr"

    def fit(self, config: "RunConfig", task: Task) -> Path:
        """Train the model, if it is not trained, and return its checkpoint."""
        announced(self.train, lambda path: train(task, self.model, config.trainer, path))
        return self.checkpoint

    def forecast(self, config: "RunConfig", task: Task) -> Path:
        """Predict the test period, if it is not predicted, and return the store."""
        batch = steady_batch(task.signature, config.trainer.batch_size)
        bar = config.trainer.progress_bar

        def work(path: Path) -> None:
            predict(self.checkpoint, task, path / "predictions.zarr", batch, bar)

        announced(self.predict, work)
        return self.predictions

    def score(self, config: "RunConfig", task: Task, climatology: xr.Dataset | None) -> Path:
        """Score the predictions, if they are not scored, and return the folder of the scores."""

        def work(path: Path) -> None:
            options = dict(config.evaluation)
            if climatology is None and "metrics" in options:  # training of less than a year
                options["metrics"], _ = without_climatology(options["metrics"])
            scores = evaluate(
                self.predictions, task.truth(), climatology, model=self.name, **options
            )
            scores.attrs[DATA] = json.dumps(_data(task))
            write_scores(scores, path)

        return announced(self.evaluate, work)

    def folders(self) -> dict[str, Path]:
        """Return the folder of each stage."""
        return {
            "train": self.train.directory,
            "predict": self.predict.directory,
            "evaluate": self.evaluate.directory,
        }


def announced(stage: Stage, work: Callable[[Path], Any]) -> Path:
    """Do the work of a stage, unless it is done, and print how long it took."""
    if stage.finished:
        return stage.directory
    folder = stage.run(work)
    verb, _, name = stage.name.partition("/")
    cost = stage.cost()
    if cost is not None:
        took = duration_in_words(cost["seconds"])
        console.print(f"[bold]{verb:8}[/] {name}  [dim]{took}[/]", highlight=False)
    return folder


def _data(task: Task) -> dict[str, Any]:
    """Return what published scores must share with a run's to stand beside them."""
    if isinstance(task, ColumnEmulation):
        return data_identity(task.scored, (str(task.test[0]), str(task.test[1])), None)
    if not isinstance(task, Forecasting):
        return {}
    interval = task.initial_interval or task.timeline.step
    first, last = (str(date) for date in task.test)
    return data_identity(task.dataset, (first, last), interval)

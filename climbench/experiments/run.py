"""An experiment: archive, store, models, predictions, scores, gate and report in one call."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
import yaml
from pydantic import Field, ValidationError
from rich.console import Console

from climbench.config import ModelConfig, TrainerConfig, instantiate
from climbench.config.folders import conf_folder
from climbench.config.schema import Options
from climbench.config.wording import wrong
from climbench.errors import UserError
from climbench.evaluation import (
    GateRules,
    combine,
    evaluate,
    gate,
    read_scores,
    write_scores,
)
from climbench.evaluation.extremes import Extremes, training_thresholds
from climbench.evaluation.options import check_evaluation, without_climatology
from climbench.experiments.provenance import provenance
from climbench.experiments.stage import Stage
from climbench.prediction import predict
from climbench.recipes import build, load_recipe
from climbench.report import leaderboard, report
from climbench.report.comparable import DATA, data_identity
from climbench.tasks import ColumnEmulation, Task
from climbench.tasks.base_forecasting import Forecasting
from climbench.training import (
    check_model,
    initial_weights_hash,
    steady_batch,
    train,
    validation_loss,
)

console = Console(stderr=True)
NO_MATTER = {
    *("progress_bar", "num_workers", "prefetch_batches"),
    *("reader", "reader_memory", "checkpoint_minutes"),
}
"""Options of a trainer that change the speed alone, not the weights."""
PREDICTION_LAYOUT = 2  # of what predict writes: with another number what was written is not used


class FurtherRecipe(Options):
    """Another archive that a task learns from (``task: pretraining``, ``task: downscaling``)."""

    recipe: str
    overrides: dict[str, Any] = Field(default_factory=dict)


class RunConfig(Options):
    """All options of an experiment (``conf/run.yaml`` and ``conf/experiment/*.yaml``)."""

    name: str
    title: str
    description: str = ""
    recipe: str
    recipe_overrides: dict[str, Any] = Field(default_factory=dict)
    further_recipes: tuple[FurtherRecipe, ...] = ()
    input_recipe: FurtherRecipe | None = None
    task: dict[str, Any]
    models: dict[str, ModelConfig] = Field(min_length=1)
    trainer: TrainerConfig
    evaluation: dict[str, Any]
    gate: dict[str, Any] | None = None
    candidate: str | None = None
    reference: str | None = None
    gate_decides: bool = False
    command: str | None = None
    report: dict[str, Any] = Field(default_factory=dict)
    runs_dir: Path = Path("runs")
    stores_dir: Path = Path("stores")
    data_root: Path | None = None

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Return the checked configuration.

        Raises
        ------
        UserError
            If an option is unknown, missing or of the wrong type; the sentence names it.
        """
        try:
            return cls(**_narrowed(values))
        except ValidationError as error:
            option, reason = wrong(error, cls)
            raise UserError(f"option '{option}' is wrong: {reason}.") from error

    def check(self) -> None:
        """Check what takes no work to check.

        Raises
        ------
        UserError
            If the gate names a model that the experiment lacks, or scores are asked for wrongly.
        """
        check_evaluation(self.evaluation)
        for option in ("candidate", "reference"):
            name = getattr(self, option)
            if self.gate and name not in self.models:
                raise UserError(
                    f"option '{option}' = {name} is none of the models ({', '.join(self.models)}): "
                    "name one of them, or leave the gate out with gate=null."
                )


def _narrowed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with ``model`` as the one model beside what it is held against.

    The gate then judges it against the experiment's reference; against itself there is no gate.
    """
    options = dict(values)
    model = options.pop("model", None)
    if model is None:
        return options
    name, reference = str(model.get("name")), options.get("reference")
    kept = {key: own for key, own in options["models"].items() if key == reference != name}
    options |= {"models": {**kept, name: model}, "candidate": name}
    return options if kept else {**options, "gate": None, "candidate": None}


@dataclass(frozen=True)
class RunResult:
    """What an experiment leaves behind.

    Attributes
    ----------
    scores
        All models' scores, see :func:`climbench.evaluate`.
    page
        The HTML report.
    gate
        The verdict as in gate.json, if the experiment has a gate.
    validation_loss
        That of the candidate, or of the last model: what a sweep lowers; see
        :func:`climbench.training.validation_loss`.
    lead_hours
        Lead time of the page's headline.
    """

    scores: xr.Dataset
    page: Path
    gate: dict[str, Any] | None
    validation_loss: float | None = None
    lead_hours: float = 24.0


def prepare(config: RunConfig) -> tuple[Path, Task]:
    """Build the store of an experiment, if it is not there, and pose its task."""
    config.check()
    recipe = load_recipe(config.recipe, config.recipe_overrides)
    store = build(recipe, config.stores_dir, config.data_root)
    console.print(f"[bold]store[/]  {store}")
    places: dict[str, Any] = {"store": store, "cache": config.stores_dir / "cache"}
    if config.further_recipes:
        places["further_stores"] = tuple(_further(config, each) for each in config.further_recipes)
    if config.input_recipe:
        places["input_store"] = _further(config, config.input_recipe)
    task = instantiate(config.task, **places)
    return store, task


def _further(config: RunConfig, wanted: FurtherRecipe) -> Path:
    recipe = load_recipe(wanted.recipe, wanted.overrides)
    return build(recipe, config.stores_dir, config.data_root)


def fit(config: RunConfig, task: Task, name: str, model: ModelConfig) -> tuple[Path, str]:
    """Train one model, if it is not trained, and return its checkpoint and the stage's hash."""
    trainer = config.trainer.model_dump(exclude=NO_MATTER)
    inputs = {"task": task.hash, "model": model.model_dump(), "trainer": trainer}
    if model.initial_weights is not None:
        inputs["initial_weights"] = initial_weights_hash(model.initial_weights)
    stage = Stage(f"train/{name}", inputs, config.runs_dir / config.name)
    if not stage.finished:
        console.print(f"[bold]train[/]  {name}")
    folder = stage.run(lambda path: train(task, model, config.trainer, path))
    return folder / "checkpoint.ckpt", stage.hash


def run(config: RunConfig) -> RunResult:
    """Run an experiment; stages whose inputs have not changed are not run again.

    Parameters
    ----------
    config
        The experiment, see :class:`RunConfig`.

    Returns
    -------
    RunResult
        Scores, report and gate.

    Raises
    ------
    UserError
        If an option, the recipe or the data is wrong.
    """
    task = prepare(config)[1]
    root = config.runs_dir / config.name
    models = with_required_baselines(config.models, task.required_baselines)
    for model in models.values():
        check_model(task, model)
    climatology = _climatology(task, root, config.evaluation.get("extremes"))
    folders, losses = {}, {}
    for name, model in models.items():
        checkpoint, trained = fit(config, task, name, model)
        losses[name] = validation_loss(checkpoint)
        folders[name] = _score(config, task, name, checkpoint, trained, climatology)
    stage = Stage(
        "report",
        {
            "scores": [folder.name for folder in folders.values()],
            "gate": [config.gate, config.candidate, config.reference],
            "page": [config.title, config.description, config.report],
        },
        root,
    )
    folder = stage.run(lambda path: _report(config, task, folders.values(), path))
    return RunResult(
        read_scores(folder / "scores.nc"),
        folder / "page" / "index.html",
        _read_gate(folder),
        losses.get(config.candidate or name, losses[name]),
        config.report.get("lead_hours", 24.0),
    )


def with_required_baselines(
    models: Mapping[str, ModelConfig], required: Iterable[str]
) -> dict[str, ModelConfig]:
    """Return the models with the baselines in front that the task shows every result against."""
    complete = {
        name: ModelConfig(**yaml.safe_load((conf_folder() / "model" / f"{name}.yaml").read_text()))
        for name in required
        if name not in models
    }
    return {**complete, **models}


def _climatology(task: Task, root: Path, extremes: dict[str, Any] | None) -> xr.Dataset | None:
    """Write the training period's climatology and thresholds of extremes, once, and open it."""
    if extremes is not None and extremes.get("period") is not None:
        raise UserError(
            "option 'evaluation.extremes.period': in an experiment thresholds are of the training "
            "period, leave it out."
        )
    inputs = {"task": task.hash} | ({} if extremes is None else {"extremes": extremes})
    stage = Stage("climatology", inputs, root)

    def write(folder: Path) -> None:
        fields = task.climatology()
        if fields is not None and extremes is not None and isinstance(task, Forecasting):
            rare = Extremes.parse(extremes)
            fields = fields.merge(training_thresholds(task.training(), rare), join="exact")
        if fields is not None:
            fields.to_netcdf(folder / "climatology.nc")

    path = stage.run(write) / "climatology.nc"
    return xr.open_dataset(path, engine="netcdf4") if path.exists() else None


def _score(
    config: RunConfig,
    task: Task,
    name: str,
    checkpoint: Path,
    trained: str,
    climatology: xr.Dataset | None,
) -> Path:
    """Predict the test period with one model and score it; return the folder of the scores."""
    root = config.runs_dir / config.name
    inputs = {"train": trained, "layout": PREDICTION_LAYOUT}
    prediction = Stage(f"predict/{name}", inputs, root)
    if not prediction.finished:
        console.print(f"[bold]predict[/] {name}")
    batch = steady_batch(task.signature, config.trainer.batch_size)
    folder = prediction.run(
        lambda path: predict(
            checkpoint, task, path / "predictions.zarr", batch, config.trainer.progress_bar
        )
    )
    scoring = Stage(
        f"evaluate/{name}", {"predict": prediction.hash, "options": config.evaluation}, root
    )

    def work(path: Path) -> None:
        predictions, options = folder / "predictions.zarr", dict(config.evaluation)
        if climatology is None and "metrics" in options:  # training of less than a year
            options["metrics"], _ = without_climatology(options["metrics"])
        scores = evaluate(predictions, task.truth(), climatology, model=name, **options)
        scores.attrs[DATA] = json.dumps(_data(task))
        write_scores(scores, path)

    return scoring.run(work)


def _data(task: Task) -> dict[str, Any]:
    """Return what published scores must share with a run's to stand beside them."""
    if isinstance(task, ColumnEmulation):
        return data_identity(task.scored, (str(task.test[0]), str(task.test[1])), None)
    if not isinstance(task, Forecasting):
        return {}
    interval = task.initial_interval or task.timeline.step
    first, last = (str(date) for date in task.test)
    return data_identity(task.dataset, (first, last), interval)


def _report(config: RunConfig, task: Task, folders: Iterable[Path], path: Path) -> None:
    """Write the scores of all models, the gate's verdict and the page into a folder."""
    scores = combine([read_scores(folder / "scores.nc") for folder in folders])
    write_scores(scores, path)
    verdict = None
    if config.gate and config.candidate and config.reference:
        rules = GateRules.parse(config.gate, "The gate")
        verdict = gate(scores, scores, rules, config.candidate, config.reference)
        verdict.write_json(path / "gate.json")
        verdict.write_junit(path / "gate.xml")
    report(
        scores,
        path / "page",
        title=config.title,
        gate=verdict.to_dict() if verdict else None,
        provenance=provenance(
            config,
            task.store,
            getattr(task, "input_store", None),
            getattr(task, "further_stores", ()),
        ),
        **config.report,
    )


def _read_gate(folder: Path) -> dict[str, Any] | None:
    path = folder / "gate.json"
    return dict(json.loads(path.read_text())) if path.exists() else None


def show(result: RunResult) -> None:
    """Print leaderboard, verdict and the page's path."""
    out = Console()
    out.print(leaderboard(result.scores, result.lead_hours))
    if result.gate:
        for verdict in result.gate["verdicts"]:
            out.print(f"gate: {verdict['sentence']}", markup=False)
    out.print(f"report: {result.page}", soft_wrap=True)

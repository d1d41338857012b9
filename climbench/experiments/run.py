"""An experiment: archive, store, models, predictions, scores, gate and report in one call."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr
import yaml
from pydantic import Field, ValidationError
from rich.console import Console

from climbench.config import ModelConfig, ReportConfig, TrainerConfig, instantiate
from climbench.config.folders import conf_folder
from climbench.config.schema import Options
from climbench.config.wording import wrong
from climbench.errors import UserError, nearest
from climbench.evaluation import read_scores
from climbench.evaluation.extremes import Extremes, training_thresholds
from climbench.evaluation.options import check_evaluation
from climbench.experiments.marks import mark_of_headline
from climbench.experiments.model_stages import ModelStages, announced
from climbench.experiments.outlook import plan, states, summary
from climbench.experiments.run_report import write_report
from climbench.experiments.stage import Stage
from climbench.plot.ranking import headline_of
from climbench.recipes import build, load_recipe
from climbench.report import leaderboard
from climbench.tasks import Task
from climbench.tasks.base_forecasting import Forecasting
from climbench.training import check_model, validation_loss

console = Console(stderr=True)
REPORT_LAYOUT = 2  # of what the report stage writes


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
    report: ReportConfig = ReportConfig()
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
            raise UserError(f"option '{option}' is wrong: {reason}") from error

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

    Raises
    ------
    UserError
        If there are options of a model that is not there, or no models.
    """
    options = dict(values)
    model = options.pop("model", None)
    if not isinstance(options["models"], Mapping):
        raise UserError(
            f"option 'models' = {options['models']} is no set of models: write model=NAME for one "
            "of them, or ~models.NAME to leave one out."
        )
    known = {key: own for key, own in options["models"].items() if "name" in (own or {})}
    for key, own in options["models"].items():
        if isinstance(own, Mapping) and key not in known:
            hint = nearest(key, known)
            raise UserError(f"option 'models.{key}' has no name, nor has the experiment it: {hint}")
    if model is None:
        return options
    if "name" not in model:
        own = ", ".join(f"models.{key}" for key in known)
        raise UserError(f"options of 'model' need model=NAME; each model's own stand in {own}.")
    name, reference = str(model["name"]), options.get("reference")
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
    store
        The data that the models were trained on and are scored against.
    checkpoints, predictions
        What was fitted, and the Zarr store of what it answered, of each model.
    climatology
        The training period's, a netCDF file; None where the task has none.
    """

    scores: xr.Dataset
    page: Path
    gate: dict[str, Any] | None
    validation_loss: float | None = None
    lead_hours: float = 24.0
    store: Path | None = None
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    predictions: Mapping[str, Path] = field(default_factory=dict)
    climatology: Path | None = None


def prepare(config: RunConfig) -> tuple[Path, Task]:
    """Build the store of an experiment, if it is not there, and pose its task."""
    config.check()
    recipe = load_recipe(config.recipe, config.recipe_overrides)
    store = build(recipe, config.stores_dir, config.data_root)
    console.print(f"[bold]store[/]    {store}", soft_wrap=True)
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
    stages = ModelStages.of(config, task, name, model)
    return stages.fit(config, task), stages.train.hash


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
    store, task = prepare(config)
    root = config.runs_dir / config.name
    models = with_required_baselines(config.models, task.required_baselines)
    for model in models.values():
        check_model(task, model)
    stages = [ModelStages.of(config, task, name, model) for name, model in models.items()]
    before, start = states(stages), time.monotonic()
    console.print(plan(task, stages))
    climate = _climatology(task, root, config.evaluation.get("extremes"))
    climatology = None if climate is None else xr.open_dataset(climate, engine="netcdf4")
    losses = {}
    for each in stages:
        losses[each.name] = validation_loss(each.fit(config, task))
        each.forecast(config, task)
        each.score(config, task, climatology)
    stage = Stage(
        "report",
        {
            "layout": REPORT_LAYOUT,
            "scores": [each.evaluate.directory.name for each in stages],
            "gate": [config.gate, config.candidate, config.reference],
            "page": [config.title, config.description, config.report.model_dump(mode="json")],
        },
        root,
    )
    folder = announced(stage, lambda path: write_report(config, task, stages, path))
    console.print(summary(stages, before, time.monotonic() - start, root))
    return RunResult(
        read_scores(folder / "scores.nc"),
        folder / "page" / "index.html",
        _read_gate(folder),
        losses.get(str(config.candidate), losses[stages[-1].name]),
        config.report.lead_hours,
        store,
        {each.name: each.checkpoint for each in stages},
        {each.name: each.predictions for each in stages},
        climate,
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


def _climatology(task: Task, root: Path, extremes: dict[str, Any] | None) -> Path | None:
    """Write the training period's climatology and thresholds of extremes, once."""
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
    return path if path.exists() else None


def _read_gate(folder: Path) -> dict[str, Any] | None:
    path = folder / "gate.json"
    return dict(json.loads(path.read_text())) if path.exists() else None


def show(result: RunResult) -> None:
    """Print leaderboard, verdict and the page's path."""
    out = Console()
    marks = mark_of_headline(result.scores, headline_of(result.scores, result.lead_hours))
    out.print(leaderboard(result.scores, result.lead_hours, marks))
    if result.gate:
        for verdict in result.gate["verdicts"]:
            out.print(f"gate: {verdict['sentence']}", markup=False)
    out.print(f"report: {result.page}", soft_wrap=True)

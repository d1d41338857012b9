"""Many climate models: one emulator for all, one for each, and one that meets a new model.

Three questions, each a run of its own with its own page: does one emulator for all climate models
do as well as one for each; what does an emulator of A say about B (the generalisation matrix); and
does training on many models help with one that was not among them (fine-tuning)?

References
----------
Kaltenborn et al. (2023), ClimateSet, NeurIPS Datasets and Benchmarks, sections 5.2 and 5.3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field
from rich.console import Console

from climbench.config import ModelConfig
from climbench.errors import UserError, nearest
from climbench.experiments.run import RunConfig, console, fit, prepare, run
from climbench.experiments.stage import Stage
from climbench.report.generalisation import terminal_tables, write_generalisation
from climbench.store import open_store

ALL, SCRATCH, TUNED = "all", "_from_scratch", "_fine_tuned"
BETWEEN = ":"  # of climate model and scenario in the labels of runs


class ClimateModelsConfig(RunConfig):
    """All options of the experiment (conf/experiment/climateset_super.yaml).

    Attributes
    ----------
    seen
        Climate models (``source_id``) that emulators are trained on.
    unseen
        The one that the super emulator meets only afterwards; None leaves fine-tuning out.
    single
        Names of models that are also trained on each climate model alone and asked about all
        others.
    fine_tuned
        The model that goes on training on the unseen climate model.
    """

    kind: Literal["climate_models"]
    seen: list[str] = Field(min_length=2)
    unseen: str | None = None
    single: list[str] = Field(default_factory=lambda: ["pattern_scaling"])
    fine_tuned: str | None = None

    @property
    def asked(self) -> list[str]:
        """All climate models that emulators are asked about."""
        return [*self.seen, *([self.unseen] if self.unseen else [])]

    def check(self) -> None:
        """Check what takes no work to check.

        Raises
        ------
        UserError
            If a name is no model of the experiment, or a climate model is seen and unseen.
        """
        super().check()
        for option in ("single", "fine_tuned"):
            given = getattr(self, option)
            for name in given if isinstance(given, list) else [given]:
                if name is not None and name not in self.models:
                    raise UserError(
                        f"option '{option}' = {name} is no model: {nearest(name, self.models)}"
                    )
        if self.fine_tuned and self.models[self.fine_tuned].optimizer is None:
            raise UserError(
                f"option 'fine_tuned' = {self.fine_tuned} is fitted by a formula: name a model "
                "with an optimizer."
            )
        if self.unseen in self.seen:
            raise UserError(f"option 'unseen' = {self.unseen} is in 'seen': leave it in one.")
        if len(set(self.seen)) < len(self.seen):
            raise UserError("option 'seen' names a climate model twice.")


@dataclass(frozen=True)
class ClimateModelsResult:
    """What the experiment leaves behind.

    Attributes
    ----------
    table
        A row per score: ``model``, ``trained_on``, ``tested_on``, ``scenario``, ``metric``,
        ``channel``, ``score``.
    page
        The HTML page, beside ``generalisation.csv``.
    """

    table: pd.DataFrame
    page: Path


def run_climate_models(config: ClimateModelsConfig) -> ClimateModelsResult:
    """Run the experiment; what is finished is not done again.

    Raises
    ------
    UserError
        If an option, the recipe or the data is wrong.
    """
    config.check()
    # a wrong name shall cost no training
    store, _ = prepare(_part(config, "all", config.seen, config.asked, config.models))
    parts = list(_parts(config))
    root = config.runs_dir / config.name
    pages = {name: page for name, _, page in parts}
    table = pd.concat([rows for _, rows, _ in parts], ignore_index=True)
    stage = Stage(
        "generalisation",
        {"runs": [page.parents[1].name for page in pages.values()], "title": config.title},
        root,
    )
    simulated = open_store(store).attrs.get("simulated") == "true"

    def write(folder: Path) -> None:
        links = {name: f"../{page.relative_to(root)}" for name, page in pages.items()}
        write_generalisation(folder, table, config.title, config.description, simulated, links)

    return ClimateModelsResult(table, stage.run(write) / "index.html")


def _parts(config: ClimateModelsConfig) -> Iterator[tuple[str, pd.DataFrame, Path]]:
    """Yield name, scores and page of every run."""
    together = _part(config, "together", config.seen, config.seen, config.models)
    yield _run("together", together, ALL)
    models = {name: config.models[name] for name in config.single}
    for name in config.asked if config.single else []:
        alone = _part(config, f"only/{name}", [name], config.asked, models)
        yield _run(f"only {name}", alone, name)
    if config.unseen and config.fine_tuned:
        tuned = _tuned(config, together)
        part = _part(config, "fine_tuning", [config.unseen], [config.unseen], tuned)
        yield _run("fine-tuning", part, config.unseen)


def _part(
    config: ClimateModelsConfig,
    name: str,
    trained_on: list[str],
    tested_on: list[str],
    models: Mapping[str, ModelConfig],
) -> RunConfig:
    """Return the run of some models on some climate models."""
    climate_models = {"train": trained_on, "validation": trained_on, "test": tested_on}
    values = {key: getattr(config, key) for key in RunConfig.model_fields}
    both = config.candidate in models and config.reference in models
    judged = {} if both else {"gate": None, "candidate": None, "reference": None}
    changes = {
        "name": f"{config.name}/{name}",
        "title": f"{config.title}: {name.replace('/', ' ')}",
        "task": {**config.task, "climate_models": climate_models},
        "models": dict(models),
        **judged,
    }
    return RunConfig.model_construct(**{**values, **changes})


def _run(name: str, config: RunConfig, trained_on: str) -> tuple[str, pd.DataFrame, Path]:
    console.print(f"[bold]{name}[/]")
    result = run(config)
    scores = result.scores["score"].isel(region=0)
    rows = scores.to_dataframe("score").reset_index().dropna(subset=["score"])
    labels = rows["scenario"].astype(str).str.rpartition(BETWEEN)
    rows = rows.assign(trained_on=trained_on, tested_on=labels[0], scenario=labels[2])
    columns = ["model", "trained_on", "tested_on", "scenario", "metric", "channel", "score"]
    return name, rows[columns], result.page


def _tuned(config: ClimateModelsConfig, together: RunConfig) -> dict[str, Any]:
    """Return the model to be trained on the unseen climate model, from old weights and new."""
    name = str(config.fine_tuned)
    model = config.models[name]
    _, task = prepare(together)
    checkpoint, _ = fit(together, task, name, model)
    tuned = model.model_copy(update={"initial_weights": checkpoint})
    return {f"{name}{SCRATCH}": model, f"{name}{TUNED}": tuned}


def parse(values: Mapping[str, Any]) -> ClimateModelsConfig:
    """Return the checked options."""
    parsed = ClimateModelsConfig.parse(values)
    assert isinstance(parsed, ClimateModelsConfig)  # noqa: S101  # parse makes its own class
    return parsed


def run_and_show(config: ClimateModelsConfig) -> int:
    """Run the experiment, print the tables and the page's path; the exit code is 0."""
    result = run_climate_models(config)
    out = Console()
    for table in terminal_tables(result.table):
        out.print(table)
    out.print(f"report: {result.page}", soft_wrap=True, markup=False)
    return 0

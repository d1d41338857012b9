"""Telemetry: forecasts as in every experiment, then anomalies, what went with them, and a page."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field
from rich.console import Console

from climbench.config.schema import Options
from climbench.errors import UserError
from climbench.experiments.provenance import provenance
from climbench.experiments.run import RunConfig, RunResult, fit, prepare, run, show
from climbench.experiments.stage import Stage
from climbench.experiments.telemetry_events import Events, find_all
from climbench.prediction.residuals import residuals
from climbench.recipes import load_recipe
from climbench.report.event_page import write_event_page
from climbench.tasks import TelemetryForecasting
from climbench.tasks.timeline import duration
from climbench.training import load_checkpoint

console = Console(stderr=True)
TABLES = "telemetry_csv"


class EventOptions(Options):
    """How anomalies are found.

    Attributes
    ----------
    lead
        Hours, or such as ``1h``: the lead time whose residuals are looked at.
    reference
        The split of the usual residuals, whose median and median absolute deviation are taken.
    high, low
        Robust score that an event reaches, and at which it begins and ends.
    apart
        Hours between two runs from which on they are two events.
    top
        How many events of a target count as reported.
    beta
        Weight of recall against precision.
    """

    lead: float | str = 1
    reference: Literal["train", "validation"] = "train"
    high: float = Field(default=6.0, gt=0)
    low: float = Field(default=3.0, gt=0)
    apart: float | str = 2
    top: int = Field(default=3, ge=1)
    beta: float = Field(default=0.5, gt=0)


class TelemetryConfig(RunConfig):
    """All options of the experiment (conf/experiment/telemetry.yaml).

    Attributes
    ----------
    events
        How anomalies are found, in the residuals of the candidate.
    """

    kind: Literal["telemetry"]
    events: EventOptions = EventOptions()

    def check(self) -> None:
        """Check what takes no work to check.

        Raises
        ------
        UserError
            If there is no candidate, or an event would begin above what it must reach.
        """
        super().check()
        if self.candidate not in self.models:
            raise UserError(
                f"option 'candidate' = {self.candidate} is none of the models: name the one whose "
                "residuals show anomalies."
            )
        if self.events.low > self.events.high:
            raise UserError("option 'events.low' is above 'events.high': lower it.")


def parse(values: Mapping[str, Any]) -> TelemetryConfig:
    """Return the checked options; ``source`` and ``targets`` name a record of one's own."""
    config = TelemetryConfig.parse(of_source(values))
    assert isinstance(config, TelemetryConfig)  # noqa: S101  # parse is of the class
    return config


def of_source(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with the recipe of the user's own tables, where they name some.

    Raises
    ------
    UserError
        If there is no such file or folder, it holds no table, or no target is named.
    """
    options = dict(values)
    source, targets = options.pop("source", None), options.pop("targets", None)
    table = options.pop("table", None) or {}
    if targets:
        options["task"] = {**options["task"], "targets": list(targets)}
    if source is None:
        return options
    if not targets:
        raise UserError("option 'source' needs targets=[NAME,...]: the columns to forecast.")
    path = Path(source)
    if not path.exists():
        raise UserError(f"option 'source' = {source}: there is no such file or folder.")
    pattern = path.name if path.is_file() else _pattern(path)
    tables = load_recipe(TABLES).resolved()["sources"][0]
    tables |= {"address": pattern, "local": pattern, **table}
    return options | {
        "recipe": TABLES,
        "recipe_overrides": {"sources": [tables]},
        "data_root": path.parent if path.is_file() else path,
        "name": f"{options['name']}_{path.stem}",
        "description": f"Forecasts and anomalies of {path.name}.",
        "title": f"Telemetry: {path.name}",
    }


def _pattern(folder: Path) -> str:
    for pattern in ("*.csv", "*.csv.gz", "*.parquet"):
        if any(folder.glob(pattern)):
            return pattern
    raise UserError(f"option 'source' = {folder}: the folder holds no CSV or Parquet file.")


@dataclass(frozen=True)
class TelemetryResult:
    """What the experiment leaves behind.

    Attributes
    ----------
    forecasts
        Scores, pages and stores of the forecasts.
    residuals
        ``truth``, ``forecast`` and ``score [time, target]`` of the candidate over the test period.
    events
        The anomalies that were found, a mapping each, as in events.json.
    summary
        How well they were found, where the record has marks.
    page
        The HTML page of the events.
    """

    forecasts: RunResult
    residuals: xr.Dataset
    events: list[dict[str, Any]]
    summary: dict[str, float | None]
    page: Path


def run_telemetry(config: TelemetryConfig) -> TelemetryResult:
    """Run the experiment: forecasts, then the anomalies in the candidate's residuals.

    Raises
    ------
    UserError
        If an option, the recipe or the data is wrong.
    """
    forecasts = run(config)
    folder = run_events(config)
    record = json.loads((folder / "events.json").read_text())
    with xr.open_dataset(folder / "residuals.nc", engine="netcdf4") as file:
        found = file.load()
    return TelemetryResult(
        forecasts, found, record["events"], record["summary"], folder / "index.html"
    )


def run_and_show(config: TelemetryConfig) -> int:
    """Run the experiment, print leaderboard and events, and where the pages are."""
    found = run_telemetry(config)
    result = found.forecasts
    show(result)
    out = Console()
    for name, value in found.summary.items():
        if value is not None:
            out.print(f"{name.replace('_', ' ')}: {value:.3g}", markup=False, highlight=False)
    out.print(f"events: {found.page}", soft_wrap=True, markup=False, highlight=False)
    failed = result.gate is not None and not result.gate["passed"]
    return 1 if config.gate_decides and failed else 0


def run_events(config: TelemetryConfig) -> Path:
    """Find the anomalies in the candidate's residuals, and write them with their page.

    Returns
    -------
    Path
        Folder of ``events.json``, ``residuals.nc`` and ``index.html``.

    Raises
    ------
    UserError
        If the task is another, or the lead time is none of the task's.
    """
    task = prepare(config)[1]
    if not isinstance(task, TelemetryForecasting) or task.signature.shape != (1, 1):
        raise UserError("experiment telemetry needs task=telemetry and a record of one place.")
    hours = duration("events.lead", config.events.lead)
    if hours not in task.lead_times:
        raise UserError(
            f"option 'events.lead' = {config.events.lead} is none of the lead times: choose one "
            f"of {', '.join(f'{lead:g}' for lead in task.lead_times)} h."
        )
    lead = task.lead_times.index(hours)
    name = str(config.candidate)
    checkpoint, trained = fit(config, task, name, config.models[name])
    inputs = {"train": trained, "events": config.events.model_dump(), "title": config.title}
    stage = Stage("events", inputs, config.runs_dir / config.name)
    if not stage.finished:
        console.print("[bold]events[/]")

    def work(folder: Path) -> None:
        module = load_checkpoint(checkpoint)
        usual = residuals(module, task, config.events.reference, lead)
        test = residuals(module, task, "test", lead, interval=True)
        steps = round(duration("events.apart", config.events.apart) / task.timeline.step)
        found = find_all(task, usual, test, config.events, steps, round(hours / task.timeline.step))
        _described(test, task).to_netcdf(folder / "residuals.nc")
        _write(config, task, found, test, folder)

    return stage.run(work)


def _described(test: xr.Dataset, task: TelemetryForecasting) -> xr.Dataset:
    """Return residuals with the units of each target, and whether the record is simulated."""
    units = [str(task.records[name].attrs.get("units", "")) for name in task.targets]
    simulated = str(task.records.attrs.get("simulated", "false"))
    return test.assign_coords(units=("target", units)).assign_attrs(simulated=simulated)


def _write(
    config: TelemetryConfig,
    task: TelemetryForecasting,
    found: Events,
    test: xr.Dataset,
    folder: Path,
) -> None:
    record = {"summary": found.summary, "events": found.rows}
    (folder / "events.json").write_text(json.dumps(_plain(record), indent=2) + "\n")
    write_event_page(
        folder,
        title=config.title,
        simulated=task.records.attrs.get("simulated") == "true",
        summary=found.summary,
        rows=found.rows,
        series=test.assign(score=(("time", "target"), found.scores)),
        attributions=found.attributions,
        high=config.events.high,
        provenance=provenance(config, task.store),
    )


def _plain(value: Any) -> Any:
    """Return values that JSON has a word for: what is not known is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value

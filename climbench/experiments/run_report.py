"""The last stage of an experiment: scores of all models, the gate's verdict, and the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from climbench.config import ReportConfig
from climbench.config.wording import wrong
from climbench.errors import UserError
from climbench.evaluation import GateRules, combine, gate, read_scores, write_scores
from climbench.experiments.cards import model_card
from climbench.experiments.examples import examples
from climbench.experiments.finished_runs import EXAMPLES, GATE, RECORD, SCORES, benchmark_of
from climbench.experiments.model_stages import ModelStages
from climbench.experiments.provenance import provenance, stores_of
from climbench.report import report
from climbench.tasks import Task

if TYPE_CHECKING:
    from climbench.experiments.run import RunConfig


def write_report(
    config: "RunConfig",
    task: Task,
    models: Sequence[ModelStages],
    path: Path,
) -> None:
    """Write ``scores.nc``, ``examples.nc``, ``run.json``, ``gate.json`` and the page."""
    scores = combine([read_scores(each.evaluate.directory / SCORES) for each in models])
    write_scores(scores, path)
    kept = examples(
        task,
        {each.name: each.predictions for each in models},
        scores,
        config.report.forecast_channels,
        config.report.times,
    )
    if kept is not None:
        packed = {name: {"zlib": True, "complevel": 3} for name in kept.data_vars}
        kept.to_netcdf(path / EXAMPLES, encoding=packed)
    if config.gate and config.candidate and config.reference:
        rules = GateRules.parse(config.gate, "The gate")
        verdict = gate(scores, scores, rules, config.candidate, config.reference)
        verdict.write_json(path / GATE)
        verdict.write_junit(path / "gate.xml")
    record = {
        "title": config.title,
        "rules": config.gate,
        "provenance": provenance(config, *stores_of(task)) | {"options": _options(config)},
        "cards": {each.name: model_card(each.model, each.folders()) for each in models},
    }
    (path / RECORD).write_text(json.dumps(record, indent=2, default=str) + "\n", "utf-8")
    report(benchmark_of(path), path / "page", **page_options(config.report.model_dump()))


def page_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`climbench.report.report` is told of the options of a page.

    Raises
    ------
    UserError
        If one is unknown or of the wrong type.
    """
    try:
        options = ReportConfig(**values)
    except ValidationError as error:
        option, reason = wrong(error, ReportConfig)
        raise UserError(f"option 'report.{option}' is wrong: {reason}") from error
    return options.model_dump(exclude={"times"})  # chosen when the experiment runs


def _options(config: "RunConfig") -> dict[str, Any]:
    """Return the options of an experiment but its models, which have pages of their own."""
    left_out = {"models", "command", "description", "title", "runs_dir", "stores_dir", "data_root"}
    return config.model_dump(mode="json", exclude=left_out, exclude_none=True)

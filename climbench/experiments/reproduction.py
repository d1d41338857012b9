"""Published numbers, computed again: pattern scaling on ClimateBench, and its whole table.

From public tables alone (emissions, global means, published weights) the course of the global mean
is computed again and stands beside what was published. Where ClimateBench's own archive is, all
models of the experiment are trained on it and stand beside the published table.

References
----------
Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst. 14, e2021MS002954;
Luetjens et al. (2025), The impact of internal variability on benchmarking deep learning climate
emulators.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import xarray as xr
from rich.console import Console
from rich.table import Table

from climbench.errors import UserError
from climbench.experiments.global_figures import Figure, global_figures
from climbench.experiments.run import RunConfig, run
from climbench.report.published import published

ARCHIVE = ("climatebench/test.tar.gz", "climatebench/outputs_ssp245.nc")
METRICS = ("nrmse_spatial", "nrmse_global", "nrmse_total")


class ReproductionConfig(RunConfig):
    """All options of the experiment (conf/experiment/climatebench_lps.yaml).

    Attributes
    ----------
    archive
        ``auto``: train on ClimateBench's archive if ``data_root`` has it; ``fetch``: or from its
        public address; ``skip``: the public tables only.
    """

    kind: Literal["reproduction"]
    archive: Literal["auto", "fetch", "skip"] = "auto"

    @property
    def has_archive(self) -> bool:
        """Whether the archive is to be used."""
        root = self.data_root
        there = root is not None and any((root / name).is_file() for name in ARCHIVE)
        return self.archive == "fetch" or (self.archive == "auto" and there)


def parse(values: dict[str, Any]) -> ReproductionConfig:
    """Return the checked options."""
    config = ReproductionConfig.parse(values)
    assert isinstance(config, ReproductionConfig)  # noqa: S101  # parse is of the class
    return config


def run_and_show(config: ReproductionConfig) -> int:
    """Print our numbers beside the published ones; 1 where one is not reproduced."""
    if config.data_root is None and not config.has_archive:
        raise UserError(
            "this experiment needs data_root=FOLDER with ssp_forcing/ and cmip_global_mean/ "
            "(public tables), or with climatebench/ (its archive), or archive=fetch."
        )
    out = Console()
    figures: Sequence[Figure] = ()
    if config.data_root is not None:
        figures = global_figures(config.data_root)
        out.print(figures_table(figures))
    record: dict[str, Any] = {"figures": [asdict(one) for one in figures]}
    if config.has_archive:
        result = run(config)
        rows = beside_published(result.scores)
        record["scores"] = rows
        out.print(scores_table(rows))
        out.print(f"report: {result.page}", soft_wrap=True, markup=False)
    else:
        out.print(
            "ClimateBench's archive is not below data_root (climatebench/train_val.tar.gz and "
            "test.tar.gz): archive=fetch takes it from Zenodo (0.9 GB).",
            soft_wrap=True,
        )
    path = write_record(config.runs_dir / config.name / "reproduction.json", record)
    out.print(f"numbers: {path}", soft_wrap=True, markup=False)
    return 0 if all(one.reproduced is not False for one in figures) else 1


def write_record(path: Path, record: Mapping[str, Any]) -> Path:
    """Write the numbers as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return temporary.replace(path)


def beside_published(scores: xr.Dataset) -> list[dict[str, Any]]:
    """Return our scores and the published ones, one row per variable and model.

    Parameters
    ----------
    scores
        Of :func:`climbench.evaluate`, with ClimateBench's metrics over the globe.

    Returns
    -------
    list of dict
        ``variable``, ``model``, ``source`` (``climbench`` or the citation) and the three metrics,
        None where one is not published. Precipitation needs no other unit: the scores are ratios.
    """
    ours = scores["score"]
    if "region" in ours.dims:
        ours = ours.sel(region="global")
    rows: list[dict[str, Any]] = []
    for variable in map(str, ours["channel"].values):
        for model in map(str, ours["model"].values):
            at = ours.sel(channel=variable, model=model)
            own = {name: float(at.sel(metric=name).squeeze()) for name in METRICS}
            rows.append({"variable": variable, "model": model, "source": "climbench"} | own)
        for line in published("climatebench"):
            if variable in line.scores:
                values = {name: line.scores[variable].get(name) for name in METRICS}
                row = {"variable": variable, "model": line.model, "source": line.citation}
                rows.append(row | values)
    return rows


def figures_table(figures: Sequence[Figure]) -> Table:
    """Return our figures beside the published ones, for a terminal."""
    table = Table(title="From public tables", title_justify="left", box=None, pad_edge=False)
    for heading in ("figure", "ours", "published", "within", "reproduced"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    words = {True: "yes", False: "NO", None: "-"}
    for one in figures:
        published_ = "-" if one.published is None else f"{one.published:.7g}"
        within = "-" if one.tolerance is None else f"{one.tolerance:.2g}"
        table.add_row(one.name, f"{one.ours:.7g}", published_, within, words[one.reproduced])
    for note in dict.fromkeys(one.note for one in figures if one.note):
        table.add_row(f"[dim]{note}[/]")
    return table


def scores_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return our scores beside the published ones, for a terminal."""
    table = Table(title="ClimateBench, ssp245, 2080-2100", title_justify="left", box=None)
    for heading in ("variable", "model", "", *METRICS):
        table.add_column(heading, justify="right" if heading in METRICS else "left")
    for row in rows:
        values = ("-" if row[name] is None else f"{row[name]:.4f}" for name in METRICS)
        whose = "ours" if row["source"] == "climbench" else "published"
        table.add_row(row["variable"], row["model"], whose, *values)
    return table

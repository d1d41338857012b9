"""Emulators trained on 1 to N members of an ensemble, and which differences outlast the draw.

Members are drawn without replacement by fixed seeds; every model is trained on the mean of each
draw and scored on the mean of all members of the test scenario and on that of the members which
it did not see. Pattern scaling follows from sums that all draws share, other models are trained
one by one; a sweep that was cut short goes on where it stopped.

References
----------
Luetjens et al. (2025), The impact of internal variability on benchmarking deep learning climate
emulators.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import xarray as xr
from pydantic import Field
from rich.progress import track

from climbench.config import ModelConfig
from climbench.errors import UserError, nearest
from climbench.experiments.internal_variability.bench import (
    Bench,
    fits_from_sums,
    has_shared_sums,
    number_of_members,
)
from climbench.experiments.internal_variability.fits import Fit, Trainings
from climbench.experiments.internal_variability.verdict import compare_fits
from climbench.experiments.provenance import provenance
from climbench.experiments.run import RunConfig, console, prepare
from climbench.experiments.stage import Stage
from climbench.report.member_curves import member_report
from climbench.report.member_wording import member_table, verdicts
from climbench.store import open_store, store_hash
from climbench.tasks import Emulation


class InternalVariabilityConfig(RunConfig):
    """All options of the experiment (conf/experiment/internal_variability.yaml).

    Attributes
    ----------
    members
        Numbers of members that are drawn.
    seeds
        How many draws there are of each number.
    candidate_members, candidate_seeds
        The same for all models but the reference, whose training takes longer; by default as
        many.
    model_seeds
        How many random weights each draw is trained from. They are other ones for each draw,
        from ``trainer.seed`` on, so that their spread is part of that over draws.
    processes
        How many trainings run side by side. Small networks gain more from this than from several
        threads each.
    reference
        The model that all others are compared with.
    """

    kind: Literal["internal_variability"]
    members: list[int] = Field(min_length=1)
    seeds: int = Field(ge=1)
    candidate_members: list[int] | None = None
    candidate_seeds: int | None = Field(default=None, ge=1)
    model_seeds: int = Field(default=1, ge=1)
    processes: int = Field(default=1, ge=1)

    def check(self) -> None:
        """Check what takes no work to check.

        Raises
        ------
        UserError
            If a number of members is wrong, or the reference is no model of the experiment.
        """
        super().check()
        for option in ("members", "candidate_members"):
            numbers = getattr(self, option) or []
            if len(set(numbers)) < len(numbers) or min(numbers, default=1) < 1:
                raise UserError(
                    f"option '{option}' = {numbers} is wrong: numbers from 1 on, none twice."
                )
        if extra := sorted(set(self.candidate_members or []) - set(self.members)):
            raise UserError(
                f"option 'candidate_members' holds {extra[0]}, which is not in 'members': the "
                "reference must be trained on the same draws."
            )
        if (self.candidate_seeds or 0) > self.seeds:
            raise UserError("option 'candidate_seeds' is greater than 'seeds': lower it.")
        if self.reference not in self.models:
            hint = nearest(str(self.reference), self.models)
            raise UserError(f"option 'reference' = {self.reference} is no model: {hint}")


@dataclass(frozen=True)
class MembersResult:
    """What the experiment leaves behind.

    Attributes
    ----------
    results
        Scores of every fit, differences, noise floors and spectra.
    page
        The HTML page, beside ``scores.csv``, ``differences.csv`` and ``results.nc``.
    """

    results: xr.Dataset
    page: Path


def run_internal_variability(config: InternalVariabilityConfig) -> MembersResult:
    """Run the experiment; what is finished is not done again.

    Raises
    ------
    UserError
        If an option, the recipe or the data is wrong.
    """
    store, task = prepare(config)
    if not isinstance(task, Emulation):
        raise UserError("the experiment internal_variability needs a task of emulation.")
    total = number_of_members(task)
    if max(config.members) > total:
        raise UserError(
            f"option 'members' asks for {max(config.members)} members and {store.name} has "
            f"{total}: lower it."
        )
    bench = Bench.of(task, config.evaluation)
    root = config.runs_dir / config.name
    parts, hashes = [], []
    for name, model in config.models.items():
        for stage, scores in _fits(config, task, bench, name, model):
            parts.append(scores)
            hashes.append(stage.hash)
    page = {"page": [config.title, config.description], "reference": config.reference}
    stage = Stage("report", {"fits": hashes, "seen": bench.options, **page}, root)
    folder = stage.run(lambda path: _report(config, store, bench, parts, path))
    return MembersResult(_read(folder / "results.nc"), folder / "index.html")


def draws(config: InternalVariabilityConfig, name: str) -> list[Fit]:
    """Return all trainings of a model whose random weights matter."""
    reference = name == config.reference
    numbers = config.members if reference else config.candidate_members or config.members
    seeds = config.seeds if reference else config.candidate_seeds or config.seeds
    first = config.trainer.seed
    return [
        Fit(number, seed, first + seed * config.model_seeds + weights)
        for number in sorted(numbers)
        for seed in range(seeds)
        for weights in range(config.model_seeds)
    ]


def _fits(
    config: InternalVariabilityConfig, task: Emulation, bench: Bench, name: str, model: ModelConfig
) -> Iterator[tuple[Stage, xr.Dataset]]:
    """Yield the scores of all trainings of one model."""
    root = config.runs_dir / config.name
    if has_shared_sums(model, task):
        keys = [(n, s) for n in sorted(config.members) for s in range(config.seeds)]
        paired = config.candidate_seeds or config.seeds
        inputs: dict[str, Any] = {"task": task.hash, "model": model.model_dump(), "draws": keys}
        inputs |= {"bench": bench.options, "paired": paired}
        stage = Stage(f"fits/{name}", inputs, root)
        if not stage.finished:
            console.print(f"[bold]fit[/]    {name}: {len(keys)} draws from shared sums")

        def work(path: Path) -> None:
            _write(fits_from_sums(bench, task, model, keys, paired), name, path / "fits.nc")

        yield stage, _read(stage.run(work) / "fits.nc")
        return
    own = Trainings(task, name, model, config.trainer, root)
    fits = draws(config, name)
    todo = {stage.hash: fit for fit in fits if not (stage := own.stage(fit)).finished}
    done = own.run_all(list(todo.values()), config.processes)
    silent = not config.trainer.progress_bar
    for _ in track(done, f"training {name}", len(todo), console=console, disable=silent):
        pass
    for fit in fits:
        yield _judged(own, bench, fit)


def _judged(own: Trainings, bench: Bench, fit: Fit) -> tuple[Stage, xr.Dataset]:
    """Return the scores of a fit that is trained."""
    trained = own.stage(fit)
    inputs = {"fit": trained.hash, "bench": bench.options}
    stage = Stage(f"scores/{own.name}/{own.same_as(fit).label}", inputs, own.root)

    def judge(path: Path) -> None:
        predictions = xr.open_zarr(trained.directory / "predictions.zarr", chunks=None)
        _write(bench.judge(predictions, fit.draw), own.name, path / "fits.nc")

    scores = _read(stage.run(judge) / "fits.nc")
    # what several draws share was judged for the first of them
    labels = {"member_seed": fit.member_seed, "model_seed": fit.model_seed}
    return stage, scores.assign_coords({key: ("fit", [seed]) for key, seed in labels.items()})


def _report(
    config: InternalVariabilityConfig,
    store: Path,
    bench: Bench,
    parts: list[xr.Dataset],
    path: Path,
) -> None:
    """Write results, tables and the page."""
    results = xr.concat(parts, "fit", data_vars="minimal", coords="minimal", join="exact")
    compared = compare_fits(results, str(config.reference), bench.confidence)
    scales = bench.scales(sorted(config.members))
    results = xr.merge([results, compared, scales], join="exact").assign_attrs(
        reference=config.reference,
        confidence=bench.confidence,
        truth_members=len(bench.labels),
        period=json.dumps(list(bench.period)),
        simulated=str(open_store(store).attrs.get("simulated", "false")),
        store_hash=store_hash(store),
        provenance=json.dumps(provenance(config, store)),
    )
    _save(results, path / "results.nc")
    member_report(results, path, config.title)


def _write(scores: xr.Dataset, name: str, path: Path) -> None:
    """Write the scores of fits, labelled by their model."""
    _save(scores.assign_coords(model=("fit", [name] * scores.sizes["fit"])), path)


def _save(dataset: xr.Dataset, path: Path) -> None:
    part = path.with_suffix(".part")
    dataset.to_netcdf(part, engine="netcdf4")
    part.replace(path)


def _read(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="netcdf4") as dataset:
        return dataset.load().drop_encoding()  # or longer names would be cut to its text width


def run_and_show(config: InternalVariabilityConfig) -> int:
    """Run the experiment, print table, verdict and the page's path, and return the exit code."""
    from rich.console import Console

    result = run_internal_variability(config)
    out = Console()
    out.print(member_table(result.results))
    for sentence in verdicts(result.results):
        out.print(sentence, markup=False, highlight=False, soft_wrap=True)
    out.print(f"report: {result.page}", soft_wrap=True, markup=False)
    return 0


def parse(values: dict[str, Any]) -> InternalVariabilityConfig:
    """Return the checked options."""
    config = InternalVariabilityConfig.parse(values)
    assert isinstance(config, InternalVariabilityConfig)  # noqa: S101  # parse is of the class
    return config

"""A new pathway of emissions through a trained emulator: maps, global means, and their spread."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from climbench.errors import UserError, nearest
from climbench.grids import latitude_weights
from climbench.prediction.pathway import Pathway, read_pathway
from climbench.prediction.projected_maps import MapsWriter, stamps
from climbench.prediction.world_emissions import drivers, history_of, world_total
from climbench.store import store_hash
from climbench.store.provenance import file_sha256
from climbench.tasks import Emulation
from climbench.tasks.sample import Sample
from climbench.training.checkpoint import load_checkpoint, task_of
from climbench.training.module import FittedModule

LAST_YEARS = 20  # of the mean map
BOUNDS = (0.05, 0.95)  # of a plume
NORMAL_QUANTILE = 1.6448536269514722  # of the upper bound
RESIDUALS = 400  # training years that the residual spread is taken from, evenly spread

Fields = NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """What an emulator makes of a pathway.

    Attributes
    ----------
    maps
        Zarr store ``[scenario, (member), time, latitude, longitude]``.
    series
        Global mean of each target ``[bound, time]``; ``bound`` is mean, lower, upper, the latter
        two NaN where no spread is known.
    mean_map
        Mean over the last years of each target ``[latitude, longitude]``; ``years`` says which.
    spread
        Where the bounds come from, in words; empty where there are none.
    notes
        What a user should look at again, a sentence each.
    record
        How it was made: hashes, model, units.
    """

    maps: Path
    series: xr.Dataset
    mean_map: xr.Dataset
    spread: str
    notes: list[str]
    record: dict[str, Any]


def emulate(
    checkpoint: Path,
    scenario: Path,
    maps: Path,
    store: Path | None = None,
    members: int | None = None,
    maps_like: str | None = None,
    climate_model: str | None = None,
    batch_size: int = 32,
) -> Projection:
    """Project a pathway of emissions.

    The bounds of the global mean are those of single years, 5 to 95 %: over the draws of an
    emulator that makes an ensemble, else from the residuals of the training years, taken as
    normal.

    Parameters
    ----------
    checkpoint
        Of an emulator.
    scenario
        The pathway, see :func:`climbench.prediction.pathway.read_pathway`.
    maps
        The Zarr store to write; replaced if it exists.
    store
        Where the checkpoint's store lies now: it has the history that precedes the pathway.
    members
        How many draws of an ensemble; by default all.
    maps_like
        Scenario of the store whose maps of emissions are scaled to the pathway's totals, where
        the emulator reads maps; by default the first test scenario.
    climate_model
        Which climate model to answer as, where the emulator knows several.
    batch_size
        Years that the model answers at once; no effect on the result.

    Raises
    ------
    UserError
        If the checkpoint is no emulator's, the pathway is wrong, or history is incomplete.
    """
    module = load_checkpoint(checkpoint)
    task = task_of(checkpoint, store)
    if not isinstance(task, Emulation):
        raise UserError(f"{checkpoint} is no emulator of climate: it cannot read a pathway.")
    signature = module.signature
    source = _climate_model(signature.climate_models, climate_model)
    history = history_of(task.dataset, signature.inputs, source)
    pathway = read_pathway(scenario, signature.inputs, history)
    like = _scenario_of_maps(task, maps_like)
    driving = drivers(task.dataset, signature, pathway, history, like, source)
    count = _members(module, members)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device)

    def batches() -> Iterator[Sample]:
        for start in range(0, pathway.years.size, batch_size):
            chosen = slice(start, start + batch_size)
            sample = _sample(task, pathway.years[chosen], driving[chosen], source)
            yield Sample(*(part.to(device) for part in sample))

    with torch.inference_mode():
        central = _answers(module(sample) for sample in batches())
        means = [_world_mean(central, signature.latitude)]
        record = _record(checkpoint, scenario, module, task)
        with MapsWriter(maps, task, pathway, record, count) as write:
            if not count:
                write(central, 0)
            for member in range(count):
                drawn = _answers(module.draw(sample, member) for sample in batches())
                write(drawn, member)
                means.append(_world_mean(drawn, signature.latitude))
    bounds, spread = _bounds(np.stack(means), module, task, batch_size)
    notes = [*pathway.notes, *_beyond_training(task, pathway)]
    series = _series(task, pathway, np.stack([means[0], *bounds]))
    return Projection(maps, series, _mean_map(task, pathway, central), spread, notes, record)


def _climate_model(known: tuple[str, ...], asked: str | None) -> str | None:
    """Return the climate model to answer as, None where there is one only."""
    if asked is not None and asked not in known:
        hint = nearest(asked, known) if known else "it knows one only, leave the option out."
        raise UserError(f"the emulator knows no climate_model '{asked}': {hint}")
    if len(known) > 1 and asked is None:
        raise UserError(f"the emulator needs climate_model=..., one of {', '.join(known)}.")
    return asked or (known[0] if known else None)


def _scenario_of_maps(task: Emulation, asked: str | None) -> str:
    names = [str(name) for name in task.dataset["scenario"].values]
    if asked is not None and asked not in names:
        raise UserError(f"option 'maps_like' = {asked} is no scenario: {nearest(asked, names)}")
    return asked or task.test_scenarios[0]


def _members(module: FittedModule, asked: int | None) -> int:
    if asked is None:
        return module.members
    if not module.members:
        raise UserError("this emulator gives one answer: leave out the option 'members'.")
    if not 1 <= asked <= module.members:
        raise UserError(
            f"option 'members' = {asked} is wrong: this emulator draws 1 to {module.members}."
        )
    return asked


def _sample(
    task: Emulation, years: NDArray[np.int64], driving: Fields, source: str | None
) -> Sample:
    """Return the question for some years; its targets are unknown, zero.

    ``driving`` is ``[year, history, channel, latitude, longitude]``, 1 x 1 where all are global.
    """
    signature, size = task.signature, years.size
    model = signature.climate_models.index(source) if source in signature.climate_models else 0
    space = signature.shape
    return Sample(
        inputs=torch.from_numpy(driving).expand(-1, -1, -1, *space),
        forcings=torch.empty(size, 1, 0, *space),
        static=torch.from_numpy(task.static_fields),
        targets=torch.zeros(size, 1, len(signature.targets), *space),
        lead_time=torch.zeros(size, 1),
        day_of_year=torch.ones(size, 1, dtype=torch.int64),
        days_in_year=torch.full((size, 1), 365),
        hour=torch.zeros(size, 1),
        year=torch.from_numpy(years[:, None]),
        run=torch.zeros(size, dtype=torch.int64),
        climate_model=torch.full((size,), model),
        index=torch.from_numpy(years - years[0]),
    )


def _answers(answers: Iterator[Tensor]) -> Fields:
    """Return answers of one lead ``[year, target, latitude, longitude]``."""
    return np.concatenate([answer[:, 0].cpu().numpy() for answer in answers])


def _world_mean(fields: Fields, latitude: tuple[float, ...]) -> NDArray[np.float64]:
    """Return area-weighted means ``[year, target]``."""
    rows = latitude_weights(latitude, "area")
    return np.asarray(np.average(fields.astype(np.float64).mean(axis=-1), axis=-1, weights=rows))


def _bounds(
    means: NDArray[np.float64], module: FittedModule, task: Emulation, batch_size: int
) -> tuple[NDArray[np.float64], str]:
    """Return lower and upper bound ``[2, year, target]`` and where they come from.

    ``means`` is ``[1 + draw, year, target]``, the central answer first.
    """
    share = f"{100 * BOUNDS[0]:g} to {100 * BOUNDS[1]:g} %"
    if len(means) > 2:
        text = f"{share} of single years, {len(means) - 1} draws of the emulator"
        return np.quantile(means[1:], BOUNDS, axis=0), text
    deviation = residual_deviation(module, task, batch_size)
    if not np.isfinite(deviation).all():
        return np.full((2, *means.shape[1:]), np.nan), ""
    reach = NORMAL_QUANTILE * deviation
    text = f"{share} of single years, from the residuals of the training years"
    return np.stack([means[0] - reach, means[0] + reach]), text


def residual_deviation(
    module: FittedModule, task: Emulation, batch_size: int
) -> NDArray[np.float64]:
    """Return how far single training years are from the emulator's global mean ``[target]``.

    The root of the mean square over years of single members, where the store has members: error
    and internal variability together. NaN with fewer than two years.
    """
    each: dict[str, Any] = {"members": "each"} if "member" in task.dataset.dims else {}
    samples = replace(task, **each).split("train")
    rows = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), RESIDUALS)).round())
    squares = []
    with torch.inference_mode():
        for start in range(0, rows.size, batch_size):
            sample = samples.__getitems__(rows[start : start + batch_size].astype(int).tolist())
            sample = Sample(*(part.to(module.device) for part in sample))
            error = (module(sample) - sample.targets)[:, 0].cpu().numpy()
            squares.append(_world_mean(error, task.signature.latitude) ** 2)
    missing = np.full(len(task.targets), np.nan)
    return np.sqrt(np.concatenate(squares).mean(axis=0)) if rows.size > 1 else missing


def _beyond_training(task: Emulation, pathway: Pathway) -> list[str]:
    """Return a sentence on each input whose world total leaves the range of training."""
    notes = []
    trained = task.dataset.sel(scenario=list(task.train_scenarios))
    for name, values in pathway.values.items():
        totals = world_total(trained[name])
        low, high = float(np.nanmin(totals)), float(np.nanmax(totals))
        value = values.max() if values.max() > high else values.min()
        if not low <= value <= high:
            notes.append(
                f"'{name}' reaches {value:.4g}, outside the {low:.4g} to {high:.4g} that the "
                "emulator was trained on: it extrapolates."
            )
    return notes


def _series(task: Emulation, pathway: Pathway, values: NDArray[np.float64]) -> xr.Dataset:
    """Return global means from ``values [bound, year, target]``."""
    coordinates = {"bound": ["mean", "lower", "upper"], "time": stamps(pathway)}
    return xr.Dataset(
        {
            name: (("bound", "time"), values[..., at], _attributes(task, name))
            for at, name in enumerate(task.targets)
        },
        coordinates,
    )


def _mean_map(task: Emulation, pathway: Pathway, fields: Fields) -> xr.Dataset:
    last = fields[-LAST_YEARS:].mean(axis=0, dtype=np.float64)
    years = pathway.years[-LAST_YEARS:]
    return xr.Dataset(
        {
            name: (("latitude", "longitude"), last[at], _attributes(task, name))
            for at, name in enumerate(task.targets)
        },
        {name: task.dataset[name] for name in ("latitude", "longitude")},
        {"years": f"{years[0]} to {years[-1]}"},
    )


def _attributes(task: Emulation, name: str) -> dict[str, Any]:
    return {"units": task.dataset[name].attrs.get("units", "")}


def _record(
    checkpoint: Path, scenario: Path, module: FittedModule, task: Emulation
) -> dict[str, Any]:
    return {
        "model": module.record["model"]["name"],
        "checkpoint_sha256": file_sha256(checkpoint),
        "store_hash": store_hash(task.store),
        "scenario_sha256": file_sha256(scenario),
        "trained_on": ", ".join(task.train_scenarios),
        "simulated": task.dataset.attrs.get("simulated", "false"),
    }

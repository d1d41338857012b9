"""The evaluation of column physics: ClimSim's scores in W m-2, budgets and sections."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.evaluation.column_budgets import (
    BUDGETS,
    CLOUD,
    ENERGY,
    NEEDS,
    WATER,
    energy_budget,
    water_budget,
)
from climbench.evaluation.column_data import Block, ColumnData
from climbench.evaluation.column_sections import ZonalDays, day_numbers
from climbench.evaluation.column_sums import ColumnSums
from climbench.evaluation.scores import describe
from climbench.evaluation.source import content_hash
from climbench.metrics.averaging import ratio
from climbench.metrics.column_energy import ENERGY as ENERGY_OF
from climbench.metrics.column_energy import LEVEL, STRESSES
from climbench.metrics.column_physics import ORIENTATION

GLOBAL = "global"
POOLED = "r2_pooled"
KNOWN = {**ORIENTATION, POOLED: "higher"}
ROUNDING = 1e-2  # of a budget of float32 outputs, W m-2
Array = NDArray[np.float64]


def refuse_for_columns(options: Mapping[str, Any]) -> None:
    """Refuse options of maps that scores of columns would not heed."""
    for option, value in options.items():
        if value is not None:
            raise UserError(
                f"The option '{option}' is for maps and stations, not for columns: leave it out."
            )


def evaluate_columns(
    predictions: xr.Dataset | Path | str,
    truth: xr.Dataset | Path | str,
    metrics: Sequence[Any] | str = ("mae", "rmse", "r2", "bias"),
    ensemble_metrics: Sequence[Any] | str = ("crps",),
    model: str | None = None,
    nan: str = "error",
) -> xr.Dataset:
    """Score predicted columns as ClimSim does; see :mod:`climbench.metrics.column_physics`.

    Parameters
    ----------
    predictions
        ClimSim's outputs ``[time, ncol, (lev)]`` in their units, perhaps with ``member``: then the
        CRPS is of the members and all other scores are of their mean.
    truth
        The same outputs, ``state_ps``, the area of the columns and the thickness of the layers
        (a store of columns), and ``pbuf_LHFLX`` and ``pbuf_SHFLX`` for the budgets.
    metrics, ensemble_metrics
        Of ``mae``, ``rmse``, ``r2``, ``bias``, and of ensembles ``crps``. Beside ``r2`` stands
        ``r2_pooled``, the explained share of the variance of all columns and levels together.
    model
        Name in the scores.
    nan
        ``error``: a value that only the prediction lacks is refused; ``skip``: left out.

    Returns
    -------
    xarray.Dataset
        ``score[model, metric, channel, region, scenario]`` in W m-2 (winds N m-2, R2 no unit), a
        profile's the plain mean over its levels, and of the budgets of water and energy;
        ``level_score[model, metric, profile, lev, scenario]``; ``section_r2[model, profile,
        zone, lev, scenario]``; ``constant_outputs[channel, scenario]``, how many pairs of column
        and level never vary, which R2 leaves out.

    Raises
    ------
    UserError
        If something does not fit; the sentence says what.
    """
    data = ColumnData.of(predictions, truth)
    named = _named(metrics, ensemble_metrics, data.members)
    sums = {name: _Scenario.of(data) for name in dict.fromkeys(data.scenarios.tolist())}
    for block in data.blocks():
        _add(sums[block.scenario], data, block)
    if nan == "error":
        _refuse_missing(sums, data)
    name = model or str(data.predictions.attrs.get("model", "model"))
    dataset = _dataset(sums, data, named).expand_dims(model=[name])
    simulated = "true" in (one.attrs.get("simulated") for one in (data.predictions, data.truth))
    hashed = {"predictions_hash": predictions, "truth_hash": truth}
    conventions = {
        "weights": "area of columns, mass of layers",
        "root": "over time, before the mean over columns",
        "bias": "forecast_minus_truth",
        "nan": "pooled",
        "missing_forecast": nan,
        "time": "valid",
        "units": "W m-2",
        "vectors": str(data.truth.attrs.get("vectors", "")),
        "ensemble": "deterministic scores are those of its mean" if data.members else "",
    }
    return describe(dataset).assign_attrs(
        task="column_physics",
        preset="climsim",
        simulated="true" if simulated else "false",
        conventions=json.dumps(conventions, sort_keys=True),
        samples_without_truth=json.dumps({name: {"number": 0}}),
        bootstrap=json.dumps({"confidence": 0.95, "draws": 0, "seed": 0}),
        climatology_hash=json.dumps({name: ""}),
        notes=json.dumps({name: _notes(sums)}),
        **{key: json.dumps({name: content_hash(each)}) for key, each in hashed.items()},
    )


@dataclass
class _Scenario:
    """What is summed up of one scenario."""

    outputs: dict[str, ColumnSums]
    sections: dict[str, ZonalDays]
    times: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, data: ColumnData) -> "_Scenario":
        channels = [*data.outputs, *_budgets(data)]
        latitude = data.truth["latitude"].values.astype(np.float64)
        profiles = {name: ZonalDays(latitude) for name in _profiles(data)}
        least = dict.fromkeys(_budgets(data), ROUNDING)
        return cls({name: ColumnSums(least.get(name, 0.0)) for name in channels}, profiles)


def _profiles(data: ColumnData) -> list[str]:
    return [name for name in data.outputs if LEVEL in data.truth[name].dims]


def _budgets(data: ColumnData) -> list[str]:
    """Return the budgets whose outputs and fluxes are there."""
    return [
        name
        for name, needed in BUDGETS.items()
        if set(needed) <= set(data.outputs) and NEEDS[name] in data.truth
    ]


def _add(scenario: _Scenario, data: ColumnData, block: Block) -> None:
    """Add a block of times to all sums."""
    area, days = data.area[:, None], day_numbers(block.time)
    scenario.times += [str(each) for each in block.time.values]
    for name in data.outputs:
        own, other = block.predictions[name], block.truth[name]
        weight = area * ENERGY_OF[name]
        energy = weight * block.mass if name in scenario.sections else weight
        own, other = own * energy, other * energy
        samples = block.samples[name] * energy if name in block.samples else None
        scenario.outputs[name].add(own, other, samples)
        if name in scenario.sections:
            scenario.sections[name].add(days, own, other)
    for name in _budgets(data):
        pair = [_budget(name, fields, block) * area for fields in (block.predictions, block.truth)]
        scenario.outputs[name].add(pair[0], pair[1])


def _budget(name: str, fields: Mapping[str, Array], block: Block) -> Array:
    """Return a budget ``[time, column, 1]``, W m-2."""
    wanted = (*BUDGETS[name], *(CLOUD if name == WATER else ()))
    flat = {
        each: values[..., 0] if values.shape[-1] == 1 else values
        for each, values in fields.items()
        if each in wanted
    }
    formula = {WATER: water_budget, ENERGY: energy_budget}[name]
    return formula(flat, block.fluxes[NEEDS[name]], block.mass)[..., None]


def _named(metrics: Any, of_ensembles: Any, members: int) -> list[str]:
    """Return the metrics that are wanted and known."""
    listed = [[one] if isinstance(one, str) else list(one) for one in (metrics, of_ensembles)]
    wanted = [*listed[0], *(name for name in listed[1] if members and name in KNOWN)]
    for name in map(str, wanted):
        if name not in KNOWN:
            raise UserError(f"columns have no metric '{name}': {nearest(name, KNOWN)}")
        if name == "crps" and members < 2:
            raise UserError("the metric 'crps' of columns needs predictions with two members.")
    pooled = [POOLED] if "r2" in wanted else []
    return list(dict.fromkeys([*map(str, wanted), *pooled]))


def _refuse_missing(sums: Mapping[str, _Scenario], data: ColumnData) -> None:
    for name in data.outputs:
        missing = sum(one.outputs[name].lacking for one in sums.values())
        if missing:
            raise UserError(
                f"{data.label}: {missing} values of '{name}' are missing where the truth has some: "
                "predict them, or leave them out with nan=skip."
            )


def _dataset(sums: Mapping[str, _Scenario], data: ColumnData, metrics: Sequence[str]) -> xr.Dataset:
    """Return the scores of one model in the dimensions of all scores."""
    channels, profiles = [*data.outputs, *_budgets(data)], _profiles(data)
    by_level = {
        (scenario, name): np.stack([_score(one, metric) for metric in metrics])
        for scenario, parts in sums.items()
        for name, one in parts.outputs.items()
    }
    score = np.array(
        [[_over_levels(by_level[s, name]) for s in sums] for name in channels]
    )  # channel, scenario, metric
    samples = list(dict.fromkeys(time for parts in sums.values() for time in parts.times))
    there = np.array([np.isin(samples, parts.times) for parts in sums.values()], dtype=np.float64)
    weight = np.broadcast_to(there, (len(channels), 1, *there.shape))
    dims = ("channel", "region", "scenario")
    empty = np.full((len(metrics), len(channels), 1, len(sums)), np.nan)
    ordered = score.transpose(2, 0, 1)[:, :, None]
    dataset = xr.Dataset(
        {
            "score": (("metric", *dims), ordered),
            "lower": (("metric", *dims), empty),
            "upper": (("metric", *dims), empty),
            "count": (dims, np.count_nonzero(weight, axis=-1)),
            "missing": (
                ("channel", "scenario"),
                [[sums[s].outputs[name].missing for s in sums] for name in channels],
            ),
            "constant_outputs": (
                ("channel", "scenario"),
                [[int(sums[s].outputs[name].constant().sum()) for s in sums] for name in channels],
            ),
            "per_sample": (("statistic", *dims, "sample"), _by_time(sums, channels, samples)),
            "per_sample_weight": ((*dims, "sample"), weight),
        },
        coords={
            "metric": np.array(metrics, dtype=str),
            "orientation": ("metric", [KNOWN[metric] for metric in metrics]),
            "unit_power": ("metric", [0 if metric in ("r2", POOLED) else 1 for metric in metrics]),
            "unit": ("metric", [""] * len(metrics)),
            "channel": channels,
            "variable": ("channel", channels),
            "level": ("channel", np.full(len(channels), np.nan)),
            "units": ("channel", ["N m-2" if n in STRESSES else "W m-2" for n in channels]),
            "region": [GLOBAL],
            "scenario": list(sums),
            "statistic": ["absolute_error"],
            "sample": samples,
        },
    )
    if profiles:
        dataset = dataset.merge(_by_level(sums, data, profiles, by_level))
    return dataset


def _over_levels(values: Array) -> Array:
    """Return the plain mean over the levels that have a score, ``[metric]``."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def _by_time(
    sums: Mapping[str, _Scenario], channels: Sequence[str], samples: Sequence[str]
) -> Array:
    """Return the mean absolute error of each time ``[1, channel, 1, scenario, sample]``."""
    errors = np.full((1, len(channels), 1, len(sums), len(samples)), np.nan)
    for at, parts in enumerate(sums.values()):
        here = np.searchsorted(samples, parts.times, sorter=np.argsort(samples))
        here = np.argsort(samples)[here]
        for number, name in enumerate(channels):
            errors[0, number, 0, at, here] = parts.outputs[name].by_time
    return errors


def _by_level(
    sums: Mapping[str, _Scenario],
    data: ColumnData,
    profiles: Sequence[str],
    by_level: Mapping[tuple[str, str], Array],
) -> xr.Dataset:
    """Return the scores of each level, and R2 by latitude and level."""
    scores = [[by_level[s, name] for name in profiles] for s in sums]
    sections = [[parts.sections[name].r2() for name in profiles] for parts in sums.values()]
    known = LEVEL in data.truth.coords
    levels = data.truth[LEVEL].values if known else range(len(sections[0][0][0]))
    about = data.truth[LEVEL].attrs if known else {}
    zones = next(iter(next(iter(sums.values())).sections.values())).latitude
    return xr.Dataset(
        {
            "level_score": (("scenario", "profile", "metric", LEVEL), np.array(scores)),
            "section_r2": (("scenario", "profile", "zone", LEVEL), np.array(sections)),
        },
        coords={
            "profile": list(profiles),
            LEVEL: (LEVEL, np.asarray(levels, dtype=np.float64), about),
            "zone": ("zone", zones, {"units": "degrees_north"}),
        },
    )


def _score(sums: ColumnSums, metric: str) -> Array:
    """Return a score ``[level]``; of an output that has no samples no CRPS."""
    found = sums.scores()
    nothing = np.full_like(found["mae"], np.nan)
    return (
        found.get(metric, nothing)
        if metric != POOLED
        else np.where(np.arange(nothing.size) == 0, found[POOLED], nothing)
    )


def _notes(sums: Mapping[str, _Scenario]) -> list[str]:
    """Return what a reader must know: outputs that never vary have no R2."""
    notes = []
    for scenario, parts in sums.items():
        constant = {n: int(one.constant().sum()) for n, one in parts.outputs.items()}
        shown = ", ".join(f"{count} of {name}" for name, count in constant.items() if count)
        if shown:
            notes.append(f"{scenario}: R2 leaves out outputs that never vary: {shown}")
    return notes

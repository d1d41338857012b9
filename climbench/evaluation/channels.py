"""Which fields of several sources are the same: by name, level and unit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.evaluation.source import Source
from climbench.recipes.steps.convert_units import same_unit

NUMBERS = "biuf"  # kinds of types that scores are made from
Names = dict[str, tuple[str, float | None]]  # variable and level of each name of a field


@dataclass(frozen=True)
class Channel:
    """A variable on a level (hPa; None at the surface) and where each source keeps it."""

    name: str
    variable: str
    level: float | None
    units: str


def find_channels(predictions: Source, truth: Source) -> list[Channel]:
    """Return the channels that are scored.

    The attribute ``channels`` (a JSON list) names them; without it, all variables and levels
    that predictions and truth have in common count, in alphabetical order.

    Raises
    ------
    UserError
        If a named channel is missing, or nothing is in common.
    """
    available, in_truth = channels_of(predictions), channels_of(truth)
    named = predictions.dataset.attrs.get("channels")
    if named is not None:
        names = json.loads(named)
    else:
        names = _common(available, in_truth, (predictions.label, truth.label))
        names.sort(key=lambda name: (available[name][0], available[name][1] or 0.0))
    if not names:
        raise UserError(
            f"{predictions.label} ({', '.join(available) or 'no fields'}) and {truth.label} "
            f"({', '.join(in_truth) or 'no fields'}) have no variable in common."
        )
    channels = []
    for name in names:
        variable, level = _named(available, name, predictions)
        _check_numbers(predictions, variable)
        _check_numbers(truth, _named(in_truth, name, truth)[0])
        units = str(truth.dataset[_named(in_truth, name, truth)[0]].attrs.get("units", ""))
        given = str(predictions.dataset[variable].attrs.get("units", units))
        if units and given and not same_unit(given, units):
            raise UserError(
                f"{predictions.label} has '{variable}' in {given} and {truth.label} in {units}: "
                "convert one of them."
            )
        channels.append(Channel(name, variable, level, units or given))
    if any(channel.level is not None for channel in channels):
        _check_unit_of_levels(predictions, truth)
    return channels


def narrowed(
    predictions: Source,
    variables: Sequence[str] | str | None,
    levels: Sequence[float] | float | None,
) -> Source:
    """Return predictions of some variables and levels (hPa) only, before anything is read.

    All of them where neither is named.

    Raises
    ------
    UserError
        If they lack one of them.
    """
    dataset, label = predictions.dataset, predictions.label
    if variables is None and levels is None:
        return predictions
    if variables is not None:
        names = [variables] if isinstance(variables, str) else list(map(str, variables))
        for name in names:
            if name not in dataset.data_vars:
                hint = nearest(name, map(str, dataset.data_vars))
                raise UserError(f"{label} has no variable '{name}': {hint}")
        means = [f"{name}_mean" for name in names if f"{name}_mean" in dataset]
        dataset = dataset.drop_vars(set(dataset.data_vars) - {*names, *means})
    if levels is not None:
        there = np.atleast_1d(dataset["level"]) if "level" in dataset.coords else np.empty(0)
        try:
            wanted = np.atleast_1d(np.asarray(levels, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise UserError(f"option 'levels' = {levels} is wrong: give numbers, hPa.") from error
        for level in wanted[~np.isin(wanted, there)]:
            known = ", ".join(f"{one:g}" for one in there) or "none"
            raise UserError(f"{label} has no level {level:g} hPa: it has {known}.")
        if "level" in dataset.dims:
            dataset = dataset.sel(level=wanted)
    found = replace(predictions, dataset=dataset)
    if "channels" in dataset.attrs:
        kept = channels_of(found)
        named = [name for name in json.loads(dataset.attrs["channels"]) if name in kept]
        found = replace(found, dataset=dataset.assign_attrs(channels=json.dumps(named)))
    return found


def _check_numbers(source: Source, variable: str) -> None:
    """Refuse a variable of texts, dates or complex numbers."""
    kind = source.dataset[variable].dtype
    if kind.kind not in NUMBERS:
        raise UserError(
            f"{source.label}: the variable '{variable}' has values of the type '{kind}': scores "
            "need real numbers."
        )


def _check_unit_of_levels(*sources: Source) -> None:
    """Refuse the same numbers of levels in other units, such as hPa and m."""
    levels = [source.dataset.coords.get("level", xr.DataArray()) for source in sources]
    one, other = (str(level.attrs.get("units", "")) for level in levels)
    if one and other and not same_unit(one, other):
        raise UserError(
            f"{sources[0].label} has levels in {one} and {sources[1].label} in {other}: take the "
            "same levels of both."
        )


def units_assumed(predictions: Source, truth: Source, channels: Sequence[Channel]) -> list[str]:
    """Return a note for the user about variables without a unit in one of two sources."""
    notes = []
    for source, other in ((predictions, truth), (truth, predictions)):
        assumed: dict[str, str] = {}
        places = [locate(each, channels) for each in (source, other)]
        for (variable, _), (theirs, _) in zip(*places, strict=True):
            unit = str(other.dataset[theirs].attrs.get("units", ""))
            if unit and not source.dataset[variable].attrs.get("units"):
                assumed[f"'{variable}'"] = unit
        if assumed:
            notes.append(
                f"{source.label} has no unit of {', '.join(assumed)}: taken for that of "
                f"{other.label} ({', '.join(dict.fromkeys(assumed.values()))})"
            )
    return notes


def _common(available: Names, in_truth: Names, labels: tuple[str, str]) -> list[str]:
    """Return the names of fields that are in both; those with a level go before those without."""
    common = [name for name in available if name in in_truth]
    levelled = {available[name][0] for name in common if available[name][1] is not None}
    for name in common:
        levels = [
            sorted(level for variable, level in names.values() if variable == name and level)
            for names in (available, in_truth)
        ]
        if name not in levelled and available[name][1] is None and all(levels):
            raise UserError(
                f"'{name}' is on the level {levels[0][0]:g} hPa in {labels[0]} and on "
                f"{levels[1][0]:g} hPa in {labels[1]}: take the same level of both."
            )
    return [name for name in common if available[name][1] is not None or name not in levelled]


def channels_of(source: Source, time: str = "time") -> Names:
    """Return variable and level of each channel: ``variable``, or ``variable_level``.

    A variable whose level is a scalar coordinate has both names.
    """
    channels: Names = {}
    for name, array in source.dataset.data_vars.items():
        if not {*source.horizontal, time} <= set(array.dims):
            continue
        if "level" not in array.dims:
            channels[str(name)] = (str(name), None)
        if "level" in array.coords:
            levels = np.atleast_1d(array["level"].to_numpy())
            if np.unique(levels).size < levels.size:
                again = next(level for level in levels if np.sum(levels == level) > 1)
                raise UserError(f"{source.label}: the level {again:g} stands there more than once.")
            for level in levels:
                channels[f"{name}_{level:g}"] = (str(name), float(level))
    return channels


def locate(
    source: Source, channels: Sequence[Channel], time: str = "time"
) -> list[tuple[str, int]]:
    """Return the variable that holds each channel and the position of its level.

    Raises
    ------
    UserError
        If the source lacks a channel.
    """
    known = channels_of(source, time)
    levels = source.dataset["level"].to_numpy().tolist() if "level" in source.dataset else []
    places = []
    for channel in channels:
        dataset = source.dataset
        alone = channel.variable in dataset and "level" not in dataset[channel.variable].coords
        single = channel.name not in known and alone
        variable, level = _named(known, channel.variable if single else channel.name, source)
        along = level is not None and "level" in source.dataset[variable].dims
        places.append((variable, levels.index(level) if along else 0))
    return places


def _named(channels: Names, name: str, source: Source) -> tuple[str, float | None]:
    if name not in channels:
        raise UserError(f"{source.label} has no channel '{name}': {nearest(name, channels)}")
    return channels[name]


def check_units(climatology: Source, channels: Sequence[Channel], truth: str) -> None:
    """Refuse a climatology in another unit than the truth.

    Raises
    ------
    UserError
        With both units.
    """
    for channel, (variable, _) in zip(
        channels, locate(climatology, channels, time="dayofyear"), strict=True
    ):
        _check_numbers(climatology, variable)
        given = str(climatology.dataset[variable].attrs.get("units", channel.units))
        if given and channel.units and not same_unit(given, channel.units):
            raise UserError(
                f"{climatology.label} has '{variable}' in {given} and {truth} in {channel.units}: "
                "convert one of them."
            )

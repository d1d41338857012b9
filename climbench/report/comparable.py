"""Published scores beside ours, only where data, protocol and definition are the same.

Each YAML of ``literature/`` with the key ``data`` is one table:

============================  =====================================================================
``citation``, ``url``         who printed the numbers, and where
``confidence``                ``low``: remembered, not read at its source; never shown
``data``                      ``archive`` in words, ``recipes`` that build it, ``grid`` (first, last
                              and number of latitudes and longitudes), ``test`` (first and last date
                              of the targets), ``initial_interval`` (hours between initial times)
``units``                     of each channel
``conventions``               of each metric: what the record of a run's scores must say
``leads``, or ``scenarios``   hours, or names: the columns of the rows
``rows``                      ``model``, scores of each metric by channel, and where it differs from
                              the table: ``citation``, ``initial_interval``, ``confidence``
============================  =====================================================================
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import xarray as xr
import yaml

DATA = "data"
"""Attribute of scores: what they were made from, as :func:`data_identity` gives it."""


@dataclass(frozen=True)
class PublishedRow:
    """A published model's scores ``{lead hours or scenario: value}`` of one metric, by channel."""

    model: str
    citation: str
    scores: Mapping[str, Mapping[float | str, float]]


def data_identity(store: xr.Dataset, test: tuple[str, str], interval: int | None) -> dict[str, Any]:
    """Return what must agree before scores of different authors are shown side by side.

    Parameters
    ----------
    store
        The store as the task sees it, with its attributes.
    test
        First and last date of the test period.
    interval
        Hours between initial times.
    """
    recipe = json.loads(store.attrs.get("recipe", "{}"))
    grid = {
        name: [float(values[0]), float(values[-1]), len(values)]
        for name, values in ((n, store[n].values) for n in ("latitude", "longitude"))
    }
    return {
        "recipe": recipe.get("name", ""),
        "store_hash": store.attrs.get("recipe_hash", ""),
        "simulated": str(store.attrs.get("simulated", "true")),
        "grid": grid,
        "test": [str(date)[:10] for date in test],
        "initial_interval": interval,
    }


def published_beside(scores: xr.Dataset, metric: str) -> list[PublishedRow]:
    """Return the rows of all tables that may stand beside a metric's scores.

    Parameters
    ----------
    scores
        Of forecasts or columns, with the attribute ``data``; without it nothing is comparable.
    metric
        Its label.
    """
    ours = json.loads(scores.attrs.get(DATA, "{}"))
    if not ours or "true" in (scores.attrs.get("simulated"), ours.get("simulated", "true")):
        return []
    record = json.loads(scores.attrs.get("conventions", "{}"))
    rows = []
    for table in tables():
        if not _same_data(ours, table["data"]) or not _same_score(record, metric, table):
            continue
        rows += [
            row
            for published in table["rows"]
            if (row := _row(published, table, metric, scores, ours)) is not None
        ]
    return rows


@cache
def tables() -> tuple[Mapping[str, Any], ...]:
    """Return all tables that say what their data are."""
    folder = files("climbench.report").joinpath("literature")
    contents = [
        yaml.safe_load(file.read_text("utf-8"))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".yaml")
    ]
    return tuple(content for content in contents if "data" in content)


def _same_data(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    grids = [
        np.allclose(ours["grid"][name], theirs["grid"][name], rtol=0, atol=1e-3)
        for name in ("latitude", "longitude")
    ]
    dates = [str(date)[:10] for date in theirs["test"]]
    return ours["recipe"] in theirs["recipes"] and all(grids) and list(ours["test"]) == dates


def _same_score(record: Mapping[str, Any], metric: str, table: Mapping[str, Any]) -> bool:
    """Tell whether a metric is defined as in a table; a parameter in its label makes it another."""
    wanted = table["conventions"].get(metric)
    return wanted is not None and all(record.get(key) == value for key, value in wanted.items())


def _row(
    published: Mapping[str, Any],
    table: Mapping[str, Any],
    metric: str,
    scores: xr.Dataset,
    ours: Mapping[str, Any],
) -> PublishedRow | None:
    interval = published.get("initial_interval", table["data"]["initial_interval"])
    confidence = published.get("confidence", table.get("confidence", "verified"))
    if interval != ours["initial_interval"] or confidence != "verified":
        return None
    units = dict(zip(scores["channel"].values.tolist(), scores["units"].values, strict=True))
    places: list[float | str] = (
        [float(lead) for lead in table["leads"]] if "leads" in table else table["scenarios"]
    )
    found = {
        channel: dict(zip(places, map(float, values), strict=True))
        for channel, values in published.get(metric, {}).items()
        if str(units.get(channel)) == table["units"][channel]
    }
    if not found:
        return None
    citation = " ".join(str(published.get("citation", table["citation"])).split())
    return PublishedRow(published["model"], citation, found)

"""Checks of the options of an evaluation, before any data are read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from climbench.errors import UserError, nearest
from climbench.evaluation.rules import FEWEST_DRAWS, MOST_DRAWS
from climbench.evaluation.source import Source
from climbench.metrics import get_metric, metric_families
from climbench.metrics.conventions import chosen_metrics, preset, with_ensemble_metrics


def check_evaluation(options: Mapping[str, Any]) -> None:
    """Refuse what can be seen to be wrong before there are any predictions.

    Parameters
    ----------
    options
        Arguments of :func:`climbench.evaluate`, some or all.

    Raises
    ------
    UserError
        If a number, metric, preset or region is wrong.
    """
    numbers = {"confidence": 0.95, "bootstrap": 0, "seed": 0, **options}
    check_numbers(numbers["confidence"], numbers["bootstrap"], numbers["seed"])
    names_of_regions(options.get("regions", ("global",)))
    labels = options.get("metrics", ("rmse",)), options.get("ensemble_metrics", ())
    named = with_ensemble_metrics(*labels, members=1)
    chosen_metrics(named, preset(options.get("preset", "wb2")), True, 1, lambda _: True)


def without_climatology(metrics: Any) -> tuple[Any, list[str]]:
    """Return the metrics that need no climatology, and the names of the others.

    Parameters
    ----------
    metrics
        As in :func:`climbench.evaluate`; families leave out by themselves what they cannot have.
    """
    if not isinstance(metrics, list | tuple):
        return metrics, []
    families = metric_families()
    names = [m for m in metrics if isinstance(m, str) and m not in families]
    needy = [name for name in names if get_metric(name).needs_climatology]
    return [metric for metric in metrics if metric not in needy], needy


def check_numbers(confidence: Any, bootstrap: Any, seed: Any) -> None:
    """Refuse numbers of the bootstrap that are none."""
    if isinstance(confidence, bool | str) or not 0 < confidence < 1:
        raise UserError(f"The option 'confidence' must lie between 0 and 1, not be {confidence!r}.")
    for option, value in (("bootstrap", bootstrap), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UserError(f"The option '{option}' must be 0 or a whole number, not {value!r}.")
    if bootstrap > MOST_DRAWS:
        raise UserError(f"The option 'bootstrap' must be at most {MOST_DRAWS}, not {bootstrap}.")
    if 0 < bootstrap < FEWEST_DRAWS:
        raise UserError(
            f"The option 'bootstrap' must be at least {FEWEST_DRAWS}, or 0 for no bounds, not "
            f"{bootstrap}."
        )


def names_of_regions(regions: Any) -> list[str]:
    """Return the names as a list."""
    listed = [regions] if isinstance(regions, str) else regions
    if not isinstance(listed, Sequence) or not all(isinstance(name, str) for name in listed):
        raise UserError(f"The option 'regions' must be a list of names, not {regions!r}.")
    if not listed:
        raise UserError("The option 'regions' is empty: name at least one, such as global.")
    return list(listed)


def check_members(forecasts: Source) -> None:
    """Refuse a member that stands there twice."""
    if "member" in forecasts.dataset.indexes and not forecasts.dataset.indexes["member"].is_unique:
        raise UserError(f"{forecasts.label}: a member stands there more than once.")


def check_period(period: Any, option: str = "period") -> None:
    """Refuse a period that is not two bounds."""
    if period is not None and (isinstance(period, str) or np.size(period) != 2):
        raise UserError(f"The option '{option}' must be [first, last], not {period!r}.")


def one_of(option: str, value: Any, known: Sequence[Any]) -> Any:
    """Return a value of an option that has a few."""
    if not isinstance(value, type(known[0])) or value not in known:
        names = [str(name).lower() for name in known]
        raise UserError(f"The option '{option}' cannot be '{value}': {nearest(str(value), names)}")
    return value


def check_regions_of_stations(regions: Sequence[str]) -> None:
    """Refuse regions where cells are stations.

    Raises
    ------
    UserError
        If there is another than ``global``.
    """
    others = [name for name in regions if name != "global"]
    if others:
        raise UserError(
            f"option 'regions' = [{', '.join(others)}] is for maps: stations are scored all "
            "together, regions=[global]."
        )

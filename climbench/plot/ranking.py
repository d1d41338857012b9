"""Who wins and by how much: the headline score, the order of the models, their skill."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from climbench.errors import UserError

BASELINES = (
    *("persistence", "climatology", "bilinear", "harmonic_fill", "linear_interpolation"),
    *("linear_regression", "linear_regression_field", "linear_downscaling"),
    *("quantile_mapping", "pattern_scaling"),
    *("mean_climatology", "column_regression"),
    *("rolling_mean", "seasonal_naive", "feature_regression", "station_regression"),
)
STRAIGHT_LINES = (
    "linear_regression",
    "linear_regression_field",
    "station_regression",
    "feature_regression",
    "column_regression",
    "pattern_scaling",
    "linear_downscaling",
    "linear_interpolation",
    "quantile_mapping",  # where dates are no pairs, nothing else can be fitted
)
_SQUARED = ("rmse", "mse")
KEY_LEAD_HOURS = (24.0, 72.0, 120.0)


@dataclass(frozen=True)
class Headline:
    """The one score by which models are ranked.

    Attributes
    ----------
    metric, channel, region
        Labels of the scores' coordinates.
    lead_hours
        Lead time in hours; None for emulation, where the mean over the scenarios is ranked.
    orientation
        Whether a "lower" or "higher" score is better, or one near "zero"; "none": no score is.
    """

    metric: str
    channel: str
    region: str
    lead_hours: float | None
    orientation: Literal["lower", "higher", "zero", "none"]

    def of(self, values: xr.DataArray) -> xr.DataArray:
        """Return ``score``, ``lower`` or ``upper`` [model] at the headline, NaN where missing."""
        chosen = values.sel(metric=self.metric, channel=self.channel, region=self.region)
        if self.lead_hours is not None:
            return chosen.sel(lead_time=self.lead_hours)
        return chosen.mean("scenario", skipna=False)


def axis_of(scores: xr.Dataset) -> str:
    """Return the dimension that scores run along: "lead_time" or "scenario"."""
    return "scenario" if "scenario" in scores["score"].dims else "lead_time"


def headline_of(scores: xr.Dataset, lead_hours: float = 24.0) -> Headline:
    """Return the headline: the first channel's total NRMSE, or its RMSE near ``lead_hours``.

    Without these it is the first metric that has a better and a worse.

    Parameters
    ----------
    scores
        Scores [model, metric, channel, region, lead_time or scenario].
    lead_hours
        Wanted lead time in hours; the nearest one that was scored is taken.

    Raises
    ------
    UserError
        If the scores lack a dimension or are empty.
    """
    dims = ("model", "metric", "channel", "region", axis_of(scores))
    for dim in dims:
        if not scores["score"].sizes.get(dim):
            raise UserError(f"the scores have nothing along '{dim}': evaluate a model first.")
    metrics = [str(name) for name in scores["metric"].values]
    wanted = ("rmse", "crps") if axis_of(scores) == "lead_time" else ("nrmse_total", "rmse")
    orientations = dict(zip(metrics, scores["orientation"].values.astype(str), strict=True))
    decisive = [name for name in metrics if orientations[name] != "none"]
    metric = next((name for name in (*wanted, *decisive) if name in metrics), metrics[0])
    lead = None
    if axis_of(scores) == "lead_time":
        lead = nearest_lead(scores, lead_hours)
    return Headline(
        metric=metric,
        channel=str(scores["channel"].values[0]),
        region=main_region(scores),
        lead_hours=lead,
        orientation=orientations[metric],
    )


def metrics_of(scores: xr.Dataset, headline: Headline) -> list[str]:
    """Return the metrics, that of the headline first."""
    metrics = [str(name) for name in scores["metric"].values]
    return sorted(metrics, key=lambda name: name != headline.metric)


def main_region(scores: xr.Dataset) -> str:
    """Return "global" where it was scored, else the first region."""
    regions = [str(name) for name in scores["region"].values]
    return "global" if "global" in regions else regions[0]


def key_leads(scores: xr.Dataset) -> list[float]:
    """Return the lead times in hours nearest to 1, 3 and 5 days, each once, in order.

    Where all lie within a day, as between two states, those are the first, middle and last.
    """
    leads = np.sort(scores["lead_time"].values.astype(float))
    if leads[-1] <= KEY_LEAD_HOURS[0]:
        return sorted({float(leads[place]) for place in (0, len(leads) // 2, -1)})
    return sorted({nearest_lead(scores, hours) for hours in KEY_LEAD_HOURS})


def nearest_lead(scores: xr.Dataset, hours: float) -> float:
    """Return the lead time in hours that was scored and is nearest to ``hours``."""
    leads = scores["lead_time"].values
    return float(leads[np.argmin(np.abs(leads - hours))])


def penalty(score: xr.DataArray, orientation: str) -> xr.DataArray:
    """Return the score turned so that less is better; NaN where no score is better."""
    if orientation == "none":
        return score * np.nan
    return -score if orientation == "higher" else abs(score) if orientation == "zero" else score


def ranked(scores: xr.Dataset, headline: Headline) -> list[str]:
    """Return the models' names, best headline score first, those without one last.

    They keep their order where no score is better.
    """
    penalties = penalty(headline.of(scores["score"]), headline.orientation)
    order = np.argsort(penalties.values, kind="stable")  # NaN sorts last
    return [str(name) for name in penalties["model"].values[order]]


def skill(score: xr.DataArray, baseline: str, orientation: str) -> xr.DataArray:
    r"""Return the skill against a baseline: :math:`1 - s / s_\mathrm{baseline}`.

    Parameters
    ----------
    score
        Scores with the dimension ``model``.
    baseline
        Name of the model that has skill 0.
    orientation
        Only errors ("lower") have a skill. Other scores give NaN, a bias too: of one near zero
        any other is a hundredfold.

    Returns
    -------
    xarray.DataArray
        Dimensionless, 1 for a perfect model, NaN where either score is missing.

    Examples
    --------
    >>> rmse = xr.DataArray([2.0, 8.0], coords={"model": ["resnet", "persistence"]})
    >>> skill(rmse, "persistence", "lower").values.tolist()
    [0.75, 0.0]
    """
    if orientation != "lower":
        return score * np.nan
    reference = score.sel(model=baseline, drop=True)
    return 1 - score / reference.where(reference > 0)


def plain_name(model: str) -> str:
    """Return a model's name without the run in brackets that tells it from another.

    Examples
    --------
    >>> plain_name("persistence (runs/second)"), plain_name("resnet")
    ('persistence', 'resnet')
    """
    return model.partition(" (")[0]


def is_baseline(model: str) -> bool:
    """Tell whether a model is a baseline, of whichever run."""
    return plain_name(model) in BASELINES


def is_straight_line(model: str) -> bool:
    """Tell whether a model is a straight line, of whichever run."""
    return plain_name(model) in STRAIGHT_LINES


def baselines_of(scores: xr.Dataset) -> list[str]:
    """Return the baselines among the models, in the order of ``BASELINES``."""
    return sorted_baselines(scores["model"].values.astype(str).tolist())


def sorted_baselines(models: Sequence[str]) -> list[str]:
    """Return those of some models that are baselines, in the order of ``BASELINES``."""
    found = filter(is_baseline, models)
    return sorted(found, key=lambda name: BASELINES.index(plain_name(name)))


def reference_of(scores: xr.Dataset, headline: Headline | None = None) -> str | None:
    """Return the model that colours are relative to.

    It is the best straight line at the headline, else the first baseline.
    """
    order = ranked(scores, headline or headline_of(scores))
    return next(iter([*filter(is_straight_line, order), *baselines_of(scores)]), None)


def marks_at(
    comparison: xr.Dataset | None, reference: str | None, values: xr.DataArray
) -> list[str]:
    """Return what tests say of scores [model] at one place: "" where there was none.

    Parameters
    ----------
    comparison
        ``mark`` [reference, model, metric, channel, region, lead_time or scenario]: "better",
        "worse", "not significant" or "".
    reference
        The model that is tested against.
    values
        Scores with the coordinates of their place.
    """
    places = ("metric", "channel", "region", "lead_time", "scenario")
    tested = comparison is not None and reference in comparison["reference"].values
    if comparison is None or not tested or not {*comparison["mark"].dims[2:]} <= {*values.coords}:
        return [""] * values.sizes["model"]
    where = {dim: [values[dim].item()] for dim in places if dim in comparison["mark"].dims}
    here = comparison["mark"].sel(reference=reference).reindex(where, fill_value="")
    return [str(mark) for mark in here.reindex(model=values["model"], fill_value="").values.ravel()]


def references_of(scores: xr.Dataset, metric: str) -> list[str]:
    """Return the rows beside a metric's scores, such as internal variability: perhaps none."""
    if "reference_score" not in scores:
        return []
    here = scores["reference_score"].sel(metric=metric)
    known = here.notnull().any([dim for dim in here.dims if dim != "reference"])
    return [str(name) for name in here["reference"].values[known.values]]


def reference_row(scores: xr.Dataset, reference: str) -> xr.DataArray:
    """Return a row that all models share ``[metric, channel, region, scenario]``."""
    return scores["reference_score"].sel(reference=reference).max("model")


def bounds(scores: xr.Dataset, headline: Headline, model: str) -> tuple[float, float]:
    """Return the 95 % interval of a model's headline score, NaN where there is none."""
    if scores.sizes.get("scenario", 1) > 1:
        return np.nan, np.nan  # bounds of a mean are not the mean of the bounds
    low, high = (headline.of(scores[name]).sel(model=model) for name in ("lower", "upper"))
    return float(low), float(high)


def best_of(values: xr.DataArray, orientation: str) -> set[str]:
    """Return the models [model] with the best score: several in a tie, perhaps none."""
    penalties = penalty(values, orientation)
    return {str(name) for name in values["model"].values[penalties == penalties.min()]}


def scores_errors(scores: xr.Dataset) -> bool:
    """Tell whether squared errors of single times are scored, and not distributions only."""
    return any(str(name).split("(")[0] in _SQUARED for name in scores["metric"].values)

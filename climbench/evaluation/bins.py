"""Scores of seasons, months, hours or years, from what a scores dataset keeps of each sample."""

from typing import Literal, get_args

import numpy as np
import xarray as xr

from climbench.errors import UserError, nearest
from climbench.evaluation.scores import statistic_means
from climbench.metrics import get_metric

Bins = Literal["season", "month", "hour", "year", "init"]
SEASONS = ("DJF", "MAM", "JJA", "SON")


def binned(scores: xr.Dataset, by: str) -> xr.DataArray:
    """Return the scores of each season, month, hour or year; no data are read again.

    Parameters
    ----------
    scores
        Scores of forecasts.
    by
        ``season``, ``month``, ``hour`` or ``year`` of the sample: the initial time, or the valid
        time where forecasts are stored by it; ``init`` for each sample alone.

    Returns
    -------
    xarray.DataArray
        As ``score``, with a first dimension ``by``; NaN where a bin has no sample, and for
        metrics that follow from sums per cell.

    Raises
    ------
    UserError
        If ``by`` is none of these, or the samples are years.
    """
    if by not in get_args(Bins):
        raise UserError(f"The option 'bins' cannot be '{by}': {nearest(by, get_args(Bins))}")
    if scores["sample"].dtype.kind in "iuf":
        raise UserError("The option 'bins' is for forecasts: these samples are years.")
    samples = scores["sample"]
    labels = samples.to_numpy() if by == "init" else getattr(samples.dt, by).to_numpy()
    bins = SEASONS if by == "season" else np.unique(labels)
    counts = np.array([labels == label for label in bins], dtype=np.float64)
    template = scores["score"].expand_dims({by: list(bins)})
    values = np.full(template.shape, np.nan)
    own = ("channel", "region", template.dims[-1])
    for model in range(scores.sizes["model"]):
        here = scores.isel(model=model)
        weight = here["per_sample_weight"].transpose("sample", *own).fillna(0.0).to_numpy()
        per_sample = here["per_sample"].transpose("statistic", *own, "sample")
        for number, label in enumerate(scores["metric"].to_numpy()):
            metric = get_metric(str(label))
            if not metric.needs_cells:
                means = statistic_means(metric, per_sample)
                known = here["score"].isel(metric=number).notnull().transpose(*own).to_numpy()
                drawn = metric.resampled(means, weight, counts)
                values[:, model, number] = np.where(known, drawn, np.nan)
    result = template.copy(data=values)
    result.attrs["long_name"] = f"score of the samples of each {by}"
    return result

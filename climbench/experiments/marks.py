"""Which differences from the straight line are more than chance, for all models of a page."""

import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import compare
from climbench.plot.ranking import Headline, axis_of, key_leads, reference_of

DRAWS = 100  # the test needs none of them, bounds are not shown


def marks_against_reference(
    scores: xr.Dataset, headline: Headline | None = None
) -> xr.Dataset | None:
    """Return the outcome of :func:`climbench.evaluation.compare` for each model.

    Parameters
    ----------
    scores
        With their samples; of forecasts the key lead times are tested.
    headline
        If given, this score alone is tested.

    Returns
    -------
    xarray.Dataset or None
        ``mark`` [model, metric, channel, region, lead_time or scenario] and the attribute
        ``reference``; None where nothing can be tested.
    """
    reference = reference_of(scores)
    if reference is None or "per_sample" not in scores:
        return None
    leads: list[float] | str = key_leads(scores) if axis_of(scores) == "lead_time" else "*"
    metrics: list[str] | str = "*"
    if headline is not None and headline.lead_hours is not None:
        leads, metrics = [headline.lead_hours], [headline.metric]
    found = []
    for name in scores["model"].values.astype(str):
        if name == reference:
            continue
        try:
            result = compare(
                scores.sel(model=[name]),
                scores.sel(model=[reference]),
                leads=leads,
                metrics=metrics,
                bootstrap=DRAWS,
            )
        except UserError:  # nothing in common, or no samples: shown without a test
            continue
        found.append(result[["mark"]].expand_dims(model=[name]).reset_coords(drop=True))
    if not found:
        return None
    together = xr.concat(found, "model", join="outer", fill_value={"mark": ""})
    return together.assign_attrs(reference=reference)

"""Which differences from the baselines are more than chance, for all models of a page."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import compare, marked
from climbench.plot.ranking import Headline, axis_of, baselines_of, key_leads, reference_of


def marks_against_baselines(scores: xr.Dataset) -> xr.Dataset | None:
    """Return the outcome of :func:`climbench.evaluation.compare` with each baseline.

    The tests of two models on one metric are a family, as in a comparison of that metric alone.

    Parameters
    ----------
    scores
        With their samples; of forecasts the key lead times are tested.

    Returns
    -------
    xarray.Dataset or None
        ``mark`` [reference, model, metric, channel, region, lead_time or scenario]; None where
        nothing can be tested.
    """
    leads = key_leads(scores) if axis_of(scores) == "lead_time" else "*"
    return _marks(scores, baselines_of(scores), {"leads": leads})


def mark_of_headline(scores: xr.Dataset, headline: Headline) -> xr.Dataset | None:
    """Return the outcome against the straight line for one score alone, as above."""
    reference = reference_of(scores, headline)
    if reference is None or headline.lead_hours is None:
        return None
    chosen = {"leads": [headline.lead_hours], "metrics": [headline.metric]}
    return _marks(scores, [reference], chosen)


def _marks(
    scores: xr.Dataset, references: Sequence[str], chosen: dict[str, Any]
) -> xr.Dataset | None:
    if "per_sample" not in scores:
        return None
    models = scores["model"].values.astype(str).tolist()
    dims = ("metric", "channel", "region", axis_of(scores))
    labels = {"reference": list(references), "model": models}
    labels |= {dim: scores[dim].values for dim in dims}
    if isinstance(leads := chosen.get("leads"), list):
        labels["lead_time"] = leads
    marks = xr.DataArray(np.full([len(names) for names in labels.values()], "", object), labels)
    for reference, model in product(references, models):
        if model == reference:
            continue
        own, other = (scores.sel(model=[name]) for name in (model, reference))
        try:
            result = compare(own, other, bootstrap=0, **chosen)
        except UserError:  # nothing in common, or no samples: shown without a test
            continue
        for metric in result["metric"].values:
            mark = marked(result.sel(metric=[metric]))["mark"]
            here = {dim: mark[dim].values for dim in dims}
            marks.loc[{"reference": reference, "model": model, **here}] = mark.values
    return marks.astype(str).to_dataset(name="mark") if (marks != "").any() else None

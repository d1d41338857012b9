"""Plots of fields and scores, for notebooks and papers; each returns matplotlib's axes.

The public names are loaded on first use, so that ``import climbench.plot`` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

# pyproj must be loaded before eccodes, which xarray loads to guess the format of a file: each
# brings its own PROJ, and in the other order the first projection corrupts memory.
import pyproj  # noqa: F401

if TYPE_CHECKING:
    from climbench.plot.curves_of_scores import rank_histogram, reliability, spectra
    from climbench.plot.field_maps import animation, comparison, map
    from climbench.plot.lead_curves import curves
    from climbench.plot.member_plot import members
    from climbench.plot.pairs import scatter, series
    from climbench.plot.scorecards import scorecard
    from climbench.plot.sections import section

_PUBLIC = {
    "animation": "climbench.plot.field_maps",
    "comparison": "climbench.plot.field_maps",
    "curves": "climbench.plot.lead_curves",
    "map": "climbench.plot.field_maps",
    "members": "climbench.plot.member_plot",
    "rank_histogram": "climbench.plot.curves_of_scores",
    "reliability": "climbench.plot.curves_of_scores",
    "scatter": "climbench.plot.pairs",
    "scorecard": "climbench.plot.scorecards",
    "section": "climbench.plot.sections",
    "series": "climbench.plot.pairs",
    "spectra": "climbench.plot.curves_of_scores",
}

__all__ = [
    "animation",
    "comparison",
    "curves",
    "map",
    "members",
    "rank_histogram",
    "reliability",
    "scatter",
    "scorecard",
    "section",
    "series",
    "spectra",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'climbench.plot' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

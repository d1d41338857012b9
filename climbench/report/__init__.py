"""Show scores: a table in the terminal, curves, maps and one static page per run."""

# pyproj must be loaded before eccodes, which xarray loads to guess the format of a file: each
# brings its own PROJ, and in the other order the first projection corrupts memory.
import pyproj  # noqa: F401

from climbench.report.benchmark import Benchmark
from climbench.report.leaderboard import leaderboard
from climbench.report.listing import listing
from climbench.report.site import report

__all__ = ["Benchmark", "leaderboard", "listing", "report"]

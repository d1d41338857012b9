"""Show scores: a table in the terminal, curves, maps and one static page per run."""

from climbench.report.leaderboard import leaderboard
from climbench.report.site import report

__all__ = ["leaderboard", "report"]

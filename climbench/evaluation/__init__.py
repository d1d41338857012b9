"""Predictions and truth to scores: alignment, one streaming pass, significance, gate."""

from climbench.evaluation.at_stations import at_stations
from climbench.evaluation.bins import binned
from climbench.evaluation.checking import check_scores
from climbench.evaluation.climatology import build_climatology
from climbench.evaluation.combining import combine
from climbench.evaluation.comparison import compare, comparison_table, marked, write_comparison
from climbench.evaluation.files import read_scores, score_table, write_scores
from climbench.evaluation.gate import gate
from climbench.evaluation.rules import GateRules, load_rules
from climbench.evaluation.scoring import evaluate
from climbench.evaluation.verdict import GateResult

__all__ = [
    "GateResult",
    "GateRules",
    "at_stations",
    "binned",
    "build_climatology",
    "check_scores",
    "combine",
    "compare",
    "comparison_table",
    "evaluate",
    "gate",
    "load_rules",
    "marked",
    "read_scores",
    "score_table",
    "write_comparison",
    "write_scores",
]

import re
import runpy
from pathlib import Path

from climbench.metrics import metric_names

ROOT = Path(__file__).parents[2]


def test_the_page_of_metrics_is_made_from_todays_docstrings():
    page = runpy.run_path(str(ROOT / "scripts/make_metrics_page.py"))["page"]()
    assert (ROOT / "docs/metrics.md").read_text() == page, "python scripts/make_metrics_page.py"
    assert all(f"### `{name}`" in page for name in metric_names())


def test_the_page_lists_the_functions_outside_evaluate():
    page = (ROOT / "docs/metrics.md").read_text()
    _, functions = page.split("## Functions outside evaluate")
    names = {
        *("auroc", "auprc", "overall_accuracy", "precision", "recall", "f1"),
        *("spectral_angle", "ergas", "column_scores"),
        *("noise_floor", "skill_above_noise", "climatebench_variability"),
    }
    assert names <= {*re.findall(r"#### `(\w+)`", functions)}


def test_no_formula_within_a_line_breaks_over_it():
    page = (ROOT / "docs/metrics.md").read_text()
    prose = re.sub(r"\$\$.*?\$\$", "", page, flags=re.DOTALL)
    assert all(line.count("$") % 2 == 0 for line in prose.split("\n"))
    assert ":math:" not in page and ":func:" not in page and "====" not in page

import runpy
from pathlib import Path

from climbench.metrics import metric_names

ROOT = Path(__file__).parents[2]


def test_the_page_of_metrics_is_made_from_todays_docstrings():
    page = runpy.run_path(str(ROOT / "scripts/make_metrics_page.py"))["page"]()
    assert (ROOT / "docs/metrics.md").read_text() == page, "python scripts/make_metrics_page.py"
    assert all(f"### `{name}`" in page for name in metric_names())

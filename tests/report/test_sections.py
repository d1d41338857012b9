"""Scores of columns by latitude and level."""

import numpy as np
import xarray as xr

from climbench.plot.ranking import headline_of
from climbench.report import Benchmark, report
from climbench.report.section_files import write_sections


def columns(emulation):
    """Scores of columns with R2 by latitude and level; one model has none."""
    scores = emulation(scenarios=("usual", "warm")).sel(metric=["rmse"])
    r2 = np.linspace(-0.5, 1.0, 3 * 2 * 2 * 5 * 4).reshape(3, 2, 2, 5, 4)
    r2[1] = np.nan
    dims = ("model", "profile", "scenario", "zone", "lev")
    places = {"zone": np.arange(-60, 61, 30.0), "lev": [100.0, 300.0, 600.0, 900.0]}
    sections = xr.DataArray(r2, {"profile": ["ptend_t", "<b>q</b>"], **places}, dims)
    return scores.assign(section_r2=sections)


def test_each_profile_has_a_picture_of_each_scenario(emulation, tmp_path):
    scores = columns(emulation)
    groups = write_sections(scores, headline_of(scores), tmp_path)
    assert [profile for profile, _ in groups] == ["ptend_t", "<b>q</b>"]
    assert [len(pictures) for _, pictures in groups] == [2, 2]
    text = groups[0][1][1].alternative
    assert text.startswith(
        "R2 of daily zonal means of ptend_t in warm by latitude and level (units"
    )
    assert "pattern_scaling has a median of -0.3" in text and "resnet has" not in text
    assert len(list(tmp_path.iterdir())) == 2 * 4  # light and dark


def test_the_levels_say_what_they_are(emulation, tmp_path):
    scores = columns(emulation)
    scores["lev"].attrs.update(units="hPa", long_name="hybrid level at 1000 hPa")
    ((_, pictures), _) = write_sections(scores, headline_of(scores), tmp_path)
    assert "by latitude and reference pressure [hPa]: " in pictures[0].alternative


def test_the_page_shows_them_and_escapes_their_names(emulation, tmp_path):
    path = report(Benchmark("Columns", columns(emulation)), tmp_path / "site", map_channels=0)
    page = path.read_text()
    assert 'id="sections"' in page and "&lt;b&gt;q&lt;/b&gt;" in page
    assert "<b>q</b>" not in page.split('type="application/json"')[0]
    assert (path.parent / "report_files/sections/section_0_0_dark.png").is_file()


def test_other_scores_have_no_sections(forecasting, tmp_path):
    scores = forecasting()
    assert write_sections(scores, headline_of(scores), tmp_path) == []

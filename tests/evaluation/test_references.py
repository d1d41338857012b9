"""Rows beside the scores of emulators: internal variability and other climate models."""

from io import StringIO

import numpy as np
import xarray as xr
from rich.console import Console

from climbench.evaluation import combine, evaluate, read_scores, write_scores
from climbench.plot.ranking import headline_of
from climbench.report.leaderboard import leaderboard
from climbench.report.listing import listing
from climbench.report.tables import scorecard

LATITUDE, LONGITUDE = np.linspace(-75, 75, 6), np.arange(0.0, 360.0, 45.0)
YEARS = np.arange(2080, 2101)
METRICS = ["nrmse_spatial", "nrmse_global", "nrmse_total", "rmse"]
COS = np.cos(np.deg2rad(LATITUDE))


def runs(*labels, members=3):
    """Runs that warm by one, two, ... degrees; white variability of half a degree."""
    random = np.random.default_rng(0)
    shape = (len(labels), members, YEARS.size, LATITUDE.size, LONGITUDE.size)
    values = 0.5 * random.normal(size=shape) + np.arange(1, 1 + len(labels)).reshape(-1, 1, 1, 1, 1)
    coords = {"scenario": list(labels), "member": np.arange(members), "time": YEARS}
    coords |= {"latitude": LATITUDE, "longitude": LONGITUDE}
    return xr.Dataset({"tas": (tuple(coords), values, {"units": "K"})}, coords)


def scored(truth, name="lps"):
    prediction = truth.mean("member", keep_attrs=True) + 0.1
    prediction = prediction.assign_attrs(model=name)
    return evaluate(prediction, truth, metrics=METRICS, weighting="cos", model=name)


def shown(renderable):
    console = Console(width=120, record=True, file=StringIO())
    console.print(renderable)
    return console.export_text()


def test_internal_variability_is_that_of_climatebench():
    truth = runs("ssp245")
    own = scored(truth).reference_score.isel(model=0, channel=0, region=0, scenario=0)
    assert own.reference.values.tolist() == ["internal variability"]
    weights = xr.DataArray(COS, {"latitude": LATITUDE})
    fields = truth.tas.sel(scenario="ssp245")
    mean = fields.weighted(weights).mean(["latitude", "longitude"])
    norm = abs(float(mean.mean()))
    spread = fields.mean("time").std("member").weighted(weights).mean(["latitude", "longitude"])
    expected = [float(spread) / norm, float(mean.std()) / norm]
    expected.append(expected[0] + 5 * expected[1])
    np.testing.assert_allclose(own.sel(metric=METRICS[:3]).values[0], expected, rtol=1e-12)
    assert np.isnan(own.sel(metric="rmse")).all()


def test_climate_models_of_one_scenario_are_held_against_each_other():
    scores = scored(runs("A:ssp245", "B:ssp245", "A:ssp585"))
    own = scores.reference_score.sel(reference="other climate models").squeeze()
    # means of about 1 and 2 K: a deviation of half a degree over a norm of 1 or 2 K
    course = own.sel(metric="nrmse_global")
    np.testing.assert_allclose(course.sel(scenario=["A:ssp245", "B:ssp245"]), [0.5, 0.25], rtol=0.1)
    assert np.isnan(course.sel(scenario="A:ssp585"))  # alone in its scenario


def test_one_run_of_one_member_has_no_rows():
    assert "reference_score" not in scored(runs("ssp245", members=1))
    assert "reference_score" not in scored(runs("A:ssp245", "A:ssp585", members=1))


def test_rows_stand_in_leaderboard_listing_and_page():
    truth = runs("A:ssp245", "B:ssp245")
    both = combine([scored(truth, "pattern_scaling"), scored(truth, "mine")])
    board = shown(leaderboard(both))
    assert board.count("(internal variability)") == board.count("(other climate models)") == 2
    assert "rmse" not in board.partition("tas, A:ssp245")[2].partition("(internal")[0].replace(
        "nrmse", ""
    )
    value = float(both.reference_score.isel(model=0, reference=1, channel=0, region=0)[2, 0])
    listed = shown(listing(scored(truth)))
    assert "internal variability" in listed and f"{value:.4g}" in listed
    card = scorecard(both, headline_of(both), "nrmse_total")
    assert [row.model for row in card.rows[-2:]] == [
        "(internal variability)",
        "(other climate models)",
    ]
    assert f"{value:.4g}" in [cell.text for cell in card.rows[-1].cells]
    plain = scorecard(both, headline_of(both), "rmse")
    assert len(plain.rows) == 2


def test_rows_survive_the_file(tmp_path):
    scores = scored(runs("ssp245"))
    path, _ = write_scores(scores, tmp_path)
    xr.testing.assert_equal(read_scores(path).reference_score, scores.reference_score)

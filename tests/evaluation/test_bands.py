"""Scores of pictures: the levels of one variable are bands."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.evaluation import compare, evaluate
from climbench.grids import latitude_weights

PICTURES = ["sam", "ergas(ratio=0.25)"]
ROWS = {"global": slice(None), "tropics": slice(-20, 20)}


@pytest.fixture
def stores(weather, persistence):
    times = pd.date_range("2020-01-01", periods=14, freq="6h")
    truth = weather(times)
    return persistence(truth, times[:10], [6, 12], error=0.5), truth


def by_hand(forecast, truth, ratio):
    """Return angle and relative error of each sample and lead, written out in float64."""
    weights = truth["latitude"].copy(data=latitude_weights(truth["latitude"]))
    f, o = (data["geopotential"].astype(float) for data in (forecast, truth))
    o = o.sel(time=f.time + f.prediction_timedelta).drop_vars("time").assign_coords(time=f.time)
    known = (f + o).notnull().all("level")
    space = ["latitude", "longitude"]

    def angle_and_error(rows):
        own, other = (data.where(known).sel(latitude=rows) for data in (f, o))
        lengths = np.sqrt((own**2).sum("level") * (other**2).sum("level"))
        cosine = (own * other).sum("level") / lengths.where(lengths > 0)
        angle = np.rad2deg(np.arccos(cosine.clip(-1, 1))).weighted(weights).mean(space)
        squares = ((own - other) ** 2).weighted(weights).mean(space)
        relative = squares / other.weighted(weights).mean(space) ** 2
        return angle, 100 * ratio * np.sqrt(relative.mean("level"))

    return {name: angle_and_error(rows) for name, rows in ROWS.items()}


@pytest.mark.parametrize("hole", [False, True])
def test_scores_of_bands_equal_sums_written_out(stores, hole):
    forecast, truth = stores
    if hole:  # in one band: the cell does not count in the other either
        truth["geopotential"][5, 1, 2, 3] = np.nan
    scores = evaluate(forecast, truth, metrics=[*PICTURES, "rmse"], regions=[*ROWS], model="m")
    found = scores["score"].sel(model="m")
    assert found.sel(metric=PICTURES).dropna("channel")["channel"].item() == "geopotential_bands"
    assert "geopotential_bands" not in found.sel(metric="rmse").dropna("channel")["channel"]
    bands = scores.sel(model="m", channel="geopotential_bands", metric=PICTURES)
    for region, expected in by_hand(forecast, truth, 0.25).items():
        for label, each in zip(PICTURES, expected, strict=True):
            ours = bands["score"].sel(metric=label, region=region)
            np.testing.assert_allclose(ours, each.mean("time"), rtol=1e-5)
    assert bool(((bands["lower"] < bands["score"]) & (bands["score"] < bands["upper"])).all())
    assert scores["unit"].sel(metric=PICTURES).to_numpy().tolist() == ["degrees", "%"]
    rmse = evaluate(forecast, truth, metrics="rmse", regions=[*ROWS], model="m")
    xr.testing.assert_equal(
        found.sel(metric="rmse", channel=rmse["channel"]).drop_vars("metric"),
        rmse["score"].sel(model="m", metric="rmse").drop_vars("metric"),
    )


def test_an_ensemble_counts_by_its_mean(stores):
    forecast, truth = stores
    members = xr.concat([forecast - 200.0, forecast + 200.0], "member").assign_attrs(forecast.attrs)
    for name in members.data_vars:
        members[name].attrs["units"] = truth[name].attrs["units"]
    one, two = (evaluate(f, truth, metrics=PICTURES, model="m") for f in (forecast, members))
    np.testing.assert_allclose(one["score"], two["score"], rtol=1e-5)


def test_models_are_compared_by_bands(stores):
    forecast, truth = stores
    own, other = (
        evaluate(f, truth, metrics=PICTURES, model=name)
        for name, f in (("a", forecast), ("b", forecast * 1.1))
    )
    result = compare(own, other, variables="geopotential_bands")
    # Brightness changes no mixture: the angle is the same, the error is not.
    assert set(result["mark"].sel(metric="ergas(ratio=0.25)").to_numpy().ravel()) == {"better"}
    assert float(abs(result["difference"].sel(metric="sam")).max()) < 1e-4


def test_one_level_makes_no_picture(stores):
    forecast, truth = stores
    surface = forecast[["2m_temperature"]]
    with pytest.raises(UserError, match="'sam' needs several bands: a variable on several levels"):
        evaluate(surface, truth, metrics="sam", model="m")
    labels = evaluate(surface, truth, metrics="images", model="m")["metric"]
    assert "sam" not in labels and "psnr" in labels


def test_bands_that_lie_in_several_variables_are_refused(stores):
    forecast, truth = stores
    split = truth.drop_vars("geopotential")
    for level in truth["level"].to_numpy():
        split[f"geopotential_{level:g}"] = truth["geopotential"].sel(level=level, drop=True)
    with pytest.raises(UserError, match="levels of 'geopotential' lie in several variables"):
        evaluate(forecast, split, metrics="sam", model="m")


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("ergas", "give ratio=.."),
        ("ergas(ratio=4)", "ratio=4 is not above 0 and at most 1"),
        ("ergas(ratio=fine)", "ratio=fine is not above 0 and at most 1"),
    ],
)
def test_a_wrong_ratio_is_refused(stores, label, reason):
    with pytest.raises(UserError, match=reason):
        evaluate(*stores, metrics=label, model="m")

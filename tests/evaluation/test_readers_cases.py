"""Cases that a reader of the documentation tried first."""

import numpy as np
import pytest
import xarray as xr

from climbench.cli import main
from climbench.errors import UserError
from climbench.evaluation import binned, evaluate


def test_rows_and_columns_in_any_order_score_the_same(forecasts, truth):
    random = np.random.default_rng(0)
    mixed = forecasts.isel(latitude=random.permutation(6), longitude=random.permutation(8))
    names = ["global", "tropics", "europe"]
    expected = evaluate(forecasts, truth, regions=names, bootstrap=0)
    found = evaluate(mixed, truth, regions=names, bootstrap=0)
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-13)
    np.testing.assert_array_equal(found.map_rmse, expected.map_rmse)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 2, 1]])
def test_a_region_across_greenwich_weighs_its_columns_the_same(truth, order):
    """Five columns of ten degrees, one of them wrong by one: a fifth of the squared error."""
    crop = xr.zeros_like(truth[["2m_temperature"]].isel(longitude=slice(0, 5)))
    crop = crop.assign_coords(longitude=[340.0, 350.0, 0.0, 10.0, 20.0])
    lead = np.array([24], "timedelta64[h]")
    forecast = crop.isel(time=slice(0, 8)).expand_dims(prediction_timedelta=lead)
    forecast = forecast + (forecast.longitude == 0)
    forecast = forecast.isel(longitude=order).assign_attrs(model="m")
    score = evaluate(forecast, crop, metrics=["mse"], bootstrap=0).score
    np.testing.assert_allclose(score, 0.2, rtol=1e-12)


def test_a_climatology_in_another_unit_is_refused(forecasts, truth, climatology):
    climatology["2m_temperature"].attrs["units"] = "degC"
    with pytest.raises(UserError, match=r"climatology has '2m_temperature' in degC .* in K"):
        evaluate(forecasts, truth, climatology, metrics=["acc"])


def test_a_member_that_repeats_is_refused(forecasts, truth):
    twice = xr.concat([forecasts, forecasts + 1], "number").assign_coords(number=[3, 3])
    with pytest.raises(UserError, match="a member stands there more than once"):
        evaluate(twice.assign_attrs(model="m"), truth, metrics=["crps"])


def test_a_curve_alone_is_a_score(forecasts, truth, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    both = xr.concat([forecasts, forecasts + 1], "number").assign_coords(number=[1, 2])
    both.transpose("time", ...).to_netcdf("f.nc")
    truth.to_netcdf("t.nc")
    assert main(["evaluate", "predictions=f.nc", "truth=t.nc", "metrics=[rank_histogram]"]) == 0
    assert "curves in the file: rank_histogram" in capsys.readouterr().out


def test_each_start_can_be_a_bin(forecasts, truth):
    scores = evaluate(forecasts, truth, metrics=["mse"], bootstrap=0)
    single = binned(scores, "init")
    np.testing.assert_allclose(single.mean("init"), scores.score, rtol=1e-12)


def test_a_scenario_that_repeats_is_refused(runs):
    prediction, truth = runs
    with pytest.raises(UserError, match="the scenario 'historical' stands there more than once"):
        evaluate(prediction.isel(scenario=[0, 0]), truth)


def test_a_folder_of_one_file_per_start_is_one_set_of_forecasts(forecasts, truth, tmp_path):
    for number in range(forecasts.sizes["time"]):
        forecasts.isel(time=number).to_netcdf(tmp_path / f"start{number:02}.nc")
    found = evaluate(tmp_path, truth, model="persistence", bootstrap=0)
    expected = evaluate(forecasts, truth, bootstrap=0)
    np.testing.assert_array_equal(found.score, expected.score)


def test_files_of_two_units_are_no_set_of_forecasts(forecasts, truth, tmp_path):
    forecasts.isel(time=slice(0, 4)).to_netcdf(tmp_path / "a.nc")
    later = forecasts.isel(time=slice(4, None))
    later["2m_temperature"].attrs["units"] = "degC"
    later.to_netcdf(tmp_path / "b.nc")
    with pytest.raises(UserError, match="'2m_temperature' is in 'K' in a"):
        evaluate(tmp_path, truth, model="two")


def test_a_damaged_chunk_is_named(forecasts, truth, tmp_path):
    forecasts.to_zarr(tmp_path / "f.zarr")
    chunk = next(p for p in (tmp_path / "f.zarr/geopotential/c").rglob("*") if p.is_file())
    chunk.write_bytes(b"not a chunk at all")
    with pytest.raises(UserError, match="'geopotential' cannot be read, a part of it is damaged"):
        evaluate(tmp_path / "f.zarr", truth, model="damaged")

"""Climatology against xarray's group-by on a real calendar."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
import xarray as xr

from climbench.evaluation import build_climatology
from climbench.models.climatology import Climatology
from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample

SIGNATURE = replace(
    GLOBAL,
    inputs=("a",),
    forcings=(),
    static=(),
    targets=("a", "b"),
    history=1,
    leads=1,
    latitude=(-45.0, 45.0),
    longitude=(0.0, 120.0, 240.0),
)


def series(years: int) -> xr.DataArray:
    time = pd.date_range("2001-01-01", f"{2000 + years}-12-31T18", freq="6h")
    values = np.random.default_rng(0).normal(size=(time.size, 2, 2, 3)).astype(np.float32)
    return xr.DataArray(values, dims=["time", "channel", "y", "x"], coords={"time": time})


def samples(fields: xr.DataArray, signature: Signature) -> Sample:
    count = fields.sizes["time"]
    return random_sample(signature, count)._replace(
        targets=torch.from_numpy(fields.values)[:, None],
        day_of_year=torch.from_numpy(fields.time.dt.dayofyear.values)[:, None],
        days_in_year=torch.from_numpy(fields.time.dt.days_in_year.values)[:, None],
        hour=torch.from_numpy(fields.time.dt.hour.values)[:, None].float(),
    )


def test_without_smoothing_it_is_the_group_mean():
    fields = series(years=3)
    model = Climatology(SIGNATURE, window=1)
    model.accumulate(samples(fields, SIGNATURE))
    model.solve()
    expected = fields.groupby(["time.hour", "time.dayofyear"]).mean()
    expected = expected.transpose("hour", "dayofyear", "channel", "y", "x").values
    np.testing.assert_allclose(model.mean[:, :365].numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(model.mean[:, 365], model.mean[:, 364])  # no leap day in it
    answer = model(samples(fields.isel(time=[5, 1460]), SIGNATURE))
    np.testing.assert_allclose(answer[0, 0].numpy(), expected[1, 1], atol=1e-6)
    np.testing.assert_allclose(answer[1, 0].numpy(), expected[0, 0], atol=1e-6)


def test_it_is_the_climatology_that_is_built_for_scores(tmp_path):
    """Four years with a leap day, as ``climbench climatology`` and WeatherBench 2 smooth them."""
    fields = series(years=4)
    model = Climatology(SIGNATURE)
    model.accumulate(samples(fields, SIGNATURE))
    model.solve()
    dataset = fields.rename(y="latitude", x="longitude").to_dataset("channel")
    dataset = dataset.rename({0: "a", 1: "b"})
    dataset = dataset.assign_coords(latitude=[-45.0, 45.0], longitude=[0.0, 120.0, 240.0])
    path = build_climatology(dataset, ("2001-01-01", "2004-12-31"), tmp_path / "clim.zarr")
    with xr.open_zarr(path, chunks=None) as built:
        expected = np.stack([built["a"].values, built["b"].values], axis=2)
    np.testing.assert_allclose(model.mean.numpy(), expected, rtol=1e-5, atol=1e-7)


def test_a_smooth_season_survives_smoothing_and_noise_is_damped():
    fields = series(years=4)
    day = 2 * np.pi * (fields.time.dt.dayofyear - 1) / 365.25
    season = np.cos(day)
    model = Climatology(SIGNATURE, window=31)
    model.accumulate(samples((fields + season).astype(np.float32), SIGNATURE))
    model.solve()
    truth = np.cos(2 * np.pi * np.arange(366) / 365.25)[None, :, None, None, None]
    assert np.abs(model.mean.numpy() - truth).std() < 0.2  # a single year's noise is 1


def test_an_hour_that_never_occurred_takes_the_nearest_round_the_clock():
    model = Climatology(SIGNATURE, window=1)
    sample = random_sample(SIGNATURE, 2)._replace(
        day_of_year=torch.tensor([[1], [1]]),
        days_in_year=torch.tensor([[365], [365]]),
        hour=torch.tensor([[0.0], [12.0]]),
    )
    model.accumulate(sample)
    model.solve()
    asked = sample._replace(hour=torch.tensor([[23.0], [9.0]]))
    torch.testing.assert_close(model(asked), sample.targets)


def test_before_the_fit_it_answers_the_training_mean():
    assert not Climatology(SIGNATURE)(random_sample(SIGNATURE, 2)).any()


def test_missing_targets_count_in_no_mean():
    """As when half of each field is hidden, or an archive lacks a variable."""
    whole = random_sample(SIGNATURE, 40)
    targets = whole.targets.clone()
    targets[1::2, :, 0] = torch.nan
    targets[:, :, 1, 0, 0] = torch.nan
    model, seen = Climatology(SIGNATURE, window=1), Climatology(SIGNATURE, window=1)
    model.accumulate(whole._replace(targets=targets))
    half = [value if name == "static" else value[::2] for name, value in whole._asdict().items()]
    seen.accumulate(type(whole)(*half))
    model.solve()
    seen.solve()
    asked = type(whole)(*half)
    torch.testing.assert_close(model(asked)[:, :, 0], seen(asked)[:, :, 0])
    assert not model(whole)[:, :, 1, 0, 0].any()
    assert model(whole).isfinite().all()

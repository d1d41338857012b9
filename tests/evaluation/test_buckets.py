"""Forecasts, analyses and climatologies of WeatherBench 2, scored where they lie."""

import json

import numpy as np
import pytest
import xarray as xr
from servers.gcs import serving_gcs

from climbench.cli import main
from climbench.evaluation import evaluate, read_scores

BUCKET = "weatherbench2/datasets"
HRES = f"{BUCKET}/hres/2016-2022-0012-64x32_equiangular_conservative.zarr"
ANALYSIS = f"{BUCKET}/hres_t0/2016-2022-6h-64x32_equiangular_conservative.zarr"
CLIMATOLOGY = f"{BUCKET}/era5-hourly-climatology/1990-2019_6h_64x32_equiangular_conservative.zarr"
MEAN = f"{BUCKET}/ifs_ens/2018-2022-64x32_equiangular_conservative_mean.zarr"
GRAPHCAST = f"{BUCKET}/graphcast/2020/date_range_2019-11-16_2021-02-01_12_hours-64x32.zarr"

AXES = {
    "level": [500, 850],
    "longitude": ("longitude", np.arange(0, 360, 45.0), {"units": "degrees_east"}),
    "latitude": ("latitude", np.linspace(-67.5, 67.5, 4), {"units": "degrees_north"}),
}
LEADS = np.arange(0, 49, 6).astype("timedelta64[h]").astype("timedelta64[ns]")


def fields(*leading: int, seed: int) -> np.ndarray:
    shape = (*leading, 2, 8, 4)
    return (280 + np.random.default_rng(seed).standard_normal(shape)).astype("f4")


def write(root, name, dims, values, axes, chunks, variables=("temperature",)) -> None:
    arrays = {each: (dims, values, {"units": "K"}) for each in variables}
    encoding = {each: {"chunks": chunks} for each in arrays}
    xr.Dataset(arrays, axes).to_zarr(root / name, zarr_format=2, encoding=encoding)


@pytest.fixture(scope="module")
def gcs(tmp_path_factory):
    """Write the stores in the dimensions, order and chunks of the bucket, and serve them."""
    root = tmp_path_factory.mktemp("buckets")
    start = xr.date_range("2020-01-01", periods=8, freq="12h")
    times = xr.date_range("2020-01-01", periods=40, freq="6h")
    cells = ("level", "longitude", "latitude")
    forecast = fields(8, len(LEADS), seed=0)
    dims = ("time", "prediction_timedelta", *cells)
    axes = {"time": start, "prediction_timedelta": LEADS, **AXES}
    write(root, HRES, dims, forecast, axes, (4, 1, 2, 8, 4))
    two = ("temperature", "dewpoint")
    write(root, MEAN, dims, forecast + 1, axes, (4, 1, 2, 8, 4), two)
    called = {"latitude": "lat", "longitude": "lon"}
    renamed = {called.get(k, k): (called[k], *v[1:]) if k in called else v for k, v in axes.items()}
    other = ("time", "prediction_timedelta", "level", "lat", "lon")
    write(root, GRAPHCAST, other, forecast.swapaxes(-1, -2), renamed, (1, 1, 2, 4, 8))
    write(
        *(root, ANALYSIS, ("time", *cells), fields(40, seed=1)),
        *({"time": times, **AXES}, (40, 2, 8, 4), two),
    )
    days = {"hour": [0, 6, 12, 18], "dayofyear": np.arange(1, 367), **AXES}
    climatology = fields(4, 366, seed=2)
    write(root, CLIMATOLOGY, ("hour", "dayofyear", *cells), climatology, days, (4, 366, 2, 8, 4))
    with serving_gcs(root) as server:
        yield server


def test_a_forecast_of_the_bucket_is_scored_where_it_lies(gcs, tmp_path):
    gcs.reads.clear()
    main(
        [
            "evaluate",
            f"predictions=gs://{HRES}",
            f"truth=gs://{ANALYSIS}",
            f"climatology=gs://{CLIMATOLOGY}",
            "metrics=[rmse,acc]",
            f"output={tmp_path}",
        ]
    )
    scores = read_scores(tmp_path)
    local = evaluate(
        predictions=gcs.root / HRES,
        truth=gcs.root / ANALYSIS,
        climatology=gcs.root / CLIMATOLOGY,
        metrics=["rmse", "acc"],
    )
    np.testing.assert_array_equal(scores["score"], local["score"])
    assert scores["score"].notnull().all()
    assert set(gcs.chunks_read().values()) == {1}
    assert "etag" not in str(scores.attrs)
    assert "sha256 of .zmetadata" in str(scores.attrs)


def test_names_and_order_of_axes_do_not_matter(gcs):
    """GraphCast's have other names and another order; here it forecasts what HRES does."""
    options = {"truth": f"gs://{ANALYSIS}", "metrics": ["rmse"]}
    hres = evaluate(predictions=f"gs://{HRES}", **options)
    graphcast = evaluate(predictions=f"gs://{GRAPHCAST}", **options)
    np.testing.assert_allclose(graphcast["score"], hres["score"], rtol=1e-6)
    mean = evaluate(predictions=f"gs://{MEAN}", **options)
    assert (mean["score"] > hres["score"]).all()  # one kelvin too warm


def test_variables_levels_and_dates_are_narrowed_before_anything_is_read(gcs, tmp_path, capsys):
    gcs.reads.clear()
    paths = [f"predictions=gs://{MEAN}", f"truth=gs://{ANALYSIS}", f"output={tmp_path}"]
    only = ["variables=[temperature]", "levels=[850]", "period=[2020-01-01,2020-01-02]"]
    assert main(["evaluate", *paths, *only, "metrics=[rmse]"]) == 0
    scores = read_scores(tmp_path)
    assert scores["channel"].values.tolist() == ["temperature_850"]
    reads = gcs.chunks_read()
    assert {name.split("/")[-2] for name in reads} == {"temperature"}
    assert len([name for name in reads if name.startswith(MEAN)]) == len(LEADS)  # not twice
    assert main(["evaluate", *paths, "variables=[temperatur]"]) == 2
    assert "no variable 'temperatur': did you mean 'temperature'?" in capsys.readouterr().err
    assert main(["evaluate", *paths, "levels=[501]"]) == 2
    assert "has no level 501 hPa: it has 500, 850." in capsys.readouterr().err


def test_predictions_that_name_their_channels_are_narrowed_too(gcs):
    forecast = xr.open_zarr(gcs.root / MEAN, chunks=None, decode_timedelta=False).load()
    names = ["temperature_500", "temperature_850", "dewpoint_850"]
    given = forecast.assign_attrs(channels=json.dumps(names), model="mean")
    options = {"truth": gcs.root / ANALYSIS, "metrics": ["rmse"], "bootstrap": 0}
    scores = evaluate(given, **options, levels=850)
    assert scores["channel"].values.tolist() == ["temperature_850", "dewpoint_850"]
    scores = evaluate(given, **options, variables="temperature")
    assert scores["channel"].values.tolist() == names[:2]


def test_a_store_that_is_not_there_is_named(gcs, tmp_path, capsys):
    arguments = ["evaluate", f"predictions=gs://{BUCKET}/absent.zarr", f"truth=gs://{ANALYSIS}"]
    assert main([*arguments, f"output={tmp_path}"]) == 2
    assert f"predictions gs://{BUCKET}/absent.zarr" in capsys.readouterr().err

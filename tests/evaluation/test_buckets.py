"""Forecasts, analyses and climatologies of WeatherBench 2, scored where they lie."""

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


def write(root, name, dims, values, axes, chunks) -> None:
    array = (dims, values, {"units": "K"})
    xr.Dataset({"temperature": array}, axes).to_zarr(
        root / name, zarr_format=2, encoding={"temperature": {"chunks": chunks}}
    )


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
    write(root, MEAN, dims, forecast + 1, axes, (4, 1, 2, 8, 4))
    called = {"latitude": "lat", "longitude": "lon"}
    renamed = {called.get(k, k): (called[k], *v[1:]) if k in called else v for k, v in axes.items()}
    other = ("time", "prediction_timedelta", "level", "lat", "lon")
    write(root, GRAPHCAST, other, forecast.swapaxes(-1, -2), renamed, (1, 1, 2, 4, 8))
    write(
        root, ANALYSIS, ("time", *cells), fields(40, seed=1), {"time": times, **AXES}, (40, 2, 8, 4)
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


def test_a_store_that_is_not_there_is_named(gcs, tmp_path, capsys):
    arguments = ["evaluate", f"predictions=gs://{BUCKET}/absent.zarr", f"truth=gs://{ANALYSIS}"]
    assert main([*arguments, f"output={tmp_path}"]) == 2
    assert f"predictions gs://{BUCKET}/absent.zarr" in capsys.readouterr().err

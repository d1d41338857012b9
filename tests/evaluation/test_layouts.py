"""Any layout of the same data gives the same score, or is refused with a sentence."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.evaluation.alignment import align
from climbench.evaluation.channels import find_channels
from climbench.evaluation.source import open_source
from climbench.evaluation.streaming import Data, accumulate
from climbench.metrics import Regions, get_metric, region_weights, shared_statistics
from climbench.metrics.moments import Error

METRICS = ["rmse", "bias", "mae", "acc", "pearson"]
DIMS = ("time", "prediction_timedelta", "level", "latitude", "longitude")


def scores_of(forecasts, truth, climatology, **options):
    return evaluate(forecasts, truth, climatology, METRICS, bootstrap=0, maps=False, **options)


def same(found, reference, rtol=1e-12):
    found = found.score.sel(channel=reference.channel, lead_time=reference.lead_time)
    np.testing.assert_allclose(found, reference.score, rtol=rtol, atol=rtol)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    dims=st.permutations(DIMS),
    truth_dims=st.permutations([dim for dim in DIMS if dim != "prediction_timedelta"]),
    reversed_dims=st.sets(st.sampled_from(DIMS)),
    seed=st.integers(0, 1000),
)
def test_any_order_of_dimensions_and_coordinates(
    forecasts, truth, climatology, dims, truth_dims, reversed_dims, seed
):
    random = np.random.default_rng(seed)
    reference = scores_of(forecasts, truth, climatology)
    changed = forecasts.transpose(*dims).isel({dim: slice(None, None, -1) for dim in reversed_dims})
    shuffled = truth.transpose(*truth_dims).isel(
        time=random.permutation(truth.time.size), longitude=random.permutation(truth.longitude.size)
    )
    same(scores_of(changed, shuffled, climatology), reference)


RENAMED = {
    "WeatherBench-X": {"time": "init_time", "prediction_timedelta": "lead_time"},
    "cfgrib": {"prediction_timedelta": "step", "level": "isobaricInhPa"},
    "GraphCast": {"latitude": "lat", "longitude": "lon"},
    "others": {"time": "forecast_reference_time", "level": "pressure_level"},
    "Earth2Studio": {"prediction_timedelta": "lead_time", "latitude": "lat", "longitude": "lon"},
}


@pytest.mark.parametrize("convention", RENAMED)
def test_names_of_other_systems(forecasts, truth, climatology, convention):
    renamed = forecasts.rename(RENAMED[convention])
    same(scores_of(renamed, truth, climatology), scores_of(forecasts, truth, climatology))


def test_longitudes_from_minus_180(forecasts, truth, climatology):
    west = truth.assign_coords(longitude=(truth.longitude + 180) % 360 - 180)
    for regions in (["global"], ["lat:0:80"], ["box:-90:90:-100:60"]):
        reference = scores_of(forecasts, truth, climatology, regions=regions)
        for changed in (west, west.sortby("longitude")):
            same(scores_of(forecasts, changed, climatology, regions=regions), reference)
        turned = forecasts.assign_coords(longitude=west.longitude).sortby("longitude")
        same(scores_of(turned, truth, climatology, regions=regions), reference)


def test_coordinates_in_single_precision(forecasts, truth, climatology):
    single = forecasts.assign_coords(
        latitude=forecasts.latitude.astype(np.float32),
        longitude=forecasts.longitude.astype(np.float32),
    )
    same(scores_of(single, truth, climatology), scores_of(forecasts, truth, climatology))


def test_a_file_as_cfgrib_opens_it(forecasts, truth, climatology):
    """North first, ``valid_time`` of two dimensions, and scalars without meaning."""
    grib = forecasts.isel(latitude=slice(None, None, -1)).rename(RENAMED["cfgrib"])
    grib = grib.assign_coords(valid_time=grib.time + grib.step, number=0, surface=0.0)
    reference = scores_of(forecasts, truth, climatology)
    same(scores_of(grib, truth, climatology), reference)
    era5 = truth.assign_coords(step=np.timedelta64(0, "h"), number=0, valid_time=truth.time)
    same(scores_of(grib, era5, climatology), reference)


def test_one_lead_time_or_one_start_as_a_scalar(forecasts, truth, climatology):
    reference = scores_of(forecasts, truth, climatology)
    lead = scores_of(forecasts.isel(prediction_timedelta=1), truth, climatology)
    same(lead, reference.isel(lead_time=[1]))
    start = scores_of(forecasts.isel(time=4), truth, climatology)
    same(start, scores_of(forecasts.isel(time=[4]), truth, climatology))


def by_valid_time(forecasts):
    """The same forecasts, each stored at the time for which it is valid."""
    parts = [
        forecasts.sel(prediction_timedelta=lead).assign_coords(time=forecasts.time + lead)
        for lead in forecasts.prediction_timedelta
    ]
    return xr.concat(parts, dim="prediction_timedelta", join="outer").assign_attrs(forecasts.attrs)


@pytest.mark.parametrize("name", ["time", "valid_time"])
def test_forecasts_by_valid_time(forecasts, truth, climatology, name):
    valid = by_valid_time(forecasts).rename(time=name)
    options = {"nan": "skip"} | ({"time": "valid"} if name == "time" else {})
    found = scores_of(valid, truth, climatology, **options)
    same(found, scores_of(forecasts, truth, climatology))
    assert '"time": "valid"' in found.attrs["conventions"]


def test_a_period_of_valid_times_is_one_of_valid_times(forecasts, truth, climatology):
    valid = by_valid_time(forecasts).rename(time="valid_time")
    found = scores_of(valid, truth, climatology, nan="skip", period=["2020-01-02", "2020-01-02"])
    day = pd.Timestamp("2020-01-02")
    for lead in forecasts.prediction_timedelta:
        starts = forecasts.time[(forecasts.time + lead).dt.floor("D") == day]
        assert found["count"].sel(lead_time=lead / np.timedelta64(1, "h")).max() == starts.size


def save_netcdf(dataset, folder):
    dataset.to_netcdf(folder / "data.nc")
    return folder / "data.nc"


def save_classic_netcdf(dataset, folder):
    dataset.to_netcdf(folder / "data.nc", format="NETCDF3_64BIT", engine="scipy")
    return folder / "data.nc"


def save_folder(dataset, folder):
    for number in range(0, dataset.time.size, 6):
        dataset.isel(time=slice(number, number + 6)).to_netcdf(folder / f"part{number:03}.nc")
    return folder


def save_folder_of_variables(dataset, folder):
    for name in dataset.data_vars:
        dataset[[name]].to_netcdf(folder / f"{name}.nc")
    return folder


def save_zarr_2(dataset, folder):
    dataset.chunk(time=7).to_zarr(folder / "data.zarr", zarr_format=2, consolidated=True)
    return folder / "data.zarr"


def save_zarr_2_bare(dataset, folder):
    dataset.chunk(time=7).to_zarr(folder / "data.zarr", zarr_format=2, consolidated=False)
    return folder / "data.zarr"


def save_zarr_3(dataset, folder):
    dataset.chunk(time=3).to_zarr(folder / "data.zarr", zarr_format=3, consolidated=False)
    return str(folder / "data.zarr")


def save_zarr_3_sharded(dataset, folder):
    encoding = {
        name: {"chunks": (2, *array.shape[1:]), "shards": (10, *array.shape[1:])}
        for name, array in dataset.data_vars.items()
    }
    dataset.to_zarr(folder / "data.zarr", zarr_format=3, consolidated=False, encoding=encoding)
    return folder / "data.zarr"


STORES = [
    save_netcdf,
    save_classic_netcdf,
    save_folder,
    save_folder_of_variables,
    save_zarr_2,
    save_zarr_2_bare,
    save_zarr_3,
    save_zarr_3_sharded,
]


@pytest.mark.parametrize("save", STORES, ids=lambda save: save.__name__.removeprefix("save_"))
def test_files_of_any_kind_change_no_bit(forecasts, truth, climatology, tmp_path, save):
    for name in ("forecasts", "truth"):
        (tmp_path / name).mkdir()
    reference = scores_of(forecasts, truth, climatology)
    paths = save(forecasts, tmp_path / "forecasts"), save(truth, tmp_path / "truth")
    found = scores_of(*paths, climatology).sel(channel=reference.channel)
    np.testing.assert_array_equal(found.score, reference.score)
    np.testing.assert_array_equal(found.per_sample, reference.per_sample)


def test_lead_times_in_hours_are_read_from_their_unit(forecasts, truth, climatology, tmp_path):
    hours = forecasts.assign_coords(prediction_timedelta=[6, 24, 72]).rename(
        prediction_timedelta="lead_time"
    )
    hours["lead_time"].attrs["units"] = "hours"
    hours.to_netcdf(tmp_path / "hours.nc")
    found = scores_of(tmp_path / "hours.nc", truth, climatology)
    same(found, scores_of(forecasts, truth, climatology))


def test_packed_integers_are_the_values_they_stand_for(forecasts, truth, climatology, tmp_path):
    packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}
    encoding = {"2m_temperature": packing}
    forecasts[["2m_temperature"]].to_netcdf(tmp_path / "packed.nc", encoding=encoding)
    with xr.open_dataset(tmp_path / "packed.nc", decode_timedelta=True) as unpacked:
        reference = scores_of(unpacked.load(), truth, climatology)
    same(scores_of(tmp_path / "packed.nc", truth, climatology), reference)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f, t: (f, t.assign_coords(longitude=t.longitude + 22.5)),
            "The grids differ: predictions has .*longitude 0 to 315.*regrid one of them",
        ),
        (
            lambda f, t: (f.assign_coords(latitude=f.latitude + 0.01), t),
            "The grids differ",
        ),
        (
            lambda f, t: (f.assign_coords(prediction_timedelta=[6, 24, 72]), t),
            "'prediction_timedelta' has the values 6, 24, 72 without units: give it the attribute",
        ),
        (
            lambda f, t: (f.isel(time=[0, 1, 1]), t),
            "predictions: the time 2020-01-01 12:00:00 stands there more than once",
        ),
        (
            lambda f, t: (f, t.isel(time=[0, 1, 2, 2])),
            "truth: the time 2020-01-01 12:00:00 stands there more than once",
        ),
        (
            lambda f, t: (f.isel(longitude=[0, 1, 1, 2]), t),
            "predictions: the coordinate 'longitude' has repeated or missing values",
        ),
        (
            lambda f, t: (f.drop_vars("time"), t),
            "predictions has no coordinate 'time'",
        ),
        (
            lambda f, t: (f.isel(level=[0, 0, 1]), t),
            "predictions: the level 500.* more than once",
        ),
        (
            lambda f, t: (f, t.expand_dims(prediction_timedelta=f.prediction_timedelta)),
            "truth holds forecasts .*'prediction_timedelta' up to 72 h",
        ),
        (
            lambda f, t: (f.stack(cell=("latitude", "longitude")), t),
            "no one-dimensional coordinate 'latitude'",
        ),
    ],
)
def test_what_has_no_single_meaning_is_refused(forecasts, truth, change, message):
    with pytest.raises(UserError, match=message):
        evaluate(*change(forecasts, truth), bootstrap=0)


@pytest.mark.parametrize("which", ["member", "height"])
def test_a_climatology_with_a_further_dimension_is_refused(forecasts, truth, climatology, which):
    with pytest.raises(UserError, match=f"climatology.*the dimension '{which}'"):
        scores_of(forecasts, truth, climatology.expand_dims({which: [0, 1]}))


def data_of(forecasts, truth, climatology):
    sources = [
        open_source(dataset, role)
        for dataset, role in (
            (forecasts, "predictions"),
            (truth, "truth"),
            (climatology, "climatology"),
        )
    ]
    return Data(*sources, align(*sources), find_channels(*sources[:2]), sources[0].layout)


def test_eight_workers_parts_in_any_order_are_the_whole(forecasts, truth, climatology):
    data = data_of(forecasts, truth, climatology)
    layout = data.layout
    regions = Regions(region_weights(layout.latitude, layout.longitude, ["global", "tropics"]))
    metrics = [get_metric(name) for name in [*METRICS, "acc(form=pooled_centred)", "r2"]]
    wanted = shared_statistics(metrics), [Error()]
    whole = accumulate(data, regions, *wanted)
    random = np.random.default_rng(0)
    for _ in range(3):
        pieces = np.array_split(random.permutation(len(data.pairs.samples)), 8)
        parts = [
            accumulate(replace(data, pairs=data.pairs.part(np.sort(piece))), regions, *wanted)
            for piece in pieces
        ]
        merged = parts[0]
        for part in parts[1:]:
            merged = merged + part
        for metric in metrics:
            np.testing.assert_array_equal(
                metric.score(merged), metric.score(whole), err_msg=metric.label
            )
        np.testing.assert_array_equal(merged.missing, whole.missing)
        np.testing.assert_allclose(
            merged.cell_mean(Error()), whole.cell_mean(Error()), rtol=1e-12, atol=1e-10
        )

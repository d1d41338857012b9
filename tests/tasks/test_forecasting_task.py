"""Windows, splits, scaling and layouts of the forecasting tasks, on stores that count steps."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from small_stores import LATITUDE, LONGITUDE, weather, write_store

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.store.reading import Reading
from climbench.tasks import (
    ContinuousForecasting,
    DirectForecasting,
    IterativeForecasting,
    Normalisation,
)

PERIODS = {
    "train": ("2000-01-01", "2000-02-29"),
    "validation": ("2000-03-01", "2000-03-31"),
    "test": ("2000-04-01", "2000-04-30"),
}
PROTOCOLS = [
    (DirectForecasting, {}),
    (ContinuousForecasting, {"training_leads": [6, 12, 24]}),
    (IterativeForecasting, {"step": 6}),
]


def counting(times, missing=()):
    """Return a field that is the number of its step everywhere, and NaN at some steps."""
    steps = np.arange(len(times), dtype=np.float32)
    steps[list(missing)] = np.nan
    field = np.broadcast_to(steps[:, None, None], (steps.size, LATITUDE.size, LONGITUDE.size))
    return xr.Dataset(
        {"step": (("time", "latitude", "longitude"), field)},
        {"time": times, "latitude": LATITUDE, "longitude": LONGITUDE},
    )


SIX_HOURLY = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "counting", counting(SIX_HOURLY))


@pytest.fixture(scope="module")
def planet(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(SIX_HOURLY))


def task(store, protocol=DirectForecasting, **options):
    channels = {"inputs": ["step"], "targets": ["step"], "lead_times": [6]}
    return protocol(store=store, **{**channels, **PERIODS, **options})


def steps_of(samples):
    """Return the numbers of the input and target steps of all samples, and the batch."""
    batch = samples.__getitems__(range(len(samples)))
    return batch.inputs[:, :, 0, 0, 0].numpy(), batch.targets[:, :, 0, 0, 0].numpy(), batch


@pytest.mark.parametrize(
    ("history", "interval", "leads", "first_inputs", "first_targets"),
    [
        (1, None, [6], [0], [1]),
        (3, None, [6, 24], [0, 1, 2], [3, 6]),
        (2, 24, [12], [0, 4], [6]),
        (3, 12, [120], [0, 2, 4], [24]),
    ],
)
def test_windows_by_hand(counted, history, interval, leads, first_inputs, first_targets):
    chosen = task(counted, history=history, history_interval=interval, lead_times=leads)
    inputs, targets, batch = steps_of(chosen.split("train"))
    np.testing.assert_array_equal(inputs[0], first_inputs)
    np.testing.assert_array_equal(targets[0], first_targets)
    span = first_targets[-1]
    assert len(inputs) == 60 * 4 - span  # 60 days of 4 steps; a window spans ``span`` + 1
    np.testing.assert_array_equal(
        inputs - inputs[0], np.tile(np.arange(len(inputs)), (history, 1)).T
    )
    np.testing.assert_array_equal(batch.lead_time[0], leads)
    times = SIX_HOURLY[targets[:, 0].astype(int)]
    np.testing.assert_array_equal(batch.day_of_year[:, 0], times.day_of_year)
    np.testing.assert_array_equal(batch.hour[:, 0], times.hour)


@settings(max_examples=25, deadline=None)
@given(
    history=st.integers(1, 4),
    interval=st.sampled_from([6, 12, 24]),
    leads=st.lists(st.integers(1, 20), min_size=1, max_size=4, unique=True),
    days=st.tuples(st.integers(10, 40), st.integers(10, 40)),
)
def test_no_window_leaves_the_period_of_its_split(counted, history, interval, leads, days):
    cuts = SIX_HOURLY[0] + pd.to_timedelta(np.cumsum([days[0], days[1]]), "D")
    before = cuts - pd.Timedelta(hours=6)
    periods = {
        "train": ("2000-01-01", str(before[0])),
        "validation": (str(cuts[0]), str(before[1])),
        "test": (str(cuts[1]), "2000-04-30"),
    }
    chosen = task(
        counted,
        history=history,
        history_interval=interval,
        lead_times=[6 * lead for lead in sorted(leads)],
        **periods,
    )
    edges = [0, days[0] * 4, (days[0] + days[1]) * 4, SIX_HOURLY.size]
    for name, first, last in zip(PERIODS, edges, edges[1:], strict=False):
        inputs, targets, _ = steps_of(chosen.split(name))
        assert inputs.min() == first
        assert targets.max() == last - 1
        assert len(np.unique(inputs[:, -1])) == len(inputs)  # every window once
        assert len(inputs) == last - first - (history - 1) * interval // 6 - max(leads)


@pytest.mark.parametrize(("protocol", "extra"), PROTOCOLS)
def test_statistics_and_climatology_do_not_know_the_later_periods(tmp_path, protocol, extra):
    ds = weather(SIX_HOURLY)
    changed = ds.copy(deep=True)
    later = SIX_HOURLY >= "2000-03-01"
    for name in ("geopotential", "2m_temperature"):
        changed[name][later] = 1e6
    channels = {"inputs": ["geopotential_500", "2m_temperature"], "lead_times": [6, 12]}
    channels["targets"] = channels["inputs"]
    one, other = (
        task(write_store(tmp_path / name, each), protocol, **channels, **extra)
        for name, each in (("one", ds), ("other", changed))
    )
    assert one.normalisation == other.normalisation
    xr.testing.assert_identical(one.climatology(), other.climatology())
    assert one.hash != other.hash


def test_normalisation_equals_numpy_over_the_training_period(planet):
    names = ["geopotential_500", "2m_temperature"]
    chosen = task(planet, inputs=names, targets=names[:1], static=["orography"])
    ds = xr.open_zarr(planet, consolidated=False).sel(time=slice(*PERIODS["train"])).load()
    expected = [ds["geopotential"].sel(level=500), ds["2m_temperature"]]
    mean, std = chosen.normalisation.scale(names)
    np.testing.assert_allclose(mean, [x.values.astype("f8").mean() for x in expected], rtol=1e-12)
    np.testing.assert_allclose(std, [x.values.astype("f8").std() for x in expected], rtol=1e-9)
    assert chosen.normalisation.scale(["orography"])[1] == 1.0  # constant over the globe
    assert Normalisation.from_dict(chosen.normalisation.to_dict()) == chosen.normalisation


def test_windows_across_gaps_and_missing_fields_are_left_out(tmp_path):
    gap = SIX_HOURLY.delete(slice(40, 43))  # three steps that are not in the store
    store = write_store(tmp_path / "gap", counting(gap, missing=[100]))
    inputs, targets, _ = steps_of(task(store, history=2).split("train"))
    numbers = np.concatenate([inputs, targets], axis=1)
    assert np.isfinite(numbers).all()
    whole = [set(SIX_HOURLY[i : i + 3]) <= set(gap) for i in range(238)]
    assert len(numbers) == sum(whole) - 3  # the missing field is in three windows
    assert not {tuple(range(i, i + 3)) for i in (38, 39, 98, 99, 100)} & set(map(tuple, numbers))


def test_too_many_gaps_are_an_error_that_names_the_period(tmp_path):
    store = write_store(tmp_path / "s", counting(SIX_HOURLY, missing=range(240, 364, 2)))
    with pytest.raises(UserError, match=r"validation period .* has no gap-free window"):
        task(store).split("validation")


def test_test_initial_times_are_the_same_for_all_protocols_and_allow_all_leads(counted):
    starts = []
    for protocol, extra in PROTOCOLS:
        chosen = task(counted, protocol, lead_times=[6, 24], initial_interval=12, **extra)
        inputs, targets, batch = steps_of(chosen.split("test"))
        starts.append(inputs[:, -1])
        assert targets.max() <= SIX_HOURLY.size - 1
        np.testing.assert_array_equal(targets - inputs[:, -1:], batch.lead_time / 6)
    np.testing.assert_array_equal(starts[0], np.arange(364, 484 - 4, 2))  # 00 and 12 UTC
    for other in starts[1:]:
        np.testing.assert_array_equal(starts[0], other)


def test_an_epoch_of_the_continuous_task_holds_each_lead_of_each_window_once(counted):
    chosen = task(counted, ContinuousForecasting, lead_times=[6], training_leads=[6, 12, 48])
    inputs, targets, batch = steps_of(chosen.split("train"))
    pairs = list(zip(inputs[:, 0], batch.lead_time[:, 0].tolist(), strict=True))
    assert len(set(pairs)) == len(pairs) == 3 * 240 - (1 + 2 + 8)
    assert {lead for _, lead in pairs} == {6.0, 12.0, 48.0}
    np.testing.assert_array_equal(targets[:, 0] - inputs[:, 0], batch.lead_time[:, 0] / 6)


def test_a_step_of_the_iterative_task_may_be_longer_than_the_stores(counted):
    chosen = task(counted, IterativeForecasting, step=12, history=2, lead_times=[24, 36])
    inputs, targets, _ = steps_of(chosen.split("train"))
    assert [*inputs[0], *targets[0]] == [0, 2, 4]
    inputs, targets, _ = steps_of(chosen.split("test"))
    assert [*(inputs[0] - inputs[0, 0]), *(targets[0] - inputs[0, 0])] == [0, 2, 4, 6, 8]
    assert chosen.signature.leads == 1


@pytest.mark.parametrize("calendar", ["noleap", "360_day"])
def test_other_calendars_keep_their_days(tmp_path, calendar):
    times = xr.date_range(
        "2000-01-01", periods=4 * 400, freq="6h", calendar=calendar, use_cftime=True
    )
    store = write_store(tmp_path / "s", counting(times))
    periods = {"train": ("2000-01", "2000-06"), "validation": ("2000-07", "2000-12")}
    chosen = task(store, lead_times=[24], **periods, test=("2001", "2001"))
    _, targets, batch = steps_of(chosen.split("train"))
    expected = [times[int(at)].dayofyr for at in targets[:, 0]]
    np.testing.assert_array_equal(batch.day_of_year[:, 0], expected)
    climatology = chosen.climatology()
    assert climatology.sizes["dayofyear"] == 366
    assert np.isfinite(climatology["step"]).all()
    template = chosen.template()
    assert template["time"].dt.calendar == calendar


def test_forcings_are_those_of_the_target_times(planet):
    forcings = ["toa_incident_solar_radiation", "geopotential_850"]
    names = {"inputs": ["2m_temperature"], "targets": ["2m_temperature"]}
    chosen = task(planet, **names, forcings=forcings, lead_times=[6, 12])
    batch = chosen.split("train").__getitems__([0, 5])
    ds = xr.open_zarr(planet, consolidated=False)["geopotential"].sel(level=850)
    for row, start in enumerate((0, 5)):
        expected = ds.isel(time=[start + 1, start + 2]).values
        np.testing.assert_array_equal(batch.forcings[row, :, 1], expected)
    sun = batch.forcings[0, :, 0]  # 06 and 12 UTC in January
    assert sun[1].argmax() // LONGITUDE.size <= 1  # southern summer
    assert LONGITUDE[sun[1].max(dim=0).values.argmax()] in (0.0, 45.0)
    mean, std = chosen.normalisation.scale(forcings[:1])
    assert 3e5 < mean[0] < 2e6 and std[0] > 1e5


def test_climatology_by_hand(tmp_path):
    times = pd.date_range("2000-01-01", "2003-12-31T12", freq="12h")
    store = write_store(tmp_path / "s", counting(times))
    periods = {"train": ("2000", "2001"), "validation": (2002, 2002), "test": ("2003", "2003")}
    climatology = task(store, climatology_window=1, lead_times=[12], **periods).climatology()
    assert climatology["step"].dims == ("hour", "dayofyear", "latitude", "longitude")
    for day in (1, 60, 365, 366):
        for hour in (0, 12):
            inside = times.year <= 2001
            # The last day of a common year stands for day 366 too.
            last = (day == 366) & (times.day_of_year == 365) & ~times.is_leap_year
            same = inside & ((times.day_of_year == day) | last) & (times.hour == hour)
            expected = np.flatnonzero(same).mean()
            assert (climatology["step"].sel(hour=hour, dayofyear=day) == expected).all()


def test_predictions_are_laid_out_with_one_level_dimension(planet):
    names = ["geopotential_850", "2m_temperature", "geopotential_500"]
    chosen = task(planet, inputs=names, targets=names, lead_times=[6, 24])
    batch = chosen.split("test").__getitems__([3, 4])
    ds = chosen.to_dataset(np.array([3, 4]), batch.targets.numpy())
    dims = ("time", "prediction_timedelta", "level", "latitude", "longitude")
    assert ds["geopotential"].dims == dims
    assert ds["2m_temperature"].dims == (*dims[:2], *dims[3:])
    assert ds["2m_temperature"].attrs["units"] == "K"
    truth = chosen.truth().sel(time=ds["time"] + ds["prediction_timedelta"])
    np.testing.assert_array_equal(ds["geopotential"], truth["geopotential"])
    np.testing.assert_array_equal(ds["2m_temperature"], truth["2m_temperature"])


def test_a_level_that_is_no_channel_is_nan(tmp_path):
    ds = weather(SIX_HOURLY)
    ds["temperature"] = ds["geopotential"] / 200
    store = write_store(tmp_path / "s", ds)
    names = ["geopotential_500", "temperature_850"]
    chosen = task(store, inputs=names, targets=names)
    template = chosen.to_dataset(np.array([0]), np.ones((1, 1, 2, 4, 8), np.float32))
    assert template["level"].values.tolist() == [500.0, 850.0]
    assert template["geopotential"].isnull().any(["time", "latitude"])[0, :, 0].values.tolist() == [
        False,
        True,
    ]


MISTAKES = [
    ({"inputs": ["stepp"]}, "no channel 'stepp': did you mean 'step'"),
    ({"inputs": []}, "'inputs' is empty"),
    ({"inputs": ["step", "step"]}, "'step' twice"),
    ({"static": ["step"]}, "'static': 'step' varies in time"),
    ({"lead_times": [7]}, "'lead_times': 7 h is no positive multiple of the store's step, 6 h"),
    ({"lead_times": [12, 6]}, "must be ascending"),
    ({"lead_times": []}, "'lead_times' is empty"),
    ({"history": 0}, "'history' = 0"),
    ({"climatology_window": 60}, "'climatology_window' = 60 is wrong: give an odd number"),
    ({"history_interval": 5}, "'history_interval': 5 h"),
    ({"test": ("2000-04-01", "2001-04-01")}, "test period .* outside the store's dates"),
    ({"train": ("1999", "2000-01")}, "train period .* outside the store's dates"),
    ({"train": ("January", "2000-02")}, "train period .* is not a pair of dates"),
    ({"validation": ("2000-02", "2000-03")}, "train and the validation period overlap"),
    ({"lead_times": [24 * 31]}, "no gap-free window"),
    ({"forcings": ["step"]}, "'forcings' names the target 'step', whose truth"),
]


@pytest.mark.parametrize(("options", "sentence"), MISTAKES)
def test_mistakes_are_one_sentence(counted, options, sentence):
    with pytest.raises(UserError, match=sentence):
        task(counted, **options)


def test_mistakes_that_only_a_protocol_knows(counted, planet):
    with pytest.raises(UserError, match="train on the longest lead time too"):
        task(counted, ContinuousForecasting, lead_times=[24], training_leads=[6, 12])
    with pytest.raises(UserError, match="9 h is no positive multiple of the store's step"):
        task(counted, IterativeForecasting, step=9)
    with pytest.raises(UserError, match="6 h is no positive multiple of the model's step, 12 h"):
        task(counted, IterativeForecasting, step=12)
    with pytest.raises(UserError, match="'targets' lacks the input '2m_temperature'"):
        task(
            planet,
            IterativeForecasting,
            step=6,
            inputs=["geopotential_500", "2m_temperature"],
            targets=["geopotential_500"],
        )


def test_an_unknown_option_names_the_nearest(counted):
    node = {"_target_": "climbench.tasks.DirectForecasting", "lead_tims": [6], **PERIODS}
    with pytest.raises(UserError, match="'lead_tims': did you mean 'lead_times'"):
        instantiate({**node, "inputs": ["step"], "targets": ["step"]}, store=counted)


def test_options_build_the_same_task_again(counted):
    for protocol, extra in PROTOCOLS:
        chosen = task(counted, protocol, lead_times=[6, 24], **extra)
        again = instantiate(chosen.options())
        assert type(again) is protocol
        assert again.hash == chosen.hash
    assert task(counted).hash != task(counted, lead_times=[12]).hash


@pytest.mark.parametrize("method", ["ram", "mmap", "zarr"])
def test_what_the_machine_reads_with_reaches_the_fields(counted, method):
    chosen = task(counted)
    chosen.reading = Reading(method)
    assert chosen.fields.reader.method == method
    inputs, _, _ = steps_of(chosen.split("train"))
    np.testing.assert_array_equal(inputs[:3, 0], [0, 1, 2])

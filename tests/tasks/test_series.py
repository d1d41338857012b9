"""Forecasts at stations and of single series: gaps, durations, stations that are held out."""

import warnings

import numpy as np
import pandas as pd
import pytest
import yaml
from small_stores import stations, weather, write_store

from climbench.config import ModelConfig
from climbench.config.folders import conf_folder
from climbench.errors import UserError
from climbench.tasks import SeriesForecasting
from climbench.training import check_model
from climbench.training.network import build_network

HOURLY = pd.date_range("2001-01-01", "2001-03-31T23", freq="1h")
PERIODS = {
    "train": ("2001-01-01", "2001-02-10"),
    "validation": ("2001-02-11", "2001-02-28"),
    "test": ("2001-03-01", "2001-03-31"),
}
BOTH = ("2m_temperature", "wind_speed")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "network", stations(HOURLY))


def task(store, **options):
    given = {"inputs": BOTH, "targets": BOTH, "lead_times": (1, 6), "history": 3}
    return SeriesForecasting(store=store, **{**given, **PERIODS, **options})


def test_a_sample_is_one_row_of_stations_with_their_gaps(network):
    chosen = task(network)
    samples = chosen.split("train")
    batch = samples.__getitems__(range(len(samples)))
    assert batch.inputs.shape[1:] == (3, 2, 1, 3)
    assert batch.targets.shape[1:] == (2, 2, 1, 3)
    records = stations(HOURLY)["2m_temperature"].values
    np.testing.assert_array_equal(batch.targets[10, 1, 0, 0], records[10 + 2 + 6])
    assert batch.targets.isnan().any()  # no window is left out for its gaps
    assert len(samples) == 41 * 24 - 2 - 6


def test_the_signature_tells_where_the_stations_are(network):
    signature = task(network).signature
    assert signature.layout == "stations"
    assert signature.shape == (1, 3)
    assert signature.stations == ("Oslo", "Bergen", "Lerwick")
    assert signature.places[2] == (60.2, 358.9, 80.0)
    assert type(signature).from_dict(signature.to_dict()) == signature


def test_scaling_is_of_the_values_of_the_training_period(network):
    mean, std = task(network).normalisation.scale(["2m_temperature"])
    train = stations(HOURLY).sel(time=slice(*PERIODS["train"]))["2m_temperature"].values
    np.testing.assert_allclose(mean, np.nanmean(train, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(std, np.nanstd(train, dtype=np.float64), rtol=1e-6)


def test_stations_that_are_held_out_are_never_learnt_from_and_alone_scored(network):
    chosen = task(network, held_out=("Bergen",))
    for split in ("train", "validation"):
        batch = chosen.split(split).__getitems__(range(50))
        assert batch.inputs[..., 1].isnan().all()
        assert batch.targets[..., 1].isnan().all()
        assert batch.targets[..., 0].isfinite().any()
    assert chosen.split("test").__getitems__(range(50)).inputs[..., 1].isfinite().any()
    there = chosen.truth()["wind_speed"].notnull().all("time")
    assert there.values.tolist() == [False, True, False]
    changed = stations(HOURLY)
    changed["wind_speed"].loc[{"station": "Bergen"}] += 100
    moved = task(write_store(network.parent / "moved", changed), held_out=("Bergen",))
    assert moved.normalisation == chosen.normalisation


def test_predictions_lie_along_the_stations(network):
    chosen = task(network)
    whole = chosen.template()
    assert whole["wind_speed"].dims == ("time", "prediction_timedelta", "station")
    values = np.arange(2 * 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 2, 1, 3)
    part = chosen.to_dataset(np.array([0, 1]), values)
    np.testing.assert_array_equal(part["wind_speed"].values, values[:, :, 1, 0])
    assert part["station"].values.tolist() == ["Oslo", "Bergen", "Lerwick"]
    assert part["latitude"].dims == ("station",)


def test_only_some_stations_in_the_order_that_is_asked_for(network):
    whole, few = task(network), task(network, stations=("Lerwick", "Oslo"))
    assert few.signature.stations == ("Lerwick", "Oslo")
    assert few.signature.places[0] == (60.2, 358.9, 80.0)
    both = [each.split("train").__getitems__(range(20)) for each in (whole, few)]
    np.testing.assert_array_equal(both[0].targets[..., [2, 0]], both[1].targets)
    assert few.truth()["station"].values.tolist() == ["Lerwick", "Oslo"]
    assert few.hash != whole.hash
    one = task(network, stations=("Oslo",), lead_times=(24, 240))
    assert one.split("test").__getitems__([0]).targets.shape == (1, 2, 2, 1, 1)


def test_members_at_one_place_are_stations(tmp_path):
    members = stations(HOURLY).drop_vars(["latitude", "longitude", "altitude", "station"])
    members = members.rename(station="member").assign_coords(member=[3, 7, 8])
    chosen = task(write_store(tmp_path / "members", members), held_out=("member 7",))
    assert chosen.signature.stations == ("member 3", "member 7", "member 8")
    batch = chosen.split("train").__getitems__(range(20))
    assert batch.targets[..., 1].isnan().all()
    assert chosen.truth()["wind_speed"].notnull().all("time").values.tolist() == [
        False,
        True,
        False,
    ]


def test_a_record_on_both_sides_of_the_split_is_warned_of(tmp_path):
    shared = stations(HOURLY)
    shared["2m_temperature"][:, 2] = shared["2m_temperature"][:, 0]
    store = write_store(tmp_path / "twins", shared)
    with pytest.warns(UserWarning, match=r"Lerwick and Oslo \(2m_temperature\); hold both out"):
        task(store, held_out=("Lerwick",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task(store, held_out=("Lerwick", "Oslo"))


def test_one_place_and_leads_of_minutes(tmp_path):
    times = pd.date_range("2001-01-01", "2001-03-31T23:50", freq="10min")
    one = stations(times).isel(station=0, drop=True)
    store = write_store(tmp_path / "place", one)
    chosen = task(store, lead_times=("10min", 1, "6h"), initial_interval="20min")
    assert chosen.lead_times == (1 / 6, 1, 6)
    batch = chosen.split("test").__getitems__([0, 1])
    series = one["wind_speed"].sel(time=slice(*PERIODS["test"])).values
    np.testing.assert_array_equal(batch.targets[0, :, 1, 0, 0], series[[2 + 1, 2 + 6, 2 + 36]])
    np.testing.assert_array_equal(batch.targets[1, :, 1, 0, 0], series[[4 + 1, 4 + 6, 4 + 36]])
    assert chosen.template()["wind_speed"].dims == ("time", "prediction_timedelta")
    again = type(chosen)(**{k: v for k, v in chosen.options().items() if k != "_target_"})
    assert again.hash == chosen.hash


def _constant(ds):
    ds["wind_speed"][:] = 3.0


def _empty(ds):
    ds["wind_speed"][: 41 * 24] = np.nan


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_constant, "'wind_speed' is 3 throughout the training period"),
        (_empty, "'wind_speed' has no value in the training period"),
    ],
)
def test_nothing_to_learn_is_said(tmp_path, spoil, sentence):
    ds = stations(HOURLY)
    spoil(ds)
    chosen = task(write_store(tmp_path / "spoilt", ds))
    with pytest.raises(UserError, match=sentence):
        _ = chosen.normalisation


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"held_out": ("Bergn",)}, "no station 'Bergn': .*Bergen"),
        ({"held_out": ("Oslo", "Bergen", "Lerwick")}, "names every station"),
        ({"stations": ("Osl",)}, "'stations': store network has no station 'Osl': .*Oslo"),
        ({"stations": ("Oslo", "Oslo")}, "names the station 'Oslo' twice"),
        ({"stations": ("Oslo",), "held_out": ("Bergen",)}, "no station 'Bergen'"),
        ({"region": "Europe"}, "'region' is for maps"),
        ({"lead_times": ("10min",)}, "0.166667 h is no positive multiple of the store's step, 1 h"),
        ({"lead_times": ("soon",)}, "'lead_times' = soon is no duration"),
        ({"lead_times": ("20s",)}, "no whole number of minutes"),
        ({"lead_times": (24 * 60,)}, "no gap-free window"),
    ],
)
def test_options_that_do_not_fit(network, options, sentence):
    with pytest.raises(UserError, match=sentence):
        task(network, **options)


def test_maps_have_tasks_of_their_own(tmp_path):
    store = write_store(tmp_path / "maps", weather(HOURLY[:100]))
    with pytest.raises(UserError, match="holds maps"):
        task(store, inputs=("2m_temperature",), targets=("2m_temperature",))


def zoo(name):
    return ModelConfig(**yaml.safe_load((conf_folder() / "model" / f"{name}.yaml").read_text()))


def test_a_held_out_station_has_the_climatology_of_the_others_at_that_hour(tmp_path):
    days = pd.date_range("2001-01-01", "2002-12-31T18", freq="6h")
    periods = {
        "train": ("2001-01-01", "2002-06-30"),
        "validation": ("2002-07-01", "2002-08-31"),
        "test": ("2002-09-01", "2002-12-31"),
    }
    store = write_store(tmp_path / "long", stations(days))
    chosen = task(store, held_out=("Bergen",), lead_times=(6,), **periods)
    values = chosen.climatology()["2m_temperature"]
    others = values.sel(station=["Oslo", "Lerwick"]).mean("station")
    np.testing.assert_allclose(values.sel(station="Bergen"), others, rtol=1e-5)
    assert float(others.std()) > 0.1


@pytest.mark.parametrize("name", ["climatology", "day_of_year_climatology", "damped_persistence"])
def test_climatologies_answer_at_a_held_out_station_with_the_daily_cycle(network, name):
    chosen = task(network, held_out=("Bergen",))
    model = build_network(zoo(name).network, chosen.signature)
    samples = chosen.split("train")
    model.accumulate(samples.__getitems__(range(len(samples))))
    model.solve()
    test = chosen.split("test")
    batch = test.__getitems__(range(min(48, len(test))))
    answer = model.eval()(batch)[:, 0, 0, 0]
    assert answer[:, 1].std() > 0.1
    correlation = np.corrcoef(answer[:, 1].numpy(), answer[:, 0].numpy())[0, 1]
    assert correlation > 0.5


def test_a_model_of_each_station_refuses_those_that_are_held_out(network):
    chosen = task(network, held_out=("Bergen",))
    with pytest.raises(UserError, match="none of those that are held out"):
        check_model(chosen, zoo("linear_regression_field"))
    check_model(chosen, zoo("station_regression"))

"""Temporal interpolation, masked reconstruction and pretraining, on stores that count steps."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from small_stores import LATITUDE, LONGITUDE, weather, write_store

from climbench.errors import UserError
from climbench.models.harmonic_fill import HarmonicFill
from climbench.models.linear_interpolation import LinearInterpolation
from climbench.store.reading import Reading
from climbench.tasks import MaskedReconstruction, Pretraining, TemporalInterpolation
from climbench.training.data import Batches

PERIODS = {
    "train": ("2000-01-01", "2000-02-29"),
    "validation": ("2000-03-01", "2000-03-31"),
    "test": ("2000-04-01", "2000-04-30"),
}
SIX_HOURLY = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
WEATHER = ("2m_temperature", "geopotential_500")


def whole(samples):
    return samples.__getitems__(range(len(samples)))


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    steps = np.arange(len(SIX_HOURLY), dtype=np.float32)
    field = np.broadcast_to(steps[:, None, None], (steps.size, LATITUDE.size, LONGITUDE.size))
    ds = xr.Dataset(
        {"step": (("time", "latitude", "longitude"), field)},
        {"time": SIX_HOURLY, "latitude": LATITUDE, "longitude": LONGITUDE},
    )
    return write_store(tmp_path_factory.mktemp("stores") / "counting", ds)


@pytest.fixture(scope="module")
def planet(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(SIX_HOURLY))


def between(store, **options):
    usual = {"inputs": ["step"], "targets": ["step"], "interval": 24, "lead_times": [6, 18]}
    return TemporalInterpolation(store=store, **{**usual, **PERIODS, **options})


def test_interpolation_sees_both_ends_and_is_asked_for_what_lies_between(counted):
    task = between(counted)
    batch = whole(task.split("train"))
    np.testing.assert_array_equal(batch.inputs[0, :, 0, 0, 0], [0, 4])
    np.testing.assert_array_equal(batch.targets[0, :, 0, 0, 0], [1, 3])
    np.testing.assert_array_equal(batch.lead_time[0], [6, 18])
    assert len(batch.inputs) == 60 * 4 - 4  # the second state lies inside the period too
    last = whole(task.split("test"))
    assert float(last.inputs.max()) == len(SIX_HOURLY) - 1


def test_a_line_in_time_answers_a_line_in_time(counted):
    task = between(counted)
    batch = whole(task.split("test"))
    answer = LinearInterpolation(task.signature)(batch)
    torch.testing.assert_close(answer, batch.targets)
    times = task.to_dataset(np.array([1]), answer[1:2].numpy())
    assert times["prediction_timedelta"].values.tolist() == [6 * 3600e9, 18 * 3600e9]
    assert times["time"].values[0] == np.datetime64("2000-04-01T06")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lead_times": [24]}, "does not lie between the states"),
        ({"interval": 20}, "'interval': 20 h is no positive multiple"),
        ({"history": 3}, "do not fit a temporal interpolation"),
    ],
)
def test_interpolation_refuses_what_makes_no_sense(counted, options, sentence):
    with pytest.raises(UserError, match=sentence):
        between(counted, **options)


def reconstruction(store, **options):
    usual = {"inputs": WEATHER, "targets": WEATHER, "patch": [2, 2], "hidden": 0.5}
    return MaskedReconstruction(store=store, **{**usual, **PERIODS, **options})


def test_what_is_hidden_is_asked_for_and_nothing_else(planet):
    task = reconstruction(planet)
    batch = whole(task.split("validation"))
    hidden = torch.isnan(batch.inputs[:, 0])
    torch.testing.assert_close(torch.isnan(batch.targets[:, 0]), ~hidden)
    torch.testing.assert_close(batch.forcings[:, 0] > 0, ~hidden)
    assert hidden.float().mean() == 0.5
    assert (hidden[:, 0] != hidden[:, 1]).any()  # each channel has its own holes
    blocks = hidden[:, :, ::2, ::2]
    assert (hidden[:, :, 1::2, 1::2] == blocks).all()


def test_holes_follow_from_the_seed_and_the_sample(planet):
    task = reconstruction(planet, masks=3, lead_times=[0, 6])
    samples = task.split("train")
    assert len(samples) == 3 * (60 * 4 - 1)
    one, two = samples.__getitems__([4]), samples.__getitems__([3, 4, 5])
    for name in ("inputs", "targets", "forcings"):
        torch.testing.assert_close(
            getattr(one, name)[0], getattr(two, name)[1], rtol=0, atol=0, equal_nan=True
        )
    assert (torch.isnan(two.inputs[0]) != torch.isnan(two.inputs[1])).any()
    assert not torch.isnan(two.targets[:, 1]).any()  # a later state counts everywhere
    other = reconstruction(planet, masks=3, lead_times=[0, 6], seed=1).split("train")
    assert (torch.isnan(other[4].inputs) != torch.isnan(one.inputs)).any()


def test_predictions_are_missing_where_the_input_was_seen(planet):
    task = reconstruction(planet, together=True)
    batch = whole(task.split("test"))
    values = np.zeros(batch.targets.shape, np.float32)
    fields = task.to_dataset(np.arange(len(values)), values)["2m_temperature"].values[:, 0]
    np.testing.assert_array_equal(np.isnan(fields), np.isnan(batch.targets[:, 0, 0].numpy()))


def test_harmonic_fill_is_linear_between_meridians(planet):
    """In a region whose rows are alike, a hidden band of two meridians is filled by a line."""
    task = reconstruction(planet)
    region = replace(task.signature, longitude=tuple(range(0, 80, 10)), latitude=(0, 1, 2, 3))
    batch = task.split("test").__getitems__([0])
    wave = torch.tensor([0.0, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0]).expand(1, 1, 2, 4, 8)
    seen = torch.ones(1, 1, 2, 4, 8)
    seen[..., 1:3] = 0
    asked = batch._replace(inputs=wave.masked_fill(seen == 0, torch.nan), forcings=seen)
    filled = HarmonicFill(region, iterations=100)(asked)
    torch.testing.assert_close(filled, wave.clone(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden": 1.0}, "'hidden' = 1.0"),
        ({"history": 2}, "sees 1 step"),
        ({"patch": [0, 2]}, "'patch'"),
        ({"seed": -1}, "'seed' = -1"),
        ({"lead_times": [0, 7]}, "7 h is no positive multiple"),
    ],
)
def test_reconstruction_refuses_what_makes_no_sense(planet, options, sentence):
    with pytest.raises(UserError, match=sentence):
        reconstruction(planet, **options)


@pytest.fixture(scope="module")
def without_temperature(tmp_path_factory):
    ds = weather(SIX_HOURLY, seed=1).drop_vars("2m_temperature")
    return write_store(tmp_path_factory.mktemp("stores") / "other", ds)


def pretraining(store, further, **options):
    usual = {"inputs": WEATHER, "targets": WEATHER, "static": ["orography"]}
    leads = {"training_leads": [6, 12], "lead_times": [6, 12]}
    return Pretraining(
        store=store, further_stores=further, **{**usual, **leads, **PERIODS, **options}
    )


def test_pretraining_draws_every_window_of_every_store_once(planet, without_temperature):
    task = pretraining(planet, [without_temperature])
    samples, alone = task.split("train"), pretraining(planet, []).split("train")
    assert len(samples) == 2 * len(alone)
    mixed = samples.__getitems__([len(alone) + 5, 5])
    assert torch.isnan(mixed.inputs[0, :, 0]).all()  # it has no 2m_temperature
    assert not torch.isnan(mixed.inputs[0, :, 1]).any()
    for name in ("inputs", "targets", "lead_time", "static"):
        ours, theirs = getattr(mixed, name), getattr(alone.__getitems__([5]), name)
        torch.testing.assert_close(ours if name == "static" else ours[1:], theirs)
    assert mixed.index.tolist() == [len(alone) + 5, 5]
    leads = whole(samples).lead_time.flatten().tolist()
    assert leads.count(12.0) == 2 * (60 * 4 - 2)  # the longest lead is drawn too
    assert len(task.split("validation")) == len(pretraining(planet, []).split("validation"))


def test_pretraining_reads_all_stores_alike(planet, without_temperature):
    task = pretraining(planet, [without_temperature])
    task.reading = Reading("zarr")
    methods = [each.fields.reader.method for each in task.split("train").windows]
    assert methods == ["zarr", "zarr"]


def test_pretraining_scales_every_store_by_its_own_training_period(planet, tmp_path):
    colder = weather(SIX_HOURLY, seed=1)
    colder["2m_temperature"] = 5 * colder["2m_temperature"] - 1400
    late = colder["time"] > np.datetime64("2000-03-01")
    colder["2m_temperature"] = colder["2m_temperature"].where(~late, 9e9)  # after the training
    task = pretraining(planet, [write_store(tmp_path / "colder", colder)])
    alone = pretraining(planet, [])
    assert task.normalisation == alone.normalisation
    samples = task.split("train")
    batch = samples.__getitems__(range(len(samples) // 2, len(samples)))
    training = colder["2m_temperature"].sel(time=slice("2000-01-01", "2000-02-29")).values
    (mean,), (std,) = task.normalisation.scale(["2m_temperature"])
    for fields, first in ((batch.inputs, 0), (batch.targets, 1)):
        ours = (fields[0, 0, 0].numpy() - mean) / std
        theirs = (training[first] - training.mean()) / training.std()
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    first = samples.__getitems__([3])
    assert torch.equal(first.inputs, alone.split("train").__getitems__([3]).inputs)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_see_every_window_of_every_store_once(planet, without_temperature, ranks):
    samples = pretraining(planet, [without_temperature]).split("train")
    seen = [
        (float(hours), int(index))
        for rank in range(ranks)
        for indices in Batches(len(samples), 100, shuffle=True, rank=rank, ranks=ranks)
        for batch in [samples.__getitems__(indices)]
        for hours, index in zip(batch.lead_time[:, 0], batch.index, strict=True)
    ]
    assert sorted(index for _, index in seen) == list(range(len(samples)))
    assert {hours: [h for h, _ in seen].count(hours) for hours in (6.0, 12.0)} == {
        6.0: 2 * (60 * 4 - 1),
        12.0: 2 * (60 * 4 - 2),
    }


def test_pretraining_is_another_task_with_other_stores(planet, without_temperature):
    assert pretraining(planet, []).hash != pretraining(planet, [without_temperature]).hash


def test_pretraining_refuses_stores_that_have_nothing_to_give(planet, counted, tmp_path):
    with pytest.raises(UserError, match="has none of the inputs"):
        pretraining(planet, [counted])
    late = weather(SIX_HOURLY + pd.Timedelta(days=366)).drop_vars("orography")
    with pytest.raises(UserError, match="'further_stores': late: the train period"):
        pretraining(planet, [write_store(tmp_path / "late", late)])
    coarse = weather(SIX_HOURLY).isel(latitude=slice(2))
    store = write_store(tmp_path / "coarse", coarse)
    with pytest.raises(UserError, match="has another grid"):
        pretraining(planet, [store])


def test_baselines_refuse_other_tasks(planet):
    plain = replace(reconstruction(planet).signature, forcings=())
    with pytest.raises(UserError, match="task=masked_reconstruction"):
        HarmonicFill(plain)
    with pytest.raises(UserError, match="task=temporal_interpolation"):
        LinearInterpolation(plain)

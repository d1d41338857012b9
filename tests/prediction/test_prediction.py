"""Rollouts against loops written out by hand, and the stores of predictions."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from small_stores import climate, weather, write_store
from torch import nn

from climbench.config import ModelConfig, TrainerConfig
from climbench.errors import UserError
from climbench.prediction import predict
from climbench.prediction.rollout import answer, each_lead, iterate
from climbench.tasks import (
    ContinuousForecasting,
    DirectForecasting,
    Emulation,
    IterativeForecasting,
)
from climbench.training import train

NAMES = ["geopotential_500", "2m_temperature"]
OPTIONS = {
    "inputs": NAMES,
    "targets": ["2m_temperature", "geopotential_500"],  # another order than the inputs
    "forcings": ["toa_incident_solar_radiation"],
    "static": ["orography"],
    "train": ("2000-01", "2000-01"),
    "validation": ("2000-02", "2000-02"),
    "test": ("2000-03", "2000-03"),
}
TRAINER = TrainerConfig(progress_bar=False, accelerator="cpu", devices=1)
PERSISTENCE = ModelConfig(
    name="persistence", network={"_target_": "climbench.models.persistence.Persistence"}
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-03-31T18", freq="6h")
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))


class Mixing(nn.Module):
    """A one-step model in which inputs of each age, forcing, lead and hour all matter."""

    def forward(self, sample):
        """Return targets in the order 2m_temperature, geopotential."""
        old, new = sample.inputs[:, :1], sample.inputs[:, 1:]
        shift = sample.lead_time[:, :, None, None, None] + sample.hour[:, :, None, None, None]
        return (0.7 * new + 0.3 * old).flip(2) + 1e-6 * sample.forcings + shift


def test_iterating_equals_stepping_by_hand(store):
    task = IterativeForecasting(store=store, **OPTIONS, history=2, step=12, lead_times=(24, 36))
    sample = task.split("test").__getitems__([0, 7])
    steps = iterate(Mixing(), sample, task.signature, 12)
    old, new = sample.inputs[:, 0], sample.inputs[:, 1]
    for step in range(3):
        clock = 12.0 + sample.hour[:, step, None, None, None]
        answer_ = (0.7 * new + 0.3 * old).flip(1) + 1e-6 * sample.forcings[:, step] + clock
        torch.testing.assert_close(steps[:, step], answer_)
        old, new = new, answer_.flip(1)  # targets stand in another order than inputs
    torch.testing.assert_close(answer(Mixing(), sample, task), steps[:, [1, 2]])


def test_a_continuous_model_is_asked_once_for_each_lead(store):
    task = ContinuousForecasting(store=store, **OPTIONS, history=2, lead_times=(6, 24))
    sample = task.split("test").__getitems__([1, 2, 3])
    assert sample.lead_time.shape == (3, 2)
    both = answer(Mixing(), sample, task)
    for lead in range(2):
        torch.testing.assert_close(both[:, lead : lead + 1], Mixing()(sample.at_lead(lead)))
    torch.testing.assert_close(both, each_lead(Mixing(), sample))


@pytest.mark.parametrize(
    ("protocol", "extra"),
    [(DirectForecasting, {}), (ContinuousForecasting, {}), (IterativeForecasting, {"step": 6})],
)
def test_persistence_predicts_the_initial_time(store, tmp_path, protocol, extra):
    task = protocol(store=store, **OPTIONS, lead_times=(6, 24), initial_interval=12, **extra)
    checkpoint = train(task, PERSISTENCE, TRAINER, tmp_path)
    path = predict(checkpoint, task, tmp_path / "predictions.zarr", batch_size=7)
    ds = xr.open_zarr(path, decode_timedelta=True)
    assert ds["geopotential"].dims == (
        "time",
        "prediction_timedelta",
        "level",
        "latitude",
        "longitude",
    )
    assert ds["time"].values[0] == np.datetime64("2000-03-01")
    start = task.truth().sel(time=ds["time"])
    for lead in range(2):
        for name in ("geopotential", "2m_temperature"):
            got = ds[name].isel(prediction_timedelta=lead).values
            np.testing.assert_allclose(got, start[name].values, rtol=1e-5)
    assert ds.attrs["model"] == "persistence"
    assert ds.attrs["simulated"] == "true"
    assert len(ds.attrs["checkpoint_sha256"]) == 64
    assert not list(tmp_path.glob("*.building"))


def test_the_result_does_not_depend_on_batches_or_blocks(store, tmp_path, monkeypatch):
    network = {
        "_target_": "torch.nn.Conv2d",
        "in_channels": 5,
        "out_channels": 4,
        "kernel_size": 3,
        "padding": 1,
    }
    model = ModelConfig(name="convolution", network=network, optimizer={"learning_rate": 1e-3})
    task = DirectForecasting(store=store, **OPTIONS, lead_times=(6, 24))
    checkpoint = train(task, model, TRAINER, tmp_path)
    one = xr.open_zarr(predict(checkpoint, task, tmp_path / "one.zarr", 1)).load()
    monkeypatch.setattr("climbench.tasks.base_forecasting.WRITE_BYTES", 4 * 2 * 2 * 32 * 50)
    assert len(task.blocks()) == 3
    other = xr.open_zarr(predict(checkpoint, task, tmp_path / "other.zarr", 33)).load()
    xr.testing.assert_allclose(one, other, rtol=1e-6)
    assert sorted(other["time"].values.tolist()) == other["time"].values.tolist()


def test_emulations_are_written_by_scenario(tmp_path):
    store = write_store(tmp_path / "climate", climate(), "scenario")
    task = Emulation(
        store=store,
        inputs=["carbon_dioxide"],
        targets=["tas"],
        train_scenarios=["historical", "ssp585"],
        validation={"scenario": "ssp585", "years": [2018, 2021]},
        test_scenarios=["ssp126", "ssp370"],
        history=2,
    )
    model = ModelConfig(
        name="lps", network={"_target_": "climbench.models.pattern_scaling.PatternScaling"}
    )
    checkpoint = train(task, model, TRAINER, tmp_path / "lps")
    ds = xr.open_zarr(predict(checkpoint, task, tmp_path / "predictions.zarr", 5))
    assert ds["tas"].dims == ("scenario", "time", "latitude", "longitude")
    assert ds["scenario"].values.tolist() == ["ssp126", "ssp370"]
    error = ds["tas"] - task.truth()["tas"].mean("member")
    assert float(np.sqrt((error**2).mean())) < 0.06  # the noise of the mean of two members


def test_a_checkpoint_of_another_grid_names_both(store, tmp_path):
    task = DirectForecasting(store=store, **OPTIONS, lead_times=(6,))
    checkpoint = train(task, PERSISTENCE, TRAINER, tmp_path)
    times = pd.date_range("2000-01-01", "2000-03-31T18", freq="6h")
    coarse = weather(times).isel(longitude=slice(None, None, 2))
    other = DirectForecasting(
        store=write_store(tmp_path / "coarse", coarse), **OPTIONS, lead_times=(6,)
    )
    with pytest.raises(UserError, match=r"4 x 8 \(.*\) and the task's store has 4 x 4"):
        predict(checkpoint, other, tmp_path / "predictions.zarr", 8)
    fewer = DirectForecasting(store=store, **{**OPTIONS, "targets": NAMES[:1]}, lead_times=(6,))
    with pytest.raises(UserError, match="trained with targets"):
        predict(checkpoint, fewer, tmp_path / "predictions.zarr", 8)
    assert not (tmp_path / "predictions.zarr").exists()

"""Ensembles under every protocol: written by member, scored by CRPS and spread. Simulated."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from small_stores import weather, write_store
from small_training import OPTIONS, TRAINER

from climbench.config import ModelConfig
from climbench.evaluation import evaluate
from climbench.models.noise import normal
from climbench.prediction import predict
from climbench.prediction.rollout import answer
from climbench.tasks import ContinuousForecasting, DirectForecasting, IterativeForecasting
from climbench.training import train

NETWORK = {
    "_target_": "climbench.models.noise_conditioned.NoiseConditioned",
    "backbone": {"_target_": "small_backbones.OneNorm"},
    "noise": 2,
    "members": 3,
}
MODEL = ModelConfig(
    name="noise_conditioned", network=NETWORK, optimizer={"learning_rate": 0.1}, max_epochs=2
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    return write_store(tmp_path_factory.mktemp("store") / "weather.zarr", weather(times))


@pytest.mark.parametrize(
    ("protocol", "extra"),
    [(DirectForecasting, {}), (ContinuousForecasting, {}), (IterativeForecasting, {"step": 6})],
)
def test_members_are_written_and_scored(store, tmp_path, protocol, extra):
    task = protocol(store=store, **OPTIONS, lead_times=(6, 12), initial_interval=24, **extra)
    checkpoint = train(task, MODEL, TRAINER, tmp_path)
    one = xr.open_zarr(predict(checkpoint, task, tmp_path / "one.zarr", 1), decode_timedelta=True)
    assert one.sizes["member"] == 3
    assert float(one["2m_temperature"].std("member").min()) > 0
    other = xr.open_zarr(predict(checkpoint, task, tmp_path / "other.zarr", 7))
    np.testing.assert_allclose(one["2m_temperature"], other["2m_temperature"], rtol=1e-5)
    scores = evaluate(
        tmp_path / "one.zarr", store, metrics=["rmse"], ensemble_metrics=["crps", "spread_skill"]
    )
    assert {"rmse", "crps", "spread_skill"} <= set(scores["metric"].values.tolist())


def test_each_step_of_a_member_has_its_own_noise_and_follows_from_its_own_states(store):
    task = IterativeForecasting(
        store=store, **OPTIONS, lead_times=(6, 12, 18), initial_interval=24, step=6
    )
    sample = task.split("test").__getitems__([0, 1])

    def walk(now):  # adds the member's noise of the step
        step = normal(now, 1, (1,))[:, :, None, None, None]
        return now.inputs[:, -1:] + step

    steps = answer(walk, sample, task) - sample.inputs[:, -1:]
    height = steps[:, :, 0, 0, 0]
    moves = torch.diff(height, dim=1, prepend=torch.zeros(2, 1))
    assert len(moves.round(decimals=3).unique()) == 6
    torch.testing.assert_close(
        steps, height[..., None, None, None].expand_as(steps), rtol=0, atol=0.01
    )

"""Closed forms may learn from the validation period too; networks may not, nor other tasks."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from small_stores import weather, write_store
from small_training import OPTIONS, TRAINER, baseline, convolution

from climbench.config import ModelConfig
from climbench.errors import UserError
from climbench.tasks import DirectForecasting
from climbench.training import load_checkpoint, train

BOTH = {"fit_on": "train_and_validation"}
MEAN = baseline("mean_climatology", "mean_climatology.MeanClimatology")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    store = write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))
    return DirectForecasting(store=store, **OPTIONS, lead_times=(6,))


def answer_of(model, task, folder):
    module = load_checkpoint(train(task, model, TRAINER, folder))
    return module(task.split("test")[0])[0, 0].detach().numpy()


def test_the_mean_is_over_both_periods_and_never_over_the_test(task, tmp_path):
    both = answer_of(MEAN.model_copy(update=BOTH), task, tmp_path / "both")
    alone = answer_of(MEAN, task, tmp_path / "alone")
    targets = {}
    for split in ("train", "validation"):
        samples = task.split(split)
        targets[split] = samples.__getitems__(range(len(samples))).targets[:, 0].double().numpy()
    whole = np.concatenate([*targets.values()])
    np.testing.assert_allclose(both, whole.mean(0), rtol=1e-5)
    np.testing.assert_allclose(alone, targets["train"].mean(0), rtol=1e-5)


def test_networks_and_other_tasks_are_refused(task, tmp_path):
    with pytest.raises(ValidationError, match="is for closed forms"):
        ModelConfig(**convolution().model_dump() | BOTH)

    class Other(DirectForecasting):
        def split(self, name):
            return super().split(name)

    other = Other(store=task.store, **OPTIONS, lead_times=(6,))
    with pytest.raises(UserError, match="is for forecasting: leave it out"):
        train(other, MEAN.model_copy(update=BOTH), TRAINER, tmp_path)

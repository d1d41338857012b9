"""A network that starts from a regression: fitted first, by itself, and kept."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from small_stores import weather, write_store
from small_training import TRAINER

from climbench.config import ModelConfig
from climbench.errors import UserError
from climbench.models.two_stage import TwoStage
from climbench.tasks import Downscaling
from climbench.testing.model_contract import GLOBAL, random_sample
from climbench.training import load_checkpoint, train
from climbench.training.resume import ResumePoints

RESNET = {
    "_target_": "climbench.models.resnet.ResNet",
    "hidden_channels": 4,
    "blocks": 1,
    "residual": True,
}
LINEAR = {"_target_": "climbench.models.linear_downscaling.LinearDownscaling", "ridge": [0.01]}
T = "2m_temperature"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    days = xr.date_range("2000-01-01", "2000-04-30", freq="D")
    ds = weather(days).rename(geopotential="z")[[T, "orography"]]
    ds["sum"] = (ds[T] * 2 + 5).assign_attrs(units="K")
    return Downscaling(
        store=write_store(tmp_path_factory.mktemp("stores") / "fine", ds),
        inputs=[T],
        targets=["sum", T],
        coarsening=2,
        train=("2000-01-01", "2000-02-29"),
        validation=("2000-03-01", "2000-03-31"),
        test=("2000-04-01", "2000-04-30"),
    )


def config(name, network, **options):
    return ModelConfig(name=name, network=network, **options)


def two_stage(rate):
    network = {"_target_": "climbench.models.two_stage.TwoStage", "first": LINEAR}
    optimizer = {"name": "adam", "learning_rate": rate}
    return config("two", network | {"backbone": RESNET}, optimizer=optimizer, max_epochs=1)


def test_it_starts_from_the_answer_of_the_regression_by_itself(asked, tmp_path):
    """With a learning rate of nothing it is the regression, also where a target is no input."""
    both = [
        load_checkpoint(train(asked, each, TRAINER, tmp_path / each.name))
        for each in (two_stage(1e-30), config("linear", LINEAR))
    ]
    sample = asked.split("test").__getitems__(range(5))
    answers = [module(sample).detach() for module in both]
    np.testing.assert_allclose(answers[0], answers[1], atol=2e-3)
    assert float((answers[1] - answers[1].mean()).abs().max()) > 1  # not the mean alone


def test_gradients_correct_it_and_the_regression_stays(asked, tmp_path):
    slow, fast = (
        load_checkpoint(train(asked, two_stage(rate), TRAINER, tmp_path / str(rate))).network
        for rate in (1e-30, 1e-2)
    )
    assert slow.fitted and fast.fitted
    torch.testing.assert_close(slow.first.coefficients, fast.first.coefficients)
    sample = random_sample(asked.signature, 2)
    sample = sample._replace(lead_time=torch.zeros(2, 1))
    assert (slow(sample) - fast(sample)).abs().max() > 1e-3


def test_a_training_that_goes_on_keeps_the_regression(asked, tmp_path, monkeypatch):
    fits, fit = [], TwoStage.fit_first
    monkeypatch.setattr(TwoStage, "fit_first", lambda self, it: (fits.append(1), fit(self, it)))
    own = ResumePoints.on_train_batch_end

    def told_to_end(self, trainer, *rest):
        os.kill(os.getpid(), signal.SIGTERM)
        own(self, trainer, *rest)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(ResumePoints, "on_train_batch_end", told_to_end)
        train(asked, two_stage(1e-2), TRAINER, tmp_path)
    train(asked, two_stage(1e-2), TRAINER, tmp_path)
    assert len(fits) == 1


@pytest.mark.parametrize(
    ("signature", "first", "backbone", "sentence"),
    [
        (GLOBAL, LINEAR, RESNET, "answers one lead and the task asks for 2"),
        (replace(GLOBAL, leads=1), RESNET, RESNET, "'first' = .*ResNet' is fitted by gradients"),
        (replace(GLOBAL, leads=1), LINEAR, LINEAR, "'backbone' = .*has no weights"),
        (replace(GLOBAL, leads=1), LINEAR, two_stage(1.0).network, "is fitted in two stages"),
    ],
)
def test_what_does_not_fit_is_one_sentence(signature, first, backbone, sentence):
    with pytest.raises(UserError, match=sentence):
        TwoStage(signature, first, backbone)

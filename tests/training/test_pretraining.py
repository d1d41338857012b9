"""Pretraining on several stores, and what is fine-tuned from it."""

import os
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from small_climax import OPTIONS as SMALL
from small_stores import weather, write_store
from small_training import NAMES, OPTIONS, TRAINER
from torch.nn.functional import interpolate

from climbench.config import ModelConfig, OptimizerConfig
from climbench.errors import UserError
from climbench.models.climax_forecasting import ClimaX
from climbench.models.climax_projection import ClimaXProjection
from climbench.tasks import ContinuousForecasting, Pretraining
from climbench.training import load_checkpoint, train
from climbench.training.checkpoint import build_module, describe
from climbench.training.initial_weights import load_initial_weights
from climbench.training.resume import ResumePoints

TIMES = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
LEADS = {"training_leads": (6, 24), "lead_times": (24,)}
ASK = OPTIONS | LEADS | {"static": ("orography",), "train": ("2000-01", "2000-01")}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    first = write_store(folder / "first", weather(TIMES))
    second = weather(TIMES, seed=1).drop_vars("2m_temperature")
    further = (write_store(folder / "second", second),)
    return Pretraining(store=first, further_stores=further, **ASK)


def climax(rate=3e-3):
    network = {"_target_": "climbench.models.climax_forecasting.ClimaX", "default_vars": []}
    return ModelConfig(
        name="climax",
        network=network | SMALL | {"decoder_depth": 0},
        optimizer=OptimizerConfig(learning_rate=rate, warmup_fraction=0.1),
    )


@pytest.fixture(scope="module")
def pretrained(task, tmp_path_factory):
    return train(task, climax(), TRAINER, tmp_path_factory.mktemp("pretrained"))


def test_interrupted_pretraining_goes_on_bit_for_bit(task, pretrained, tmp_path, monkeypatch):
    own = ResumePoints.on_train_batch_end

    def told_to_end(self, trainer, *rest):
        if trainer.global_step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        own(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ResumePoints, "on_train_batch_end", told_to_end)
        with pytest.raises(SystemExit):
            train(task, climax(), TRAINER, tmp_path)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 7
    again = train(task, climax(), TRAINER, tmp_path)
    one, other = (torch.load(p, weights_only=True)["state_dict"] for p in (pretrained, again))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_store_without_a_variable_teaches_nothing_about_it(task):
    torch.manual_seed(0)
    module = build_module(describe(task, climax(), TRAINER))
    samples = task.split("train")
    sample = samples.__getitems__([len(samples) - 1, len(samples) - 2])  # of the second store
    loss = module.loss(module.normalise(sample))
    loss.backward()
    rows = module.network.head[-1].weight.grad.unflatten(0, (4, 3)).abs().sum(dim=(0, 2))
    lacks, has = (module.network.vocabulary.index(name) for name in (NAMES[1], NAMES[0]))
    assert torch.isfinite(loss) and rows[lacks] == 0 and rows[has] > 0


def test_every_line_of_the_report_is_true(pretrained):
    """Fine-tuning to twice the resolution, another order of variables and a new one."""
    theirs = torch.load(pretrained, weights_only=True)["state_dict"]
    old = load_checkpoint(pretrained).signature
    new = replace(
        old,
        inputs=("10m_u_component_of_wind", *reversed(old.inputs)),
        latitude=tuple(np.linspace(-78.75, 78.75, 8)),
        longitude=tuple(np.arange(16) * 22.5 - 11.25),
    )
    network = ClimaX(new, default_vars=(), **SMALL, decoder_depth=0)
    own = {name: values.clone() for name, values in network.state_dict().items()}
    report = load_initial_weights(network, pretrained)
    now = network.state_dict()
    wind = network.vocabulary.index("10m_u_component_of_wind")
    known = [place for place in range(4) if place != wind]
    became = {line.weight: line.became for line in report.lines}
    adapted = {name for name, word in became.items() if word == "adapted"}
    assert adapted == {
        *("encoder.tokens.weight", "encoder.tokens.bias", "encoder.variables", "encoder.names"),
        *("encoder.positions", "head.0.weight", "head.0.bias"),
    }
    assert set(became) == set(theirs) == set(now) and report.new == ()
    for name in set(theirs) - adapted:
        assert torch.equal(now[name], theirs[name])
    embedding = now["encoder.variables"]
    assert torch.equal(embedding[known], theirs["encoder.variables"])
    assert torch.equal(embedding[wind], own["encoder.variables"][wind])
    head, old_head = now["head.0.weight"].unflatten(0, (4, 4)), theirs["head.0.weight"]
    assert torch.equal(head[:, known], old_head.unflatten(0, (4, 3)))
    assert torch.equal(head[:, wind], own["head.0.weight"].unflatten(0, (4, 4))[:, wind])
    grid = theirs["encoder.positions"].reshape(1, 2, 4, -1).permute(0, 3, 1, 2)
    fine = interpolate(grid, size=(4, 8), mode="bicubic", align_corners=False)
    places = fine.permute(0, 2, 3, 1).reshape(32, -1)
    torch.testing.assert_close(now["encoder.positions"], places)


def test_a_projection_takes_the_blocks_and_says_that_its_variables_are_others(pretrained):
    old = load_checkpoint(pretrained).signature
    emissions = replace(old, inputs=("carbon_dioxide",), static=(), targets=("tas",), history=3)
    network = ClimaXProjection(emissions, **SMALL)
    report = load_initial_weights(network, pretrained)
    refused = {line.weight: line.how for line in report.lines if line.became == "not matched"}
    assert set(refused) == {
        *("encoder.tokens.weight", "encoder.tokens.bias", "encoder.variables"),
        *("head.0.weight", "head.0.bias"),
    }
    assert "none of its variables is in this network's vocabulary" in refused["encoder.variables"]
    assert {"head.weight", "years", "query", "encoder.variables"} <= set(report.new)


def test_pretrained_weights_answer_as_they_did_before_they_are_tuned(task, pretrained, tmp_path):
    """A task with one store of the same variables: same scaling, same answers."""
    alone = ContinuousForecasting(store=task.store, **ASK)
    assert alone.normalisation == task.normalisation
    slow = climax(rate=1e-12).model_copy(update={"initial_weights": pretrained})
    tuned = load_checkpoint(train(alone, slow, TRAINER, tmp_path))
    sample = alone.split("test").__getitems__([0, 1])
    torch.testing.assert_close(tuned(sample), load_checkpoint(pretrained)(sample))


@pytest.mark.parametrize("damage", ["missing", "truncated", "folder", "pickle", "other"])
def test_wrong_files_are_named_in_one_sentence(task, pretrained, tmp_path, damage):
    path = tmp_path / "start.ckpt"
    if damage == "truncated":
        path.write_bytes(pretrained.read_bytes()[:5000])
    elif damage == "folder":
        path.mkdir()
    elif damage == "pickle":
        torch.save({"state_dict": torch.nn.Linear(2, 2)}, path)
    elif damage == "other":
        torch.save({"state_dict": {"layers.0.weight": torch.zeros(3, 3)}}, path)
    model = climax().model_copy(update={"initial_weights": path})
    with pytest.raises(UserError, match="initial_weights") as error:
        train(task, model, TRAINER, tmp_path / "run")
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "run" / "checkpoint.ckpt").exists()

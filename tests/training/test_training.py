"""Training from end to end on a small planet: networks, closed forms, checkpoints, resuming."""

import csv
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
import torch
from small_stores import weather, write_store
from small_training import CLIMATOLOGY, OPTIONS, PERSISTENCE, TRAINER, convolution, python

from climbench.config import ModelConfig, OptimizerConfig
from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.tasks import ContinuousForecasting, DirectForecasting, IterativeForecasting
from climbench.training import load_checkpoint, task_of, train
from climbench.training.gradient import learning_rate_factor


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))


@pytest.fixture(scope="module")
def task(store):
    return DirectForecasting(store=store, **OPTIONS, lead_times=(6,))


def loss_of(module, samples):
    """Return the loss of physical predictions over whole samples, written out with numpy."""
    batch = samples.__getitems__(range(len(samples)))
    with torch.inference_mode():
        error = (module(batch) - batch.targets).double().numpy()
    _, std = module.normalisation.scale(module.signature.targets)
    weights = latitude_weights(module.signature.latitude)[:, None]
    return float(np.mean(weights * (error / std[:, None, None]) ** 2))


def losses(directory):
    """Return the validation losses that the logs hold, one for each epoch."""
    rows = []
    for path in sorted(directory.glob("logs/*/metrics.csv"), key=lambda p: p.parent.name):
        with path.open() as lines:
            rows += [
                float(row["validation/loss"])
                for row in csv.DictReader(lines)
                if row["validation/loss"]
            ]
    return rows


def test_the_learning_rate_rises_and_falls():
    factors = [learning_rate_factor(p, 0.1, "cosine") for p in np.linspace(0, 1, 101)]
    assert np.argmax(factors) == 10
    assert np.all(np.diff(factors[:11]) > 0) and np.all(np.diff(factors[10:]) < 0)
    assert factors[-1] == pytest.approx(0)
    assert learning_rate_factor(0.9, 0.1, "constant") == 1.0


def test_an_outside_network_learns_and_its_best_weights_are_kept(task, tmp_path):
    path = train(task, convolution(), TRAINER, tmp_path)
    module = load_checkpoint(path)
    history = losses(tmp_path)
    assert len(history) == 3
    assert history[-1] < 0.5 * history[0] or min(history) < 0.1
    assert loss_of(module, task.split("validation")) == pytest.approx(min(history), rel=1e-4)
    assert not list(tmp_path.glob("*.partial")) and not (tmp_path / "last.ckpt").exists()


def test_an_outside_network_that_knows_samples_is_given_the_signature(task, tmp_path):
    network = {"_target_": "small_training.OutsideNetwork", "scale": 0.5, "blocks": 3}
    model = convolution(epochs=2, rate=1e-1).model_copy(update={"network": network})
    module = load_checkpoint(train(task, model, TRAINER, tmp_path))
    assert module.network.options == {"blocks": 3}
    assert module.network.scale.item() > 0.6


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(task, tmp_path):
    def weights(name, seed):
        trainer = TRAINER.model_copy(update={"seed": seed})
        module = load_checkpoint(train(task, convolution(epochs=1), trainer, tmp_path / name))
        return torch.cat([p.flatten() for p in module.parameters()])

    one = weights("one", 0)
    assert torch.equal(one, weights("same", 0))
    assert not torch.allclose(one, weights("other", 1))


def test_the_batch_size_of_a_model_goes_before_that_of_the_trainer(task, tmp_path):
    def weights(name, model, size):
        trainer = TRAINER.model_copy(update={"batch_size": size})
        module = load_checkpoint(train(task, model, trainer, tmp_path / name))
        return torch.cat([p.flatten() for p in module.parameters()])

    model = convolution(epochs=1)
    own = weights("own", model.model_copy(update={"batch_size": 4}), 32)
    assert torch.equal(own, weights("trainer", model, 4))
    assert not torch.equal(own, weights("other", model, 32))


def test_validation_loss_does_not_depend_on_the_batch_size(task, tmp_path):
    found = []
    for size in (1000, 7):
        trainer = TRAINER.model_copy(update={"batch_size": size})
        train(task, CLIMATOLOGY, trainer, tmp_path / str(size))
        found += losses(tmp_path / str(size))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_persistence_goes_through_the_trainer_and_is_exact(task, tmp_path):
    module = load_checkpoint(train(task, PERSISTENCE, TRAINER, tmp_path))
    batch = task.split("test").__getitems__([0, 9])
    torch.testing.assert_close(module(batch)[:, 0], batch.inputs[:, -1], rtol=1e-5, atol=0)


def test_climatology_model_and_climatology_of_the_task_agree(task, tmp_path):
    module = load_checkpoint(train(task, CLIMATOLOGY, TRAINER, tmp_path))
    batch = task.split("test").__getitems__([0, 30])
    fields = task.climatology()
    for row in range(2):
        at = fields.sel(hour=batch.hour[row, 0].item(), dayofyear=batch.day_of_year[row, 0].item())
        expected = [at["geopotential"].sel(level=500), at["2m_temperature"]]
        # the first hours of the period are no target, so the sums differ by one step
        np.testing.assert_allclose(module(batch)[row, 0], expected, rtol=2e-3)


def test_workers_change_nothing(task, tmp_path):
    one = load_checkpoint(train(task, CLIMATOLOGY, TRAINER, tmp_path / "none"))
    trainer = TRAINER.model_copy(update={"num_workers": 2})
    other = load_checkpoint(train(task, CLIMATOLOGY, trainer, tmp_path / "some"))
    torch.testing.assert_close(one.network.mean, other.network.mean)


def test_a_checkpoint_says_what_it_is_and_loads_without_code(task, tmp_path):
    path = train(task, CLIMATOLOGY, TRAINER, tmp_path)
    content = torch.load(path, weights_only=True)["climbench"]
    assert content["model"]["network"]["_target_"].endswith("Climatology")
    assert content["signature"] == task.signature.to_dict()
    assert content["normalisation"] == task.normalisation.to_dict()
    assert content["task_hash"] == task.hash
    assert content["seed"] == 0
    assert {"climbench", "xarray"} <= set(content["software"])
    assert task_of(path).hash == task.hash
    assert task_of(path, task.store).hash == task.hash
    batch = task.split("test").__getitems__([0, 1])
    assert torch.equal(load_checkpoint(path)(batch), load_checkpoint(path)(batch))


def test_damaged_and_foreign_files_are_no_checkpoints(task, tmp_path):
    path = train(task, CLIMATOLOGY, TRAINER, tmp_path)
    content = path.read_bytes()
    for name, data in {
        "cut": content[: len(content) // 2],
        "text": b"weights",
        "empty": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=rf"{name} is not a checkpoint or is truncated"):
            load_checkpoint(tmp_path / name)
    torch.save({"state_dict": {}}, tmp_path / "foreign")
    with pytest.raises(UserError, match="no checkpoint of `climbench train`"):
        load_checkpoint(tmp_path / "foreign")
    with pytest.raises(UserError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "nowhere")


def test_a_strategy_that_nobody_knows_is_refused_with_the_nearest(task, tmp_path):
    trainer = TRAINER.model_copy(update={"strategy": "dpd"})
    with pytest.raises(UserError, match="did you mean 'ddp'"):
        train(task, CLIMATOLOGY, trainer, tmp_path)


def test_a_finished_training_is_not_repeated_and_not_overwritten_by_another(task, tmp_path):
    path = train(task, CLIMATOLOGY, TRAINER, tmp_path)
    before = path.stat().st_mtime_ns
    assert train(task, CLIMATOLOGY, TRAINER, tmp_path).stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds the training of another model"):
        train(task, PERSISTENCE, TRAINER, tmp_path)


def test_patience_and_minutes_end_a_training(task, tmp_path):
    train(task, convolution(epochs=50, rate=1e-9, patience=1), TRAINER, tmp_path / "patience")
    assert len(losses(tmp_path / "patience")) < 50
    trainer = TRAINER.model_copy(update={"max_minutes": 0.02})
    train(task, convolution(epochs=100_000), trainer, tmp_path / "minutes")
    assert 1 <= len(losses(tmp_path / "minutes")) < 1000


def test_a_training_that_diverges_says_so(task, tmp_path):
    model = convolution().model_copy(
        update={"optimizer": OptimizerConfig(name="sgd", learning_rate=1e30, gradient_clip=None)}
    )
    with pytest.raises(UserError, match="training of 'convolution' diverged"):
        train(task, model, TRAINER, tmp_path)


def test_wrong_networks_are_one_sentence(task, tmp_path):
    with pytest.raises(UserError, match=r"Conv2d must turn an image of \(1, 2, 4, 8\)"):
        train(task, convolution(channels=3), TRAINER, tmp_path)
    lost = convolution().model_copy(update={"optimizer": None})
    with pytest.raises(UserError, match="'convolution' has no option 'optimizer'"):
        train(task, lost, TRAINER, tmp_path)
    strange = ModelConfig(name="text", network={"_target_": "string.Template", "template": ""})
    with pytest.raises(UserError, match=r"builds no torch.nn.Module"):
        train(task, strange, TRAINER, tmp_path)


def test_continuous_and_iterative_tasks_train_too(store, tmp_path):
    for name, protocol, extra in (
        ("continuous", ContinuousForecasting, {"training_leads": (6, 12)}),
        ("iterative", IterativeForecasting, {"step": 6}),
    ):
        task = protocol(store=store, **OPTIONS, lead_times=(6, 12), **extra)
        module = load_checkpoint(train(task, convolution(epochs=2), TRAINER, tmp_path / name))
        assert module.signature.leads == 1
        assert loss_of(module, task.split("validation")) == pytest.approx(
            min(losses(tmp_path / name)), rel=1e-4
        )


def test_a_killed_training_continues_to_the_same_weights(store, task, tmp_path):
    directory, model = tmp_path / "killed", convolution(epochs=12, rate=1e-3)
    process = python(
        "from pathlib import Path; from small_training import *; "
        f"fit(Path({str(store)!r}), convolution(epochs=12, rate=1e-3), Path({str(directory)!r}))"
    )
    while process.poll() is None and not (directory / "last.ckpt").exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (directory / "checkpoint.ckpt").exists()
    resumed = load_checkpoint(train(task, model, TRAINER, directory))
    whole = load_checkpoint(train(task, model, TRAINER, tmp_path / "whole"))
    for one, other in zip(resumed.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert len(list(directory.glob("logs/version_*"))) == 2

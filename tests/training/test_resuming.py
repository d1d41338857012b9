"""An interrupted training goes on to the weights that it would have had."""

import os
import random
import signal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from small_stores import weather, write_store
from small_training import OPTIONS, TRAINER, convolution

from climbench.tasks import DirectForecasting
from climbench.training import load_checkpoint, train
from climbench.training.resume import ResumePoints, random_state, set_random_state

EPOCHS, STEPS = 3, 8  # steps of an epoch


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    store = write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))
    return DirectForecasting(store=store, **OPTIONS, lead_times=(6,))


@pytest.fixture(scope="module")
def model():
    network = {"_target_": "small_training.DropoutNetwork"}
    return convolution(epochs=EPOCHS).model_copy(update={"network": network})


@pytest.fixture(scope="module")
def whole(task, model, tmp_path_factory):
    """Weights of a training without interruption."""
    return weights(train(task, model, TRAINER, tmp_path_factory.mktemp("whole")))


def weights(path):
    return torch.cat([weight.flatten() for weight in load_checkpoint(path).parameters()])


def slow(step):
    return pytest.param(step, marks=pytest.mark.slow)


@pytest.mark.parametrize("step", [slow(1), slow(8), 11, slow(15), slow(23)])
def test_told_to_end_within_an_epoch_it_goes_on_bit_for_bit(
    task, model, whole, tmp_path, monkeypatch, step
):
    own = ResumePoints.on_train_batch_end

    def told_to_end(self, trainer, *rest):
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        own(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ResumePoints, "on_train_batch_end", told_to_end)
        with pytest.raises(SystemExit):
            train(task, model, TRAINER, tmp_path)
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert last["global_step"] == step
    assert not (tmp_path / "checkpoint.ckpt").exists()
    assert torch.equal(weights(train(task, model, TRAINER, tmp_path)), whole)


@pytest.fixture
def keyboard():
    """Python's own answer to Ctrl-C, which shells take from what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupted_once_it_saves_and_twice_it_ends_at_once(
    task, model, whole, keyboard, tmp_path, monkeypatch, capfd
):
    own = ResumePoints.on_train_batch_end

    def interrupts(times):
        def interrupted(self, trainer, *rest):
            if trainer.global_step == STEPS + 3:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)
            own(self, trainer, *rest)

        return interrupted

    for times, saved in ((2, STEPS), (1, STEPS + 3)):
        with monkeypatch.context() as patch:
            patch.setattr(ResumePoints, "on_train_batch_end", interrupts(times))
            with pytest.raises(KeyboardInterrupt):
                train(task, model, TRAINER, tmp_path)
        assert "saving after this step; interrupt again to end without" in capfd.readouterr().err
        last = torch.load(tmp_path / "last.ckpt", weights_only=True)
        assert last["global_step"] == saved
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert torch.equal(weights(train(task, model, TRAINER, tmp_path)), whole)


def test_killed_between_two_saves_it_goes_on_bit_for_bit(task, model, whole, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    own = ResumePoints.on_train_batch_end

    def dies(self, trainer, *rest):
        if trainer.global_step == STEPS + 3:
            raise Killed
        own(self, trainer, *rest)

    trainer = TRAINER.model_copy(update={"checkpoint_minutes": 0.0})  # at each step
    with monkeypatch.context() as patch:
        patch.setattr(ResumePoints, "on_train_batch_end", dies)
        with pytest.raises(Killed):
            train(task, model, trainer, tmp_path)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == STEPS + 2
    assert torch.equal(weights(train(task, model, TRAINER, tmp_path)), whole)


def test_told_to_end_between_steps_it_saves_after_the_next(task, model, tmp_path, monkeypatch):
    """With a running mean, and gradients that wait for the second half of their step."""
    optimizer = model.optimizer.model_copy(update={"average_decay": 0.9})
    model = model.model_copy(update={"optimizer": optimizer})
    trainer = TRAINER.model_copy(update={"accumulate_batches": 2})
    whole = weights(train(task, model, trainer, tmp_path / "whole"))
    own, batches = ResumePoints.on_train_batch_end, []

    def told_to_end(self, trainer, *rest):
        batches.append(0)
        if len(batches) == STEPS + 3:  # the first batch of a step
            os.kill(os.getpid(), signal.SIGTERM)
        own(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(ResumePoints, "on_train_batch_end", told_to_end)
        with pytest.raises(SystemExit) as stop:
            train(task, model, trainer, tmp_path / "cut")
    assert stop.value.code == 128 + signal.SIGTERM
    assert len(batches) == STEPS + 4
    assert torch.equal(weights(train(task, model, trainer, tmp_path / "cut")), whole)


def test_ranks_draw_random_numbers_of_their_own(tmp_path):
    """Else the same noise would fall on the first sample of each rank, and so on."""

    def drawn(rank, resumed=None):
        torch.manual_seed(0)
        points = ResumePoints(tmp_path / "last.ckpt", None)
        points.random = resumed
        points.on_train_start(SimpleNamespace(global_rank=rank), None)
        return torch.rand(3).tolist()

    torch.manual_seed(0)
    alone = torch.rand(3).tolist()
    later = random_state()
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert drawn(0) == alone and drawn(1) != alone and drawn(1) != drawn(2)
        assert drawn(1, later) != drawn(1)  # what was drawn is not drawn again
    finally:
        signal.signal(signal.SIGTERM, before)


def test_random_numbers_go_on_where_they_were():
    def draw():
        legacy = np.random.normal()  # noqa: NPY002 -- what outside networks may use
        return [torch.rand(3).tolist(), legacy, random.random()]

    torch.rand(1)
    np.random.normal()  # noqa: NPY002 -- leaves a second number in store
    state = random_state()
    expected = draw()
    draw()
    set_random_state(state)
    assert draw() == expected

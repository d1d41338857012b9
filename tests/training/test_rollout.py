"""Training through several steps, and on states from a buffer of earlier answers."""

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from small_stores import weather, write_store
from small_training import CLIMATOLOGY, OPTIONS, TRAINER, convolution

from climbench.config import ModelConfig
from climbench.config.schema import ReplayConfig, RolloutConfig
from climbench.errors import UserError
from climbench.prediction.rollout import iterate
from climbench.tasks import DirectForecasting, IterativeForecasting
from climbench.training import load_checkpoint, train
from climbench.training.checkpoint import build_module, describe
from climbench.training.data import SplitLoaders
from climbench.training.losses import MeanSquaredError
from climbench.training.replay import ReplayBuffer

ITERATIVE = OPTIONS | {
    "targets": ["2m_temperature", "geopotential_500"],  # another order than the inputs
    "forcings": ["toa_incident_solar_radiation"],
    "static": ["orography"],
}


def mixing(**rollout):
    network = {"_target_": "small_networks.Mixing"}
    return convolution().model_copy(
        update={"network": network, "rollout": RolloutConfig(**rollout) if rollout else None}
    )


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    store = write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))
    return IterativeForecasting(store=store, **ITERATIVE, history=2, step=12, lead_times=(12, 24))


def module_of(task, model):
    return build_module(describe(task, model, TRAINER))


def test_samples_hold_the_truth_the_forcings_and_the_calendar_of_every_step(task):
    samples = task.sequences("train", 3)
    sample = samples.__getitems__([0, 5])
    assert sample.lead_time.tolist() == [[12, 24, 36]] * 2
    np.testing.assert_allclose(sample.hour[0], (sample.hour[0, 0] + torch.tensor([0, 12, 24])) % 24)
    one = task.split("train")
    for lead in range(3):  # the truth of a later step is that of a window that begins later
        later = one.__getitems__([2 * lead, 5 + 2 * lead])
        assert torch.equal(sample.targets[:, lead], later.targets[:, 0])
        assert torch.equal(sample.forcings[:, lead], later.forcings[:, 0])
    last = task.timeline.index[samples.target_positions[-1, -1]]
    assert last <= pd.Timestamp("2000-02-29T18")  # no truth from beyond the training period


def test_the_loss_of_two_steps_equals_two_steps_by_hand(task):
    module = module_of(task, mixing(steps=[2]))
    physical = task.sequences("train", 2).__getitems__([0, 9])
    sample, network = module.normalise(physical), module.network
    first = sample.at_lead(0)
    one = network(first)
    inputs = torch.stack([sample.inputs[:, 1], one[:, 0].flip(1)], dim=1)
    second = sample.at_lead(1)._replace(inputs=inputs, lead_time=torch.full((2, 1), 12.0))
    two = network(second)
    squares = MeanSquaredError(task.signature)
    expected = (squares(one, first) + squares(two, second)) / 2
    assert module.loss(sample).item() == pytest.approx(expected.item(), rel=1e-6)
    (whole,) = torch.autograd.grad(module.loss(sample), network.share)
    (by_hand,) = torch.autograd.grad(expected, network.share)
    assert whole.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_a_detached_rollout_has_the_same_loss_and_gradients_of_single_steps(task):
    through, apart = (module_of(task, mixing(steps=[3], detach=d)) for d in (False, True))
    sample = through.normalise(task.sequences("train", 3).__getitems__([0, 9]))
    losses = [module.loss(sample) for module in (through, apart)]
    assert losses[0].item() == losses[1].item()
    gradients = [
        torch.autograd.grad(loss, module.network.share)[0].item()
        for loss, module in zip(losses, (through, apart), strict=True)
    ]
    assert abs(gradients[0] - gradients[1]) > 1e-3


def test_training_feeds_a_step_as_prediction_does(task):
    module = module_of(task, mixing(steps=[3]))
    physical = task.sequences("train", 3).__getitems__([0, 9])
    with torch.no_grad():
        predicted = iterate(module, physical, task.signature, task.step)
        trained = iterate(module.network, module.normalise(physical), task.signature, task.step)
    scaled = trained * module.targets_std + module.targets_mean
    torch.testing.assert_close(predicted, scaled, rtol=1e-5, atol=1e-3)


def test_steps_grow_with_the_share_of_the_epochs(task):
    module = module_of(task, mixing(steps=[1, 2, 4]))

    class Fitting:
        max_epochs = 6
        current_epoch = 0

    module._trainer = Fitting()  # what Lightning gives a module that it trains
    found = []
    for epoch in range(6):
        Fitting.current_epoch = epoch
        found.append(module.steps)
    assert found == [1, 1, 2, 2, 4, 4]


def test_one_step_of_rollout_is_the_training_without(task, tmp_path):
    def weight(name, model):
        return load_checkpoint(train(task, model, TRAINER, tmp_path / name)).network.share.item()

    assert weight("plain", mixing()) == weight("rollout", mixing(steps=[1]))
    assert weight("longer", mixing(steps=[1, 3])) != weight("plain", mixing())


def test_the_loaders_give_sequences(task):
    batch = next(iter(SplitLoaders(task, TRAINER, steps=2).train_dataloader()))
    assert batch.targets.shape[1] == 2


def fresh(task, start, count=4, steps=3):
    return task.sequences("train", steps).__getitems__(range(start, start + count))


def test_what_is_put_back_is_one_step_older(task):
    buffer = ReplayBuffer(ReplayConfig(size=8, fresh_every=100), seed=0)
    samples = fresh(task, 0, count=1)
    answer = torch.zeros_like(samples.targets[:, :1])
    for step in range(3):
        drawn = buffer.draw(samples, 12.0)
        assert torch.equal(drawn.targets[:, 0], samples.targets[:, step])
        assert torch.equal(drawn.forcings[:, 0], samples.forcings[:, step])
        assert torch.equal(drawn.hour[:, 0], samples.hour[:, step])
        assert drawn.lead_time.tolist() == [[12.0]]
        if step:
            assert torch.equal(drawn.inputs[:, -1], answer[:, 0].flip(1))
        answer = torch.full_like(answer, float(step))
        answer[:, :, 1] += 0.5
        buffer.put_back(answer, task.signature)
    assert not buffer.entries  # it came to the end of its truth


def test_new_samples_come_in_when_it_is_their_turn_and_the_oldest_go(task):
    buffer = ReplayBuffer(ReplayConfig(size=6), seed=0)
    sizes = []
    for start in range(7):
        drawn = buffer.draw(fresh(task, 4 * start), 12.0)
        sizes.append(len(buffer.entries) + len(drawn.targets))
        buffer.put_back(torch.zeros_like(drawn.targets), task.signature)
        assert len(buffer.entries) <= 6
    assert sizes[:2] == [4, 8] and max(sizes) <= 10
    seldom = ReplayBuffer(ReplayConfig(size=6, fresh_every=100), seed=0)
    ages = []
    for start in range(6):  # after three steps all have come to their end, and new ones must come
        drawn = seldom.draw(fresh(task, 4 * start), 12.0)
        ages.append((drawn.index < 4).all().item())
        seldom.put_back(torch.zeros_like(drawn.targets), task.signature)
    assert ages == [True, True, True, False, False, False]


def test_draws_are_seeded_and_go_on_from_a_saved_state(task):
    def places(buffer, starts):
        found = []
        for start in starts:
            drawn = buffer.draw(fresh(task, 4 * start), 12.0)
            found.append((drawn.index.tolist(), drawn.inputs.sum().item()))
            buffer.put_back(drawn.targets + 1, task.signature)
        return found

    config = ReplayConfig(size=16, fresh_every=2)
    one, same, other = (ReplayBuffer(config, seed) for seed in (0, 0, 1))
    whole = places(one, range(8))
    assert whole == places(same, range(8)) != places(other, range(8))
    begun, goes_on = ReplayBuffer(config, 0), ReplayBuffer(config, 7)
    first = places(begun, range(3))
    goes_on.load_state_dict(begun.state_dict())
    assert first + places(goes_on, range(3, 8)) == whole


def test_a_training_on_a_buffer_learns_and_is_repeatable(task, tmp_path):
    model = mixing(steps=[1, 4], replay={"size": 64, "fresh_every": 2})
    found = [
        load_checkpoint(train(task, model, TRAINER, tmp_path / name)).network.share.item()
        for name in ("one", "same")
    ]
    assert found[0] == found[1] != pytest.approx(0.6)


def test_what_does_not_go_together_is_a_sentence(task, tmp_path):
    direct = DirectForecasting(store=task.store, **ITERATIVE, lead_times=(12,))
    with pytest.raises(UserError, match="it needs task=iterative_forecasting"):
        train(direct, mixing(steps=[2]), TRAINER, tmp_path)
    own = mixing(steps=[2]).model_copy(update={"network": {"_target_": "small_networks.WithLoss"}})
    with pytest.raises(UserError, match="WithLoss has a loss of its own: leave out 'rollout'"):
        module_of(task, own)
    with pytest.raises(ValidationError, match="never fewer"):
        RolloutConfig(steps=[2, 1])
    with pytest.raises(ValidationError, match="'rollout' is for networks"):
        ModelConfig(**CLIMATOLOGY.model_dump(exclude={"rollout"}), rollout={"steps": [2]})

"""Options of a fit that change its cost, its noise or its judge, and what they must not change."""

import copy
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from small_networks import Blocks
from small_stores import weather, write_store
from small_training import NAMES, OPTIONS, TRAINER, convolution
from torch import nn

from climbench.errors import UserError
from climbench.tasks import ContinuousForecasting, DirectForecasting
from climbench.training import load_checkpoint, train
from climbench.training.averaging import RunningMean, decay_after
from climbench.training.changes import deviations_of_change
from climbench.training.gradient import GradientModule, learning_rate_factor
from climbench.training.recomputation import blocks_of, recompute_blocks

TIMES = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("stores") / "planet", weather(TIMES))


@pytest.fixture(scope="module")
def task(store):
    return DirectForecasting(store=store, **OPTIONS, lead_times=(6,))


def blocks(dropout=0.0, **options):
    network = {"_target_": "small_networks.Blocks", "dropout": dropout}
    return convolution(**options).model_copy(update={"network": network})


def with_optimizer(model, **changes):
    return model.model_copy(update={"optimizer": model.optimizer.model_copy(update=changes)})


def weights(path):
    return torch.cat([v.flatten() for v in load_checkpoint(path).network.state_dict().values()])


def test_a_running_mean_follows_the_weights_more_and_more_slowly():
    network = nn.Linear(1, 1, bias=False)
    mean = RunningMean(0.9)
    averaged = torch.optim.swa_utils.AveragedModel(network, **mean._kwargs, use_buffers=False)
    expected = None
    for step in range(30):
        network.weight.data.fill_(float(step) ** 1.5)
        averaged.update_parameters(network)
        share = decay_after(step, 0.9)
        value = float(step) ** 1.5
        expected = value if expected is None else share * expected + (1 - share) * value
    assert averaged.module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert decay_after(10_000, 0.9) == 0.9


def test_validation_and_the_checkpoint_see_the_running_mean(task, tmp_path):
    plain = weights(train(task, blocks(), TRAINER, tmp_path / "plain"))
    still = with_optimizer(blocks(), average_decay=0.0)  # a mean that forgets at once
    assert torch.allclose(weights(train(task, still, TRAINER, tmp_path / "still")), plain)
    slow = with_optimizer(blocks(), average_decay=0.9)
    path = train(task, slow, TRAINER, tmp_path / "slow")
    module = load_checkpoint(path)
    assert not torch.allclose(weights(path), plain)
    logged = pd.read_csv(tmp_path / "slow/logs/version_0/metrics.csv")["validation/loss"].min()
    samples = task.split("validation")
    with torch.inference_mode():
        loss = module.loss(module.normalise(samples.__getitems__(range(len(samples)))))
    assert loss.item() == pytest.approx(logged, rel=1e-5)


def test_an_interrupted_training_with_dropout_and_a_mean_goes_on_bit_for_bit(task, tmp_path):
    model = with_optimizer(blocks(dropout=0.2, epochs=4), average_decay=0.9)
    whole = train(task, model, TRAINER, tmp_path / "whole")

    class Interrupted(Exception):
        pass

    step, seen = GradientModule.training_loss, []

    def failing(self, sample):
        seen.append(0)
        if len(seen) == 20:  # in the third epoch of eight steps
            raise Interrupted
        return step(self, sample)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GradientModule, "training_loss", failing)
        with pytest.raises(Interrupted):
            train(task, model, TRAINER, tmp_path / "cut")
    assert (tmp_path / "cut/last.ckpt").exists()
    assert torch.equal(weights(train(task, model, TRAINER, tmp_path / "cut")), weights(whole))


def test_the_first_step_learns(task, tmp_path):
    one = weights(train(task, blocks(epochs=1), TRAINER, tmp_path / "one"))
    torch.manual_seed(TRAINER.seed)
    start = Blocks(task.signature).state_dict()
    assert not torch.equal(one, torch.cat([v.flatten() for v in start.values()]))
    module = load_checkpoint(tmp_path / "one/checkpoint.ckpt")
    module._trainer = SimpleNamespace(estimated_stepping_batches=40, callbacks=[])
    assert learning_rate_factor(module.progress(0), 0.1, "cosine") == 0.25


def test_gradients_of_two_batches_make_one_step_of_twice_the_batch(store, tmp_path):
    days = OPTIONS | {"train": ("2000-01-01", "2000-01-16")}  # 63 windows: even batches of 9
    task = DirectForecasting(store=store, **days, lead_times=(6,))
    model = with_optimizer(blocks(epochs=2), schedule="constant", warmup_fraction=0.0, name="sgd")

    def fitted(name, size, batches):
        options = {"batch_size": size, "accumulate_batches": batches}
        return weights(train(task, model, TRAINER.model_copy(update=options), tmp_path / name))

    together, apart = fitted("whole", 21, 1), fitted("parts", 7, 3)
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_recomputed_blocks_have_the_same_gradients_and_keep_less(task):
    sample = task.split("train").__getitems__(range(16))
    plain = Blocks(task.signature, dropout=0.3)
    frugal = copy.deepcopy(plain)
    recompute_blocks(frugal)
    assert list(plain.state_dict()) == list(frugal.state_dict())
    found = []
    for network in (plain, frugal):
        kept = []
        torch.manual_seed(1)
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, kept=kept: kept.append(tensor.nbytes) or tensor, lambda tensor: tensor
        )
        with hooks:
            loss = network(sample).square().mean()
        loss.backward()
        found.append((sum(kept), [weight.grad for weight in network.parameters()]))
    assert found[1][0] < 0.3 * found[0][0]
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert torch.equal(one, other)


def test_of_lists_inside_lists_the_innermost_are_recomputed():
    inner = [nn.Linear(1, 1) for _ in range(3)]
    network = nn.ModuleDict({"stages": nn.ModuleList([nn.Sequential(nn.ModuleList(inner))])})
    assert blocks_of(network) == inner
    with pytest.raises(UserError, match="Conv2d has no list of blocks"):
        recompute_blocks(nn.Conv2d(1, 1, 1))


def test_recomputation_changes_no_weight_of_a_training(task, tmp_path):
    model = blocks(dropout=0.2, epochs=1)
    frugal = TRAINER.model_copy(update={"activation_checkpointing": True})
    one = weights(train(task, model, TRAINER, tmp_path / "plain"))
    assert torch.equal(one, weights(train(task, model, frugal, tmp_path / "frugal")))


@pytest.mark.slow
def test_a_compiled_network_has_plain_names(task, tmp_path, monkeypatch):
    compiled = []
    eager = partial(torch.compile, backend="eager")

    def compile_(self, **options):
        compiled.append(type(self).__name__)
        self._compiled_call_impl = eager(self._call_impl)

    monkeypatch.setattr(nn.Module, "compile", compile_)
    fast = TRAINER.model_copy(update={"compile": True})
    one = train(task, blocks(epochs=1), TRAINER, tmp_path / "plain")
    other = train(task, blocks(epochs=1), fast, tmp_path / "compiled")
    assert compiled == ["Blocks"]
    torch.testing.assert_close(weights(one), weights(other))


def test_the_choice_of_the_best_epoch_does_not_depend_on_units(tmp_path):
    kept, stopped = [], []
    for factor in (1.0, 1000.0):
        ds = weather(TIMES)
        ds["2m_temperature"] = factor * ds["2m_temperature"]
        store = write_store(tmp_path / f"planet{factor:g}", ds)
        task = DirectForecasting(store=store, **OPTIONS, lead_times=(6,))
        model = blocks(epochs=15, rate=0.1, patience=1)
        path = train(task, model, TRAINER, tmp_path / f"fit{factor:g}")
        losses = pd.read_csv(tmp_path / f"fit{factor:g}/logs/version_0/metrics.csv")
        losses = losses["validation/loss"].dropna().reset_index(drop=True)
        kept.append(losses.idxmin())
        stopped.append(len(losses))
        assert weights(path).isfinite().all()
    assert kept[0] == kept[1] and stopped[0] == stopped[1] < 15


def test_deviations_of_change_equal_numpy_and_are_of_the_training_period_alone(store):
    task = ContinuousForecasting(store=store, **OPTIONS, lead_times=(6, 24))
    found = deviations_of_change(task, task.split("train"))
    ds = weather(TIMES).sel(time=slice("2000-01-01", "2000-02-29"))
    fields = [ds["geopotential"].sel(level=500).values, ds["2m_temperature"].values]
    for hours in (6, 24):
        lag = hours // 6
        deviation = [(f[lag:].astype(float) - f[:-lag]).std() for f in fields]
        _, scale = task.normalisation.scale(NAMES)
        np.testing.assert_allclose(found[float(hours)], deviation / scale, rtol=1e-4)


def test_a_loss_in_units_of_change_is_kept_in_the_checkpoint(store, tmp_path):
    task = ContinuousForecasting(store=store, **OPTIONS, lead_times=(6, 24))
    loss = {"_target_": "climbench.training.losses.MeanAbsoluteError", "unit": "change"}
    model = blocks(epochs=1).model_copy(update={"loss": loss})
    module = load_checkpoint(train(task, model, TRAINER, tmp_path))
    assert module.criterion.hours.tolist() == [6.0, 24.0]
    other = DirectForecasting(store=store, **(OPTIONS | {"inputs": NAMES[:1]}), lead_times=(6,))
    with pytest.raises(UserError, match="needs the target '2m_temperature' among the inputs"):
        train(other, model, TRAINER, tmp_path / "other")


def test_validation_weighs_what_is_there(task, tmp_path):
    module = load_checkpoint(train(task, blocks(epochs=1), TRAINER, tmp_path))
    logged = []
    module.log = lambda name, value, batch_size, **_: logged.append((value.item(), batch_size))
    batches = [task.split("validation").__getitems__(range(at, at + 4)) for at in (0, 4)]
    batches[0].targets[:3] = torch.nan
    together = type(batches[0])(
        *(
            a if name == "static" else torch.cat([a, b])
            for name, a, b in zip(batches[0]._fields, *batches, strict=True)
        )
    )
    for batch in batches:
        module.validation_step(batch, 0)
    assert [size for _, size in logged] == [pytest.approx(1.0), 4]
    mean = sum(value * size for value, size in logged) / sum(size for _, size in logged)
    assert mean == pytest.approx(module.loss(module.normalise(together)).item(), rel=1e-5)

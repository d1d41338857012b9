"""Networks that draw members, models fitted on all samples, losses of their own: tiny ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from small_stores import climate, write_store
from torch import nn

from climbench.config import ModelConfig, OptimizerConfig, TrainerConfig
from climbench.config.folders import conf_folder
from climbench.evaluation import evaluate
from climbench.models.gathered import Gathered
from climbench.prediction import predict
from climbench.tasks import Emulation
from climbench.training import train
from climbench.training.checkpoint import load_checkpoint
from climbench.training.losses import MeanSquaredError

TRAINER = TrainerConfig(progress_bar=False, accelerator="cpu", devices=1, batch_size=16)
ADAM = OptimizerConfig(name="adam", learning_rate=0.05, schedule="constant", gradient_clip=None)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    store = write_store(tmp_path_factory.mktemp("stores") / "climate", climate(), "scenario")
    return Emulation(
        store=store,
        inputs=["carbon_dioxide"],
        targets=["tas"],
        train_scenarios=["historical", "ssp585"],
        validation={"scenario": "ssp585", "years": [2018, 2021]},
        test_scenarios=["ssp126", "ssp370"],
    )


def model(network, **options):
    return ModelConfig(
        name=network.__name__,
        network={
            "_target_": f"{network.__module__}.{network.__name__}",
            **options.pop("with_", {}),
        },
        **options,
    )


class Scaled(nn.Module):
    """A slope times the driver, and members that are apart by their number and the year."""

    members = 3

    def __init__(self, signature):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(()))

    def forward(self, sample):
        """Return the mean of the members."""
        return self.slope * sample.inputs[:, -1:]

    def draw(self, sample, member):
        """Return one member."""
        year = sample.year[:, :, None, None, None]
        return self.forward(sample) + (member - 1.0) * (1 + year % 2)


def test_members_are_the_second_dimension_of_predictions(task, tmp_path):
    checkpoint = train(task, model(Scaled, optimizer=ADAM, max_epochs=1), TRAINER, tmp_path / "m")
    one = predict(checkpoint, task, tmp_path / "one.zarr", batch_size=4)
    ds = xr.open_zarr(one).load()
    assert ds["tas"].dims == ("scenario", "member", "time", "latitude", "longitude")
    assert ds["tas"].shape == (2, 3, 21, 4, 8)
    assert ds["member"].values.tolist() == [0, 1, 2]
    assert ds["scenario"].values.tolist() == ["ssp126", "ssp370"]
    module = load_checkpoint(checkpoint)
    samples = task.split("test")
    sample = samples.__getitems__(range(len(samples)))
    with torch.no_grad():
        middle = module(sample)[:, 0, 0].numpy().reshape(2, 21, 4, 8)
    np.testing.assert_allclose(ds["tas"].sel(member=1), middle, rtol=1e-6)
    assert ds["tas_mean"].dims == ("scenario", "time", "latitude", "longitude")
    assert ds["tas_mean"].attrs["cell_methods"].endswith("realization: mean")
    assert ds["tas_mean"].attrs["units"] == ds["tas"].attrs["units"]
    np.testing.assert_allclose(ds["tas_mean"], middle, rtol=1e-6)
    _, std = task.normalisation.scale(["tas"])
    odd = 1 + ds["time"].dt.year.values % 2
    apart = (ds["tas"].sel(member=2) - ds["tas"].sel(member=1)).transpose(..., "time")
    np.testing.assert_allclose(apart, np.broadcast_to(std * odd, apart.shape), rtol=1e-3)
    other = xr.open_zarr(predict(checkpoint, task, tmp_path / "other.zarr", batch_size=17)).load()
    xr.testing.assert_allclose(ds, other, rtol=1e-6)


def test_an_ensemble_is_scored_against_each_member_of_the_tasks_truth(task, tmp_path):
    checkpoint = train(task, model(Scaled, optimizer=ADAM, max_epochs=1), TRAINER, tmp_path / "m")
    path = predict(checkpoint, task, tmp_path / "p.zarr", batch_size=32)
    scores = evaluate(path, task.truth(), metrics=["crps", "rmse"], bootstrap=100)
    forecast = xr.open_zarr(path)["tas"].rename(member="draw").astype(float)
    truth = task.truth()["tas"].astype(float)
    twin = forecast.rename(draw="twin")
    between = abs(forecast - twin).sum(["draw", "twin"]) / (3 * 2)  # pairs of different members
    crps = abs(forecast - truth).mean("draw") - 0.5 * between
    polar, tropical = 1 - np.sin(np.pi / 4), np.sin(np.pi / 4)  # shares of a hemisphere's area
    rows = xr.DataArray([polar, tropical, tropical, polar], {"latitude": crps.latitude})
    expected = crps.weighted(rows).mean(["member", "time", "latitude", "longitude"])
    found = scores["score"].sel(metric="crps").squeeze()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.isfinite(scores["noise_floor"].sel(metric="rmse")).all()


NORMALISED = ["nrmse_spatial", "nrmse_global", "nrmse_total", "rmse", "r2", "bias"]


@pytest.mark.parametrize("members", ["average", "each"])
@pytest.mark.parametrize("noisy", ["pattern_scaling_variability", "pattern_scaling_gaussian"])
def test_a_straight_line_that_draws_members_scores_as_the_line(task, tmp_path, noisy, members):
    own = replace(task, members=members)
    scores = {}
    for name in ("pattern_scaling", noisy):
        options = yaml.safe_load((conf_folder() / "model" / f"{name}.yaml").read_text())
        checkpoint = train(own, ModelConfig(**options), TRAINER, tmp_path / name)
        path = predict(checkpoint, own, tmp_path / f"{name}.zarr", batch_size=32)
        assert ("member" in xr.open_zarr(path).dims) is (name == noisy)
        scores[name] = evaluate(path, own.truth(), metrics=NORMALISED, bootstrap=100, model="m")
    for part in ("score", "lower", "upper"):
        np.testing.assert_array_equal(scores[noisy][part], scores["pattern_scaling"][part])


class Nearest(Gathered):
    """The answer of the training year whose driver is nearest: the fit is the data in order."""

    def __init__(self, signature):
        super().__init__(signature)
        self.register_buffer("drivers", torch.zeros(0, 1))
        self.register_buffer("answers", torch.zeros(0))

    def features(self, sample):
        """Return the driver of the year."""
        return sample.inputs[:, -1, :, 0, 0]

    def fit(self, features, targets):
        """Keep everything."""
        self.drivers, self.answers = features, targets

    def forward(self, sample):
        """Return the nearest year's fields."""
        if not len(self.drivers):
            return self.zeros(sample)
        nearest = torch.cdist(self.features(sample), self.drivers).argmin(dim=1)
        return self.answers[nearest][:, None]


def test_a_gathered_fit_depends_on_neither_batches_nor_order(task, tmp_path):
    chosen = model(Nearest)
    fits = []
    for size in (3, 7, 1000):
        options = {"batch_size": size, "seed": size}  # another order of the samples, too
        trainer = TRAINER.model_copy(update=options)
        fits.append(train(task, chosen, trainer, tmp_path / str(size)))
    states = [torch.load(path, weights_only=True)["state_dict"] for path in fits]
    samples = task.split("train")
    assert states[0]["drivers"].shape == (len(samples), 1)
    for state in states[1:]:
        for name, values in states[0].items():
            torch.testing.assert_close(state[name], values, rtol=0, atol=0)
    sample = samples.__getitems__([5, 30])
    answer = load_checkpoint(fits[0])(sample)  # of training years: themselves
    torch.testing.assert_close(answer, sample.targets, rtol=1e-6, atol=0)
    one, other = (predict(f, task, tmp_path / f"{n}.zarr", 8) for n, f in enumerate(fits[:2]))
    xr.testing.assert_identical(xr.open_zarr(one)["tas"].load(), xr.open_zarr(other)["tas"].load())


def test_a_gathered_fit_does_not_depend_on_the_order_it_is_given(task):
    samples = task.split("train")
    order = np.random.default_rng(0).permutation(len(samples))
    fits = []
    for rows in (np.arange(len(samples)), order):
        network = Nearest(task.signature)
        for part in np.array_split(rows, 4):
            network.accumulate(samples.__getitems__(part.tolist()))
        network.solve()
        fits.append(network)
        assert network.rows == []
    torch.testing.assert_close(fits[0].answers, fits[1].answers, rtol=0, atol=0)
    assert not torch.equal(samples.__getitems__(order.tolist()).targets[:, 0], fits[1].answers)


class Quantile(nn.Module):
    """One number, fitted by the pinball loss: the quantile of the targets."""

    def __init__(self, signature, share=0.5, own=True):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))
        self.share = share
        self.shape = (1, len(signature.targets), *signature.shape)
        if own:
            self.loss = self.pinball

    def forward(self, sample):
        """Return the number everywhere."""
        return self.level.expand(len(sample.targets), *self.shape)

    def pinball(self, sample, weights):
        """Return the mean of the pinball loss, with the weights of the rows."""
        error = sample.targets - self(sample)
        loss = torch.maximum(self.share * error, (self.share - 1) * error)
        return (loss * weights).mean() / weights.mean()


def test_a_loss_of_its_own_decides_what_is_fitted(task, tmp_path):
    samples = task.split("train")
    sample = load_checkpoint(train(task, model(Nearest), TRAINER, tmp_path / "any")).normalise(
        samples.__getitems__(range(len(samples)))
    )
    rows = torch.tensor([1 - 0.5**0.5, 0.5**0.5, 0.5**0.5, 1 - 0.5**0.5])
    weights = (2 * rows)[:, None].expand(4, 8).expand(sample.targets.shape)
    order = sample.targets.flatten().argsort()
    share = weights.flatten()[order].cumsum(0) / weights.sum()
    quantile = sample.targets.flatten()[order][(share > 0.9).nonzero()[0, 0]]
    mean = (sample.targets * weights).sum() / weights.sum()
    found = {}
    for own in (True, False):
        chosen = model(Quantile, with_={"share": 0.9, "own": own}, optimizer=ADAM, max_epochs=60)
        trainer = TRAINER.model_copy(update={"batch_size": 64})
        path = train(task, chosen, trainer, tmp_path / str(own))
        weights_ = torch.load(path, weights_only=True)["state_dict"]
        found[own] = float(weights_["level"])
    # the best epoch on the validation block is kept, so look at the direction, not the digits
    assert abs(found[True] - float(quantile)) < abs(found[False] - float(quantile))
    assert float(mean) < float(quantile)


def test_without_a_loss_of_its_own_it_is_the_mean_squared_error(task, tmp_path):
    checkpoint = train(task, model(Scaled, optimizer=ADAM, max_epochs=1), TRAINER, tmp_path / "m")
    module = load_checkpoint(checkpoint)
    sample = module.normalise(task.split("train").__getitems__([0, 3, 9]))
    expected = MeanSquaredError(module.signature)(module.network(sample), sample)
    assert module.loss(sample).item() == expected.item() > 0

"""Principal components of emission maps against scikit-learn, and what global numbers become."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.models.emission_features import EmissionRegression, principal_components
from climbench.tasks.sample import Sample
from climbench.testing.model_contract import GLOBAL, random_sample

AGENTS = ("carbon_dioxide", "methane", "sulphur_dioxide", "black_carbon")
YEAR = replace(GLOBAL, inputs=AGENTS, forcings=(), static=(), history=1, leads=1)


class Predictors(EmissionRegression):
    """The smallest regression: keeps what it is fitted on, answers zero."""

    def __init__(self, scalars=AGENTS[:2], maps=AGENTS[2:], components=3, area_weighted=False):
        super().__init__(YEAR, scalars, maps, components, area_weighted)

    def fit_predictors(self, predictors: Tensor, targets: Tensor) -> None:
        self.seen = predictors

    def answer(self, predictors: Tensor) -> Tensor:
        return torch.zeros(len(predictors), len(YEAR.targets), len(self.area))


def fitted(sample: Sample, **options: object) -> Predictors:
    model = Predictors(**options)
    model.accumulate(sample)
    model.solve()
    return model


@pytest.mark.parametrize("area_weighted", [False, True])
def test_components_are_those_of_scikit_learn(area_weighted):
    sample = random_sample(YEAR, 30)
    model = fitted(sample, area_weighted=area_weighted)
    weights = np.repeat(latitude_weights(YEAR.latitude, "area"), YEAR.shape[1])
    for at, channel in enumerate((2, 3)):
        maps = sample.inputs[:, 0, channel].flatten(1).numpy().astype(float)
        maps = maps * np.sqrt(weights) if area_weighted else maps
        expected = PCA(3, whiten=True, svd_solver="full").fit_transform(maps) * np.sqrt(30 / 29)
        found = model.seen[:, model.groups[2 + at]].numpy()
        np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found.std(axis=0), 1.0)


def test_scalars_are_area_means():
    sample = random_sample(YEAR, 8)
    fields = sample.inputs[:, 0, :2].numpy().mean(-1)
    expected = np.average(fields, axis=-1, weights=latitude_weights(YEAR.latitude, "area"))
    np.testing.assert_allclose(fitted(sample).seen[:, :2].numpy(), expected, atol=1e-6)


def test_new_maps_are_projected_on_the_patterns_of_the_training_years():
    sample, new = random_sample(YEAR, 20), random_sample(YEAR, 5, seed=1)
    model = fitted(sample)
    before = model.predictors_of(sample, 0)
    model(new)
    torch.testing.assert_close(model.predictors_of(sample, 0), before)
    torch.testing.assert_close(before, model.seen)
    anomaly = new.inputs[:, 0, 2].flatten(1).double() - sample.inputs[:, 0, 2].flatten(1).mean(0)
    expected = anomaly @ model.map_pattern[0]
    torch.testing.assert_close(model.predictors_of(new, 0)[:, 2:5], expected, atol=1e-5, rtol=1e-5)


def test_a_global_number_has_one_component_and_that_is_the_number():
    sample = random_sample(YEAR, 25)
    numbers = torch.linspace(-3, 5, 25)
    inputs = sample.inputs.clone()
    inputs[:, 0, 2] = numbers[:, None, None]
    found = fitted(sample._replace(inputs=inputs)).seen[:, 2:5].numpy()
    expected = (numbers.numpy() - 1.0) / numbers.numpy().std()
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert (found[:, 1:] == 0).all()


def test_maps_that_never_change_tell_nothing():
    mean, pattern = principal_components(torch.ones(6, 10).double(), torch.ones(10).double(), 2)
    assert (mean == 1).all()
    assert (pattern == 0).all()


def test_there_may_be_no_maps():
    assert fitted(random_sample(YEAR, 5), maps=()).seen.shape == (5, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maps": ("sulfur_dioxide",)}, "did you mean 'sulphur_dioxide'"),
        ({"scalars": ("co2",)}, "option 'scalars' has 'co2'"),
        ({"scalars": (), "maps": ()}, "both empty"),
        ({"components": 0}, "'components' = 0 must be 1 or more"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        Predictors(**options)

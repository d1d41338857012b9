"""The random forest in tensors against the scikit-learn forest that it comes from."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.ensemble import RandomForestRegressor

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.models.random_forest import RandomForest, Trees, tensors_of
from climbench.tasks.sample import Sample
from climbench.testing.model_contract import GLOBAL, random_sample

AGENTS = ("carbon_dioxide", "methane", "sulphur_dioxide", "black_carbon")
YEAR = replace(
    GLOBAL, inputs=AGENTS, forcings=(), static=(), targets=("tas", "pr"), history=1, leads=1
)
SMALL = {
    "tas": Trees(n_estimators=12, max_depth=4, min_samples_split=5, min_samples_leaf=3),
    "other": Trees(n_estimators=7, max_depth=None, min_samples_split=2, min_samples_leaf=1),
}
PRESET = Path(__file__).parents[2] / "conf" / "model" / "random_forest.yaml"


def climate(count: int, seed: int = 0) -> Sample:
    """Years whose fields follow the mean of CO2 along a curve, and noise."""
    sample = random_sample(YEAR, count, seed)
    level = np.random.default_rng(seed).permutation(np.linspace(-2, 2, count))
    level = torch.from_numpy(level).float()
    sample.inputs[:, 0, 0] = level[:, None, None]
    warm = torch.tanh(level)[:, None, None, None, None]
    return sample._replace(targets=warm + 0.3 * sample.targets)


def fitted(sample: Sample, trees: dict[str, Trees] = SMALL) -> RandomForest:
    model = RandomForest(YEAR, components=3, trees=trees, seed=4)
    model.accumulate(sample)
    model.solve()
    return model


@pytest.mark.parametrize(("target", "settings"), [(0, SMALL["tas"]), (1, SMALL["other"])])
def test_the_forest_in_tensors_answers_as_scikit_learn(target, settings):
    sample, new = climate(60), climate(20, seed=1)
    model = fitted(sample)
    known = model.predictors_of(sample, 0).numpy()
    forest = RandomForestRegressor(**settings.model_dump(), random_state=4)
    forest.fit(known, sample.targets[:, 0, target].flatten(1))
    for name, values in tensors_of(forest, known).items():
        setattr(model, f"{name}_{target}", values)
    for asked in (sample, new):
        expected = forest.predict(model.predictors_of(asked, 0).numpy())
        found = model(asked)[:, 0, target].flatten(1).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_trees_grown_on_rotated_fields_are_those_of_whole_fields():
    """Large leaves: in small ones two predictors often part the years alike, and either may do."""
    settings = Trees(n_estimators=20, max_depth=6, min_samples_split=5, min_samples_leaf=15)
    sample, new = climate(100), climate(20, seed=1)
    model = fitted(sample, {"other": settings})
    for target in (0, 1):
        forest = RandomForestRegressor(**settings.model_dump(), random_state=4)
        forest.fit(model.predictors_of(sample, 0).numpy(), sample.targets[:, 0, target].flatten(1))
        expected = forest.predict(model.predictors_of(new, 0).numpy())
        found = model(new)[:, 0, target].flatten(1).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_weights_of_training_years_are_shares():
    model = fitted(climate(40))
    weights = model.weights(model.predictors_of(climate(9, seed=2), 0), 0)
    assert weights.shape == (9, 40)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(9, dtype=torch.float64))


def test_curves_are_learnt():
    model, new = fitted(climate(80)), climate(40, seed=3)
    error = (model(new) - new.targets).square().mean()
    assert error < 0.4 * new.targets.square().mean()


def test_a_checkpoint_holds_the_training_fields_once_and_plain_tensors():
    model = fitted(climate(60))
    state = model.state_dict()
    assert all(isinstance(values, torch.Tensor) for values in state.values())
    assert state["fields"].shape == (2, 60, 8 * 16)
    large = [name for name, values in state.items() if values.numel() > 2 * 60 * 8 * 16]
    assert not large  # no field for every leaf of every tree


def test_published_settings_by_target():
    """Of the ClimateBench notebooks: trees, split, leaf, depth."""
    published = {
        "tas": (250, 5, 7, 5),
        "tas_anomaly": (250, 5, 7, 5),
        "pr": (150, 15, 8, 40),
        "pr90_anomaly": (250, 15, 12, 25),
        "diurnal_temperature_range": (300, 10, 12, 20),
    }
    node = yaml.safe_load(PRESET.read_text())["network"]
    model = instantiate(node, signature=replace(YEAR, targets=tuple(published)))
    found = [
        (t.n_estimators, t.min_samples_split, t.min_samples_leaf, t.max_depth) for t in model.trees
    ]
    assert found == list(published.values())


def test_wrong_settings_are_refused():
    with pytest.raises(UserError, match="no settings for 'pr', nor for 'other'"):
        RandomForest(YEAR, trees={"tas": Trees()})
    node = yaml.safe_load(PRESET.read_text())["network"] | {"trees": {"tas": {"depth": 3}}}
    with pytest.raises(UserError, match="option 'trees'"):
        instantiate(node, signature=YEAR)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(UserError, match=r'pip install "climbench\[emulation\]"'):
        fitted(climate(10))

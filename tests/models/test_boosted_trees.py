"""Boosted trees: what they learn beyond a line, quantiles, blocks, and what is refused."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.boosted_trees import BoostedTrees
from climbench.models.boosting import Trees, from_bytes, grow, quantised, set_target, to_bytes
from climbench.models.ridge import take
from climbench.testing.model_contract import STATIONS, random_sample

ONE = replace(
    STATIONS,
    inputs=("temperature_850", "2m_temperature"),
    targets=("temperature_850",),
    forcings=(),
    leads=1,
    latitude=(0.0,),
    longitude=(0.0,),
    stations=("-",),
    places=((0.0, 0.0, 0.0),),
)
FEW = Trees(rounds=60, patience=10, max_depth=3, learning_rate=0.2, colsample_bytree=1.0)


def question(samples=1500, seed=0):
    """The answer is a line of one input, and a step in the other, and noise of 0.1."""
    sample = random_sample(ONE, samples, seed)
    line, step = sample.inputs[:, -1, 0, 0, 0], sample.inputs[:, -1, 1, 0, 0] > 0.5
    noise = 0.1 * sample.targets[:, 0, 0, 0, 0]
    return sample._replace(targets=(2 * line + step + noise).reshape(-1, 1, 1, 1, 1))


def fitted(**options):
    model = BoostedTrees(ONE, (2,), (1,), **{"trees": FEW, "quantile_trees": FEW, **options})
    model.accumulate(question())
    model.solve()
    return model.eval()


def error(model):
    test = question(800, seed=7)
    return float((model(test) - test.targets).square().mean().sqrt())


def test_trees_learn_what_a_line_leaves():
    line = fitted(trees=FEW.model_copy(update={"rounds": 1, "learning_rate": 1e-6}), quantiles=0)
    both, alone = fitted(quantiles=0), fitted(base="none", quantiles=0)
    assert error(line) > 0.25  # a step is no line
    assert error(both) < 0.14
    assert error(both) < error(alone)  # which cannot follow the line far


def test_quantiles_are_exceeded_as_often_as_they_say():
    model, test = fitted(quantiles=5), question(3000, seed=5)
    drawn = torch.stack([model.draw(test, member) for member in range(5)])
    assert (drawn.diff(dim=0) >= 0).all()
    below = (test.targets < drawn).float().mean(dim=(1, 2, 3, 4, 5))
    np.testing.assert_allclose(below, model.levels, atol=0.06)


def test_missing_targets_count_for_nothing():
    whole, spoilt = fitted(quantiles=0), BoostedTrees(ONE, (2,), (1,), trees=FEW, quantiles=0)
    sample = question()
    sample.targets[100:200] = torch.nan
    spoilt.accumulate(sample)
    spoilt.solve()
    assert error(spoilt) == pytest.approx(error(whole), abs=0.03)


def test_the_number_of_trees_is_chosen_on_the_last_samples_behind_a_gap():
    model = BoostedTrees(replace(ONE, history=30), (2,), (1,), held_out=0.25)
    assert model._parts(1000, stations=2) == (slice(0, 2 * 720), slice(2 * 750, 2 * 1000))


@pytest.mark.parametrize("on_disk", [False, True])
def test_blocks_give_the_trees_of_the_whole(tmp_path, on_disk):
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 4)).astype(np.float32)
    y = (x[:, 0] > 0) + 0.1 * random.normal(size=600).astype(np.float32)
    answers = []
    for cuts in (1, 3):
        blocks = [lambda part=part: part for part in np.array_split(x, cuts)]
        folder = tmp_path / str(cuts) if on_disk else None
        if folder:
            folder.mkdir()
        matrix = quantised(blocks, 256, folder=folder)
        set_target(matrix, y.astype(np.float32), np.zeros(600, np.float32))
        trees = Trees(rounds=5, subsample=1.0, colsample_bytree=1.0, max_depth=3)
        booster = from_bytes(to_bytes(grow(matrix, matrix, trees, 0)))
        answers.append(booster.inplace_predict(x))
    np.testing.assert_allclose(*answers, rtol=1e-4, atol=1e-5)
    assert np.corrcoef(answers[0], y)[0, 1] > 0.9


def test_features_on_disk_give_the_same_trees_whatever_the_order_of_batches():
    sample = question()
    answers = []
    for external in (False, True):
        model = BoostedTrees(ONE, (2,), (1,), trees=FEW, quantiles=0, external_memory=external)
        for part in torch.randperm(1500, generator=torch.Generator().manual_seed(0)).split(400):
            model.accumulate(take(sample, part))
        assert (model.file is not None) == external
        model.solve()
        assert model.file is None
        answers.append(model(sample))
    torch.testing.assert_close(answers[0], answers[1], atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"held_out": 1.0}, "'held_out' = 1.0"), ({"base": "tree"}, "'base' = tree is unknown")],
)
def test_options_that_do_not_fit(options, sentence):
    with pytest.raises(UserError, match=sentence):
        BoostedTrees(ONE, (2,), (1,), **options)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(UserError, match=r"needs? XGBoost: pip install"):
        BoostedTrees(ONE, (2,), (1,))

"""Attribution: contributions add up, and the covariate behind a score ranks first."""

import numpy as np
import pytest

from climbench.models.attribution import Attributor


@pytest.fixture(scope="module")
def known():
    random = np.random.default_rng(0)
    covariates = random.normal(size=(2000, 4)).astype(np.float32)
    covariates[500:520, 2] += 8
    score = np.abs(random.normal(size=2000))
    score[500:520] += 20
    score[::50] = np.nan
    return Attributor(score, covariates, ["a", "b", "c", "d"]).at(np.arange(500, 520))


def test_contributions_add_up_to_the_answer(known):
    total = known.contributions.sum(1) + known.bias
    np.testing.assert_allclose(total, known.answers, rtol=1e-4, atol=1e-4)


def test_the_cause_ranks_first(known):
    assert known.ranked()[0] == "c"
    assert known.answers.mean() > 2.5  # ln(1 + 20) is 3


def test_interactions_are_symmetric_and_strongest_with_the_cause(known):
    np.testing.assert_allclose(known.interactions, known.interactions.T, atol=1e-3)
    assert np.unravel_index(known.interactions.argmax(), (4, 4))[0] == 2

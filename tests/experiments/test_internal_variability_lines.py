"""Pattern scaling of member subsets from shared sums is plain pattern scaling, refitted."""

import numpy as np
import pytest
import torch

from climbench.experiments.internal_variability.draws import shares_of
from climbench.experiments.internal_variability.lines import SubsetLines, predict_lines
from climbench.models.pattern_scaling import PatternScaling
from climbench.tasks import Sample, Signature
from climbench.tasks.members import draw_members

LATITUDE, LONGITUDE = (-60.0, 0.0, 60.0), (0.0, 90.0, 180.0, 270.0)
SIGNATURE = Signature(
    ("carbon_dioxide",), (), (), ("tas", "pr"), 1, 1, LATITUDE, LONGITUDE, ()
)  # fmt: skip
MEMBERS, YEARS = 6, 40


def sample(carbon, targets):
    """Targets [year, target, latitude, longitude] with their emissions, in float64."""
    years = len(carbon)
    inputs = torch.from_numpy(carbon)[:, None, None, None, None].expand(-1, 1, 1, 3, 4)
    index = torch.arange(years)
    zeros = torch.zeros(years, 1)
    empty = torch.zeros(years, 1, 0, 3, 4)
    return Sample(
        inputs, empty, torch.zeros(0, 3, 4), torch.from_numpy(targets)[:, None], zeros,
        zeros.long(), zeros.long(), zeros, zeros.long(), index, index, index,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ensemble():
    """Carbon [year] and absolute temperatures and rain [member, year, target, lat, lon]."""
    random = np.random.default_rng(0)
    carbon = np.sort(random.uniform(0, 5000, YEARS))
    pattern = random.uniform(0.5, 2.0, (2, 3, 4))
    forced = 5e-4 * carbon[:, None, None, None] * pattern
    noise = random.normal(size=(MEMBERS, YEARS, 2, 3, 4))
    return carbon, forced + noise + np.array([288.0, 3.0])[:, None, None]


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_lines_are_those_of_a_plain_refit(ensemble, count):
    carbon, fields = ensemble
    drawn = [draw_members(MEMBERS, count, seed) for seed in range(3)]
    plain = PatternScaling(SIGNATURE)
    means = plain.area_mean(torch.from_numpy(fields[:, :, 0])).numpy()
    sums = SubsetLines(carbon, means, shares_of(drawn, MEMBERS))
    first = sums.global_lines()
    for target in (0, 1):
        second = sums.local_lines(member[:, target].reshape(YEARS, -1) for member in fields)
        for number, chosen in enumerate(drawn):
            refit = PatternScaling(SIGNATURE)
            refit.accumulate(sample(carbon, fields[chosen].mean(axis=0)))
            refit.solve()
            line = (first.slope[number], first.intercept[number])
            np.testing.assert_allclose(line, refit.line.numpy(), rtol=1e-8)
            np.testing.assert_allclose(
                second.slope[number], refit.slope[target].flatten().numpy(), rtol=1e-8, atol=1e-9
            )
            np.testing.assert_allclose(
                second.intercept[number],
                refit.intercept[target].flatten().numpy(),
                rtol=1e-8,
                atol=1e-8,
            )
            future = np.array([6000.0])
            warming = float(refit.line[1] + refit.line[0] * future[0])
            expected = (refit.intercept + warming * refit.slope)[target].flatten().numpy()
            found = predict_lines(first, second, future)[number, 0]
            np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_a_predictor_that_stands_still_gives_the_mean(ensemble):
    _, fields = ensemble
    same = np.full(YEARS, 1000.0)
    means = fields[:, :, 0].mean(axis=(-2, -1))
    first = SubsetLines(same, means, shares_of([np.array([0, 1])], MEMBERS)).global_lines()
    assert first.slope[0] == 0
    assert first.intercept[0] == pytest.approx(means[:2].mean())

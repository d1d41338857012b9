"""Noise of members: seeded by member and sample; on the sphere the same roughness everywhere."""

from dataclasses import replace

import numpy as np
import torch
from scipy.special import sph_harm_y
from small_backbones import asked, only

from climbench.models.noise import normal, repeat, start_hours
from climbench.models.sphere_noise import SphereNoise
from climbench.testing.model_contract import GLOBAL


def test_noise_belongs_to_member_and_sample():
    sample = asked(4)
    noise = normal(sample, 3, (5,))
    torch.testing.assert_close(normal(only(sample, 2, 0), 3, (5,)), noise[[2, 0]], rtol=0, atol=0)
    assert not torch.isclose(normal(sample, 2, (5,)), noise).any()
    assert len(noise.unique()) == 20


def test_numbers_below_zero_have_noise_of_their_own():
    sample = asked(1)
    assert not torch.isclose(normal(sample, -1, (5,)), normal(sample, 1, (5,))).any()
    ago, later = (sample._replace(run=torch.tensor([run])) for run in (-1, 1))
    assert not torch.isclose(normal(ago, 0, (5,)), normal(later, 0, (5,))).any()


def test_leads_of_one_start_share_noise_and_steps_of_a_rollout_do_not():
    sample = asked(3)
    leads = [sample.at_lead(lead) for lead in range(2)]
    same_start = [normal(lead, 0, (4,)) for lead in leads]
    torch.testing.assert_close(same_start[0], same_start[1], rtol=0, atol=0)
    step = leads[0].lead_time
    steps = [normal(lead._replace(lead_time=step), 0, (4,)) for lead in leads]
    assert not torch.isclose(steps[0], steps[1]).any()


def test_starts_are_told_across_new_year():
    new_year = asked(1)._replace(
        year=torch.tensor([[2004, 2005]]),
        day_of_year=torch.tensor([[366, 1]]),  # 2004 was a leap year
        hour=torch.tensor([[18.0, 6.0]]),
        lead_time=torch.tensor([[6.0, 18.0]]),
    )
    one, other = (start_hours(new_year.at_lead(lead)) for lead in range(2))
    assert one == other


def test_repetitions_stand_behind_each_other():
    sample = asked(2)
    twice = repeat(sample, 2)
    torch.testing.assert_close(twice.inputs.unflatten(0, (2, 2))[1], sample.inputs)
    assert twice.static.shape == sample.static.shape


def test_sphere_noise_is_the_sum_of_harmonics():
    noise = SphereNoise(GLOBAL)
    drawn = torch.zeros(noise.coefficients)
    drawn[0, 0, 3], drawn[0, 2, 4], drawn[1, 2, 4] = 1.0, 2.0, -0.5
    theta = np.deg2rad(90 - np.array(GLOBAL.latitude))[:, None]
    phi = np.deg2rad(GLOBAL.longitude)
    wave = np.sqrt(4 * np.pi * 2) * sph_harm_y(4, 2, theta, phi)
    expected = np.sqrt(4 * np.pi) * sph_harm_y(3, 0, theta, phi).real
    expected = expected + 2.0 * wave.real - 0.5 * wave.imag
    np.testing.assert_allclose(noise(drawn), expected / noise.coefficients[1], atol=1e-5)


def test_sphere_noise_has_variance_one_everywhere_and_likens_neighbours_at_the_pole():
    region = replace(GLOBAL, latitude=(20.0, 30.0, 40.0), longitude=(200.0, 210.0, 220.0, 230.0))
    for signature in (GLOBAL, region):
        noise = SphereNoise(signature)
        # A field is linear in its coefficients: the sum of squares is the variance, exactly.
        fields = of_each_coefficient(noise)
        variance = fields.square().sum(dim=0)
        torch.testing.assert_close(variance, torch.ones_like(variance), rtol=1e-4, atol=1e-4)
    fields = of_each_coefficient(SphereNoise(GLOBAL))
    likeness = (fields * fields.roll(1, -1)).sum(dim=0)
    assert likeness[0, 0] > 0.7 > 0.3 > likeness[4, 0]


def of_each_coefficient(noise):
    unit = torch.eye(int(np.prod(noise.coefficients)))
    return noise(unit.unflatten(1, noise.coefficients))

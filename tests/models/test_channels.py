"""Stacks of maps are put together by name."""

import math
from dataclasses import replace

import torch

from climbench.models.channels import (
    NetworkInput,
    NetworkOutput,
    calendar_features,
    coordinate_features,
    last_input,
)
from climbench.testing.model_contract import GLOBAL, random_sample

SAMPLE = random_sample(GLOBAL, 3)


def test_last_input_takes_the_newest_step_of_each_target_and_zero_for_others():
    signature = replace(GLOBAL, targets=("2m_temperature", "total_precipitation"))
    fields = last_input(signature, SAMPLE)
    assert torch.equal(fields[:, 0, 0], SAMPLE.inputs[:, 1, 2])
    assert not fields[:, 0, 1].any()


def test_season_starts_with_the_year_and_noon_is_local():
    # Day 1 has angle 0; 6 UTC at 90 E is noon: angle pi.
    longitude = torch.tensor([90.0])
    season_cos, season_sin, day_cos, day_sin = calendar_features(
        torch.tensor([1]), torch.tensor([6.0]), longitude
    )[0, :, 0].tolist()
    assert (season_cos, season_sin) == (1.0, 0.0)
    assert math.isclose(day_cos, -1.0) and abs(day_sin) < 1e-6


def test_coordinates_are_unit_vectors():
    vectors = coordinate_features(GLOBAL.latitude, GLOBAL.longitude)
    torch.testing.assert_close(vectors.square().sum(0), torch.ones(GLOBAL.shape))
    assert torch.all(vectors[2].diff(dim=0) > 0)


def test_input_holds_everything_in_alphabetical_order():
    stack = NetworkInput(GLOBAL, lead_time=True, calendar=True, coordinates=True)
    maps = stack(SAMPLE)
    # 2 steps x 3 inputs, 2 leads x 2 forcings, 2 static, lead time, calendar, coordinates
    assert stack.count == 6 + 4 + 2 + 1 + 4 + 3 == maps.shape[1]
    assert torch.equal(maps[:, 0], SAMPLE.inputs[:, 0, 2])  # 2m_temperature
    assert torch.equal(maps[:, 5], SAMPLE.inputs[:, 1, 0])  # temperature_850, newest
    assert torch.equal(maps[:, 6], SAMPLE.forcings[:, 0, 1])  # carbon_dioxide
    assert torch.equal(maps[:, 10], SAMPLE.static[1].expand(3, -1, -1))  # land_sea_mask
    torch.testing.assert_close(maps[:, 12], torch.full((3, *GLOBAL.shape), 0.24))  # 24 h


def test_output_gives_each_target_its_map_at_each_lead():
    output = NetworkOutput(GLOBAL, residual=False)
    maps = torch.arange(4.0)[None, :, None, None].expand(3, -1, *GLOBAL.shape)
    # Maps are (lead 0: geopotential, temperature; lead 1: ...); the signature's order is reversed.
    assert output(maps, SAMPLE)[0, :, :, 0, 0].tolist() == [[1.0, 0.0], [3.0, 2.0]]


def test_residual_output_of_zeros_is_the_last_input():
    output = NetworkOutput(GLOBAL, residual=True)
    answer = output(torch.zeros(3, output.count, *GLOBAL.shape), SAMPLE)
    assert torch.equal(answer, last_input(GLOBAL, SAMPLE).expand(-1, 2, -1, -1, -1))


def test_residual_output_of_zeros_between_two_states_is_the_line_that_joins_them():
    signature = replace(GLOBAL, input_hours=(0, 96))
    sample = SAMPLE._replace(lead_time=torch.tensor([[24.0, 72.0]]).expand(3, -1))
    output = NetworkOutput(signature, residual=True)
    answer = output(torch.zeros(3, output.count, *GLOBAL.shape), sample)
    place = GLOBAL.targets.index("temperature_850")
    first, second = sample.inputs[:, :, GLOBAL.inputs.index("temperature_850")].unbind(1)
    torch.testing.assert_close(answer[:, 0, place], 0.75 * first + 0.25 * second)
    torch.testing.assert_close(answer[:, 1, place], 0.25 * first + 0.75 * second)

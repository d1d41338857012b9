"""Persistence where the last values are missing."""

from dataclasses import replace

import torch

from climbench.models.persistence import Persistence
from climbench.testing.model_contract import STATIONS, random_sample


def test_persistence_takes_the_last_value_that_there_is():
    question = replace(STATIONS, leads=1, targets=("2m_temperature",))
    sample = random_sample(question, 2)
    place = question.inputs.index("2m_temperature")
    sample.inputs[0, 2, place, 0, 1] = torch.nan
    sample.inputs[0, 1:, place, 0, 2] = torch.nan
    sample.inputs[0, :, place, 0, 3] = torch.nan
    answer = Persistence(question)(sample)[0, 0, 0, 0]
    values = sample.inputs[0, :, place, 0]
    expected = [values[2, 0], values[1, 1], values[0, 2], torch.tensor(0.0), values[2, 4]]
    torch.testing.assert_close(answer, torch.stack(expected))

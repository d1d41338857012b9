"""Persistence repeats the last input."""

from dataclasses import replace

import pytest
import torch

from climbench.errors import UserError
from climbench.models.persistence import Persistence
from climbench.testing.model_contract import GLOBAL, random_sample


def test_every_lead_is_the_last_input_found_by_name():
    signature = replace(GLOBAL, targets=("geopotential_500", "temperature_850"))
    sample = random_sample(signature, 2)
    answer = Persistence(signature)(sample)
    for lead in range(2):
        assert torch.equal(answer[:, lead, 0], sample.inputs[:, -1, 1])
        assert torch.equal(answer[:, lead, 1], sample.inputs[:, -1, 0])


def test_a_target_that_is_no_input_is_refused_by_name():
    with pytest.raises(UserError, match="'total_precipitation' among the task's inputs"):
        Persistence(replace(GLOBAL, targets=("total_precipitation",)))

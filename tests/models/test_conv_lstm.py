"""ConvLSTM has the published size, remembers the past, and goes on from its own answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.conv_lstm import Cell, ConvLSTM
from climbench.models.padding import Edges
from climbench.testing.model_contract import CHECKS, GLOBAL, REGIONAL, random_sample

WIND = ("10m_u_component_of_wind", "10m_v_component_of_wind")
OPENSTL = replace(GLOBAL, inputs=WIND, targets=WIND, forcings=(), static=(), history=12, leads=12)
SMALL = {"hidden_channels": (4, 6), "kernel": 3}


@pytest.mark.parametrize(
    ("signature", "patch", "millions"),
    [(OPENSTL, 2, 14.98), (replace(OPENSTL, inputs=WIND[:1], targets=WIND[:1]), 4, 15.08)],
)
def test_parameters_are_those_of_openstl_that_are_used(signature, patch, millions):
    # uv10 at 5.625 degrees in patches of 2, and t2m at 1.40625 degrees in patches of 4
    with torch.device("meta"):
        model = ConvLSTM(signature, patch_size=patch)
    count = sum(weight.numel() for weight in model.parameters())
    never_used = 4 * (256 * 128 * 25 + 256 * 128)  # two convolutions of each of OpenSTL's cells
    lead_time = patch**2 * 4 * 128 * 25
    assert round((count + never_used - lead_time) / 1e6, 2) == millions


@pytest.mark.parametrize("check", CHECKS)
def test_patches_of_four_keep_the_contract_of_models(check):
    options = {"residual": True, "calendar": True, "patch_size": 4}
    CHECKS[check](lambda signature: ConvLSTM(signature, **SMALL, **options), GLOBAL)


@pytest.mark.parametrize("signature", [REGIONAL, replace(GLOBAL, history=1, leads=5), OPENSTL])
@pytest.mark.parametrize("patch_size", [1, 3])
def test_any_history_leads_and_grid(signature, patch_size):
    sample = random_sample(signature, 2)
    model = ConvLSTM(signature, **SMALL, patch_size=patch_size)
    assert model(sample).shape == sample.targets.shape


def test_a_cell_by_hand():
    torch.manual_seed(0)
    cell = Cell(2, 3, 1, Edges(False, None, None))
    x, h, c = torch.randn(1, 2, 1, 1), torch.randn(1, 3, 1, 1), torch.randn(1, 3, 1, 1)
    w, u = cell.enter.weight[..., 0, 0], cell.recur.weight[..., 0, 0]
    i, f, g, o = (w @ x.flatten() + u @ h.flatten()).reshape(4, 3)
    memory = torch.sigmoid(f) * c.flatten() + torch.sigmoid(i) * torch.tanh(g)
    output, kept = cell(x, (h, c))
    torch.testing.assert_close(kept.flatten(), memory)
    torch.testing.assert_close(output.flatten(), torch.sigmoid(o) * torch.tanh(memory))
    zero = torch.zeros(1, 3, 1, 1)
    torch.testing.assert_close(cell(x, None)[0], cell(x, (zero, zero))[0])


def test_the_past_is_remembered_and_the_future_unknown():
    torch.manual_seed(0)
    signature = replace(GLOBAL, history=3, leads=3)
    model, sample = ConvLSTM(signature, **SMALL).eval(), random_sample(signature, 1)
    answer = model(sample)
    inputs = sample.inputs.clone()
    inputs[:, 0] += 1
    assert (model(sample._replace(inputs=inputs)) - answer).abs().amax() > 1e-7
    forcings = sample.forcings.clone()
    forcings[:, 1] += 1  # of the second lead
    changed = (model(sample._replace(forcings=forcings)) - answer).abs().amax(dim=(0, 2, 3, 4))
    assert changed[0] == 0 and (changed[1:] > 0).all()


def test_it_goes_on_from_its_own_answer():
    """Another step over the answer of the first is the answer of the second."""
    torch.manual_seed(0)
    signature = replace(GLOBAL, targets=GLOBAL.inputs, history=1, leads=2)
    model, sample = ConvLSTM(signature, **SMALL).eval(), random_sample(signature, 1)
    first, second = model(sample).split(1, dim=1)
    state = model._step(sample.at_lead(0), [])
    asked = sample.at_lead(1)._replace(inputs=first)
    torch.testing.assert_close(model._answer(asked, model._step(asked, state)), second)


def test_inputs_that_are_no_targets_stay_as_they_were():
    model = ConvLSTM(GLOBAL, **SMALL)  # inputs t850, z500, t2m; targets t850, z500
    frame, answer = torch.zeros(1, 1, 3, 8, 16), torch.ones(1, 1, 2, 8, 16)
    assert model._as_input(frame, answer).mean(dim=(3, 4)).tolist() == [[[1.0, 1.0, 0.0]]]


def test_untrained_with_residual_it_is_persistence():
    sample = random_sample(replace(GLOBAL, history=2, leads=3), 2)
    model = ConvLSTM(replace(GLOBAL, history=2, leads=3), **SMALL, residual=True)
    expected = sample.inputs[:, -1:, :2].expand(-1, 3, -1, -1, -1)
    torch.testing.assert_close(model(sample), expected)


def test_an_even_kernel_is_refused():
    with pytest.raises(UserError, match="odd kernel"):
        ConvLSTM(GLOBAL, kernel=4)


def test_a_grid_with_rows_on_the_poles():
    latitude = tuple(np.linspace(-90, 90, 17).tolist())
    signature = replace(GLOBAL, latitude=latitude)
    sample = random_sample(signature, 1)
    assert ConvLSTM(signature, **SMALL)(sample).shape == sample.targets.shape

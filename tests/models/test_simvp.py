"""SimVP and TAU have the published sizes and answer any number of leads from any history."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from climbench.errors import UserError
from climbench.models.frames import Decoder, Encoder
from climbench.models.padding import Edges
from climbench.models.simvp import TAU, SimVP, differential_divergence, last_step
from climbench.models.translators import (
    AttentionBlock,
    DropPath,
    GatedAttention,
    TemporalAttention,
    WideConvolution,
    translator,
)
from climbench.testing.model_contract import CHECKS, GLOBAL, REGIONAL, random_sample

OPENSTL = replace(  # 12 hours of 2 m temperature to the next 12
    GLOBAL, inputs=("2m_temperature",), targets=("2m_temperature",), forcings=(), static=(),
    history=12, leads=12,
)  # fmt: skip
SKILL_TABLE = replace(GLOBAL, history=1, leads=5)
WITH_POLES = replace(
    GLOBAL,
    latitude=tuple(np.linspace(-90, 90, 33).tolist()),
    longitude=tuple(5.625 * column for column in range(64)),
)
SMALL = {"frame_channels": 4, "hidden_channels": 8, "blocks": 2, "mlp_ratio": 2.0}
GLOBE = Edges(periodic=True, south=0, north=0)


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize(
    ("kind", "millions"), [("gsta", 12.76), ("tau", 12.22), ("inception", 14.67)]
)
def test_parameters_are_those_of_openstl(kind, millions):
    # docs/en/model_zoos/weather_benchmarks.md, t2m at 5.625 degrees
    with torch.device("meta"):
        count = parameters(SimVP(OPENSTL, kind=kind))
    lead_time = 9 * 32  # a second channel of the first convolution
    assert round((count - lead_time) / 1e6, 2) == millions


@pytest.mark.parametrize("check", CHECKS)
def test_inception_keeps_the_contract_of_models(check):
    CHECKS[check](lambda signature: SimVP(signature, **SMALL, kind="inception"), GLOBAL)


@pytest.mark.parametrize("signature", [SKILL_TABLE, OPENSTL, WITH_POLES, REGIONAL])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_any_history_leads_and_grid(signature, layers):
    sample = random_sample(signature, 2)
    model = TAU(signature, **SMALL, frame_layers=layers, calendar=True, coordinates=True)
    assert model(sample).shape == sample.targets.shape
    assert model.loss(sample, torch.ones(signature.shape[0], 1)).isfinite()


def test_every_frame_and_every_lead_counts():
    torch.manual_seed(0)
    signature = replace(GLOBAL, history=3, leads=2)
    model, sample = SimVP(signature, **SMALL).eval(), random_sample(signature, 1)
    answer = model(sample)
    for step in range(3):
        inputs = sample.inputs.clone()
        inputs[:, step] += 1
        changed = (model(sample._replace(inputs=inputs)) - answer).abs().amax(dim=(0, 2, 3, 4))
        assert (changed > 1e-6).all()


def test_where_lengths_differ_each_lead_starts_with_the_last_step():
    steps = torch.tensor([[1.0, 2.0, 3.0]])
    assert last_step(3, 2)(steps).tolist() == [[3.0, 3.0]]
    assert isinstance(SimVP(OPENSTL, **SMALL).skip, nn.Identity)


@pytest.mark.parametrize("shape", [(8, 16), (25, 53), (5, 6)])
def test_a_decoder_has_the_grid_of_its_encoder(shape):
    encoder = Encoder(3, 4, 4, GLOBE)
    decoder = Decoder(2, 4, 4, GLOBE, shape, zero=False)
    maps = encoder(torch.randn(2, 3, *shape))
    coarse = tuple(-(-side // 4) for side in shape)
    assert [tuple(m.shape[2:]) for m in maps][::3] == [shape, coarse]
    assert decoder(maps[-1], maps[0]).shape == (2, 2, *shape)


def test_odd_widths_and_unknown_translators_are_refused():
    with pytest.raises(UserError, match="'frame_channels' = 5"):
        SimVP(GLOBAL, frame_channels=5)
    with pytest.raises(UserError, match="did you mean 'tau'"):
        translator("tua", 4, 8, 4, 2, GLOBE, 2.0, 0.0, 0.0)
    with pytest.raises(UserError, match="at least 2"):
        SimVP(GLOBAL, blocks=1)


def test_the_wide_convolution_reaches_eleven_cells():
    # 2 of the 5 x 5 kernel and 3 x 3 of the one on every third cell
    layer = WideConvolution(1, GLOBE)
    fields = torch.zeros(1, 1, 33, 64, requires_grad=True)
    layer(fields)[0, 0, 16, 32].backward()
    rows, columns = fields.grad[0, 0].nonzero(as_tuple=True)
    assert (16 - rows.min(), rows.max() - 16) == (11, 11)
    assert (32 - columns.min(), columns.max() - 32) == (11, 11)


def test_gated_attention_is_a_sigmoid_times_a_map():
    torch.manual_seed(0)
    layer, maps = GatedAttention(3, GLOBE), torch.randn(1, 3, 8, 16)
    both = layer.mix(layer.wide(maps))
    torch.testing.assert_close(layer(maps), both[:, :3] / (1 + torch.exp(-both[:, 3:])))


def test_temporal_attention_weighs_steps_by_their_means():
    torch.manual_seed(0)
    layer, maps = TemporalAttention(16, GLOBE), torch.randn(1, 16, 8, 16)
    first, second = (layer.dynamical[at].weight for at in (0, 2))
    assert first.shape == (4, 16)  # 16 channels squeezed by 4
    means = maps.mean(dim=(2, 3))[0]
    weights = torch.sigmoid(second @ torch.relu(first @ means))
    expected = weights[:, None, None] * layer.static(maps)[0] * maps[0]
    torch.testing.assert_close(layer(maps)[0], expected)


def test_a_new_block_changes_little():
    torch.manual_seed(0)
    block = AttentionBlock(8, GatedAttention, GLOBE, 2.0, 0.0, 0.0).eval()
    maps = torch.randn(2, 8, 8, 16)
    assert 0 < (block(maps) - maps).abs().max() < 0.5


def test_drop_path_keeps_the_mean_and_drops_whole_samples():
    torch.manual_seed(0)
    layer, change = DropPath(0.25), torch.ones(4000, 2)
    dropped = layer.train()(change)
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 4 / 3]))
    assert (dropped[:, 0] == dropped[:, 1]).all()
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)
    assert layer.eval()(change) is change


def by_hand(answer: np.ndarray, truth: np.ndarray) -> float:
    terms = []
    for sample in range(len(answer)):
        for lead in range(1, answer.shape[1]):
            p, q = (np.exp((f[sample, lead] - f[sample, lead - 1]) / 0.1) for f in (answer, truth))
            p, q = p / p.sum(), q / q.sum()
            terms.append((p * np.log(p / q)).mean())
    return float(np.mean(terms))


def test_divergence_of_changes_by_hand():
    generator = torch.Generator().manual_seed(0)
    answer, truth = 0.1 * torch.randn(2, 2, 3, 2, 4, 5, generator=generator)
    expected = by_hand(answer.double().numpy(), truth.double().numpy())
    assert differential_divergence(answer, truth).item() == pytest.approx(expected, rel=1e-4)
    assert differential_divergence(truth, truth).item() == pytest.approx(0, abs=1e-7)


def test_divergence_leaves_out_what_is_unknown():
    generator = torch.Generator().manual_seed(0)
    answer, truth = 0.1 * torch.randn(2, 2, 3, 2, 4, 5, generator=generator)
    known = differential_divergence(answer[:1], truth[:1])
    truth[1, :, 0, 0, 0] = torch.nan
    answer.requires_grad_()
    divergence = differential_divergence(answer, truth)
    assert divergence.item() == pytest.approx(known.item())
    divergence.backward()
    assert answer.grad.isfinite().all()
    assert differential_divergence(answer[:, :1], truth[:, :1]).item() == 0  # one lead


def test_divergence_of_great_changes_has_a_gradient():
    answer = torch.tensor([0.0, 50.0]).reshape(1, 1, 1, 1, 2) * torch.tensor([0.0, 1.0]).reshape(
        1, 2, 1, 1, 1
    )
    answer.requires_grad_()
    differential_divergence(answer, torch.zeros(1, 2, 1, 1, 2)).backward()
    assert answer.grad.isfinite().all()


def test_tau_adds_the_divergence_to_the_weighted_error():
    torch.manual_seed(0)
    sample = random_sample(GLOBAL, 2)
    weights = torch.linspace(0.5, 1.5, 8)[:, None]
    model = TAU(GLOBAL, divergence=2.0, **SMALL).eval()
    answer = model(sample)
    error = (weights * (answer - sample.targets).square()).mean()
    expected = error + 2.0 * differential_divergence(answer, sample.targets)
    torch.testing.assert_close(model.loss(sample, weights), expected)

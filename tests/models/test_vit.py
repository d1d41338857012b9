"""The ViT has the published size, puts patches back where they were, and fits any grid."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import pixel_shuffle

from climbench.models.vit import Attention, Block, ViT, sine_cosine_positions, unpatchify
from climbench.testing.model_contract import GLOBAL, REGIONAL, random_sample

CLIMATELEARN = replace(
    GLOBAL,
    inputs=tuple(f"variable_{number}" for number in range(49)),
    forcings=(),
    static=(),
    targets=("variable_0", "variable_1", "variable_2"),
    history=3,
    leads=1,
    latitude=tuple(-87.1875 + 5.625 * row for row in range(32)),
    longitude=tuple(5.625 * column for column in range(64)),
)


def test_parameters_are_those_published_plus_the_lead_time():
    # ClimateLearn's patch 2, width 128, 8 blocks, 2 hidden layers in the head: 1.76 million.
    # patches 147 x 4 x 128 + 128, positions 512 x 128, blocks, norm, head
    published = 75_392 + 65_536 + 8 * 198_272 + 256 + 2 * 16_512 + 1_548
    assert round(published / 1e6, 2) == 1.76
    lead_time = 128 + 128
    count = sum(parameter.numel() for parameter in ViT(CLIMATELEARN).parameters())
    assert count == published + lead_time


def test_patches_go_back_where_they_were():
    # torch's pixel shuffle wants the channel before the place in the patch
    tokens = torch.rand(2, 3 * 4, 5 * 2 * 2)
    by_place = tokens.reshape(2, 3, 4, 2, 2, 5).permute(0, 5, 3, 4, 1, 2).reshape(2, 20, 3, 4)
    assert torch.equal(unpatchify(tokens, (3, 4), 2), pixel_shuffle(by_place, 2))


def test_positions_are_distinct_and_start_with_sines_of_the_row():
    positions = sine_cosine_positions(3, 5, 8)
    assert len(torch.unique(positions, dim=0)) == 15
    # token 7 is row 1, column 2; frequencies 1 and 0.01
    np.testing.assert_allclose(positions[7, :4], [np.sin(1), np.sin(0.01), np.cos(1), np.cos(0.01)])
    np.testing.assert_allclose(positions[7, 4], np.sin(2), rtol=1e-6)
    with pytest.raises(ValueError, match="multiple of 4"):
        sine_cosine_positions(3, 5, 6)


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours = Attention(width=16, heads=4, dropout=0.0)
    torchs = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    torchs.in_proj_weight.data = ours.query_key_value.weight.data
    torchs.in_proj_bias.data = ours.query_key_value.bias.data
    torchs.out_proj.load_state_dict(ours.project.state_dict())
    tokens = torch.rand(2, 7, 16)
    torch.testing.assert_close(ours(tokens), torchs(tokens, tokens, tokens)[0])


def test_weights_of_attention_are_kept_by_default_and_dropped_on_request():
    """As published: dropout is of what attention gives, not of its weights."""
    torch.manual_seed(0)
    tokens = torch.rand(2, 7, 16)
    for options in ({}, {"attention_dropout": 0.5}):
        layer = Attention(16, 4, dropout=0.3, **options).train()
        layer.dropout.eval()  # of what it gives
        assert torch.equal(layer(tokens), layer(tokens)) == (not options)
    blocks = ViT(GLOBAL, embed_dim=8, depth=1, num_heads=2, attention_dropout=0.5).blocks
    assert blocks[0].attention[1].attention_dropout == 0.5


def test_stochastic_depth_skips_whole_samples_and_keeps_the_expectation():
    torch.manual_seed(0)
    block = Block(width=8, heads=2, hidden=16, dropout=0.0, drop_path=0.5).train()
    change = block._sometimes(torch.ones(2000, 3, 8))
    assert set(change[:, 0, 0].tolist()) == {0.0, 2.0}
    assert torch.equal(change[:, 0, 0], change[:, 2, 7])
    assert change.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(block.eval()._sometimes(torch.ones(2, 3, 8)), torch.ones(2, 3, 8))


def test_lead_time_changes_the_answer():
    torch.manual_seed(0)
    model, sample = ViT(GLOBAL, embed_dim=16, depth=1).eval(), random_sample(GLOBAL, 2)
    later = sample._replace(lead_time=sample.lead_time + 24)
    assert not torch.allclose(model(sample), model(later))


@pytest.mark.parametrize("patch_size", [1, 3, 4])
def test_grids_that_the_patch_does_not_divide_are_extended_and_cut(patch_size):
    model = ViT(REGIONAL, patch_size, embed_dim=8, depth=1, num_heads=2)
    sample = random_sample(REGIONAL, 1)
    assert model(sample).shape == sample.targets.shape


def test_positions_may_be_fixed():
    names = dict(ViT(GLOBAL, learned_positions=False, embed_dim=8, depth=1).named_parameters())
    assert not names["positions"].requires_grad

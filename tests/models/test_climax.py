"""ClimaX has the published size, computes what its authors' does, and takes their weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_climax import HEADS, OPTIONS, WIDTH, authors_weights, shaken
from torch.nn.functional import gelu, interpolate, layer_norm, linear, multi_head_attention_forward

from climbench.config import FineTuningConfig
from climbench.models.climax import waves
from climbench.models.climax_projection import ClimaXProjection
from climbench.models.climax_weights import translate_authors_weights
from climbench.models.patch_positions import PatchCentres, positions_on
from climbench.testing.model_contract import GLOBAL, random_sample
from climbench.training.fine_tuning import fine_tune

PUBLISHED = replace(
    GLOBAL,
    inputs=("black_carbon", "carbon_dioxide", "methane", "sulphur_dioxide"),
    forcings=(),
    static=(),
    targets=("tas",),
    history=10,
    leads=1,
    latitude=tuple(-87.1875 + 5.625 * row for row in range(32)),
    longitude=tuple(5.625 * column for column in range(64)),
)
SMALL = replace(PUBLISHED, history=3, latitude=GLOBAL.latitude, longitude=GLOBAL.longitude)
EMBEDS = {"tokens", "variables", "variable_query", "variable_attention"}
TOKENS = ("encoder.tokens.weight", "encoder.tokens.bias")


def small(signature=SMALL, **options):
    torch.manual_seed(0)
    return ClimaXProjection(signature, **(OPTIONS | options)).eval()


def test_parameters_are_those_published():
    with torch.device("meta"):
        model = ClimaXProjection(PUBLISHED)
    count = sum(weight.numel() for weight in model.parameters())
    fine_tune(model, FineTuningConfig(trainable="frozen"))
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert (round(count / 1e6, 1), round(trainable / 1e6, 2)) == (111.8, 11.09)


def test_only_the_blocks_are_frozen_and_not_their_norms():
    model = small()
    fine_tune(model, FineTuningConfig(trainable="frozen"))
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert len(frozen) == 2 * 8  # four linear maps in each block
    assert all(name.startswith("encoder.blocks.") for name in frozen)
    block = dict(model.encoder.blocks[0].named_parameters())
    assert block["attention.0.weight"].requires_grad and block["perceptron.0.bias"].requires_grad


def test_each_patch_is_the_attention_of_a_query_to_its_variables():
    encoder = shaken(small()).encoder
    maps = torch.randn(2, 4, *SMALL.shape)
    tokens = encoder.tokens(maps).flatten(2).unflatten(1, (4, WIDTH)).permute(0, 3, 1, 2)
    each = (tokens + encoder.variables).flatten(0, 1)  # [batch * patch, variable, width]
    query = encoder.variable_query.expand(len(each), -1, -1)
    expected, _ = encoder.variable_attention(query, each, each)  # that of torch
    found = encoder.aggregate(maps)
    torch.testing.assert_close(found, expected[:, 0].unflatten(0, (2, -1)), rtol=1e-4, atol=1e-4)

    weights = dict(encoder.named_parameters())
    used = [name for name in weights if name.split(".")[0] in EMBEDS]
    toward = torch.randn_like(found)
    gradients = [
        torch.autograd.grad((answer * toward).sum(), [weights[name] for name in used])
        for answer in (found, expected[:, 0].unflatten(0, (2, -1)))
    ]
    for name, ours, theirs in zip(used, *gradients, strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=1e-4, atol=1e-4, msg=name)


def test_the_tokens_of_variables_are_never_made():
    encoder, sizes = small().encoder, []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: sizes.append(t.numel()) or t, lambda t: t
    ):
        encoder.aggregate(torch.randn(64, 4, *SMALL.shape))
    patches = 64 * 32
    assert max(sizes) == patches * 4 * (4 + 1) * HEADS < patches * 4 * WIDTH * 3


def test_the_authors_weights_compute_what_theirs_do():
    model, theirs = small(), authors_weights()
    adapted = model.adapt_weights(theirs, None)
    assert set(adapted.changed) == {"encoder.variables", *TOKENS}  # those of other variables
    left_out = model.load_state_dict(adapted.weights, strict=False).unexpected_keys
    assert {name.split(".")[0] for name in left_out} == {"head"}

    tokens = torch.randn(2, 32, WIDTH)
    expected = tokens
    for number in range(2):
        own = {k.removeprefix(f"net.blocks.{number}."): v for k, v in theirs.items()}
        scaled = layer_norm(expected, (WIDTH,), own["norm1.weight"], own["norm1.bias"], 1e-5)
        sequence = scaled.transpose(0, 1)
        mixed, _ = multi_head_attention_forward(
            *(sequence, sequence, sequence, WIDTH, HEADS),
            *(own["attn.qkv.weight"], own["attn.qkv.bias"], None, None, False, 0.0),
            *(own["attn.proj.weight"], own["attn.proj.bias"]),
            training=False,
        )
        expected = expected + mixed.transpose(0, 1)
        scaled = layer_norm(expected, (WIDTH,), own["norm2.weight"], own["norm2.bias"], 1e-5)
        hidden = gelu(linear(scaled, own["mlp.fc1.weight"], own["mlp.fc1.bias"]))
        expected = expected + linear(hidden, own["mlp.fc2.weight"], own["mlp.fc2.bias"])
    torch.testing.assert_close(model.encoder.blocks(tokens), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(model.encoder.positions, theirs["net.pos_embed"][0])
    assert torch.equal(model.encoder.lead.weight, theirs["net.lead_time_embed.weight"])


@pytest.mark.parametrize("prefix", ["net.", ""])
def test_stacked_tokens_of_variables_are_the_same_as_single_ones(prefix):
    """Files written with the authors' parallel embedding of variables."""
    single, stacked = authors_weights(prefix), authors_weights(prefix)
    for part, name in (("weight", "proj_weights"), ("bias", "proj_biases")):
        own = [stacked.pop(f"{prefix}token_embeds.{n}.proj.{part}") for n in range(48)]
        stacked[f"{prefix}token_embeds.{name}"] = torch.stack(own)
    expected, found = (translate_authors_weights(state) for state in (single, stacked))
    assert found.weights.keys() == expected.weights.keys()
    assert all(torch.equal(found.weights[name], expected.weights[name]) for name in TOKENS)
    assert found.origins[f"{prefix}token_embeds.proj_biases"] == "encoder.tokens.bias"


def test_names_of_older_files_are_known():
    old = {"net.channel_query": torch.ones(1, 1, 4), "net.channel_agg.in_proj_bias": torch.ones(12)}
    assert set(translate_authors_weights(old).weights) == {
        "encoder.variable_query",
        "encoder.variable_attention.in_proj_bias",
    }


def globe(rows, columns):
    """Patches whose first row and column begin at the south pole and at Greenwich."""
    latitude = -90 + 180 / rows * (np.arange(rows) + 0.5)
    return PatchCentres(latitude, 360 / columns * (np.arange(columns) + 0.5), periodic=True)


@pytest.mark.parametrize("patches", [(8, 32), (3, 5), (4, 8)])
def test_positions_of_another_resolution_are_those_of_torch(patches):
    positions = torch.randn(32, WIDTH)
    expected = interpolate(positions.T.reshape(1, WIDTH, 4, 8), patches, mode="bicubic")
    found = positions_on(positions, globe(4, 8), globe(*patches))
    torch.testing.assert_close(found.T.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("west", [45.0, 360.0 + 45.0, -315.0])
def test_a_region_gets_the_positions_of_its_patches_in_either_convention(west):
    positions = torch.arange(32.0)[:, None].expand(-1, 2).contiguous()
    whole = globe(4, 8)
    part = PatchCentres(whole.latitude[2:], west + 22.5 + np.array([0.0, 45.0]), periodic=False)
    assert positions_on(positions, whole, part)[:, 0].tolist() == [17.0, 18.0, 25.0, 26.0]


def test_a_region_across_greenwich_finds_the_patches_on_both_sides():
    positions = torch.arange(32.0)[:, None]
    whole = globe(4, 8)
    part = PatchCentres(whole.latitude[:1], np.array([337.5, 382.5]), periodic=False)
    assert positions_on(positions, whole, part)[:, 0].tolist() == [7.0, 0.0]


def test_weights_of_another_grid_are_taken_with_their_positions_interpolated():
    coarse = replace(SMALL, latitude=SMALL.latitude[::2], longitude=SMALL.longitude[::2])
    adapted = small().adapt_weights(small(coarse).state_dict(), coarse)
    assert set(adapted.changed) == {"encoder.positions"}
    assert adapted.weights["encoder.positions"].shape == (32, WIDTH)


def test_waves_are_sines_and_cosines_of_the_place():
    expected = [np.sin(2), np.sin(0.02), np.cos(2), np.cos(0.02)]  # frequencies 1 and 0.01
    np.testing.assert_allclose(waves(3, 4)[2], expected, rtol=1e-6)


def test_years_are_told_apart():
    model, sample = small(), random_sample(SMALL, 2)
    for weight in model.parameters():  # an untrained query attends to all years alike
        weight.data += 0.3 * torch.randn_like(weight)
    backward = sample._replace(inputs=sample.inputs.flip(1))
    assert not torch.allclose(model(sample), model(backward), rtol=1e-2)


@pytest.mark.parametrize("patch_size", [3, 5])
def test_grids_that_the_patch_does_not_divide_are_extended(patch_size):
    sample = random_sample(SMALL, 2)
    assert small(patch_size=patch_size)(sample).shape == sample.targets.shape

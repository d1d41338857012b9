"""ClimaX has the published size, computes what its authors' does, and takes their weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, gelu, layer_norm, linear, multi_head_attention_forward

from climbench.models.climax import (
    ClimaXEncoder,
    resize_positions,
    translate_authors_weights,
    waves,
)
from climbench.models.climax_projection import ClimaXProjection
from climbench.testing.model_contract import GLOBAL, random_sample

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
WIDTH, HEADS = 16, 2
OPTIONS = {"patch_size": 2, "embed_dim": WIDTH, "depth": 2, "num_heads": HEADS}


def small(signature=SMALL, **options):
    torch.manual_seed(0)
    return ClimaXProjection(signature, **(OPTIONS | options)).eval()


def authors_weights(prefix="net.", variables=48, patches=(4, 8), depth=2):
    """Return random weights in the layout of the authors' checkpoints."""
    torch.manual_seed(1)
    shapes = {
        "var_embed": (1, variables, WIDTH),
        "var_query": (1, 1, WIDTH),
        "pos_embed": (1, patches[0] * patches[1], WIDTH),
        "var_agg.in_proj_weight": (3 * WIDTH, WIDTH),
        "var_agg.in_proj_bias": (3 * WIDTH,),
        "var_agg.out_proj.weight": (WIDTH, WIDTH),
        "var_agg.out_proj.bias": (WIDTH,),
        "lead_time_embed.weight": (WIDTH, 1),
        "lead_time_embed.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
        "head.0.weight": (WIDTH, WIDTH),
        "head.0.bias": (WIDTH,),
    }
    for number in range(variables):
        shapes[f"token_embeds.{number}.proj.weight"] = (WIDTH, 1, 2, 2)
        shapes[f"token_embeds.{number}.proj.bias"] = (WIDTH,)
    for number in range(depth):
        for name, (rows, columns) in {
            "norm1": (WIDTH, None),
            "attn.qkv": (3 * WIDTH, WIDTH),
            "attn.proj": (WIDTH, WIDTH),
            "norm2": (WIDTH, None),
            "mlp.fc1": (4 * WIDTH, WIDTH),
            "mlp.fc2": (WIDTH, 4 * WIDTH),
        }.items():
            shapes[f"blocks.{number}.{name}.weight"] = (rows, columns) if columns else (rows,)
            shapes[f"blocks.{number}.{name}.bias"] = (rows,)
    return {prefix + name: torch.randn(shape) for name, shape in shapes.items()}


def test_parameters_are_those_published():
    with torch.device("meta"):
        whole, frozen = (
            ClimaXProjection(PUBLISHED),
            ClimaXProjection(PUBLISHED, freeze_encoder=True),
        )
    count = sum(weight.numel() for weight in whole.parameters())
    trainable = sum(weight.numel() for weight in frozen.parameters() if weight.requires_grad)
    assert (round(count / 1e6, 1), round(trainable / 1e6, 2)) == (111.8, 11.09)


def test_encoder_of_48_variables_is_the_published_forecast_model_without_its_head():
    head = 2 * (1024 * 1024 + 1024) + 1024 * 48 * 4 + 48 * 4
    with torch.device("meta"):
        encoder = ClimaXEncoder(PUBLISHED, 48, 2, 1024, 8, 16, 4.0, 0.1, 0.1)
    assert sum(weight.numel() for weight in encoder.parameters()) + head == 108_088_512


def test_only_the_blocks_are_frozen_and_not_their_norms():
    model = small(freeze_encoder=True)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert len(frozen) == 2 * 8  # four linear maps in each block
    assert all(name.startswith("encoder.blocks.") for name in frozen)
    block = dict(model.encoder.blocks[0].named_parameters())
    assert block["attention.0.weight"].requires_grad and block["perceptron.0.bias"].requires_grad


def test_each_patch_is_the_attention_of_a_query_to_its_variables():
    encoder = small().encoder
    encoder.variable_query.data.normal_()
    maps = torch.randn(2, 4, *SMALL.shape)
    tokens = []
    for at in range(4):  # every variable with its own convolution
        own = slice(WIDTH * at, WIDTH * (at + 1))
        weight, bias = encoder.tokens.weight[own], encoder.tokens.bias[own]
        patches = conv2d(maps[:, at : at + 1], weight, bias, stride=2).flatten(2)
        tokens.append(patches.transpose(1, 2) + encoder.variables[at])
    each = torch.stack(tokens, dim=2).detach()  # [batch, patch, variable, width]
    attention = encoder.variable_attention
    query, key, value = (
        linear(x, weight, bias).unflatten(-1, (HEADS, -1))
        for x, weight, bias in zip(
            (encoder.variable_query[0, 0], each, each),
            attention.in_proj_weight.chunk(3),
            attention.in_proj_bias.chunk(3),
            strict=True,
        )
    )
    likeness = (torch.einsum("hc,bpvhc->bphv", query, key) / (WIDTH / HEADS) ** 0.5).softmax(-1)
    mean = torch.einsum("bphv,bpvhc->bphc", likeness, value).flatten(2)
    expected = linear(mean, attention.out_proj.weight, attention.out_proj.bias)
    torch.testing.assert_close(encoder.aggregate(maps), expected)


def test_the_authors_weights_compute_what_theirs_do():
    model, theirs = small(), authors_weights()
    adapted, changed = model.adapt_weights(theirs, None)
    assert changed == []
    left_out = model.load_state_dict(adapted, strict=False).unexpected_keys
    assert {name.split(".")[1] for name in left_out} == {"token_embeds", "var_embed", "head"}

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


def test_names_of_older_files_are_known():
    old = {"net.channel_query": torch.ones(1, 1, 4), "net.channel_agg.in_proj_bias": torch.ones(12)}
    assert set(translate_authors_weights(old)) == {
        "variable_query",
        "variable_attention.in_proj_bias",
    }


def test_positions_of_another_resolution_are_interpolated():
    row, column = np.meshgrid(np.arange(8.0), np.arange(16.0), indexing="ij")
    slopes = torch.tensor(np.stack([row, column, np.ones((8, 16))], -1)).reshape(-1, 3).float()
    resized = resize_positions(slopes, (4, 8)).reshape(4, 8, 3)
    inside = resized[1:-1, 1:-1].numpy()  # splines keep straight lines except at the edges
    np.testing.assert_allclose(inside[..., 0], 2 * row[1:3, 1:7] + 0.5, atol=1e-5)
    np.testing.assert_allclose(inside[..., 1], 2 * column[1:3, 1:7] + 0.5, atol=1e-5)
    np.testing.assert_allclose(resized[..., 2], 1, atol=1e-6)
    assert resize_positions(slopes, (8, 16)) is slopes


def test_weights_of_another_grid_are_taken_with_their_positions_interpolated():
    coarse = replace(SMALL, latitude=SMALL.latitude[:4], longitude=SMALL.longitude[:8])
    adapted, changed = small().adapt_weights(small(coarse).state_dict(), coarse)
    assert changed == ["encoder.positions"]
    assert adapted["encoder.positions"].shape == (32, WIDTH)


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

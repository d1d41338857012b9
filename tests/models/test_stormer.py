"""Stormer's embedding is the published one, only quicker, and the lead time rules its blocks."""

import pytest
import torch

from climbench.models.patches import Patches
from climbench.models.stormer import Stormer, StormerBlock, WeatherEmbedding
from climbench.testing.model_contract import (
    GLOBAL,
    REGIONAL,
    check_model,
    random_sample,
    ready_model,
)


def parameters(channels: int, maps: int, patches: int, width: int, depth: int) -> int:
    """Return the count for patches of 2 x 2."""
    tokens = channels * (4 * width + width)
    embedding = tokens + channels * width + width + 4 * width**2 + 4 * width
    positions, norm, lead = patches * width, 2 * width, 2 * width
    attention, perceptron = 4 * width**2 + 4 * width, 8 * width**2 + 5 * width
    block = attention + perceptron + 6 * width**2 + 6 * width
    head = 2 * width**2 + 2 * width + width * maps * 4 + maps * 4
    return embedding + positions + norm + lead + depth * block + head


def test_parameters_are_those_of_the_publication():
    # 69 variables on 128 x 256 cells, 24 blocks of width 1024: 469 million
    assert round(parameters(69, 69, 64 * 128, 1024, 24) / 1e6) == 469
    model = Stormer(GLOBAL, embed_dim=8, depth=3, num_heads=2)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == parameters(2 * 3 + 2 * 2 + 2, 2 * 2, 4 * 8, 8, 3)


def test_embedding_is_the_attention_of_torch_to_tokens_with_their_places():
    torch.manual_seed(0)
    patches = Patches(REGIONAL, 2)
    embedding = WeatherEmbedding(3, 8, 2, patches)
    for parameter in embedding.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    maps = torch.randn(2, 3, *REGIONAL.shape)

    tokens = embedding.tokens(patches.extend(maps)).unflatten(1, (3, 8)).flatten(3)
    tokens = tokens.permute(0, 3, 1, 2) + embedding.variables + embedding.positions[:, None]
    each = tokens.flatten(0, 1)
    query = embedding.query.expand(len(each), 1, -1)
    mean, _ = torch.nn.MultiheadAttention.forward(embedding.attention, query, each, each)
    expected = embedding.norm(mean[:, 0].unflatten(0, (2, -1)))
    torch.testing.assert_close(embedding(maps), expected)


def test_blocks_change_nothing_until_the_lead_time_opens_their_gates():
    torch.manual_seed(0)
    block = StormerBlock(8, 2, 16)
    torch.nn.init.zeros_(block.modulation[1].weight)
    torch.nn.init.zeros_(block.modulation[1].bias)
    tokens, lead = torch.randn(2, 3, 8), torch.randn(2, 8)
    assert torch.equal(block(tokens, lead), tokens)
    block.modulation[1].bias.data[16:24] = 1.0  # the gate of the attention
    expected = tokens + block.attention(block.norms[0](tokens))
    torch.testing.assert_close(block(tokens, lead), expected)


def test_an_untrained_stormer_is_persistence():
    sample = random_sample(GLOBAL, 2)
    answer = Stormer(GLOBAL, embed_dim=8, depth=1, num_heads=2)(sample)
    assert torch.equal(answer, sample.inputs[:, -1:, :2].expand_as(answer))


def test_each_sample_has_its_own_lead_time():
    model = ready_model(lambda s: Stormer(s, 4, 8, 2, 2, calendar=False), GLOBAL)
    sample = random_sample(GLOBAL, 2)
    lead = sample.lead_time.clone()
    lead[1] += 48
    before, after = model(sample), model(sample._replace(lead_time=lead))
    torch.testing.assert_close(after[0], before[0])
    assert not torch.allclose(after[1], before[1])


@pytest.mark.parametrize("signature", [GLOBAL, REGIONAL])
def test_it_keeps_the_contract(signature):
    options = {"patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2}
    check_model(lambda s: Stormer(s, calendar=True, coordinates=True, **options), [signature])

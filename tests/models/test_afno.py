"""AFNO has FourCastNet's size and mixes Fourier modes as published."""

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.afno import AFNO, FourierMixer
from climbench.testing.model_contract import GLOBAL, REGIONAL, check_model, random_sample


def parameters(channels: int, maps: int, patches: int, size: int, width: int, depth: int) -> int:
    """Return the count for 8 blocks in the mixer."""
    embedding = channels * size**2 * width + width
    positions = patches * width
    mixer = 2 * 8 * (width // 8) ** 2 * 2 + 2 * 8 * (width // 8) * 2  # two layers, complex
    block = 2 * 2 * width + mixer + width * 4 * width + 4 * width + 4 * width * width + width
    head = width * maps * size**2
    return embedding + positions + depth * block + head


def test_parameters_are_those_published():
    # 20 channels of 720 x 1440 cells, patch 8, width 768, 12 blocks and a norm that is not used
    published = parameters(20, 20, 90 * 180, 8, 768, 12) + 2 * 768
    assert published == 74_691_840
    channels = 2 * 3 + 2 * 2 + 2 + 1
    model = AFNO(GLOBAL, patch_size=4, embed_dim=32, depth=3)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == parameters(channels, 2 * 2, 2 * 4, 4, 32, 3)


def test_the_mixer_is_a_perceptron_on_each_mode():
    torch.manual_seed(0)
    mixer = FourierMixer(width=4, blocks=2, threshold=0.01, fraction=1.0)
    mixer.weights.data *= 20
    tokens = torch.randn(1, 4, 6, 4)
    modes = np.fft.rfft2(tokens[0].numpy(), axes=(0, 1), norm="ortho")
    weights, biases = (part.detach().numpy() for part in (mixer.weights, mixer.biases))
    weights, biases = weights[..., 0] + 1j * weights[..., 1], biases[..., 0] + 1j * biases[..., 1]
    mixed = np.zeros_like(modes)
    for row, column in np.ndindex(4, 3):  # the fourth wave along a row does not pass
        for block in range(2):
            at = slice(2 * block, 2 * block + 2)
            hidden = modes[row, column, at] @ weights[0, block] + biases[0, block]
            hidden = np.maximum(hidden.real, 0) + 1j * np.maximum(hidden.imag, 0)
            out = hidden @ weights[1, block] + biases[1, block]
            real, imaginary = (
                np.sign(x) * np.maximum(abs(x) - 0.01, 0) for x in (out.real, out.imag)
            )
            mixed[row, column, at] = real + 1j * imaginary
    expected = tokens[0].numpy() + np.fft.irfft2(mixed, s=(4, 6), axes=(0, 1), norm="ortho")
    np.testing.assert_allclose(mixer(tokens)[0].detach().numpy(), expected, atol=1e-5)


def test_a_fraction_of_the_modes_passes():
    passes = FourierMixer(4, 2, 0.01, fraction=0.5).passes(8, 16)
    # of wavenumbers 0 to 4 along a column the lowest two
    assert passes.nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [7, 0], [7, 1]]
    # all along a column, and as many along a row: half of what there are on a global grid
    every = FourierMixer(4, 2, 0.01, fraction=1.0).passes(8, 16)
    assert torch.equal(every, (torch.arange(9) < 5).expand(8, 9))


def test_autocast_leaves_the_modes_in_float32():
    mixer, tokens = FourierMixer(4, 2, 0.01, 1.0), torch.randn(1, 4, 6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(mixer(tokens), mixer(tokens))
        half = mixer(tokens.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), mixer(tokens), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("options", [{}, {"calendar": True, "coordinates": True, "residual": True}])
def test_it_keeps_the_contract(options):
    check_model(lambda signature: AFNO(signature, 4, 8, 1, 2, **options), [GLOBAL, REGIONAL])


def test_lead_time_changes_the_answer():
    torch.manual_seed(0)
    model, sample = AFNO(GLOBAL, 4, 8, 1, 2).eval(), random_sample(GLOBAL, 2)
    later = sample._replace(lead_time=sample.lead_time + 24)
    assert not torch.allclose(model(sample), model(later))


def test_mistakes_are_named():
    with pytest.raises(UserError, match="embed_dim = 9 must be a multiple of num_blocks = 2"):
        AFNO(GLOBAL, embed_dim=9, num_blocks=2)
    with pytest.raises(UserError, match="patch_size = 0 must be at least 1"):
        AFNO(GLOBAL, patch_size=0)

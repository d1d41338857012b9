"""The SFNO turns with the globe, has the size it should have, and wants a globe."""

from dataclasses import replace

import pytest
import torch

from climbench.errors import UserError
from climbench.grids import gaussian_latitudes
from climbench.models.sfno import SFNO, SphericalFilter
from climbench.models.spherical_harmonics import SphericalHarmonics
from climbench.testing.model_contract import (
    GLOBAL,
    REGIONAL,
    check_model,
    random_sample,
    ready_model,
)


def parameters(
    channels: int, targets: int, width: int, depth: int, hidden: int, degrees: int
) -> int:
    encoder = channels * hidden + hidden + hidden * width
    filters, norm, skip = 2 * degrees * width**2, 2 * width, width**2 + width
    block = filters + norm + skip + width * hidden + hidden + hidden * width
    decoder = (width + channels) * hidden + hidden + hidden * targets
    return encoder + depth * block + decoder


def test_parameters_are_those_of_the_structure():
    # 8 x 16 cells are 4 x 8 inside, on which degrees 0 to 3 live
    model = SFNO(GLOBAL, embed_dim=16, depth=3, scale_factor=2)
    expected = parameters(2 * 3 + 2 * 2 + 2 + 1, 2 * 2, 16, 3, 32, 4)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_published_size():
    # 721 x 1440 cells are 240 x 480 inside: degrees 0 to 239, of which almost all weights are.
    # 73 channels, 8 blocks of 384 (sfno_sc3_layers8_edim384): 573 million.
    assert round(parameters(73, 73, 384, 8, 768, 240) / 1e6) == 573


def test_the_filter_is_a_convolution_on_the_sphere():
    # It turns with the field about any axis: a function of z comes out as the same one of x does.
    torch.manual_seed(0)
    harmonics = SphericalHarmonics(gaussian_latitudes(8), 16, 7)
    latitude = torch.deg2rad(torch.tensor(gaussian_latitudes(8)))[:, None]
    longitude = 2 * torch.pi * torch.arange(16) / 16
    layer = SphericalFilter(1, 7)
    layer.weight.data[..., 1] = 0.0  # a real filter: imaginary parts turn fields about the pole
    constant, _, second = layer.weight.detach()[:3, 0, 0, 0]
    for axis in (latitude.sin().expand(8, 16), latitude.cos() * longitude.cos()):
        square = axis.float().square()  # 1/3 is of degree 0, the rest of degree 2
        filtered = harmonics.synthesis(layer(harmonics.analysis(square[None, None])))[0, 0]
        torch.testing.assert_close(filtered, constant / 3 + second * (square - 1 / 3))


@pytest.mark.parametrize("options", [{}, {"positions": "latitude", "instance_norm": False}])
def test_it_keeps_the_contract_and_turns_with_the_globe(options):
    def build(signature):
        return SFNO(signature, embed_dim=8, depth=2, scale_factor=1, **options)

    assert build(GLOBAL).longitude_equivariant
    check_model(build, [GLOBAL])


def test_on_a_coarser_grid_it_turns_by_whole_cells_of_that():
    model, sample = (
        ready_model(lambda s: SFNO(s, 8, 2, scale_factor=2), GLOBAL),
        random_sample(GLOBAL, 2),
    )
    assert not model.longitude_equivariant
    turned = sample._replace(
        inputs=sample.inputs.roll(4, -1),
        forcings=sample.forcings.roll(4, -1),
        static=sample.static.roll(4, -1),
    )
    torch.testing.assert_close(model(turned), model(sample).roll(4, -1), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "latitude",
    [
        gaussian_latitudes(8).tolist(),
        [-90.0, -60.0, -30.0, 0.0, 30.0, 60.0, 90.0],
        [-90.0, -60.0, -30.0, 0.0, 30.0, 60.0],  # a step before the northern pole
    ],
)
def test_every_global_grid_is_answered(latitude):
    signature = replace(GLOBAL, latitude=tuple(latitude))
    sample = random_sample(signature, 2)
    for scale in (1, 2):
        answer = SFNO(signature, 8, 2, scale_factor=scale, positions="cell", calendar=True)(sample)
        assert answer.shape == sample.targets.shape
        assert torch.isfinite(answer).all()


def test_lead_time_changes_the_answer():
    model, sample = SFNO(GLOBAL, 8, 1, 1).eval(), random_sample(GLOBAL, 2)
    later = sample._replace(lead_time=sample.lead_time + 24)
    assert not torch.allclose(model(sample), model(later))


def test_mistakes_are_named():
    with pytest.raises(UserError, match="from pole to pole"):
        SFNO(REGIONAL)
    with pytest.raises(UserError, match="scale_factor = 5 does not fit a grid of 8 x 16"):
        SFNO(GLOBAL, scale_factor=5)
    with pytest.raises(UserError, match="positions = 'nowhere' must be one of none, latitude"):
        SFNO(GLOBAL, scale_factor=1, positions="nowhere")

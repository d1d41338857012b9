"""Windows go round the globe and never join the poles."""

from dataclasses import replace

import pytest
import torch

from climbench.errors import UserError
from climbench.models.swin import (
    Swin,
    WindowAttention,
    Windows,
    drop_rates,
    merge,
    split,
    windows_that_fit,
)
from climbench.testing.model_contract import (
    GLOBAL,
    REGIONAL,
    check_model,
    random_sample,
    ready_model,
)

TINY = {"patch_size": 1, "embed_dim": 8, "depths": (2, 2, 2), "num_heads": 2, "window": (2, 4)}


def reached(windows: Windows, row: int, column: int) -> set[tuple[int, int]]:
    """Return the tokens that one token attends to, on a grid of 4 x 8."""
    attention = WindowAttention(4, 1, windows, position_bias=True)
    tokens = torch.randn(1, 4, 8, 4, requires_grad=True)
    attention(tokens)[0, row, column].sum().backward()
    return {tuple(place) for place in tokens.grad[0].abs().sum(-1).nonzero().tolist()}


def test_shifted_windows_go_round_the_globe_but_not_over_the_poles():
    globe = Windows((4, 8), (2, 4), shifted=True, periodic=True)
    inner = {(r, c) for r in (1, 2) for c in (2, 3, 4, 5)}
    assert reached(globe, 1, 2) == inner
    across_the_date_line = {(r, c) for r in (1, 2) for c in (6, 7, 0, 1)}
    assert reached(globe, 2, 7) == across_the_date_line
    # the window that holds the southernmost and the northernmost row is kept apart
    assert reached(globe, 0, 3) == {(0, c) for c in (2, 3, 4, 5)}
    assert reached(globe, 3, 0) == {(3, c) for c in (6, 7, 0, 1)}


def test_shifted_windows_end_at_the_borders_of_a_region():
    region = Windows((4, 8), (2, 4), shifted=True, periodic=False)
    assert reached(region, 2, 7) == {(1, 6), (1, 7), (2, 6), (2, 7)}


def test_windows_put_back_what_they_cut():
    tokens = torch.randn(2, 4, 8, 3)
    for shifted in (False, True):
        windows = Windows((4, 8), (2, 4), shifted, periodic=True)
        parts = windows.cut(tokens)
        assert parts.shape == (2, 2, 2, 8, 3)
        assert torch.equal(windows.join(parts), tokens)
    assert torch.equal(split(merge(tokens)), tokens)


def test_attention_in_one_window_is_that_of_torch():
    torch.manual_seed(0)
    ours = WindowAttention(16, 4, Windows((4, 8), (4, 8), False, True), position_bias=False)
    torchs = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    torchs.in_proj_weight.data = ours.query_key_value.weight.data
    torchs.in_proj_bias.data = ours.query_key_value.bias.data
    torchs.out_proj.load_state_dict(ours.project.state_dict())
    tokens = torch.rand(2, 4, 8, 16)
    line = tokens.flatten(1, 2)
    expected = torchs(line, line, line)[0].reshape(tokens.shape)
    torch.testing.assert_close(ours(tokens), expected)


def test_parameters_are_those_of_the_structure():
    channels, targets, width = 2 * 3 + 2 * 2 + 2 + 1, 2 * 2, 12

    def block(width, heads, windows):
        bias = windows * heads * 2 * 2 * (2 * 4 - 1)  # windows of 2 x 4
        attention = 4 * width**2 + 4 * width + bias + 2 * width
        return attention + 8 * width**2 + 5 * width + 2 * width

    merging = 2 * 4 * width + 8 * width**2 + 8 * width**2 + 2 * width + width**2
    ends = channels * width + width + 2 * width * targets + targets
    model = Swin(
        GLOBAL, patch_size=1, embed_dim=width, depths=(2, 3, 1), num_heads=3, window=(2, 4)
    )
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 3 * block(width, 3, 4) + 3 * block(2 * width, 6, 2) + merging + ends


def test_it_turns_with_the_globe_by_whole_windows():
    model, sample = ready_model(lambda s: Swin(s, **TINY), GLOBAL), random_sample(GLOBAL, 2)
    turned = sample._replace(
        inputs=sample.inputs.roll(8, -1),
        forcings=sample.forcings.roll(8, -1),
        static=sample.static.roll(8, -1),
    )
    torch.testing.assert_close(model(turned), model(sample).roll(8, -1), rtol=0, atol=1e-4)


def globe(rows: int, columns: int):
    """Return a question on a global grid."""
    return replace(
        GLOBAL,
        latitude=tuple(-90 + 180 / rows * (row + 0.5) for row in range(rows)),
        longitude=tuple(360 / columns * column for column in range(columns)),
    )


@pytest.mark.parametrize(("columns", "width"), [(16, 4), (12, 3)])
def test_windows_that_do_not_divide_the_globe_are_made_smaller_and_leave_no_seam(columns, width):
    """Of the wanted 5 columns, on 8 x 16 and 8 x 12 cells."""
    signature = globe(8, columns)
    model = ready_model(lambda s: Swin(s, **TINY | {"window": (2, 5)}), signature)
    assert model.patches.columns == columns
    sample = random_sample(signature, 1)
    turned = sample._replace(
        **{
            name: getattr(sample, name).roll(2 * width, -1)
            for name in ("inputs", "forcings", "static")
        }
    )
    torch.testing.assert_close(model(turned), model(sample).roll(2 * width, -1), rtol=0, atol=1e-4)


def test_a_globe_that_no_width_divides_has_edges():
    model = Swin(globe(8, 15), **TINY | {"window": (2, 4)})
    windows = [part.windows for part in model.modules() if isinstance(part, WindowAttention)]
    assert not any(each.periodic for each in windows)
    assert model.patches.columns == 16  # and not one more
    # patches of two columns go beyond the globe, so that their windows must not go round it
    assert windows_that_fit(globe(8, 15), 2, (2, 4)) == ((2, 4), False)


@pytest.mark.parametrize(
    ("shape", "patch_size", "window"),
    [
        ((721, 1440), 4, (6, 12)),
        ((32, 64), 2, (4, 8)),
        ((32, 64), 4, (4, 8)),
        ((33, 64), 2, (3, 8)),
    ],
)
def test_windows_of_six_by_twelve_hardly_extend_grids(shape, patch_size, window):
    signature = globe(*shape)
    assert windows_that_fit(signature, patch_size, (6, 12)) == (window, True)
    patches = Swin(signature, patch_size, 8, (1, 1, 1), 2, (6, 12)).patches if 32 in shape else None
    assert patches is None or patches.rows * patches.columns * patch_size**2 == 32 * 64


def test_stochastic_depth_rises_over_encoder_and_decoder():
    # Pangu-Weather: 8 shares from 0 to 0.2; the first two on full resolution
    rates = drop_rates((2, 12, 2), 0.2)
    eighth = torch.linspace(0.0, 0.2, 8).tolist()
    assert [*rates[0], *rates[1]] == pytest.approx(eighth + eighth[2:])
    assert rates[2] == pytest.approx(eighth[:2])
    model = Swin(GLOBAL, **TINY, drop_path=0.2)
    assert model.middle[0].drop_path.rate == pytest.approx(0.2)
    sample = random_sample(GLOBAL, 4)
    torch.manual_seed(0)
    assert not torch.equal(model.train()(sample), model(sample))
    assert torch.equal(model.eval()(sample), model(sample))


@pytest.mark.parametrize("signature", [GLOBAL, REGIONAL])
def test_it_keeps_the_contract(signature):
    options = {"patch_size": 2, "embed_dim": 8, "depths": (1, 2, 1), "num_heads": 2}
    check_model(
        lambda s: Swin(s, window=(2, 3), calendar=True, coordinates=True, **options), [signature]
    )


def test_lead_time_changes_the_answer():
    torch.manual_seed(0)
    model, sample = Swin(GLOBAL, **TINY).eval(), random_sample(GLOBAL, 2)
    later = sample._replace(lead_time=sample.lead_time + 24)
    assert not torch.allclose(model(sample), model(later))


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"patch_size = 8 and window = .* no two windows"):
        Swin(GLOBAL, patch_size=8)
    with pytest.raises(UserError, match="embed_dim = 10 must be a multiple of num_heads = 4"):
        Swin(GLOBAL, patch_size=2, embed_dim=10, num_heads=4)

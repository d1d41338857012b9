"""The climate scores against their formulas written out, other packages, and by hand."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from climbench.errors import UserError
from climbench.metrics import Fields, Layout, Regions, Stack, State, get_metric, region_weights
from climbench.metrics.climate import Norm

LATITUDE = np.linspace(-90, 90, 9)
LONGITUDE = np.linspace(0, 315, 8)
LAYOUT = Layout(LATITUDE, LONGITUDE)
YEARS = np.arange(2080, 2101)
CLIMATEBENCH = ["nrmse_spatial", "nrmse_global", "nrmse_total"]
OTHERS = [
    "pattern_correlation",
    "pattern_correlation(form=uncentred)",
    "trend_error",
    "temporal_variance_ratio",
    "temporal_variance_ratio(form=mean_of_ratios)",
    "variability_error",
]
NORMS = [f"{name}(norm={norm})" for name in CLIMATEBENCH for norm in ("std", "none")]
ALL = CLIMATEBENCH + NORMS + OTHERS


def stack(fields):
    """[sample, condition, channel, latitude, longitude] as a stack, field by field."""
    shape = fields.shape[:3]
    rows = np.arange(np.prod(shape)).reshape(shape)
    return Stack(np.ascontiguousarray(fields).reshape(-1, LAYOUT.size), rows)


def state_of(metric, prediction, truth, regions, years):
    state = State.zeros(
        np.sort(years),
        *prediction.shape[1:3],
        regions,
        LAYOUT,
        metric.statistics,
        metric.cell_statistics,
    )
    block = Fields(stack(prediction), stack(truth), None, LAYOUT, regions)
    state.add(np.searchsorted(state.samples, years), np.arange(prediction.shape[2]), block)
    return state


def scores(metric, prediction, truth, regions=("global",), weighting="cos", blocks=(), years=None):
    """Scores [condition, channel, region] of [sample, condition, channel, latitude, longitude]."""
    weights = Regions(region_weights(LATITUDE, LONGITUDE, regions, weighting))
    years = YEARS[: len(truth)] if years is None else years
    edges = (0, *blocks, len(truth))
    states = [
        state_of(metric, prediction[i:j], truth[i:j], weights, years[i:j])
        for i, j in pairwise(edges)
    ]
    merged = states[0]
    for state in states[1:]:
        merged = merged + state
    return metric.score(merged)


def score(name, prediction, truth, **options):
    """The global score of [year, latitude, longitude] fields."""
    metric = get_metric(name) if isinstance(name, str) else name
    return float(scores(metric, prediction[:, None, None], truth[:, None, None], **options).item())


def warming(seed=0):
    random = np.random.default_rng(seed)
    trend = np.linspace(2.0, 4.0, 21)[:, None, None]
    pattern = 1 + np.abs(np.sin(np.deg2rad(LATITUDE)))[:, None] * np.ones(LONGITUDE.size)
    truth = trend * pattern + random.normal(0, 0.2, (21, 9, 8))
    return 1.05 * truth + random.normal(0.1, 0.4, truth.shape), truth


def written_out(prediction, truth):
    """Section by section in float64, with cos weights and two passes for every variance."""
    w = np.cos(np.deg2rad(LATITUDE))[:, None] * np.ones(LONGITUDE.size)

    def mean(x):
        return (w * x).sum(axis=(-2, -1)) / w.sum()

    p, y = prediction.mean(axis=0), truth.mean(axis=0)
    total = mean(truth.mean(axis=0))
    norms = {
        "mean": abs(mean(y)),
        "std": np.sqrt(mean((truth - total) ** 2).mean()),
        "none": 1.0,
    }
    result = {}
    for norm, size in norms.items():
        spatial = np.sqrt(mean((y - p) ** 2)) / size
        course = np.sqrt(((mean(truth) - mean(prediction)) ** 2).mean()) / size
        suffix = "" if norm == "mean" else f"(norm={norm})"
        result |= {
            f"nrmse_spatial{suffix}": spatial,
            f"nrmse_global{suffix}": course,
            f"nrmse_total{suffix}": spatial + 5 * course,
        }
    a, b = p - mean(p), y - mean(y)
    forecast_variance, variance = prediction.var(axis=0), truth.var(axis=0)
    ratios = np.sqrt(forecast_variance / variance)
    slopes = [np.polyfit(YEARS, mean(x), 1)[0] for x in (prediction, truth)]
    return result | {
        "pattern_correlation": mean(a * b) / np.sqrt(mean(a * a) * mean(b * b)),
        "pattern_correlation(form=uncentred)": mean(p * y) / np.sqrt(mean(p * p) * mean(y * y)),
        "trend_error": 10 * (slopes[0] - slopes[1]),
        "temporal_variance_ratio": mean(forecast_variance) / mean(variance) - 1,
        "temporal_variance_ratio(form=mean_of_ratios)": mean(forecast_variance / variance) - 1,
        "variability_error": mean(np.abs(ratios - 1)),
    }


@pytest.mark.parametrize("name", ALL)
def test_equals_the_formula_written_out(name):
    prediction, truth = warming()
    expected = written_out(prediction, truth)[name]
    assert score(name, prediction, truth) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_does_not_depend_on_the_blocks_or_their_order(name):
    prediction, truth = warming()
    whole = score(name, prediction, truth)
    for blocks in [(1,), (7, 14), tuple(range(1, 21))]:
        assert score(name, prediction, truth, blocks=blocks) == pytest.approx(whole, rel=1e-11)
    order = np.random.default_rng(0).permutation(21)
    mixed = score(name, prediction[order], truth[order], years=YEARS[order])
    assert mixed == pytest.approx(whole, rel=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_every_scenario_variable_and_region_is_scored_on_its_own(name):
    pairs = [warming(seed) for seed in range(6)]
    prediction, truth = (
        np.stack([pair[i] for pair in pairs], axis=1).reshape(21, 2, 3, 9, 8) for i in (0, 1)
    )
    regions = ("global", "tropics", "northern-hemisphere")
    together = scores(get_metric(name), prediction, truth, regions)
    assert together.shape == (2, 3, 3)
    for number, (one, other) in enumerate(pairs):
        alone = score(name, one, other)
        assert together[number // 3, number % 3, 0] == pytest.approx(alone, rel=1e-11)
    tropics = scores(get_metric(name), prediction, truth, ("tropics",))
    np.testing.assert_allclose(together[..., 1:2], tropics, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_a_perfect_emulator_gets_the_best_score(name):
    _, truth = warming()
    best = 1.0 if get_metric(name).orientation == "higher" else 0.0
    assert score(name, truth, truth) == pytest.approx(best, abs=1e-14)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_a_change_of_unit_changes_the_score_by_its_unit_power(name, factor):
    prediction, truth = warming()
    expected = score(name, prediction, truth) * factor ** get_metric(name).unit_power
    assert score(name, factor * prediction, factor * truth) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_a_cell_without_values_counts_as_if_it_were_not_there(name):
    prediction, truth = warming()
    blank = prediction.copy()
    blank[:, 3, 2], blank[:, 5, :4] = np.nan, np.nan
    weights = region_weights(LATITUDE, LONGITUDE, weighting="cos").reshape(9, 8)
    weights = np.where(np.isnan(blank[0]), 0.0, weights).reshape(-1, 1)
    metric = get_metric(name)
    state = state_of(
        metric, prediction[:, None, None], truth[:, None, None], Regions(weights), YEARS
    )
    expected = metric.score(state).item()
    assert score(name, blank, truth) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ALL)
def test_nothing_valid_gives_no_score(name):
    _, truth = warming()
    assert np.isnan(score(name, np.full_like(truth, np.nan), truth))


@pytest.mark.parametrize("name", ["pattern_correlation", *OTHERS[3:]])
def test_absolute_values_far_from_zero_keep_their_digits(name):
    prediction, truth = warming()
    near = score(name, prediction, truth)
    assert score(name, prediction + 288.0, truth + 288.0) == pytest.approx(near, rel=1e-8)
    assert score(name, prediction + 1e5, truth + 1e5) == pytest.approx(near, rel=1e-3)


def test_constant_offset_by_hand():
    # truth 2 everywhere, prediction 2.5: both parts 0.25, total 0.25 + 5 * 0.25.
    truth = np.full((21, 9, 8), 2.0)
    assert score("nrmse_spatial", truth + 0.5, truth) == pytest.approx(0.25)
    assert score("nrmse_global", truth + 0.5, truth) == pytest.approx(0.25)
    assert score("nrmse_total", truth + 0.5, truth) == pytest.approx(1.5)
    assert score("nrmse_total(norm=none)", truth + 0.5, truth) == pytest.approx(3.0)
    assert score("nrmse_total(global_factor=1)", truth + 0.5, truth) == pytest.approx(0.5)


def test_errors_that_cancel():
    """Over time they leave the pattern right, over space the global mean."""
    truth = np.full((21, 9, 8), 2.0)
    sign_of_year = np.where(np.arange(21) % 2, 1.0, -1.0)
    sign_of_year[-1] = 0.0
    swinging = truth + sign_of_year[:, None, None]
    assert score("nrmse_spatial", swinging, truth) == pytest.approx(0.0, abs=1e-15)
    assert score("nrmse_global", swinging, truth) == pytest.approx(np.sqrt(20 / 21) / 2)
    chequered = truth + np.where(np.arange(8) % 2, 1.0, -1.0)
    assert score("nrmse_global", chequered, truth) == pytest.approx(0.0, abs=1e-15)
    assert score("nrmse_spatial", chequered, truth) == pytest.approx(0.5)


def test_pole_rows_count_by_area_only():
    _, truth = warming()
    wrong_pole = truth.copy()
    wrong_pole[:, 0] += 5.0
    assert score("nrmse_spatial", wrong_pole, truth, weighting="cos") == pytest.approx(0, abs=1e-12)
    assert score("nrmse_spatial", wrong_pole, truth, weighting="area") > 0.1


def test_a_truth_without_a_change_has_no_normalised_error():
    prediction, truth = warming()
    for name in CLIMATEBENCH:
        assert np.isnan(score(name, prediction, np.zeros_like(truth)))
        assert np.isnan(score(f"{name}(norm=std)", prediction, np.full_like(truth, 0.1)))


def test_the_norms_are_what_they_say():
    _, truth = warming()
    flat = truth - truth.mean()
    for kind, expected in [("none", 1.0), ("std", flat.std()), ("mean", abs(truth.mean()))]:
        assert score(Norm(kind), truth, truth, weighting="none") == pytest.approx(expected)
        assert Norm(kind).unit_power == (0 if kind == "none" else 1)


def test_the_unit_follows_the_norm():
    for name in CLIMATEBENCH:
        assert get_metric(name).unit_power == 0
        assert get_metric(f"{name}(norm=none)").unit_power == 1


@pytest.mark.parametrize(
    "name",
    ["nrmse_total(norm=max)", "pattern_correlation(form=x)", "temporal_variance_ratio(form=x)"],
)
def test_an_unknown_choice_is_a_sentence(name):
    with pytest.raises(UserError, match="is none of"):
        get_metric(name)


def test_pattern_correlation_equals_scipy():
    prediction, truth = warming()
    expected = stats.pearsonr(prediction.mean(axis=0).ravel(), truth.mean(axis=0).ravel())
    found = score("pattern_correlation", prediction, truth, weighting="none")
    assert found == pytest.approx(expected.statistic, rel=1e-12)


def test_pattern_correlation_ignores_offset_and_amplitude_if_centred():
    _, truth = warming()
    assert score("pattern_correlation", 3 * truth - 7, truth) == pytest.approx(1.0)
    assert score("pattern_correlation", -truth, truth) == pytest.approx(-1.0)
    assert score("pattern_correlation(form=uncentred)", 3 * truth, truth) == pytest.approx(1.0)
    assert score("pattern_correlation(form=uncentred)", 3 * truth - 7, truth) < 0.99


@pytest.mark.parametrize("value", [0.0, 0.1, 288.15, 1e5 / 3])
def test_a_map_without_a_pattern_correlates_with_none(value):
    _, truth = warming()
    flat = np.full_like(truth, value)
    flat[3, 2, :3] = np.nan  # so that rounding differs between cells
    assert score("pattern_correlation", flat, truth) == 0.0
    assert np.isnan(score("pattern_correlation", truth, flat))
    assert np.isnan(score("pattern_correlation", flat, flat))


def test_trend_error_equals_scipy_in_each_region():
    prediction, truth = warming()
    half = slice(5, None)  # rows north of 20 degrees
    w = np.cos(np.deg2rad(LATITUDE[half]))
    means = [np.average(x[:, half].mean(axis=-1), axis=1, weights=w) for x in (prediction, truth)]
    slopes = [stats.linregress(YEARS, x).slope for x in means]
    found = score("trend_error", prediction, truth, regions=("northern-hemisphere",))
    assert found == pytest.approx(10 * (slopes[0] - slopes[1]), rel=1e-10)


def test_trend_error_by_hand():
    # The forecast warms by 0.05 K a year more, whatever its offset: 0.5 K per decade.
    _, truth = warming()
    extra = 0.05 * np.arange(21)[:, None, None] + 100.0
    assert score("trend_error", truth + extra, truth) == pytest.approx(0.5, rel=1e-9)


def test_trend_error_leaves_out_years_without_values():
    prediction, truth = warming()
    prediction[4:9] = np.nan
    kept = np.delete(np.arange(21), np.arange(4, 9))
    w = np.cos(np.deg2rad(LATITUDE))
    means = [np.average(x[kept].mean(axis=-1), axis=1, weights=w) for x in (prediction, truth)]
    slope = stats.linregress(YEARS[kept], means[0] - means[1]).slope
    assert score("trend_error", prediction, truth) == pytest.approx(10 * slope, rel=1e-10)


def test_trend_error_needs_consecutive_years():
    prediction, truth = warming()
    assert np.isnan(score("trend_error", prediction, truth, years=2000 + 2 * np.arange(21)))
    days = np.datetime64("2020-01-01") + np.arange(21)
    assert np.isnan(score("trend_error", prediction, truth, years=days))
    starts = (np.datetime64("2080") + np.arange(21)).astype("datetime64[ns]")
    expected = score("trend_error", prediction, truth)
    assert score("trend_error", prediction, truth, years=starts) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["trend_error", *OTHERS[3:]])
def test_one_year_has_neither_trend_nor_variability(name):
    prediction, truth = warming()
    assert np.isnan(score(name, prediction[:1], truth[:1]))


def test_redrawing_all_years_once_gives_the_score_and_its_spread_is_that_of_the_years():
    prediction, truth = warming()
    fields = prediction[:, None, None], truth[:, None, None]
    regions = Regions(region_weights(LATITUDE, LONGITUDE, ("global",), "cos"))
    for name in ("trend_error", "nrmse_global", "nrmse_global(norm=std)"):
        metric = get_metric(name)
        state = state_of(metric, *fields, regions, YEARS)
        random = np.random.default_rng(0)
        counts = random.multinomial(21, np.full(21, 1 / 21), size=400)
        counts[0] = 1
        drawn = metric.resampled(state.means, state.weight, counts.astype(float))[:, 0, 0, 0]
        whole = metric.score(state).item()
        assert drawn[0] == pytest.approx(whole, rel=1e-12)
        assert drawn.min() < whole < drawn.max()


@pytest.mark.parametrize("name", ["nrmse_spatial", "nrmse_total", "variability_error"])
def test_scores_of_maps_refuse_to_redraw_years(name):
    with pytest.raises(NotImplementedError, match="cannot be redrawn"):
        get_metric(name).resampled({}, np.ones((1, 1)), np.ones((1, 1)))


def test_half_the_variability_by_hand():
    _, truth = warming()
    calm = truth.mean(axis=0) + 0.5 * (truth - truth.mean(axis=0))
    assert score("temporal_variance_ratio", calm, truth) == pytest.approx(-0.75)
    mean_of_ratios = "temporal_variance_ratio(form=mean_of_ratios)"
    assert score(mean_of_ratios, calm, truth) == pytest.approx(-0.75)
    assert score("variability_error", calm, truth) == pytest.approx(0.5)
    still = np.broadcast_to(truth.mean(axis=0), truth.shape)
    assert score("temporal_variance_ratio", still, truth) == pytest.approx(-1.0)
    assert score("variability_error", still, truth) == pytest.approx(1.0)


def test_too_much_here_makes_up_for_too_little_there_only_in_the_ratio():
    noise = np.random.default_rng(0).normal(size=(21, 9, 1)) * np.ones(8)
    noise[:, :, 1::2] = noise[:, :, ::2]
    factor = np.where(np.arange(8) % 2, np.sqrt(1.5), np.sqrt(0.5))
    assert score("temporal_variance_ratio", noise * factor, noise) == pytest.approx(0.0, abs=1e-12)
    expected = (np.sqrt(1.5) - np.sqrt(0.5)) / 2
    assert score("variability_error", noise * factor, noise) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.1, 1e5 / 3])
def test_cells_whose_truth_never_varies_are_left_out(value):
    prediction, truth = warming()
    ratios = "temporal_variance_ratio(form=mean_of_ratios)"
    constant = truth.copy()
    constant[:, 2:4] = value
    blank = prediction.copy()
    blank[:, 2:4] = np.nan
    for name in ("variability_error", ratios):
        expected = score(name, blank, truth)
        assert score(name, prediction, constant) == pytest.approx(expected, rel=1e-12)
        assert np.isnan(score(name, prediction, np.full_like(truth, value)))
    assert np.isnan(score("temporal_variance_ratio", prediction, np.full_like(truth, value)))

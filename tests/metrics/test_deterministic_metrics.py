"""Every formula against float64 numpy written out, against four packages, and by hand numbers."""

import math

import numpy as np
import pytest
import scipy.stats
import scores.continuous
import sklearn.metrics
import xarray as xr
import xskillscore
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.grids import latitude_weights
from climbench.metrics import Fields, Layout, Regions, Stack, State, get_metric, region_weights
from climbench.metrics.averaging import ratio

LATITUDE = np.array([-75.0, -20.0, 10.0, 50.0])
LONGITUDE = np.array([0.0, 120.0, 240.0])
NAMES = [
    *("mse", "rmse", "rmse(root=before)", "mae", "bias", "error_std", "wind_vector_rmse"),
    *("acc", "acc(form=ratio_of_means)", "acc(form=centred)", "acc(form=pooled_centred)"),
    *("pearson", "pearson(form=pooled)", "r2", "variance_ratio"),
    *("mse_skill", "activity", "activity_ratio"),
]
GRIDS = {
    "plain": LATITUDE,
    "poles": np.linspace(-90.0, 90.0, 5),
    "reversed": np.linspace(60.0, -60.0, 5),
    "irregular": np.array([-80.0, -45.0, -10.0, 5.0, 30.0, 70.0]),
    "gaussian": np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(6)[0])),
    "one row": np.array([30.0]),
}


def score(name, forecast, truth, climatology=None, latitude=LATITUDE, weighting="area"):
    """Score [sample, latitude, longitude] fields through the state."""
    metric = get_metric(name)
    layout = Layout(latitude, LONGITUDE)
    regions = Regions(region_weights(latitude, LONGITUDE, weighting=weighting))
    rows = np.arange(len(truth)).reshape(-1, 1, 1)
    stacks = [
        None if field is None else Stack(layout.cells(field), rows)
        for field in (forecast, truth, climatology)
    ]
    samples = np.arange(len(truth))
    state = State.zeros(samples, 1, 1, regions, layout, metric.statistics)
    state.add(samples, np.array([0]), Fields(*stacks, layout, regions))
    return float(metric.score(state).item())


def by_numpy(name, forecast, truth, climatology, latitude=LATITUDE, weighting="area"):
    """The definitions in two passes: means first, then departures from them."""
    f, o, c = (np.asarray(field, dtype=np.float64) for field in (forecast, truth, climatology))
    w = latitude_weights(latitude, weighting)[:, np.newaxis] * np.ones(LONGITUDE.size)
    valid = np.isfinite(f) & np.isfinite(o) & np.isfinite(c)
    w = np.where(valid, w, 0.0)
    f, o, c = (np.where(valid, field, 0.0) for field in (f, o, c))
    some = valid.any(axis=(1, 2))
    f, o, c, w, valid = (field[some] for field in (f, o, c, w, valid))

    def each(x):
        return (w * x).sum(axis=(1, 2)) / w.sum(axis=(1, 2))

    def all_of(x):
        return (w * x).sum() / w.sum()

    def less(x, mean):
        return x - np.reshape(mean, (-1, 1, 1))

    def correlation(a, b, mean):
        return mean(a * b) / (np.sqrt(mean(a * a)) * np.sqrt(mean(b * b)))

    e, a, b = f - o, f - c, o - c
    a_each, b_each = less(a, each(a)), less(b, each(b))
    f_all, o_all = f - all_of(f), o - all_of(o)
    plain_a, plain_b = (np.where(valid, x - x[valid].mean(), 0.0) for x in (a, b))
    deviations = [np.sqrt(each(x * x)) for x in (a_each, b_each)]
    return {
        "mse": lambda: all_of(e * e),
        "rmse": lambda: np.sqrt(all_of(e * e)),
        "rmse(root=before)": lambda: np.sqrt(each(e * e)).mean(),
        "wind_vector_rmse": lambda: np.sqrt(all_of(e * e)),  # of one component
        "mae": lambda: all_of(abs(e)),
        "bias": lambda: all_of(e),
        "error_std": lambda: np.sqrt(all_of(np.square(e - all_of(e)))),
        "acc": lambda: correlation(a, b, each).mean(),
        "acc(form=ratio_of_means)": lambda: correlation(a, b, all_of),
        "acc(form=centred)": lambda: correlation(a_each, b_each, each).mean(),
        "acc(form=pooled_centred)": lambda: correlation(plain_a, plain_b, all_of),
        "pearson": lambda: correlation(less(f, each(f)), less(o, each(o)), each).mean(),
        "pearson(form=pooled)": lambda: correlation(f_all, o_all, all_of),
        "r2": lambda: 1 - all_of(e * e) / all_of(np.square(o_all)),
        "variance_ratio": lambda: all_of(np.square(f_all)) / all_of(np.square(o_all)) - 1,
        "mse_skill": lambda: 1 - all_of(e * e) / all_of(b * b),
        "activity": lambda: deviations[0].mean(),
        "activity_ratio": lambda: deviations[0].mean() / deviations[1].mean() - 1,
    }[name]()


def random_fields(samples=5, seed=0, latitude=LATITUDE, level=280.0):
    random = np.random.default_rng(seed)
    shape = (samples, latitude.size, LONGITUDE.size)
    climatology = level + random.normal(size=shape)
    truth = climatology + random.normal(size=shape)
    return truth + random.normal(0.3, 0.5, size=shape), truth, climatology


def with_holes(fields, share=0.1, seed=3):
    """Blank values of forecast, truth and climatology in different places."""
    random = np.random.default_rng(seed)
    return [np.where(random.random(field.shape) < share, np.nan, field) for field in fields]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_numpy_on_any_grid(name, grid):
    latitude = GRIDS[grid]
    fields = random_fields(latitude=latitude)
    expected = by_numpy(name, *fields, latitude)
    assert score(name, *fields, latitude) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("weighting", ["cos", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_equals_numpy_with_other_weights(name, weighting):
    fields = random_fields()
    expected = by_numpy(name, *fields, weighting=weighting)
    assert score(name, *fields, weighting=weighting) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_equals_numpy_where_values_are_missing(name):
    forecast, truth, climatology = with_holes(random_fields(samples=9))
    truth[4] = np.nan
    fields = forecast, truth, climatology
    assert score(name, *fields) == pytest.approx(by_numpy(name, *fields), rel=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_equals_numpy_of_one_sample(name):
    fields = random_fields(samples=1)
    assert score(name, *fields) == pytest.approx(by_numpy(name, *fields), rel=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_equals_numpy_with_unit_variance_on_a_million(name):
    """Sums of squares would keep no digit of the variance; departures keep nine."""
    fields = random_fields(level=1e6)
    assert score(name, *fields) == pytest.approx(by_numpy(name, *fields), rel=1e-9)


@pytest.mark.parametrize("magnitude", [1e-20, 1e12])
@pytest.mark.parametrize("name", NAMES)
def test_tiny_and_huge_values(name, magnitude):
    fields = [field * magnitude for field in random_fields()]
    power = get_metric(name).unit_power
    expected = by_numpy(name, *random_fields()) * magnitude**power
    assert score(name, *fields) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", [n for n in NAMES if not get_metric(n).needs_climatology])
def test_what_needs_no_climatology_scores_without_one(name):
    forecast, truth, _ = with_holes(random_fields(samples=7))
    expected = by_numpy(name, forecast, truth, np.zeros_like(truth))
    assert score(name, forecast, truth) == pytest.approx(expected, rel=1e-11)


SPACE = ["latitude", "longitude"]


def data_arrays(*fields):
    return [xr.DataArray(field, dims=("time", *SPACE)) for field in fields]


def package_weights(truth):
    row = xr.DataArray(np.cos(np.deg2rad(LATITUDE)), dims="latitude")
    return row.broadcast_like(truth).transpose(*truth.dims)


def by_xskillscore(name, f, o, c):
    w = package_weights(o)
    everything = {"dim": ["time", *SPACE], "weights": w}
    space = {"dim": SPACE, "weights": w.isel(time=0)}
    # It centres; a field together with its mirror image has the mean zero.
    mirrored = [xr.concat([x - c, c - x], dim="latitude") for x in (f, o)]
    both = xr.concat([w, w], dim="latitude")
    one = both.isel(time=0)
    return {
        "mse": lambda: xskillscore.mse(f, o, **everything),
        "rmse": lambda: xskillscore.rmse(f, o, **everything),
        "rmse(root=before)": lambda: xskillscore.rmse(f, o, **space).mean(),
        "mae": lambda: xskillscore.mae(f, o, **everything),
        "bias": lambda: xskillscore.me(f, o, **everything),
        "error_std": lambda: (f - o).weighted(w).std(),
        "pearson": lambda: xskillscore.pearson_r(f, o, **space).mean(),
        "pearson(form=pooled)": lambda: xskillscore.pearson_r(f, o, **everything),
        "r2": lambda: xskillscore.r2(o, f, **everything),
        "acc": lambda: xskillscore.pearson_r(*mirrored, dim=SPACE, weights=one).mean(),
        "acc(form=ratio_of_means)": lambda: xskillscore.pearson_r(
            *mirrored, dim=["time", *SPACE], weights=both
        ),
        "acc(form=centred)": lambda: xskillscore.pearson_r(f - c, o - c, **space).mean(),
        "activity": lambda: (f - c).weighted(w).std(SPACE).mean(),
        "variance_ratio": lambda: f.weighted(w).var() / o.weighted(w).var() - 1,
        "mse_skill": lambda: 1 - xskillscore.mse(f, o, **space).mean()
        / xskillscore.mse(c, o, **space).mean(),
    }[name]()  # fmt: skip


OF_XSKILLSCORE = [
    n for n in NAMES if n not in ("wind_vector_rmse", "acc(form=pooled_centred)", "activity_ratio")
]


@pytest.mark.parametrize("name", OF_XSKILLSCORE)
def test_equals_xskillscore(name):
    fields = random_fields()
    expected = float(by_xskillscore(name, *data_arrays(*fields)))
    assert score(name, *fields, weighting="cos") == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mse", scores.continuous.mse),
        ("rmse", scores.continuous.rmse),
        ("mae", scores.continuous.mae),
        ("bias", scores.continuous.additive_bias),
    ],
)
def test_equals_scores_with_and_without_missing_values(name, function):
    for fields in (random_fields(), with_holes(random_fields())):
        f, o, _ = data_arrays(*fields)
        expected = float(function(f, o, weights=package_weights(o)))
        own = score(name, *fields[:2], weighting="cos")
        assert own == pytest.approx(expected, rel=1e-12)


def test_equals_the_nash_sutcliffe_efficiency_of_scores():
    f, o, _ = random_fields()
    expected = float(scores.continuous.nse(*data_arrays(f, o)))
    assert score("r2", f, o, weighting="none") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mse", sklearn.metrics.mean_squared_error),
        ("rmse", sklearn.metrics.root_mean_squared_error),
        ("mae", sklearn.metrics.mean_absolute_error),
        ("r2", sklearn.metrics.r2_score),
    ],
)
def test_equals_scikit_learn(name, function):
    f, o, _ = random_fields()
    weights = np.broadcast_to(np.cos(np.deg2rad(LATITUDE))[:, np.newaxis], f.shape)
    expected = function(o.ravel(), f.ravel(), sample_weight=weights.ravel())
    assert score(name, f, o, weighting="cos") == pytest.approx(expected, rel=1e-12)


def test_equals_scipy():
    f, o, c = random_fields()
    pairs = [(a.ravel(), b.ravel()) for a, b in zip(f, o, strict=True)]
    anomalies = [(a - m.ravel(), b - m.ravel()) for (a, b), m in zip(pairs, c, strict=True)]
    each = np.mean([scipy.stats.pearsonr(*pair).statistic for pair in pairs])
    pooled = scipy.stats.pearsonr(f.ravel(), o.ravel()).statistic
    centred = np.mean([scipy.stats.pearsonr(*pair).statistic for pair in anomalies])
    all_centred = scipy.stats.pearsonr((f - c).ravel(), (o - c).ravel()).statistic
    expected = {
        "pearson": each,
        "pearson(form=pooled)": pooled,
        "acc(form=centred)": centred,
        "acc(form=pooled_centred)": all_centred,
    }
    for name, value in expected.items():
        assert score(name, f, o, c, weighting="none") == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("rmse", 2.5), ("rmse(root=before)", 2.5), ("mse", 6.25), ("mae", 2.5), ("bias", -2.5)),
        *(("pearson", 1.0), ("pearson(form=pooled)", 1.0), ("acc(form=centred)", 1.0)),
        *(("acc(form=pooled_centred)", 1.0), ("variance_ratio", 0.0), ("activity_ratio", 0.0)),
    ],
)
def test_constant_offset(name, expected):
    _, truth, climatology = random_fields()
    assert score(name, truth - 2.5, truth, climatology) == pytest.approx(
        expected, rel=1e-12, abs=1e-12
    )


def test_constant_offset_has_no_error_deviation():
    _, truth, climatology = random_fields()
    assert score("error_std", truth - 2.5, truth, climatology) == pytest.approx(0.0, abs=1e-7)


def test_root_comes_last_unless_it_is_asked_for_before():
    # Errors 1 and 7 on two days: sqrt((1 + 49) / 2) = 5, the mean of the roots is 4.
    truth = np.zeros((2, LATITUDE.size, LONGITUDE.size))
    forecast = truth + np.array([1.0, 7.0])[:, np.newaxis, np.newaxis]
    assert score("rmse", forecast, truth) == pytest.approx(5.0, rel=1e-15)
    assert score("rmse(root=before)", forecast, truth) == pytest.approx(4.0, rel=1e-15)


def test_acc_is_the_mean_of_each_times_ratio():
    # Day 1: forecast anomaly = truth anomaly, ACC 1; day 2: opposite and large, ACC -1.
    _, truth, climatology = random_fields(samples=2)
    anomaly = truth - climatology
    forecast = climatology + anomaly * np.array([1.0, -100.0])[:, np.newaxis, np.newaxis]
    assert score("acc", forecast, truth, climatology) == pytest.approx(0.0, abs=1e-12)
    assert score("acc(form=ratio_of_means)", forecast, truth, climatology) < -0.5


@pytest.mark.parametrize("form", ["mean_of_ratios", "ratio_of_means", "centred", "pooled_centred"])
def test_climatology_as_forecast_has_acc_zero(form):
    _, truth, climatology = random_fields()
    assert score(f"acc(form={form})", climatology, truth, climatology) == 0.0


def test_climatology_as_forecast_has_no_skill_and_no_activity():
    _, truth, climatology = random_fields()
    assert score("mse_skill", climatology, truth, climatology) == 0.0
    assert score("activity", climatology, truth, climatology) == 0.0
    assert score("activity_ratio", climatology, truth, climatology) == -1.0


def test_a_time_whose_truth_is_the_climatology_does_not_count():
    forecast, truth, climatology = random_fields(samples=2)
    truth[1] = climatology[1]
    alone = score("acc", forecast[:1], truth[:1], climatology[:1])
    assert score("acc", forecast, truth, climatology) == pytest.approx(alone, rel=1e-14)


def test_acc_takes_one_mask_for_all_sums():
    """Where the truth is missing, the forecast's variance leaves the cell out as well."""
    forecast, truth, climatology = random_fields(samples=1)
    forecast[0, 0, 0] += 1000.0
    truth[0, 0, 0] = np.nan
    value = score("acc", forecast, truth, climatology, weighting="cos")
    w = np.broadcast_to(np.cos(np.deg2rad(LATITUDE))[:, None], (4, 3)).copy()
    w[0, 0] = 0.0
    f, o = forecast[0] - climatology[0], np.nan_to_num(truth[0] - climatology[0])
    expected = (w * f * o).sum() / np.sqrt((w * f * f).sum() * (w * o * o).sum())
    assert value == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("level", [0.1, 280.1, 1e6 + 0.1])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_truth_that_is_the_same_everywhere_has_no_correlation(level, samples):
    forecast, _, climatology = random_fields(samples)
    flat = np.full_like(forecast, level)
    for name in ("pearson", "pearson(form=pooled)", "r2", "variance_ratio"):
        assert np.isnan(score(name, forecast, flat)), name
    assert np.isnan(score("acc", forecast, climatology, climatology))
    assert np.isnan(score("mse_skill", forecast, climatology, climatology))


@pytest.mark.parametrize("level", [0.1, 280.1, 1e6 + 0.1])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_forecast_that_is_the_same_everywhere_has_correlation_zero(level, samples):
    _, truth, _ = random_fields(samples)
    flat = np.full_like(truth, level)
    for name in ("pearson", "pearson(form=pooled)"):
        assert score(name, flat, truth) == pytest.approx(0.0, abs=1e-5), name
    assert score("variance_ratio", flat, truth) == pytest.approx(-1.0, abs=1e-3)


@pytest.mark.parametrize("anomalies", [(1.1, 2.3), (0.1, -0.7), (1e6 + 0.1, 3.3)])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("name", ["acc(form=centred)", "acc(form=pooled_centred)"])
def test_anomalies_without_a_pattern_have_no_centred_correlation(name, anomalies, samples):
    """Rounding must not be taken for a pattern: its correlation could be any number."""
    _, _, climatology = random_fields(samples)
    climatology = np.zeros_like(climatology)
    forecast, truth = (climatology + anomaly for anomaly in anomalies)
    assert np.isnan(score(name, forecast, truth, climatology))


@pytest.mark.parametrize("samples", [1, 40])
def test_one_valid_cell_has_neither_variance_nor_correlation(samples):
    forecast, truth, climatology = random_fields(samples)
    alone = np.full_like(truth, np.nan)
    alone[:, 1, 2] = forecast[:, 1, 2]
    for name in ("pearson", "acc(form=centred)"):
        assert np.isnan(score(name, alone, truth, climatology)), name
    assert score("activity", alone, truth, climatology) == 0.0


def test_everything_equal_is_a_perfect_forecast():
    flat = np.full((3, LATITUDE.size, LONGITUDE.size), 280.1)
    for name in ("mse", "rmse", "rmse(root=before)", "mae", "bias", "error_std"):
        assert score(name, flat, flat) == 0.0, name


def test_float32_fields_lose_nothing_that_matters():
    single = [field.astype(np.float32) for field in random_fields(200)]
    for name in NAMES:
        exact = by_numpy(name, *single)
        assert score(name, *single) == pytest.approx(exact, rel=1e-9), name


def test_pole_rows_weigh_by_area_but_not_by_cosine():
    latitude, longitude = np.array([-90.0, 0.0, 90.0]), np.array([0.0, 180.0])
    by_area = region_weights(latitude, longitude, weighting="area")[:, 0].reshape(3, 2)
    by_cosine = region_weights(latitude, longitude, weighting="cos")[:, 0].reshape(3, 2)
    cap = 1 - math.sin(math.radians(45))
    belt = 2 * math.sin(math.radians(45))
    np.testing.assert_allclose(by_area[:, 0] / by_area[1, 0], [cap / belt, 1, cap / belt])
    np.testing.assert_allclose(by_cosine[:, 0], [0, 3, 0], atol=1e-15)


@settings(deadline=None, max_examples=25)
@given(shift=st.floats(-1e3, 1e3), seed=st.integers(0, 100))
def test_a_common_shift_changes_nothing(shift, seed):
    forecast, truth, climatology = random_fields(seed=seed)
    for name in NAMES:
        before = score(name, forecast, truth, climatology)
        after = score(name, forecast + shift, truth + shift, climatology + shift)
        assert after == pytest.approx(before, rel=1e-7, abs=1e-9), name


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 1000), share=st.sampled_from([0.0, 0.2, 0.7]))
def test_orderings_that_always_hold(seed, share):
    fields = with_holes(random_fields(seed=seed), share, seed)
    found = {name: score(name, *fields) for name in NAMES}
    if np.isnan(found["rmse"]):
        return  # nothing is left
    tolerance = 1e-12
    assert found["rmse"] >= found["mae"] - tolerance
    assert found["mae"] >= abs(found["bias"]) - tolerance
    assert found["rmse"] ** 2 == pytest.approx(found["error_std"] ** 2 + found["bias"] ** 2)
    for name in NAMES:
        if "acc" in name or "pearson" in name:
            assert not abs(found[name]) > 1 + 1e-9, name
    assert not found["r2"] > 1
    assert not found["mse_skill"] > 1
    assert found["activity"] >= 0


def test_nothing_divided_by_nothing_is_missing():
    assert np.isnan(ratio(np.zeros(2), np.zeros(2))).all()

"""The fraction skill score against the package scores, and against loops written out."""

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.metrics import Batch, Companion, Layout, Regions, get_metric, region_weights
from climbench.metrics.neighbourhood import full_windows, window_sums

LATITUDE = np.linspace(-60.0, 60.0, 13)
REGIONAL = np.arange(16) * 10.0
GLOBAL = np.arange(12) * 30.0


def fields(layout, samples=3, seed=0):
    shape = (samples, layout.latitude.size, layout.longitude.size)
    return np.random.default_rng(seed).normal(size=shape)


def score(text, layout, forecast, truth, weights=None, members=None, companions=None):
    """The score of fields [sample, latitude, longitude] in one region."""
    metric = get_metric(text)
    weights = np.ones(layout.size) if weights is None else weights
    regions = Regions(np.asarray(weights).reshape(-1, 1))
    batch = Batch(
        layout.cells(forecast),
        layout.cells(truth),
        None,
        None if members is None else layout.cells(members),
        layout,
        companions or {},
    )
    means = {s: s.means(batch, regions)[:, 0] for s in metric.statistics}
    weight = regions.weight(batch.valid, (len(truth),))[:, 0]
    return metric.resampled(means, weight, np.ones((1, len(truth))))[0]


def by_loops(forecast, truth, threshold, window, weights, border, round_globe):
    """The definition, one cell at a time."""
    half, sums = window // 2, np.zeros(3)
    for f, o in zip(forecast, truth, strict=True):
        known = np.isfinite(f) & np.isfinite(o)
        rows, columns = f.shape
        for j in range(rows):
            for i in range(columns):
                p = q = 0.0
                full = True
                for y in range(j - half, j + half + 1):
                    for x in range(i - half, i + half + 1):
                        column = x % columns if round_globe else x
                        if not (0 <= y < rows and 0 <= column < columns):
                            full = full and border == "zero"
                        elif not known[y, column]:
                            full = False
                        else:
                            p += f[y, column] > threshold
                            q += o[y, column] > threshold
                p, q = p / window**2, q / window**2
                sums += full * weights[j, i] * np.array([(p - q) ** 2, p**2, q**2])
    return 1 - sums[0] / (sums[1] + sums[2])


def scores_package(forecast, truth, threshold, window, zero_padding):
    spatial = pytest.importorskip("scores.spatial")
    dims = ("time", "latitude", "longitude")
    given = (xr.DataArray(field, dims=dims) for field in (forecast, truth))
    return spatial.fss_2d(
        *given,
        event_threshold=threshold,
        window_size=(window, window),
        spatial_dims=("latitude", "longitude"),
        zero_padding=zero_padding,
        reduce_dims=["time"],
    ).item()


@pytest.mark.filterwarnings("ignore:At least one of the provided spatial dims")
@pytest.mark.parametrize("window", [1, 3, 5, 13])
def test_equals_the_package_scores_inside_a_region(window):
    layout = Layout(LATITUDE, REGIONAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    found = score(f"fss(threshold=0.4, window={window})", layout, forecast, truth)
    assert found == pytest.approx(scores_package(forecast, truth, 0.4, window, False), rel=1e-12)


@pytest.mark.filterwarnings("ignore:At least one of the provided spatial dims")
@pytest.mark.parametrize("window", [3, 5])
def test_equals_the_package_scores_with_zeros_around(window):
    # It has one row and one column of windows too many, which no event may reach.
    layout = Layout(LATITUDE, REGIONAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    for field in (forecast, truth):
        field[:, -2:] = field[:, :, -2:] = -9.0
    found = score(f"fss(threshold=0.4, window={window}, border=zero)", layout, forecast, truth)
    assert found == pytest.approx(scores_package(forecast, truth, 0.4, window, True), rel=1e-12)


@pytest.mark.parametrize("border", ["exclude", "zero"])
@pytest.mark.parametrize("longitude", [REGIONAL, GLOBAL])
@pytest.mark.parametrize("longitude_first", [False, True])
def test_equals_loops_with_weights_missing_values_and_round_the_globe(
    border, longitude, longitude_first
):
    layout = Layout(LATITUDE, longitude, longitude_first)
    forecast, truth = fields(layout), fields(layout, seed=1)
    forecast[0, 3, 3] = truth[1, 8:, 7] = np.nan
    weights = region_weights(LATITUDE, longitude).reshape(LATITUDE.size, longitude.size)
    found = score(
        f"fss(threshold=0.3, window=3, border={border})",
        layout,
        forecast,
        truth,
        layout.cells(weights),
    )
    round_globe = longitude is GLOBAL
    expected = by_loops(forecast, truth, 0.3, 3, weights, border, round_globe)
    assert found == pytest.approx(expected, rel=1e-12)


def test_order_of_rows_and_start_of_columns_change_nothing():
    layout = Layout(LATITUDE, GLOBAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    weights = region_weights(LATITUDE, GLOBAL)
    expected = score("fss(threshold=0.3)", layout, forecast, truth, weights)
    turned = [np.roll(field[:, ::-1], 5, axis=2) for field in (forecast, truth)]
    other = Layout(LATITUDE[::-1], np.roll(GLOBAL, 5))
    assert score("fss(threshold=0.3)", other, *turned, weights) == pytest.approx(
        expected, rel=1e-12
    )


def test_below_the_threshold_is_above_it_mirrored():
    layout = Layout(LATITUDE, GLOBAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    mirrored = score("fss(threshold=-0.3, above=False)", layout, -forecast, -truth)
    assert mirrored == score("fss(threshold=0.3)", layout, forecast, truth)


def test_a_shifted_shower_is_forgiven_by_a_wide_window():
    layout = Layout(LATITUDE, REGIONAL)
    truth = np.zeros((1, 13, 16))
    truth[0, 6, 6] = 1.0
    forecast = np.roll(truth, 2, axis=2)
    skill = [
        score(f"fss(threshold=0.5, window={w})", layout, forecast, truth) for w in (1, 3, 5, 7)
    ]
    assert skill[0] == 0.0
    assert skill == sorted(skill)
    assert skill[-1] == pytest.approx(5 / 7)  # five of seven columns of windows hold both
    assert score("fss(threshold=0.5)", layout, truth, truth) == 1.0


def test_without_events_or_room_for_the_window_there_is_no_score():
    layout = Layout(LATITUDE, REGIONAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    assert np.isnan(score("fss(threshold=99)", layout, forecast, truth))
    assert np.isnan(score("fss(threshold=0, window=15)", layout, forecast, truth))
    assert np.isnan(score("fss(threshold=0)", layout, forecast, np.full_like(truth, np.nan)))


def test_pooling_is_before_the_ratio_and_means_leave_out_calm_samples():
    layout = Layout(LATITUDE, REGIONAL)
    forecast, truth = fields(layout, 4), fields(layout, 4, seed=1)
    forecast[2] = truth[2] = -9.0
    each = [by_loops(f[None], o[None], 1.0, 5, np.ones((13, 16)), "exclude", False)
            for f, o in zip(forecast[[0, 1, 3]], truth[[0, 1, 3]], strict=True)]  # fmt: skip
    mean = score("fss(threshold=1.0, form=mean_of_samples)", layout, forecast, truth)
    assert mean == pytest.approx(np.mean(each), rel=1e-12)
    pooled = by_loops(forecast, truth, 1.0, 5, np.ones((13, 16)), "exclude", False)
    assert score("fss(threshold=1.0)", layout, forecast, truth) == pytest.approx(pooled, rel=1e-12)


def test_a_quantile_is_a_threshold_for_each_cell():
    layout = Layout(LATITUDE, GLOBAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    level = fields(layout, 1, seed=2)
    expected = score("fss(threshold=0)", layout, forecast - level, truth - level)
    companions = {Companion("quantile", 0.9): layout.cells(level)}
    assert get_metric("fss(quantile=0.9)").statistics[0].companions == (*companions,)
    found = score("fss(quantile=0.9)", layout, forecast, truth, companions=companions)
    assert found == pytest.approx(expected, rel=1e-12)
    level[0, 5, 5] = np.nan  # an unknown threshold is a missing value
    holes = [np.where(np.isnan(level), np.nan, field) for field in (forecast, truth)]
    found = score("fss(quantile=0.9)", layout, forecast, truth, companions=companions)
    expected = score("fss(quantile=0.9)", layout, *holes, companions=companions)
    assert found == pytest.approx(expected, rel=1e-12)


def test_members_give_the_share_of_members():
    layout = Layout(LATITUDE, GLOBAL)
    members = np.stack([fields(layout, seed=s) for s in range(4)], axis=1)
    truth = fields(layout, seed=9)
    mean = members.mean(axis=1)
    share = (members > 0.3).mean(axis=1)
    sums = [window_sums(field, 5, True) / 25 for field in (share, (truth > 0.3).astype(float))]
    p, q = (field[:, 2:-2] for field in sums)
    expected = 1 - np.square(p - q).mean() / (np.square(p).mean() + np.square(q).mean())
    found = score("fss(threshold=0.3, of=members)", layout, mean, truth, members=members)
    assert found == pytest.approx(expected, rel=1e-12)
    assert get_metric("fss(threshold=0.3, of=members)").needs_members


def test_a_cell_without_a_quantile_is_like_a_missing_one():
    layout = Layout(LATITUDE, GLOBAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    quantile = np.full(layout.cells(truth).shape, 0.3)
    missing = layout.cells(truth).copy()
    missing[:, 40] = missing[1, 90] = np.nan
    hollow = np.where(np.isnan(missing), np.nan, quantile)
    wanted = Companion("quantile", 0.9)
    text = "fss(quantile=0.9, window=3)"
    ours = score(text, layout, forecast, truth, companions={wanted: hollow})
    expected = score(text, layout, forecast, layout.fields(missing), companions={wanted: quantile})
    assert ours == pytest.approx(expected, rel=1e-12)


def test_scale_does_not_matter():
    layout = Layout(LATITUDE, GLOBAL)
    forecast, truth = fields(layout), fields(layout, seed=1)
    expected = score("fss(threshold=0.25)", layout, forecast, truth)
    for factor in (2.0**-100, 2.0**100):
        text = f"fss(threshold={0.25 * factor!r})"
        assert score(text, layout, factor * forecast, factor * truth) == expected


@pytest.mark.parametrize(
    "text",
    [
        "fss",
        "fss(threshold=1, quantile=0.9)",
        "fss(threshold=1, window=4)",
        "fss(threshold=1, window=-1)",
        "fss(threshold=1, window=4.5)",
        "fss(threshold=1, window=true)",
        "fss(threshold=.nan)",
        "fss(threshold=1, border=wrap)",
        "fss(threshold=1, form=max)",
        "fss(threshold=1, of=truth)",
    ],
)
def test_bad_parameters_are_refused(text):
    with pytest.raises(UserError, match="cannot be made"):
        get_metric(text)


def test_windows_count_cells():
    field = np.random.default_rng(0).integers(0, 9, size=(2, 6, 8)).astype(float)
    wrapped = np.pad(field, [(0, 0), (1, 1), (0, 0)])
    wrapped = np.pad(wrapped, [(0, 0), (0, 0), (1, 1)], mode="wrap")
    expected = np.lib.stride_tricks.sliding_window_view(wrapped, (3, 3), axis=(1, 2)).sum((-1, -2))
    np.testing.assert_array_equal(window_sums(field, 3, True), expected)
    known = np.ones((4, 5), dtype=bool)
    assert full_windows(known, 3, round_globe=True)[1:3].all()
    assert full_windows(known, 3, border="zero").all()

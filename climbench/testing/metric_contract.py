"""Laws that every metric keeps; outside metrics can run them on themselves.

Each check takes a metric and raises ``AssertionError`` with a sentence where the law is broken::

    from climbench.testing.metric_contract import check_metric

    check_metric(MyMetric())
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.metrics import Fields, Metric, State, region_weights

Array = NDArray[np.float64]
LATITUDE = np.linspace(-90.0, 90.0, 7)
LONGITUDE = np.linspace(0.0, 300.0, 6)
REGIONS = ("global", "tropics", "extra-tropics")
CELLS = LATITUDE.size * LONGITUDE.size
SAMPLES = 8
BEST_SCORE: dict[str, float] = {"lower": 0.0, "zero": 0.0, "higher": 1.0}


def fields(samples: int = SAMPLES, seed: int = 0) -> tuple[Array, Array, Array]:
    """Return forecast, truth and climatology ``[sample, cell]`` with errors of all sizes."""
    random = np.random.default_rng(seed)
    climatology = 280.0 + random.normal(size=(samples, CELLS))
    truth = climatology + 3.0 + 5.0 * random.normal(size=(samples, CELLS))
    forecast = truth + 1.0 + 2.0 * random.normal(size=(samples, CELLS))
    return forecast, truth, climatology


def state_of(
    metric: Metric,
    blocks: Fields,
    labels: NDArray[Any] | None = None,
    latitude: Array = LATITUDE,
) -> State:
    """Return the state of one block of fields with one condition and one channel."""
    labels = np.arange(len(blocks.truth)) if labels is None else labels
    weights = region_weights(latitude, LONGITUDE, REGIONS)
    samples = np.sort(labels)
    state = State.zeros(samples, 1, 1, weights, metric.statistics)
    state.add(np.searchsorted(samples, labels), 0, 0, blocks)
    return state


def score_of(metric: Metric, forecast: Array, truth: Array, climatology: Array) -> Array:
    """Return the score of each region ``[region]``."""
    score: Array = metric.score(state_of(metric, Fields(forecast, truth, climatology)))[0, 0]
    return score


def check_split_and_merge(metric: Metric) -> None:
    """Check that cutting samples into blocks and the order of merging change nothing."""
    forecast, truth, climatology = fields()
    whole = score_of(metric, forecast, truth, climatology)
    for cuts in ([3], [1, 2, 6], list(range(1, SAMPLES))):
        parts = [
            state_of(metric, Fields(forecast[i], truth[i], climatology[i]), labels=i)
            for i in np.split(np.arange(SAMPLES), cuts)
        ]
        forward = parts[0]
        for part in parts[1:]:
            forward = forward + part
        backward = parts[-1]
        for part in parts[-2::-1]:
            backward = backward + part
        for merged in (forward, backward):
            np.testing.assert_allclose(
                metric.score(merged)[0, 0], whole, rtol=1e-12, err_msg=f"{metric.name}: merging"
            )


def check_permutation(metric: Metric) -> None:
    """Check that the order in which samples come changes nothing."""
    forecast, truth, climatology = fields()
    order = np.random.default_rng(1).permutation(SAMPLES)
    shuffled = state_of(
        metric, Fields(forecast[order], truth[order], climatology[order]), labels=order
    )
    np.testing.assert_allclose(
        metric.score(shuffled)[0, 0],
        score_of(metric, forecast, truth, climatology),
        rtol=1e-12,
        err_msg=f"{metric.name}: order of samples",
    )


def check_scaling(metric: Metric) -> None:
    """Check that a change of unit by a factor changes the score by its power of the factor."""
    forecast, truth, climatology = fields()
    for factor in (1e-3, 100.0, 1e12):
        np.testing.assert_allclose(
            score_of(metric, factor * forecast, factor * truth, factor * climatology),
            score_of(metric, forecast, truth, climatology) * factor**metric.unit_power,
            rtol=1e-9,
            err_msg=f"{metric.name}: scaling by {factor}",
        )


def check_perfect(metric: Metric) -> None:
    """Check that the truth as forecast gets the best score there is."""
    _, truth, climatology = fields()
    np.testing.assert_allclose(
        score_of(metric, truth, truth, climatology),
        BEST_SCORE[metric.orientation],
        atol=1e-12,
        err_msg=f"{metric.name}: perfect forecast",
    )


def check_worse_is_worse(metric: Metric) -> None:
    """Check that ten times the error scores worse, as the orientation says."""
    forecast, truth, climatology = fields()
    good = score_of(metric, forecast, truth, climatology)
    bad = score_of(metric, truth + 10.0 * (forecast - truth), truth, climatology)
    worse = {"lower": bad > good, "higher": bad < good, "zero": np.abs(bad) > np.abs(good)}
    assert np.all(worse[metric.orientation]), f"{metric.name}: orientation"  # noqa: S101


def check_missing_have_weight_zero(metric: Metric) -> None:
    """Check that a cell without forecast, truth or climatology counts as if it were not there."""
    blank = np.random.default_rng(2).random((3, SAMPLES, CELLS)) < 0.1
    holes = [np.where(b, np.nan, f) for b, f in zip(blank, fields(), strict=True)]
    state = state_of(metric, Fields(holes[0], holes[1], holes[2]))
    gone = np.asarray(blank.any(axis=0))
    zero = [np.where(gone, 0.0, field) for field in fields()]
    plain = Fields(zero[0], zero[1], zero[2])
    # The same cells left out by hand.
    expected = State.zeros(state.samples, 1, 1, state.weights, metric.statistics)
    valid_weights = np.where(gone[..., np.newaxis], 0.0, state.weights)
    for statistic in expected.sums:
        values = statistic(plain)
        expected.sums[statistic][:, 0, 0] = np.einsum("sc,scr->sr", values, valid_weights)
    expected.weight[:, 0, 0] = valid_weights.sum(axis=1)
    for statistic in expected.cell_sums:
        expected.cell_sums[statistic][0, 0] = np.where(gone, 0.0, statistic(plain)).sum(axis=0)
    expected.cell_count[0, 0] = np.count_nonzero(~gone, axis=0)
    np.testing.assert_allclose(
        metric.score(state), metric.score(expected), rtol=1e-9, err_msg=f"{metric.name}: missing"
    )
    assert int(state.missing[0, 0]) == np.count_nonzero(gone), "missing values"  # noqa: S101


def check_nothing_is_nan(metric: Metric) -> None:
    """Check that without a single valid value the score is NaN, not zero."""
    forecast, truth, climatology = fields()
    nothing = score_of(metric, forecast, np.full_like(truth, np.nan), climatology)
    assert np.all(np.isnan(nothing)), f"{metric.name}: all missing gives {nothing}"  # noqa: S101


def check_reversed_latitude(metric: Metric) -> None:
    """Check that rows from north to south score as rows from south to north."""
    flipped = [
        field.reshape(SAMPLES, LATITUDE.size, -1)[:, ::-1].reshape(SAMPLES, -1)
        for field in fields()
    ]
    block = Fields(flipped[0], flipped[1], flipped[2])
    state = state_of(metric, block, latitude=LATITUDE[::-1])
    np.testing.assert_allclose(
        metric.score(state)[0, 0],
        score_of(metric, *fields()),
        rtol=1e-12,
        err_msg=f"{metric.name}: reversed latitude",
    )


def check_weights_normalised(metric: Metric) -> None:
    """Check that only ratios of weights matter."""
    state = state_of(metric, Fields(*fields()))
    heavy = State.zeros(state.samples, 1, 1, 7.0 * state.weights, metric.statistics)
    heavy.add(slice(None), 0, 0, Fields(*fields()))
    np.testing.assert_allclose(
        metric.score(heavy), metric.score(state), rtol=1e-12, err_msg=f"{metric.name}: weights"
    )


def check_equal_metrics_are_one(metric: Metric) -> None:
    """Check that equal class and parameters are equal keys: shared statistics are made once."""
    twin = type(metric)(**vars(metric))
    assert twin == metric and hash(twin) == hash(metric), f"{metric.name}: identity"  # noqa: S101
    assert len({*twin.statistics, *metric.statistics}) == len(metric.statistics)  # noqa: S101


CHECKS: tuple[Callable[[Metric], None], ...] = (
    check_split_and_merge,
    check_permutation,
    check_scaling,
    check_perfect,
    check_worse_is_worse,
    check_missing_have_weight_zero,
    check_nothing_is_nan,
    check_reversed_latitude,
    check_weights_normalised,
    check_equal_metrics_are_one,
)


def check_metric(metric: Metric) -> None:
    """Run every check on one metric.

    Raises
    ------
    AssertionError
        With the law that the metric breaks.
    """
    for check in CHECKS:
        check(metric)

"""Laws that every metric keeps; outside metrics can run them on themselves.

Each check takes a metric and raises ``AssertionError`` with a sentence where the law is broken::

    from climbench.testing.metric_contract import check_metric

    check_metric(MyMetric())

A law that cannot hold for a metric is left out by name, ``check_metric(m, without=("scaling",))``.
"""

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from climbench.metrics import CellStatistic, Layout, Metric, Regions, State, get_metric
from climbench.testing.metric_cases import (
    LATITUDE,
    LAYOUT,
    LONGITUDE,
    REGIONS,
    SAMPLES,
    Array,
    fields,
    regions_of,
    score_of,
    state_of,
    with_holes,
)

BEST_SCORE: dict[str, float] = {"lower": 0.0, "zero": 0.0, "higher": 1.0}


def _same(metric: Metric, law: str, score: Array, expected: Array, rtol: float = 1e-12) -> None:
    sizes = np.abs(expected[np.isfinite(expected)])
    np.testing.assert_allclose(
        score,
        expected,
        rtol=rtol,
        atol=rtol * sizes.max(initial=0.0),
        err_msg=f"{metric.label}: {law}",
    )


def _require(condition: bool, metric: Metric, law: str) -> None:
    if not condition:
        raise AssertionError(f"{metric.label}: {law}")


def check_split_and_merge(metric: Metric) -> None:
    """Check that cutting samples into blocks and the order of merging change nothing."""
    case = fields()
    whole = score_of(metric, case)
    for cuts in ([3], [1, 2, 6], list(range(1, SAMPLES))):
        pieces = np.split(np.arange(SAMPLES), cuts)
        parts = [state_of(metric, case.take(piece)) for piece in pieces]
        for order in (parts, parts[::-1]):
            merged = order[0]
            for part in order[1:]:
                merged = merged + part
            _same(metric, "merging", metric.score(merged)[0, 0], whole)


def check_permutation(metric: Metric) -> None:
    """Check that the order in which samples come changes nothing."""
    shuffled = fields().take(np.random.default_rng(1).permutation(SAMPLES))
    _same(metric, "order of samples", score_of(metric, shuffled), score_of(metric, fields()))


def check_order_of_members(metric: Metric) -> None:
    """Check that the order of the members changes nothing."""
    if metric.needs_members:
        case = fields()
        mixed = replace(case, members=case.members[:, [2, 4, 0, 3, 1]])
        _same(metric, "order of members", score_of(metric, mixed), score_of(metric, case))


def check_an_ensemble_counts_by_its_mean(metric: Metric) -> None:
    """Check that a score of single forecasts takes the mean of an ensemble."""
    if not metric.needs_members:
        case = fields()
        mean = replace(case, members=case.members.mean(axis=1, keepdims=True))
        score = metric.score(state_of(metric, case, ensemble=True))[0, 0]
        _same(metric, "mean of the ensemble", score, score_of(metric, mean))


def check_scaling(metric: Metric) -> None:
    """Check that a change of unit by a factor changes the score by its power of the factor."""
    expected = score_of(metric, fields())
    for factor in (1e-3, 100.0, 1e12):
        score = score_of(metric, fields().in_unit(factor))
        _same(metric, f"scaling by {factor}", score, expected * factor**metric.unit_power, 1e-9)


def check_perfect(metric: Metric) -> None:
    """Check that the truth as forecast gets the best score, if there is one."""
    if metric.orientation == "none":
        return
    score = score_of(metric, fields().with_errors(0.0))
    best = np.full_like(score, BEST_SCORE[metric.orientation])
    known = np.isfinite(score)
    _require(bool(known.any()), metric, "a perfect forecast has no score")
    np.testing.assert_allclose(
        score[known], best[known], atol=1e-12, err_msg=f"{metric.label}: perfect forecast"
    )


def check_worse_is_worse(metric: Metric) -> None:
    """Check that ten times the error scores worse, as the orientation says.

    A curve has no worth as a whole.
    """
    if metric.curve is not None or metric.orientation == "none":
        return
    good, bad = score_of(metric, fields()), score_of(metric, fields().with_errors(10.0))
    worse = {"lower": bad > good, "higher": bad < good, "zero": np.abs(bad) > np.abs(good)}
    known = np.isfinite(good)
    _require(bool(known.any()), metric, "there is no score")
    _require(bool(np.all(worse[metric.orientation][known])), metric, "orientation")


def check_missing_have_weight_zero(metric: Metric) -> None:
    """Check that a cell without forecast, truth or climatology counts as if it were not there.

    This is for statistics of cells; others need the neighbours of a cell as well.
    """
    statistics = (*metric.statistics, *metric.cell_statistics)
    if not all(isinstance(statistic, CellStatistic) for statistic in statistics):
        return
    holed, gone = with_holes()
    state, regions = state_of(metric, holed), regions_of()
    expected = State.zeros(
        state.samples,
        1,
        1,
        regions,
        LAYOUT,
        list(state.means),
        list(state.cell_sums),
        state.members,
    )
    for sample in range(SAMPLES):  # the same cells, taken away by weights of zero
        here = np.where(gone[sample], 0.0, 1.0)
        alone = fields().take(np.array([sample]))
        without = state_of(metric, alone, Regions(regions.weights * here[:, np.newaxis]))
        expected.weight[sample] = without.weight[0]
        for statistic, means in without.means.items():
            expected.means[statistic][sample] = means[0]
        for statistic, sums in without.cell_sums.items():
            expected.cell_sums[statistic] += sums * here
        if without.cell_sums:
            expected.cell_count += (without.cell_count * here).astype(np.int32)
    _same(metric, "missing values", metric.score(state), metric.score(expected), 1e-9)
    _require(int(state.missing[0, 0]) == np.count_nonzero(gone), metric, "number of missing values")


def check_what_a_missing_value_hides(metric: Metric) -> None:
    """Check that forecasts do not count where the truth is missing."""
    holed, _ = with_holes()
    hidden = np.isnan(holed.truth)[:, np.newaxis]
    huge = replace(holed, members=np.where(hidden, 1e15, holed.members))
    score, expected = score_of(metric, huge), score_of(metric, holed)
    _same(metric, "forecasts under a missing truth", score, expected)


def check_a_sample_without_truth_is_none(metric: Metric) -> None:
    """Check that a sample without any truth counts as if it were not there."""
    case = fields()
    truth = case.truth.copy()
    truth[-1] = np.nan
    score, expected = (
        score_of(metric, replace(case, truth=truth)),
        score_of(metric, case.take(slice(-1))),
    )
    _same(metric, "a sample without truth", score, expected)


def check_nothing_is_nan(metric: Metric) -> None:
    """Check that without a single valid value the score is NaN, not zero."""
    case = fields()
    nothing = score_of(metric, replace(case, truth=np.full_like(case.truth, np.nan)))
    _require(bool(np.all(np.isnan(nothing))), metric, f"all missing gives {nothing}")


def check_order_of_cells(metric: Metric) -> None:
    """Check that rows from north to south, and columns before rows, score the same."""
    expected = score_of(metric, fields())
    flipped = fields().on(Layout(LATITUDE[::-1], LONGITUDE))
    turned = fields().on(Layout(LATITUDE, LONGITUDE, longitude_first=True))
    _same(metric, "reversed latitude", score_of(metric, flipped), expected, 1e-11)
    _same(metric, "longitude first", score_of(metric, turned), expected, 1e-11)


def check_weights_normalised(metric: Metric) -> None:
    """Check that only ratios of weights matter."""
    heavy = state_of(metric, fields(), Regions(7.0 * regions_of().weights))
    _same(metric, "weights", metric.score(heavy)[0, 0], score_of(metric, fields()))


def check_redrawn_samples(metric: Metric) -> None:
    """Check that drawing some samples scores them alone, and drawing all twice changes nothing."""
    if metric.needs_cells:
        return
    state = state_of(metric, fields())
    some = np.arange(SAMPLES) < 5
    counts = np.stack([np.ones(SAMPLES), np.full(SAMPLES, 2.0), some])
    once, twice, part = metric.resampled(state.means, state.weight, counts)[:, 0, 0]
    _same(metric, "each sample once", once, score_of(metric, fields()))
    _same(metric, "each sample twice", twice, once)
    _same(metric, "some samples", part, score_of(metric, fields().take(some)), 1e-11)
    each_left_out = metric.resampled(state.means, state.weight, 1.0 - np.eye(SAMPLES))
    short = metric.resampled(state.means, state.weight, None)
    _same(metric, "each sample left out", short, each_left_out, 1e-11)


def check_single_precision(metric: Metric) -> None:
    """Check that sums of float32 fields lose no more than their rounding to float32 does."""
    single = fields().each(lambda field: field.astype(np.float32))
    double = single.each(lambda field: field.astype(np.float64))
    _same(metric, "float32", score_of(metric, single), score_of(metric, double), 1e-6)


def check_one_of_each(metric: Metric) -> None:
    """Check that a single sample, and an ensemble of a single member, have scores of one shape."""
    whole = score_of(metric, fields())
    _require(score_of(metric, fields(1)).shape == whole.shape, metric, "one sample")
    one = state_of(metric, fields(members=1))
    shape = metric.score(one)[0, 0].shape
    _require(shape[:1] == whole.shape[:1], metric, "one member")


def check_curve_has_a_coordinate(metric: Metric) -> None:
    """Check that a curve has as many values as its coordinate, and any other score has one."""
    state = state_of(metric, fields())
    shape: tuple[int, ...] = (1, 1, len(REGIONS))
    if metric.curve is not None:
        shape = (*shape, len(metric.coordinate(LAYOUT, state.members)))
    score = metric.score(state).shape
    _require(score == shape, metric, f"the score has the shape {score}, not {shape}")


def check_equal_metrics_are_one(metric: Metric) -> None:
    """Check that equal class and parameters are equal keys: shared statistics are made once."""
    twin = type(metric)(**vars(metric))
    _require(twin == metric and hash(twin) == hash(metric), metric, "identity")
    together = {*twin.statistics, *metric.statistics}
    _require(len(together) == len(metric.statistics), metric, "its statistics are not its twin's")


def check_the_label_names_it(metric: Metric) -> None:
    """Check that the label alone gives the metric back, as the gate and the report need."""
    _require(get_metric(metric.label) == metric, metric, "its label names another metric")


CHECKS: tuple[Callable[[Metric], None], ...] = (
    check_split_and_merge,
    check_permutation,
    check_order_of_members,
    check_an_ensemble_counts_by_its_mean,
    check_scaling,
    check_perfect,
    check_worse_is_worse,
    check_missing_have_weight_zero,
    check_what_a_missing_value_hides,
    check_a_sample_without_truth_is_none,
    check_nothing_is_nan,
    check_order_of_cells,
    check_weights_normalised,
    check_redrawn_samples,
    check_single_precision,
    check_one_of_each,
    check_curve_has_a_coordinate,
    check_equal_metrics_are_one,
    check_the_label_names_it,
)


def law(check: Callable[[Metric], None]) -> str:
    """Return the name of the law that a check is of."""
    return check.__name__.removeprefix("check_")


def check_metric(metric: Metric, without: Collection[str] = ()) -> None:
    """Run every check on one metric.

    Parameters
    ----------
    metric
        The metric; one that is not registered has no label that names it: leave that law out.
    without
        Names of laws that cannot hold for it, such as ``scaling``.

    Raises
    ------
    AssertionError
        With the law that the metric breaks.
    """
    for check in CHECKS:
        if law(check) not in without:
            check(metric)

"""The fused pass: sums against plain numpy, masks, counts, maps, bits that do not change."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from climbench.metrics import Batch, Fields, Layout, Regions, Stack, State, region_weights
from climbench.metrics.fields import ABSENT
from climbench.metrics.moments import (
    RAW,
    AbsoluteError,
    AnomalyProduct,
    Covariance,
    Error,
    Forecast,
    ForecastAnomaly,
    ForecastVariance,
    Moment,
    PlainForecastAnomaly,
    PlainTruthAnomaly,
    SquaredError,
    SquaredForecastAnomaly,
    SquaredTruthAnomaly,
    Truth,
    TruthAnomaly,
    TruthVariance,
    ValidCells,
)
from climbench.metrics.moments_kernel import native
from climbench.metrics.scan import scan

LATITUDE = np.linspace(-90.0, 90.0, 7)
LONGITUDE = np.arange(0.0, 360.0, 40.0)
LAYOUT = Layout(LATITUDE, LONGITUDE)
NAMES = ("global", "tropics", "extra-tropics", "europe")
REGIONS = Regions(region_weights(LATITUDE, LONGITUDE, NAMES))
SAMPLES, CONDITIONS, CHANNELS = 5, 3, 2
OF_CELLS = (
    Error(),
    AbsoluteError(),
    SquaredError(),
    ForecastAnomaly(),
    TruthAnomaly(),
    SquaredForecastAnomaly(),
    SquaredTruthAnomaly(),
    AnomalyProduct(),
)
OF_FIELDS = tuple(kind() for kind in RAW)
ALL = (*OF_CELLS, *OF_FIELDS, PlainForecastAnomaly(), PlainTruthAnomaly(), ValidCells())


def values(rows, seed, holes=0.0, dtype=np.float64):
    random = np.random.default_rng(seed)
    field = random.normal(280.0, 10.0, (rows, LAYOUT.size))
    field[random.random(field.shape) < holes] = np.nan
    return field.astype(dtype)


def block_of(holes=0.0, climate=True, dtype=np.float64, **changes):
    """A block whose fields lie in any order, with truth and climate shared by forecasts."""
    random = np.random.default_rng(9)
    shape = (SAMPLES, CONDITIONS, CHANNELS)
    number = int(np.prod(shape))
    forecast = Stack(values(number, 0, holes, dtype), random.permutation(number).reshape(shape))
    truth = Stack(values(8, 1, holes, dtype), random.integers(0, 8, shape))
    climatology = Stack(values(4, 2, holes, dtype), random.integers(0, 4, shape))
    return Fields(
        changes.pop("forecast", forecast),
        changes.pop("truth", truth),
        climatology if climate else None,
        LAYOUT,
        REGIONS,
        **changes,
    )


def gathered(block):
    """Forecast, truth, climate ``[sample, condition, channel, cell]``, and where all are there."""
    places = np.ix_(*(np.arange(size) for size in block.shape))
    fields = [
        np.asarray(stack.gather(places), dtype=np.float64)
        for stack in (block.forecast, block.truth, block.climatology)
        if stack is not None
    ]
    if len(fields) == 2:
        fields.append(np.zeros_like(fields[1]))
    return *fields, np.logical_and.reduce([np.isfinite(field) for field in fields])


def averaged(field, valid, weights=REGIONS.weights):
    """Weighted mean over valid cells, one region at a time."""
    result = []
    for weight in weights.T:
        w = np.where(valid, weight, 0.0)
        total = np.where(w.sum(-1) > 0, w.sum(-1), np.nan)
        result.append((np.where(valid, field, 0.0) * w).sum(-1) / total)
    return np.stack(result, axis=-1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("holes", [0.0, 0.2])
@pytest.mark.parametrize("statistic", OF_CELLS, ids=lambda s: s.name)
def test_means_over_cells_are_those_of_numpy(statistic, holes, dtype):
    block = block_of(holes, dtype=dtype)
    f, o, c, valid = gathered(block)
    batch = Batch(f, o, c, None, LAYOUT)
    found = scan(block, [statistic], maps=False).means[statistic]
    np.testing.assert_allclose(found, averaged(statistic.values(batch), valid), rtol=1e-11)


@pytest.mark.parametrize("climate", [True, False], ids=["climate", "no climate"])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_variances_are_those_of_two_passes(holes, climate):
    block = block_of(holes, climate)
    f, o, _, valid = gathered(block)
    found = scan(block, OF_FIELDS, maps=False).means
    for region, weight in enumerate(REGIONS.weights.T):
        w = np.where(valid, weight, 0.0)
        total = w.sum(-1, keepdims=True)
        total[total == 0] = np.nan
        mean_f, mean_o = ((w * np.nan_to_num(x)).sum(-1, keepdims=True) / total for x in (f, o))
        df, do = (np.where(valid, x - mean, 0.0) for x, mean in ((f, mean_f), (o, mean_o)))
        expected = {
            Forecast(): mean_f[..., 0],
            Truth(): mean_o[..., 0],
            ForecastVariance(): (w * df * df).sum(-1) / total[..., 0],
            TruthVariance(): (w * do * do).sum(-1) / total[..., 0],
            Covariance(): (w * df * do).sum(-1) / total[..., 0],
        }
        for statistic, value in expected.items():
            np.testing.assert_allclose(
                found[statistic][..., region], value, rtol=1e-9, atol=1e-9, err_msg=statistic.name
            )


def test_plain_means_and_numbers_of_cells_know_no_weights():
    block = block_of(0.2)
    f, o, c, valid = gathered(block)
    found = scan(block, ALL, maps=False).means
    inside = (REGIONS.weights > 0).astype(float)
    plain = averaged(f - c, valid, inside), averaged(o - c, valid, inside)
    np.testing.assert_allclose(found[PlainForecastAnomaly()], plain[0], rtol=1e-11)
    np.testing.assert_allclose(found[PlainTruthAnomaly()], plain[1], rtol=1e-11)
    for statistic in OF_CELLS:
        expected = averaged(statistic.values(Batch(f, o, c, None, LAYOUT)), valid, inside)
        other = replace(statistic, weighted=False)
        both = scan(block, [statistic, other], maps=False).means
        np.testing.assert_allclose(both[other], expected, rtol=1e-11)
        np.testing.assert_array_equal(both[statistic], found[statistic])


@pytest.mark.parametrize("climate", [True, False], ids=["climate", "no climate"])
def test_weights_and_counts_are_of_the_cells_that_have_everything(climate):
    block = block_of(0.1, climate)
    f, o, c, valid = gathered(block)
    found = scan(block, [Error()], maps=False)
    np.testing.assert_allclose(found.weight, valid.astype(float) @ REGIONS.weights, rtol=1e-13)
    np.testing.assert_array_equal(found.missing, (~valid).sum(axis=(0, 3)))
    lacking = ~np.isfinite(f) & np.isfinite(o) & np.isfinite(c)
    np.testing.assert_array_equal(found.unexpected, lacking.sum(axis=(0, 3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["forecast", "truth", "climatology"])
def test_infinite_values_are_missing_values(bad, which):
    block = block_of()
    getattr(block, which).values[0, 5] = bad
    found = scan(block, ALL, maps=True)
    f, o, c, valid = gathered(block)
    assert not valid.all()
    np.testing.assert_array_equal(found.missing, (~valid).sum(axis=(0, 3)))
    assert all(np.isfinite(means[..., 0]).all() for means in found.means.values())
    batch = Batch(f, o, c, None, LAYOUT)
    expected = averaged(np.nan_to_num(SquaredError().values(batch)), valid)
    np.testing.assert_allclose(found.means[SquaredError()], expected, rtol=1e-12)


def test_infinities_that_cancel_are_missing_too():
    block = block_of()
    block.forecast.values[:, 3] = np.inf
    block.truth.values[:, 3] = np.inf
    found = scan(block, [Error()], maps=False)
    assert np.all(found.missing == SAMPLES)
    assert np.isfinite(found.means[Error()][..., 0]).all()


@pytest.mark.parametrize("climate", [True, False], ids=["climate", "no climate"])
def test_values_whose_sum_overflows_are_not_missing(climate):
    """The quick look for missing values adds everything up; what it suspects is looked at again."""
    block = block_of(climate=climate)
    for stack in (block.forecast, block.truth, block.climatology):
        if stack is not None:
            stack.values[:] = 1e308
    found = scan(block, [Error(), SquaredError()], maps=False)
    assert np.all(found.missing == 0)
    np.testing.assert_array_equal(found.weight, np.broadcast_to(REGIONS.total, found.weight.shape))
    assert np.all(found.means[Error()] == 0)


def test_a_region_without_a_valid_cell_has_no_mean():
    block = block_of()
    inside = REGIONS.weights[:, NAMES.index("tropics")] > 0
    block.truth.values[:, inside] = np.nan
    found = scan(block, ALL, maps=False)
    tropics = NAMES.index("tropics")
    assert np.all(found.weight[..., tropics] == 0)
    for statistic, means in found.means.items():
        assert np.isnan(means[..., tropics]).all(), statistic.name
        assert np.isfinite(means[..., 0]).all(), statistic.name


def test_fields_that_there_are_not_stay_empty():
    block = block_of()
    block.truth.rows[1, 2, 0] = ABSENT
    block.forecast.rows[3, 0, 1] = ABSENT
    found = scan(block, ALL, maps=True)
    absent = [(1, 2, 0), (3, 0, 1)]
    for place in absent:
        assert np.all(found.weight[place] == 0)
        assert all(np.isnan(means[place]).all() for means in found.means.values())
    assert found.number[2, 0].max() == found.number[0, 1].max() == SAMPLES - 1
    assert found.number[1, 0].min() == SAMPLES


@pytest.mark.parametrize("climate", [True, False], ids=["climate", "no climate"])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_maps_are_sums_over_samples(holes, climate):
    block = block_of(holes, climate)
    f, o, _, valid = gathered(block)
    found = scan(block, [Error()], maps=True)
    error = np.where(valid, f - o, 0.0)
    np.testing.assert_array_equal(found.number, valid.sum(axis=0))
    np.testing.assert_allclose(found.maps[0], error.sum(axis=0), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(found.maps[1], np.square(error).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1][::-1],
    ],
    ids=["other byte order", "columns first", "every second", "turned twice"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_how_values_lie_in_memory_changes_no_bit(change, dtype):
    block, other = block_of(0.1, dtype=dtype), block_of(0.1, dtype=dtype)
    for name in ("forecast", "truth", "climatology"):
        stack = getattr(other, name)
        object.__setattr__(other, name, Stack(change(stack.values), stack.rows))
    one, two = scan(block, ALL, maps=True), scan(other, ALL, maps=True)
    for statistic in ALL:
        np.testing.assert_array_equal(one.means[statistic], two.means[statistic])
    np.testing.assert_array_equal(one.maps, two.maps)


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float16])
def test_other_kinds_of_numbers_are_exact(dtype):
    block = block_of(climate=False)
    whole = np.round(block.forecast.values).astype(dtype)
    block = block_of(climate=False, forecast=Stack(whole, block.forecast.rows))
    f, o, _, valid = gathered(block)
    found = scan(block, [Error()], maps=False).means[Error()]
    np.testing.assert_allclose(found, averaged(f - o, valid), rtol=1e-9, atol=1e-12)


def test_nothing_is_copied_that_need_not_be():
    for dtype in (np.float32, np.float64):
        plain = np.ones((3, 4), dtype)
        assert native(plain) is plain


def test_forecast_and_truth_of_different_precision():
    single, double = block_of(dtype=np.float32), block_of()
    mixed = Fields(single.forecast, double.truth, single.climatology, LAYOUT, REGIONS)
    f, o, c, valid = gathered(mixed)
    found = scan(mixed, [SquaredError(), AnomalyProduct()], maps=False).means
    np.testing.assert_allclose(found[SquaredError()], averaged(np.square(f - o), valid), rtol=1e-12)
    np.testing.assert_allclose(
        found[AnomalyProduct()], averaged((f - c) * (o - c), valid), rtol=1e-10
    )


@pytest.mark.parametrize("climate", [True, False], ids=["climate", "no climate"])
def test_threads_and_blocks_change_no_bit(climate):
    """Each field is summed by itself: who does it, and with which others, does not matter."""
    whole = scan(block_of(0.1, climate), ALL if climate else OF_FIELDS, maps=True)

    def in_threads(call, number):
        threads = [threading.Thread(target=call, args=(n, n + 1)) for n in range(number)]
        for thread in reversed(threads):
            thread.start()
        for thread in threads:
            thread.join()

    parts = scan(block_of(0.1, climate, split=in_threads), list(whole.means), maps=True)
    for statistic, means in whole.means.items():
        np.testing.assert_array_equal(means, parts.means[statistic], err_msg=statistic.name)
    np.testing.assert_array_equal(whole.maps, parts.maps)
    block = block_of(0.1, climate)
    for sample in range(SAMPLES):
        stacks = [
            None if stack is None else Stack(stack.values, stack.rows[[sample]])
            for stack in (block.forecast, block.truth, block.climatology)
        ]
        alone = scan(Fields(*stacks, LAYOUT, REGIONS), list(whole.means), maps=False)
        for statistic, means in whole.means.items():
            np.testing.assert_array_equal(means[sample], alone.means[statistic][0])


def test_regions_together_are_regions_alone():
    whole = scan(block_of(0.1), ALL, maps=False)
    for number in range(len(NAMES)):
        block = block_of(0.1)
        regions = Regions(REGIONS.weights[:, [number]])
        stacks = block.forecast, block.truth, block.climatology
        alone = scan(Fields(*stacks, LAYOUT, regions), ALL, maps=False)
        for statistic in ALL:
            np.testing.assert_array_equal(
                whole.means[statistic][..., number], alone.means[statistic][..., 0]
            )


def test_stretches_hold_the_cells_of_their_region_and_no_other():
    for region, weights in enumerate(REGIONS.weights.T):
        cells = np.concatenate(
            [np.arange(start, stop) for r, start, stop in REGIONS.runs if r == region]
        )
        np.testing.assert_array_equal(cells, weights.nonzero()[0])


def test_a_mean_of_millions_of_float32_values_has_nine_digits():
    """Added up in float32 it would have lost all but three."""
    layout = Layout(np.linspace(-89.0, 89.0, 2000), np.arange(2000) * 0.18)
    random = np.random.default_rng(0)
    forecast = random.normal(280.0, 10.0, (1, layout.size)).astype(np.float32)
    zero = np.zeros((1, layout.size), np.float32)
    rows = np.zeros((1, 1, 1), dtype=np.int64)
    regions = Regions(region_weights(layout.latitude, layout.longitude, weighting="none"))
    block = Fields(Stack(forecast, rows), Stack(zero, rows), None, layout, regions)
    found = scan(block, [Error(), Forecast(), ForecastVariance()], maps=False).means
    exact = forecast.astype(np.float64)
    for statistic in (Error(), Forecast()):
        assert found[statistic].item() == pytest.approx(exact.mean(), rel=1e-12)
    assert found[ForecastVariance()].item() == pytest.approx(exact.var(), rel=1e-9)
    naive = np.cumsum(forecast[0], dtype=np.float32)[-1] / layout.size
    assert abs(naive / exact.mean() - 1) > 1e-6


def test_merged_states_are_the_whole_in_any_order():
    """Eight workers' parts: scores to the last bit, maps to the last digits."""
    random = np.random.default_rng(4)
    number = 24
    fields = [values(number, seed, 0.05) for seed in range(3)]
    rows = np.arange(number).reshape(-1, 1, 1)
    everything = np.arange(number)

    def state(samples):
        stacks = [Stack(field, rows[samples]) for field in fields]
        part = State.zeros(samples, 1, 1, REGIONS, LAYOUT, ALL, [Error(), Truth()])
        part.add(np.arange(samples.size), np.array([0]), Fields(*stacks, LAYOUT, REGIONS))
        return part

    whole = state(everything)
    shuffled = random.permutation(number)
    parts = [state(np.sort(piece)) for piece in np.array_split(shuffled, 8)]
    for _ in range(3):
        merged = parts[0]
        for part in [parts[n] for n in 1 + random.permutation(7)]:
            merged = merged + part
        np.testing.assert_array_equal(merged.samples, everything)
        np.testing.assert_array_equal(merged.weight, whole.weight)
        np.testing.assert_array_equal(merged.missing, whole.missing)
        np.testing.assert_array_equal(merged.cell_count, whole.cell_count)
        for statistic, means in whole.means.items():
            np.testing.assert_array_equal(merged.means[statistic], means)
        for statistic, sums in whole.cell_sums.items():
            np.testing.assert_allclose(merged.cell_sums[statistic], sums, rtol=1e-12, atol=1e-9)


def test_states_that_do_not_belong_together_are_refused():
    samples = np.arange(3)
    state = State.zeros(samples, 1, 1, REGIONS, LAYOUT, [Error()])
    heavy = State.zeros(samples, 1, 1, Regions(2 * REGIONS.weights), LAYOUT, [Error()])
    with pytest.raises(ValueError, match="different weights"):
        _ = state + heavy
    with pytest.raises(ValueError, match="different statistics"):
        _ = state + State.zeros(samples, 1, 1, REGIONS, LAYOUT, [SquaredError()])
    with pytest.raises(ValueError, match="different statistics, ensembles or shapes"):
        _ = state + State.zeros(samples, 1, 1, REGIONS, LAYOUT, [Error()], members=3)


def test_every_moment_is_tested_here():
    def kinds(kind):
        below = kind.__subclasses__()
        return {kind} | {k for sub in below for k in kinds(sub)}

    own = {k for k in kinds(Moment) if k.__module__ == Moment.__module__ and hasattr(k, "slot")}
    assert own == {type(statistic) for statistic in ALL}

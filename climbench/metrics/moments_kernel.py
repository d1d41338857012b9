"""The numba kernel of the moments: sums over the cells of one field after the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.compilation import compiled, vectorised

SLOTS = 11  # sums of one field over one region; `Moment.slot` is the place of each


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Return fields as contiguous float32 or float64 of this machine's byte order.

    They are copied only where they are not.
    """
    kind = np.float64 if values.dtype.kind != "f" or values.dtype.itemsize > 4 else np.float32
    return np.ascontiguousarray(values, dtype=kind)


@compiled
def _is_finite(value: float) -> bool:
    """Compare only: regrouping folds the difference that numpy's test is made of to zero."""
    return abs(value) < np.inf


@compiled
def scan_fields(
    forecasts: Any,
    forecast_rows: Any,
    truths: Any,
    truth_rows: Any,
    climates: Any,
    climate_rows: Any,
    weights: Any,
    totals: Any,
    runs: Any,
    sums: Any,
    weight: Any,
    shift: Any,
    counts: Any,
    maps: Any,
    number: Any,
    raw: bool,
    start: int,
    stop: int,
) -> None:
    """Fill all places from start to stop; places are conditions x channels."""
    constant = np.zeros(forecasts.shape[1])
    for place in range(start, stop):  # samples inside: a map stays in the cache
        for sample in range(forecast_rows.shape[0]):
            if truth_rows[sample, place] < 0 or forecast_rows[sample, place] < 0:
                continue
            forecast = forecasts[forecast_rows[sample, place]]
            truth = truths[truth_rows[sample, place]]
            out, found = sums[sample, place], weight[sample, place]
            if climates.shape[0] > 0 and not raw:
                climate = climates[climate_rows[sample, place]]
                whole = _add(forecast, truth, climate, weights, runs, out, found, counts[place])
            else:
                # One value of the field as origin keeps variances free of cancellation.
                constant[:] = 0.0
                if climates.shape[0] > 0:
                    _mask(constant, climates[climate_rows[sample, place]])
                shift[sample, place] = _first_valid(forecast, truth, constant)
                constant += shift[sample, place]
                whole = _add(forecast, truth, constant, weights, runs, out, found, counts[place])
            if whole:
                found[:] = totals
            if maps.shape[2] > 0 and climates.shape[0] > 0:
                climate = climates[climate_rows[sample, place]]
                _add_to_maps(forecast, truth, climate, whole, maps[:, place], number[place])
            elif maps.shape[2] > 0:
                _add_to_maps(forecast, truth, constant, whole, maps[:, place], number[place])


@vectorised
def _first_valid(forecast: Any, truth: Any, climate: Any) -> float:
    """Return the truth where all have a value, so that a single valid cell has no variance."""
    for cell in range(truth.size):
        there = _is_finite(truth[cell]) and _is_finite(climate[cell])
        if there and _is_finite(forecast[cell]):
            return np.float64(truth[cell])
    return 0.0


@compiled
def _mask(constant: Any, climate: Any) -> None:
    """Make cells missing that the climate lacks: all sums of a score are over the same cells."""
    for cell in range(climate.size):
        if not _is_finite(climate[cell]):
            constant[cell] = np.nan


@vectorised
def _add(
    forecast: Any,
    truth: Any,
    climate: Any,
    weights: Any,
    runs: Any,
    out: Any,
    found: Any,
    lost: Any,
) -> bool:
    """Add the sums of one field; tell whether all its cells are valid."""
    check = 0.0
    for cell in range(forecast.size):
        check += np.float64(forecast[cell]) - np.float64(truth[cell]) + np.float64(climate[cell])
    if _is_finite(check):
        for run in range(runs.shape[0]):
            region, first, last = runs[run, 0], runs[run, 1], runs[run, 2]
            _add_run(
                forecast[first:last],
                truth[first:last],
                climate[first:last],
                weights[region, first:last],
                out[region],
            )
        return True
    for run in range(runs.shape[0]):
        region, first, last = runs[run, 0], runs[run, 1], runs[run, 2]
        found[region] += _add_masked_run(
            forecast[first:last],
            truth[first:last],
            climate[first:last],
            weights[region, first:last],
            out[region],
        )
    missing = 0
    for cell in range(forecast.size):
        if not _is_finite(truth[cell]) or not _is_finite(climate[cell]):
            missing += 1
        elif not _is_finite(forecast[cell]):
            missing += 1
            lost[1] += 1
    lost[0] += missing
    return missing == 0  # values so large that the check alone overflows


@vectorised
def _add_run(forecast: Any, truth: Any, climate: Any, weights: Any, out: Any) -> None:
    e1 = e2 = e3 = f1 = t1 = f2 = t2 = ft = plain_f = plain_t = 0.0
    for cell in range(forecast.size):
        reference = np.float64(climate[cell])
        f = np.float64(forecast[cell])
        t = np.float64(truth[cell])
        error = f - t
        f -= reference
        t -= reference
        weighted_error = weights[cell] * error
        weighted_f = weights[cell] * f
        weighted_t = weights[cell] * t
        e1 += weighted_error
        e2 += abs(weighted_error)
        e3 += weighted_error * error
        f1 += weighted_f
        t1 += weighted_t
        f2 += weighted_f * f
        t2 += weighted_t * t
        ft += weighted_f * t
        plain_f += f
        plain_t += t
    _add_sums(out, e1, e2, e3, f1, t1, f2, t2, ft, plain_f, plain_t, forecast.size)


@vectorised
def _add_masked_run(forecast: Any, truth: Any, climate: Any, weights: Any, out: Any) -> float:
    e1 = e2 = e3 = f1 = t1 = f2 = t2 = ft = plain_f = plain_t = found = 0.0
    number = 0
    for cell in range(forecast.size):
        reference = np.float64(climate[cell])
        f = np.float64(forecast[cell])
        t = np.float64(truth[cell])
        if not (_is_finite(f) and _is_finite(t) and _is_finite(reference)):
            continue
        error = f - t
        f -= reference
        t -= reference
        weight = weights[cell]
        found += weight
        number += 1
        e1 += weight * error
        e2 += weight * abs(error)
        e3 += weight * error * error
        f1 += weight * f
        t1 += weight * t
        f2 += weight * f * f
        t2 += weight * t * t
        ft += weight * f * t
        plain_f += f
        plain_t += t
    _add_sums(out, e1, e2, e3, f1, t1, f2, t2, ft, plain_f, plain_t, number)
    return found


@compiled
def _add_sums(
    out: Any,
    e1: float,
    e2: float,
    e3: float,
    f1: float,
    t1: float,
    f2: float,
    t2: float,
    ft: float,
    plain_f: float,
    plain_t: float,
    number: int,
) -> None:
    """Add to the slots that the statistics name."""
    out[0] += e1
    out[1] += e2
    out[2] += e3
    out[3] += f1
    out[4] += t1
    out[5] += f2
    out[6] += t2
    out[7] += ft
    out[8] += plain_f
    out[9] += plain_t
    out[10] += number


@vectorised
def _add_to_maps(
    forecast: Any, truth: Any, climate: Any, whole: bool, maps: Any, number: Any
) -> None:
    """Add one sample to the sums of errors and squares and to the counts of each cell."""
    errors, squares = maps[0], maps[1]
    if whole:
        for cell in range(forecast.size):
            error = np.float64(forecast[cell]) - np.float64(truth[cell])
            errors[cell] += error
            squares[cell] += error * error
            number[cell] += 1
        return
    for cell in range(forecast.size):
        error = np.float64(forecast[cell]) - np.float64(truth[cell])
        if _is_finite(error) and _is_finite(climate[cell]):
            errors[cell] += error
            squares[cell] += error * error
            number[cell] += 1

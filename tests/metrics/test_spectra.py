"""Spectra against scipy's transforms and harmonics, WeatherBench 2's formula, and known waves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from scipy.special import sph_harm_y

from climbench.errors import UserError
from climbench.metrics import Batch, Fields, Layout, Regions, Stack, get_metric, region_weights
from climbench.metrics import fields as fields_module
from climbench.metrics import harmonics as harmonics_module
from climbench.metrics.fields import ABSENT
from climbench.metrics.harmonics import goes_round, harmonics_of
from climbench.metrics.spectra import (
    EARTH_RADIUS,
    ZONAL_RADIUS,
    HarmonicPower,
    ZonalPower,
    zonal_power,
)
from climbench.metrics.statistic import in_batches

LATITUDES = {
    "half a step from the poles": np.linspace(-90 + 5.625, 90 - 5.625, 16),
    "with poles": np.linspace(-90.0, 90.0, 17),
    "Gaussian": np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(16)[0])),
    "with the south pole": np.linspace(-90.0, 90.0, 33)[:-1],
    "with the north pole": np.linspace(-90.0, 90.0, 33)[1:],
}
DEGREE = 15
LONGITUDE = np.arange(36) * 10.0


def layout_of(kind, **options):
    return Layout(LATITUDES[kind], LONGITUDE, **options)


def everywhere(layout):
    weights = region_weights(layout.latitude, layout.longitude)
    if layout.longitude_first:
        shape = (layout.latitude.size, layout.longitude.size)
        weights = weights.reshape(shape).T.reshape(-1, 1)
    return Regions(weights)


def batch_of(layout, forecast, truth=None, members=None):
    """A batch of [field, latitude, longitude]."""
    truth = forecast if truth is None else truth
    members = None if members is None else layout.cells(members)
    return Batch(layout.cells(forecast), layout.cells(truth), None, members, layout)


def power_of(layout, field, statistic=HarmonicPower):
    return statistic().means(batch_of(layout, field[np.newaxis]), everywhere(layout))[0, 0]


def harmonic(layout, degree, order):
    """A real harmonic of scipy whose square has area mean 1."""
    theta = np.deg2rad(90.0 - layout.latitude)[:, np.newaxis]
    values = sph_harm_y(degree, order, theta, np.deg2rad(layout.longitude))
    return values.real * np.sqrt(4 * np.pi * (1 if order == 0 else 2))


def score_of(name, layout, forecast, truth, members=None, regions=None):
    """The score of fields [sample, latitude, longitude] in one region."""
    metric = get_metric(name)
    batch = batch_of(layout, forecast, truth, members)
    regions = everywhere(layout) if regions is None else regions
    means = {s: s.means(batch, regions)[:, 0] for s in metric.statistics}
    counts = np.ones((1, len(truth)))
    return metric.resampled(means, np.ones(len(truth)), counts)[0]


def random_fields(layout, number=3, seed=0):
    shape = (number, layout.latitude.size, layout.longitude.size)
    return 280.0 + np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("kind", LATITUDES)
def test_a_harmonic_lands_in_its_total_wavenumber(kind):
    layout = layout_of(kind)
    for degree, order in ((3, 2), (0, 0), (1, 0), (DEGREE - 1, DEGREE - 1), (9, 1)):
        power = power_of(layout, harmonic(layout, degree, order))
        assert power.size >= DEGREE
        np.testing.assert_allclose(power, np.arange(power.size) == degree, atol=1e-12)


@pytest.mark.parametrize("kind", LATITUDES)
def test_powers_add_up_to_the_mean_square(kind):
    layout, random = layout_of(kind), np.random.default_rng(0)
    modes = [(d, o) for d in range(DEGREE) for o in range(d + 1)]
    factors = random.normal(size=len(modes))
    field = sum(f * harmonic(layout, *mode) for f, mode in zip(factors, modes, strict=True))
    power = power_of(layout, field)
    assert power.sum() == pytest.approx(np.square(factors).sum(), rel=1e-10)
    degrees = np.array(modes)[:, 0]
    by_degree = np.bincount(degrees, np.square(factors), power.size)
    np.testing.assert_allclose(power, by_degree, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", LATITUDES)
def test_matrices_and_single_transforms_agree(kind, monkeypatch):
    layout = layout_of(kind)
    fields = random_fields(layout)
    at_once = harmonics_of(layout).power(fields)
    harmonics_module._harmonics.cache_clear()
    monkeypatch.setattr(harmonics_module, "MATRIX_VALUES", 0)
    np.testing.assert_allclose(harmonics_of(layout).power(fields), at_once, rtol=1e-9)
    harmonics_module._harmonics.cache_clear()


@pytest.mark.parametrize("statistic", [HarmonicPower, ZonalPower])
@pytest.mark.parametrize("kind", LATITUDES)
def test_order_of_rows_columns_and_dimensions_changes_nothing(kind, statistic):
    layout = layout_of(kind)
    field = random_fields(layout, 1)[0]
    expected = power_of(layout, field, statistic)
    south = Layout(layout.latitude[::-1], LONGITUDE)
    turned = Layout(layout.latitude, np.mod(np.roll(LONGITUDE, 7) + 180.0, 360.0) - 180.0)
    west = Layout(layout.latitude, LONGITUDE[::-1])
    for other, values in (
        (south, field[::-1]),
        (turned, np.roll(field, 7, axis=1)),
        (west, field[:, ::-1]),
        (layout_of(kind, longitude_first=True), field),
    ):
        np.testing.assert_allclose(power_of(other, values, statistic), expected, rtol=1e-10)


def test_single_precision_coordinates_and_values_are_enough():
    latitude = LATITUDES["Gaussian"].astype(np.float32).astype(float)
    layout = Layout(latitude, (np.arange(36) * np.float32(10.0)).astype(float))
    field = random_fields(layout, 1)[0]
    expected = power_of(layout_of("Gaussian"), field)
    np.testing.assert_allclose(power_of(layout, field.astype(np.float32)), expected, rtol=1e-3)


@pytest.mark.parametrize("values", [0, harmonics_module.MATRIX_VALUES])
def test_small_scales_do_not_drown_in_the_mean(values, monkeypatch):
    harmonics_module._harmonics.cache_clear()
    monkeypatch.setattr(harmonics_module, "MATRIX_VALUES", values)
    layout = layout_of("with poles")
    field = random_fields(layout, 1)[0] - 280.0
    power = power_of(layout, field + 2.0**20)
    assert power[0] == pytest.approx(4.0**20, rel=1e-5)
    np.testing.assert_allclose(power[1:], power_of(layout, field)[1:], rtol=1e-8)
    harmonics_module._harmonics.cache_clear()


def test_a_flat_field_has_no_power_but_its_mean():
    layout = layout_of("with poles")
    flat = np.full((17, 36), 280.0)
    assert power_of(layout, flat)[0] == pytest.approx(280.0**2, rel=1e-12)
    assert np.all(power_of(layout, flat)[1:] == 0)


@given(st.floats(-30, 30))
def test_power_scales_as_the_square(exponent):
    layout = layout_of("Gaussian")
    field = random_fields(layout, 1)[0]
    scaled = power_of(layout, 10.0**exponent * field)
    np.testing.assert_allclose(scaled, 10.0 ** (2 * exponent) * power_of(layout, field), rtol=1e-9)


def test_zonal_power_is_weatherbench_2s():
    field = random_fields(layout_of("with poles"), 1)[0]
    latitude = LATITUDES["with poles"]
    length = LONGITUDE.size
    transform = np.abs(np.fft.fft(field, axis=-1) / length)[:, : length // 2 + 1] ** 2
    factor = np.where(np.arange(length // 2 + 1) == 0, 1.0, 2.0)  # 2 for the last one too
    circumference = np.cos(latitude * np.pi / 180) * 2 * np.pi * ZONAL_RADIUS
    expected = transform * factor * circumference[:, np.newaxis]
    np.testing.assert_allclose(zonal_power(field, latitude), expected, rtol=1e-11, atol=1e-6)


def test_zonal_power_is_scipys_spectrum():
    row = random_fields(layout_of("with poles"), 1)[0, :1]
    # one-sided, doubled but for the mean and the last wavenumber
    _, expected = signal.periodogram(row[0], scaling="spectrum", detrend=False)
    found = zonal_power(row, np.zeros(1))[0] / (2 * np.pi * ZONAL_RADIUS)
    expected[-1] *= 2
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_zonal_spectrum_averages_the_rows_of_the_region():
    layout = layout_of("with poles")
    fields = random_fields(layout)
    weights = region_weights(layout.latitude, layout.longitude, ["global", "tropics", "europe"])
    means = ZonalPower().means(batch_of(layout, fields), Regions(weights))
    power = zonal_power(fields, layout.latitude)
    rows = weights.reshape(17, 36, 3)[:, 0]
    for region in (0, 1):
        expected = np.average(power, axis=1, weights=rows[:, region])
        np.testing.assert_allclose(means[:, region], expected, rtol=1e-12)
    assert np.isnan(means[:, 2]).all()  # europe cuts rows


def test_a_missing_value_takes_the_spectrum_of_regions_that_hold_it():
    layout = layout_of("with poles")
    fields = random_fields(layout, 2)
    fields[0, -2, 5] = np.nan
    weights = region_weights(layout.latitude, layout.longitude, ["global", "tropics"])
    zonal = ZonalPower().means(batch_of(layout, fields), Regions(weights))
    np.testing.assert_array_equal(np.isnan(zonal).any(axis=-1), [[True, False], [False, False]])
    total = HarmonicPower().means(batch_of(layout, fields), Regions(weights))
    np.testing.assert_array_equal(np.isnan(total).any(axis=-1), [[True, True], [False, True]])


def test_samples_without_a_spectrum_do_not_count():
    layout = layout_of("Gaussian")
    truth = random_fields(layout)
    forecast = random_fields(layout, seed=1)
    whole = score_of("spectral_ratio", layout, forecast[1:], truth[1:])
    forecast[0, 3, 3] = np.nan
    found = score_of("spectral_ratio", layout, forecast, truth)
    np.testing.assert_allclose(found, whole, rtol=1e-13)


def test_poles_without_weight_do_not_make_a_region_smaller():
    layout = layout_of("with poles")
    regions = Regions(region_weights(layout.latitude, LONGITUDE, ["global"], "cos"))
    power = HarmonicPower().means(batch_of(layout, random_fields(layout)), regions)
    assert np.isfinite(power).all()


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (np.linspace(-80.0, 80.0, 17), LONGITUDE),
        (LATITUDES["with poles"], LONGITUDE[:18]),
        (np.array([0.0]), LONGITUDE),
        (np.array([-60.0, -50.0, 0.0, 10.0, 70.0]), LONGITUDE),
    ],
)
def test_other_grids_have_no_harmonics(latitude, longitude):
    layout = Layout(latitude, longitude)
    fields = random_fields(layout)
    regions = Regions(np.ones((layout.size, 1)))
    assert np.isnan(HarmonicPower().means(batch_of(layout, fields), regions)).all()
    for name in ("spectral_ratio", "effective_resolution", "log_spectral_distance"):
        assert np.isnan(score_of(name, layout, fields, fields, regions=regions)).all()
    zonal = ZonalPower().means(batch_of(layout, fields), regions)
    assert np.isnan(zonal).all() == (longitude.size == 18)


def test_curves_have_coordinates_and_names():
    layout = layout_of("with poles")
    for name, number in (("zonal_spectrum", 19), ("spherical_harmonic_spectrum", 16)):
        metric = get_metric(name)
        assert metric.coordinate(layout, 0).tolist() == list(range(number))
        assert len(metric.statistics[0].components(layout, 0)) == number
    assert get_metric("zonal_spectrum").curve == "zonal_wavenumber"
    assert get_metric("spectral_ratio").curve == "total_wavenumber"
    assert get_metric("zonal_spectrum(of=truth)").label == "zonal_spectrum(of=truth)"


def test_spectra_of_truth_and_members():
    layout = layout_of("Gaussian")
    members = random_fields(layout, 8).reshape(2, 4, 16, 36)
    mean, truth = members.mean(axis=1), random_fields(layout, 2, seed=1)
    for name in ("zonal_spectrum", "spherical_harmonic_spectrum"):
        of_truth = score_of(f"{name}(of=truth)", layout, mean, truth, members)
        np.testing.assert_array_equal(of_truth, score_of(name, layout, truth, mean))
        of_members = score_of(f"{name}(of=members)", layout, mean, truth, members)
        every = members.reshape(8, 16, 36)
        np.testing.assert_allclose(of_members, score_of(name, layout, every, every), rtol=1e-12)
        assert get_metric(f"{name}(of=members)").needs_members
        assert not get_metric(name).needs_members
    ratio = score_of("spectral_ratio(of=members)", layout, mean, truth, members)
    assert ratio[1:].mean() > score_of("spectral_ratio", layout, mean, truth, members)[1:].mean()


def test_ratio_is_taken_of_mean_powers():
    layout = layout_of("Gaussian")
    wave, other = harmonic(layout, 3, 2), harmonic(layout, 5, 0)
    forecast = np.stack([1.0 * wave, 3.0 * wave])
    truth = np.stack([2.0 * wave, 4.0 * wave]) + other
    ratio = score_of("spectral_ratio", layout, forecast, truth)
    assert ratio[3] == pytest.approx((1 + 9) / (4 + 16), rel=1e-12)
    assert ratio[5] == 0.0
    assert np.isnan(ratio[4])  # the truth has no power there


def smoothed(layout, degree):
    """Truth with power at all degrees, and a forecast that lost half its amplitude above one."""
    modes = [(d, o) for d in range(1, DEGREE) for o in (0, d)]
    shares = [1.0 if d <= degree else 0.5 for d, _ in modes]
    waves = [harmonic(layout, *mode) for mode in modes]
    forecast = sum(share * wave for share, wave in zip(shares, waves, strict=True))
    return forecast[np.newaxis], sum(waves)[np.newaxis]


def test_effective_resolution_is_the_last_scale_with_half_the_power():
    layout = layout_of("with poles")
    forecast, truth = smoothed(layout, 9)
    expected = 2 * np.pi * EARTH_RADIUS / np.sqrt(9 * 10)
    found = score_of("effective_resolution", layout, forecast, truth)
    assert found == pytest.approx(expected, rel=1e-12)
    low = score_of("effective_resolution(threshold=0.2)", layout, forecast, truth)
    assert low == pytest.approx(2 * np.pi * EARTH_RADIUS / np.sqrt(14 * 15), rel=1e-12)


def test_effective_resolution_of_the_truth_is_the_grids_and_of_nothing_infinite():
    layout = layout_of("Gaussian")
    truth = random_fields(layout)
    best = score_of("effective_resolution", layout, truth, truth)
    assert best == pytest.approx(2 * np.pi * EARTH_RADIUS / np.sqrt(15 * 16), rel=1e-12)
    flat = np.full_like(truth, 280.0)
    assert score_of("effective_resolution", layout, flat, truth) == np.inf


def test_log_spectral_distance_is_in_decibel():
    layout = layout_of("with poles")
    forecast, truth = smoothed(layout, 9)
    lost = 10 * np.log10(0.25) * (np.arange(1, DEGREE) > 9)
    expected = np.sqrt(np.mean(np.square(lost)))  # degree 15 has no power in either: left out
    found = score_of("log_spectral_distance", layout, forecast, truth)
    assert found == pytest.approx(expected, rel=1e-9)
    assert score_of("log_spectral_distance", layout, truth, truth) == 0.0
    flat = np.full_like(truth, 280.0)
    assert score_of("log_spectral_distance", layout, flat, truth) == np.inf
    assert np.isnan(score_of("log_spectral_distance", layout, flat, flat))


def test_power_of_the_truth_is_shared():
    ratio, distance = get_metric("spectral_ratio"), get_metric("log_spectral_distance")
    spectrum = get_metric("spherical_harmonic_spectrum(of=truth)")
    shared = {*ratio.statistics, *distance.statistics, *spectrum.statistics}
    assert {s.label for s in shared} == {"harmonic_power", "harmonic_power(of=truth)"}


@pytest.mark.parametrize("batch", [1, 2 * 16 * 36, 10**9])
def test_size_of_batches_changes_nothing(batch, monkeypatch):
    layout = layout_of("Gaussian")
    forecast = layout.cells(random_fields(layout, 6))
    truth = layout.cells(random_fields(layout, 3, seed=1))
    both = ["global", "tropics"]
    regions = Regions(region_weights(layout.latitude, layout.longitude, both))
    rows = np.arange(6).reshape(3, 2, 1)  # samples, conditions, channels
    rows[2, 1] = ABSENT
    valid = np.broadcast_to(np.arange(3)[:, None, None], rows.shape)
    valid = np.where(rows == ABSENT, ABSENT, valid)
    block = Fields(Stack(forecast, rows), Stack(truth, valid), None, layout, regions)
    monkeypatch.setattr(fields_module, "BATCH_VALUES", batch)
    metric = get_metric("spectral_ratio")
    means = in_batches(block, metric.statistics)
    weight = np.where(rows[..., np.newaxis] == ABSENT, 0.0, regions.total)
    found = metric.resampled(means, weight, np.ones((1, 3)))[0]
    assert found.shape == (2, 1, 2, 16)
    assert np.isnan(found[:, :, 1]).all()
    for condition, samples in ((0, [0, 1, 2]), (1, [0, 1])):
        power = [
            harmonics_of(layout).power(layout.fields(fields)).mean(axis=0)
            for fields in (forecast[rows[samples, condition, 0]], truth[samples])
        ]
        np.testing.assert_allclose(found[condition, 0, 0], power[0] / power[1], rtol=1e-12)


def test_unknown_parameters_are_refused():
    for text in (
        "zonal_spectrum(of=observation)",
        "spectral_ratio(of=truth)",
        "effective_resolution(threshold=0)",
    ):
        with pytest.raises(UserError, match="cannot be made"):
            get_metric(text)


def test_longitudes_that_go_round_are_recognised():
    assert goes_round(LONGITUDE) and goes_round(LONGITUDE[::-1]) and goes_round(LONGITUDE - 180)
    assert not goes_round(LONGITUDE[:-1])
    assert not goes_round(np.array([0.0, 100.0, 240.0]))


def test_the_zonal_spectrum_is_power_times_length():
    assert get_metric("zonal_spectrum").unit == "({units})^2 m"

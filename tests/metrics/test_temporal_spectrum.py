"""Power spectra of yearly series against sines, Parseval and the autoregression's own spectrum."""

import numpy as np
import pytest

from climbench.metrics.temporal_spectrum import power_spectrum, temporal_spectrum


def red(memory, members, years, seed=0):
    """Return first-order autoregressive series of variance 1 ``[member, year]``."""
    random = np.random.default_rng(seed)
    series = random.normal(size=(members, years))
    for year in range(1, years):
        series[:, year] *= np.sqrt(1 - memory**2)
        series[:, year] += memory * series[:, year - 1]
    return series


def test_a_sine_has_all_its_variance_at_its_frequency():
    years = np.arange(100)
    frequency, power = power_spectrum(3 * np.sin(2 * np.pi * years / 10)[None])
    assert frequency[power[0].argmax()] == pytest.approx(0.1)
    assert power[0].max() / 100 == pytest.approx(9 / 2, rel=0.02)


@pytest.mark.parametrize("years", [100, 101])
def test_power_adds_up_to_the_variance_about_the_trend(years):
    series = np.random.default_rng(1).normal(size=(3, years)) + 0.3 * np.arange(years)
    _, power = power_spectrum(series)
    rest = [
        one - np.polyval(np.polyfit(np.arange(years), one, 1), np.arange(years)) for one in series
    ]
    np.testing.assert_allclose(power.sum(axis=1) / years, np.var(rest, axis=1), rtol=1e-9)


def test_autoregression_has_its_theoretical_spectrum():
    memory = 0.7
    frequency, power = power_spectrum(red(memory, 2000, 200))
    theory = 2 * (1 - memory**2) / np.abs(1 - memory * np.exp(-2j * np.pi * frequency)) ** 2
    # The straight line takes power from the slowest two, and the last one has half.
    np.testing.assert_allclose(power.mean(axis=0)[2:-1], theory[2:-1], rtol=0.12)


def test_member_mean_takes_off_any_forced_response_and_keeps_the_variance():
    forced = np.exp(np.arange(150) / 40)
    members = red(0.5, 3, 150, seed=2)
    _, power = power_spectrum(members + forced, "member_mean")
    _, alone = power_spectrum(members, "member_mean")
    np.testing.assert_allclose(power, alone, rtol=1e-6)
    many = red(0.5, 2000, 150, seed=3)[:, None].reshape(500, 4, 150)
    mean = np.mean([power_spectrum(four, "member_mean")[1].sum() / 4 / 150 for four in many])
    assert mean == pytest.approx(1.0, rel=0.03)


def test_global_mean_and_cells_are_area_weighted():
    latitude = [-60.0, 0.0, 60.0]
    wave = np.sin(2 * np.pi * np.arange(40) / 8)
    fields = np.zeros((2, 40, 3, 4))
    fields[:, :, 1] = wave[:, None]  # the equator alone, whose band from -30 to 30 is half the area
    spectrum = temporal_spectrum(fields, latitude)
    _, power = power_spectrum(wave[None])
    assert spectrum.cells == pytest.approx(power[0] / 2)
    assert spectrum.global_mean == pytest.approx(power[0] / 4)


@pytest.mark.parametrize(
    ("series", "trend", "message"),
    [
        (np.full((1, 10), np.nan), "linear", "missing year"),
        (np.zeros((1, 3)), "linear", "3 years are too few"),
        (np.zeros((1, 10)), "member_mean", "two members"),
        (np.zeros((1, 10)), "cubic", "neither"),
    ],
)
def test_what_has_no_spectrum_is_refused(series, trend, message):
    with pytest.raises(ValueError, match=message):
        power_spectrum(series, trend)

import numpy as np
import pytest
import xarray as xr

from climbench.store.time_axis import gaps, hours, repeats, time_step


def axis(start, end, **options):
    return xr.DataArray(xr.date_range(start, end, **options), dims="time")


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_hours_follow_the_calendar(calendar):
    time = axis("2000-02-28", "2000-03-01", freq="D", calendar=calendar, use_cftime=True)
    np.testing.assert_allclose(np.diff(hours(time)), 24.0)
    whole = axis("1970-01-01", "1971-01-01", freq="YS", calendar=calendar, use_cftime=True)
    assert hours(whole)[1] == 24 * {"noleap": 365, "360_day": 360, "standard": 365}[calendar]


@pytest.mark.parametrize("freq", ["6h", "D", "MS", "YS"])
def test_even_axes_have_no_gaps_though_months_and_years_differ(freq):
    time = axis("1999-01-01", "2005-01-01", freq=freq)
    assert gaps(time) == []
    assert repeats(time) == 0


def test_gaps_and_repeats_are_found():
    time = axis("2000-01-01", "2000-01-10", freq="6h")
    holed = time.isel(time=[*range(10), *range(13, 20), 19, *range(21, 30)])
    assert time_step(holed) == 6.0
    assert gaps(holed) == [(9, 3), (17, 1)]
    assert repeats(holed) == 1


def test_a_single_time_has_no_step():
    single = axis("2000-01-01", "2000-01-01", freq="D")
    assert np.isnan(time_step(single))
    assert gaps(single) == []
    assert repeats(single) == 0

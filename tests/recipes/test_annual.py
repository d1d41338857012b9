"""Years and seasons of months and days, against hand calculation, in every calendar."""

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes.schema import Quantile
from climbench.recipes.sources.annual import annual_fields

ORDINARY = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
LEAP = [31, 29, *ORDINARY[2:]]
SEASONS = {"djf": [-1, 0, 1], "mam": [2, 3, 4], "jja": [5, 6, 7], "son": [8, 9, 10]}


def series(values, start, freq, calendar="standard") -> xr.Dataset:
    """Return one cell with these values, one after the other."""
    time = xr.date_range(start, periods=len(values), freq=freq, calendar=calendar)
    data = np.asarray(values, dtype=np.float32)[:, None, None]
    coordinates = {"time": time, "latitude": [0.0], "longitude": [0.0]}
    tas = xr.DataArray(data, coordinates, attrs={"units": "K", "long_name": "warmth"})
    return tas.to_dataset(name="tas").chunk(time=7)


def cell(dataset: xr.Dataset, name: str) -> list[float]:
    return dataset[name].values[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("calendar", "lengths"),
    [
        ("standard", [ORDINARY, LEAP]),
        ("noleap", [ORDINARY, ORDINARY]),
        ("360_day", [[30] * 12, [30] * 12]),
    ],
)
def test_seasons_by_hand_in_every_calendar(calendar, lengths) -> None:
    months = np.random.default_rng(0).normal(280, 10, 24).astype(np.float32)
    years = annual_fields(series(months, "2003-01", "MS", calendar), "a file", "seasons")
    assert [str(time)[:10] for time in years["time"].values] == ["2003-07-01", "2004-07-01"]
    days = np.array(lengths[0] + lengths[1])
    for year in (0, 1):
        own = slice(12 * year, 12 * year + 12)
        expected = np.average(months[own], weights=days[own])
        assert cell(years, "tas")[year] == pytest.approx(expected, abs=1e-4)
    for season, places in SEASONS.items():
        of_2004 = 12 + np.array(places)
        expected = np.average(months[of_2004], weights=days[of_2004])
        assert cell(years, f"tas_{season}")[1] == pytest.approx(expected, abs=1e-4)
    assert years["tas_djf"].attrs["units"] == "K"


def test_the_december_of_a_year_is_in_the_winter_of_the_next() -> None:
    months = np.zeros(36)
    months[11] = 91.0  # December 2003, of 31 days in a winter of 91
    years = annual_fields(series(months, "2003-01", "MS"), "a file", "seasons")
    assert cell(years, "tas_djf")[1:] == pytest.approx([31.0, 0.0])
    assert np.isnan(cell(years, "tas_djf")[0]), "there is no December 2002"
    assert cell(years, "tas_mam")[0] == cell(years, "tas_son")[0] == 0.0
    assert cell(years, "tas")[0] == pytest.approx(91.0 * 31 / 365)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_days_give_what_their_months_give(calendar) -> None:
    count = {"standard": 366 + 365, "noleap": 730, "360_day": 720}[calendar]
    days = series(np.random.default_rng(1).normal(280, 10, count), "2004-01-01", "1D", calendar)
    years = annual_fields(days, "a file", "seasons")
    assert years.sizes["time"] == 2
    of = days["tas"].load()
    winter = of.sel(time=slice("2004-12", "2005-02"))
    assert cell(years, "tas_djf")[1] == pytest.approx(float(winter.mean()), abs=1e-4)
    for at, year in enumerate(("2004", "2005")):
        mean = float(of.sel(time=year).mean())
        assert cell(years, "tas")[at] == pytest.approx(mean, abs=1e-4)
        spring = float(of.sel(time=slice(f"{year}-03", f"{year}-05")).mean())
        assert cell(years, "tas_mam")[at] == pytest.approx(spring, abs=1e-4)


def test_a_quantile_is_of_the_days_of_each_year() -> None:
    """Days 1 to 365 have their 0.9 quantile at 1 + 0.9 x 364."""
    days = np.concatenate([np.arange(1, 366), 2 * np.arange(1, 366)])
    dataset = series(days, "2001-01-01", "1D", "noleap")
    years = annual_fields(dataset, "a file", Quantile(quantile=0.9))
    assert cell(years, "tas") == pytest.approx([328.6, 657.2], rel=1e-6)
    assert years["tas"].attrs["long_name"] == "0.9 quantile over the days of a year: warmth"


def test_a_missing_day_makes_a_missing_year_and_nothing_else() -> None:
    days = np.ones(730)
    days[400] = np.nan
    for method in ("mean", Quantile(quantile=0.9)):
        years = annual_fields(series(days, "2001-01-01", "1D", "noleap"), "a file", method)
        assert np.isnan(cell(years, "tas")).tolist() == [False, True]


def test_what_has_not_all_months_or_days_is_refused() -> None:
    with pytest.raises(UserError, match=r"has 2 times a year.*twelve months or all days"):
        annual_fields(series(np.ones(4), "2001-01", "6MS"), "a file", "mean")
    with pytest.raises(UserError, match="between 364 and 365 times"):
        annual_fields(series(np.ones(729), "2001-01-01", "1D", "noleap"), "a file", "mean")
    with pytest.raises(UserError, match="needs all days of every year"):
        annual_fields(series(np.ones(24), "2001-01", "MS"), "a file", Quantile(quantile=0.9))
    with pytest.raises(UserError, match="has 1 times a year"):
        annual_fields(series(np.ones(3), "2001-01", "YS"), "a file", "seasons")
    months = series(np.ones(36), "2001-01", "MS")
    apart = months.isel(time=[*range(12), *range(24, 36)])
    with pytest.raises(UserError, match="a winter lacks its December"):
        annual_fields(apart, "a file", "seasons")
    twice = xr.concat([months.isel(time=slice(0, 6))] * 2, "time").sortby("time")
    with pytest.raises(UserError, match="not January to December in order"):
        annual_fields(twice, "a file", "mean")

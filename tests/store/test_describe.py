import io
import json

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from climbench.errors import UserError
from climbench.store import RunningStatistics, describe_store, write_statistics
from climbench.store.describe import axis_facts


def shown(path):
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(describe_store(path))
    return console.export_text()


def test_a_weather_store_tells_what_a_scientist_asks(weather, write_store):
    weather = weather.isel(time=[*range(10), *range(12, 30)])
    recipe = {
        "name": "tiny",
        "description": "a test",
        "licence": "CC0-1.0",
        "citation": "Me (2026)",
    }
    path = write_store(
        weather,
        simulated="true",
        recipe=recipe,
        sources=[{"address": f"[{i}].nc", "size": 2048, "sha256": "f" * 64} for i in range(7)],
        software={"zarr": "3.1"},
    )
    statistics = RunningStatistics("time", 6.0)
    statistics.update(weather)
    write_statistics(path, statistics, ["2000-01-01", "2000-01-08"], "abc")
    text = shown(path)
    for phrase in [
        "tiny  a test",
        "SIMULATED: made by a model, not observed",
        "4 latitudes x 4 longitudes, 40 x 90 degrees, global, no row at a pole",
        "500, 850 hPa",
        "2000-01-01T00:00 to 2000-01-08T06:00, 28 times",
        "6 hours",
        "1: 2 steps after 2000-01-03T06:00",
        "time 28, level 2, latitude 4, longitude 4",
        "8 x 2 x 4 x 4",
        "Statistics of 2000-01-01 to 2000-01-08",
        "CC0-1.0",
        "Me (2026)",
        "abc",
        "zarr 3.1",
        "[0].nc",
        "2.0 kB",
        "ffffffffffff",
        "and 2 more",
    ]:
        assert phrase in text, phrase
    low = float(weather["temperature"].sel(level=850).min())
    row = next(
        line
        for line in text.splitlines()
        if "temperature" in line and "850" in line and "2m" not in line
    )
    assert f"{low:.5g}" in row


def test_an_observed_store_without_statistics_says_so(climate, write_store):
    text = shown(write_store(climate, "scenario", 1, 1, simulated="false"))
    assert "SIMULATED" not in text
    assert "has no statistics" in text
    assert "2: historical, ssp126" in text
    assert "3: r1, r2, r3" in text
    assert "1 year" in text
    assert "No source files" in text


@pytest.mark.parametrize(
    ("time", "lost", "named"),
    [
        (
            xr.date_range("2000-01-01", periods=9, freq="6h"),
            [3, 4],
            "2000-01-01T18:00 to 2000-01-02T00:00",
        ),
        (
            xr.date_range("2000-01-01", periods=9, freq="6h", calendar="noleap"),
            [3],
            "2000-01-01T18:00",
        ),
        (xr.date_range("1999-10-01", periods=9, freq="MS"), [2, 3, 4], "1999-12 to 2000-02"),
        (np.arange(2000, 2009), [4], "2004"),
        (xr.date_range("2000-07-01", periods=9, freq="YS-JUL"), [4, 5], "2004-07 to 2005-07"),
    ],
)
def test_times_that_a_gap_lacks_are_named(time, lost, named):
    kept = [n for n in range(9) if n not in lost]
    assert axis_facts(xr.Dataset(coords={"time": time[kept]}))["missing times"] == named


def test_holes_are_listed_by_variable_from_the_builders_notes(weather, write_store):
    path = write_store(weather)
    assert "not counted when this store was built" in shown(path)
    stamps = ["2000-01-01T06:00:00", "2000-01-01T12:00:00", "2000-01-05T00:00:00"]
    holes = {"2m_temperature": {"values": 480, "missing": 48, "empty": stamps}}
    entries = [{"part": 0, "missing": {}}, {"part": 1, "missing": holes}]
    (path / "ledger.jsonl").write_text("".join(json.dumps(one) + "\n" for one in entries))
    row = next(line for line in shown(path).splitlines() if "10 %" in line)
    assert "2m_temperature" in row
    assert "3: 2000-01-01T06:00 to 2000-01-01T12:00, 2000-01-05T00:00" in row
    (path / "ledger.jsonl").write_text(json.dumps(entries[0]) + "\n")
    assert "Missing values: none." in shown(path)


def test_changes_over_several_leads_are_columns(weather, write_store):
    path = write_store(weather)
    statistics = RunningStatistics("time", 6.0, leads=[24])
    statistics.update(weather)
    write_statistics(path, statistics, ["2000-01-01", "2000-01-08"], "abc")
    assert "tendency std 24h" in shown(path)


def test_no_store_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="there is no store at"):
        describe_store(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("latitude", "longitude", "phrase"),
    [
        (np.arange(-90, 91, 1.5), np.arange(0, 360, 1.5), "1.5 x 1.5 degrees, global, rows at the"),
        (np.arange(30, 46, 0.5), np.arange(260, 290, 0.625), "regional, latitude 30..45.5, longi"),
        (np.arange(-88.75, 90, 2.5), np.arange(0, 180, 2.5), "regional"),
        (
            np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(32)[0])),
            np.arange(0, 360, 5.625),
            "5.5..5.5|uneven (Gaussian?), global, no row at a pole",
        ),
    ],
)
def test_grids_are_told_apart(latitude, longitude, phrase):
    facts = axis_facts(xr.Dataset(coords={"latitude": latitude, "longitude": longitude}))
    assert any(part in facts["grid"] for part in phrase.split("|"))


def test_repeated_times_and_single_times():
    repeated = xr.Dataset(coords={"time": [2000, 2001, 2001, 2002, 2003]})
    assert axis_facts(repeated)["repeated times"] == "1"
    assert "step" not in axis_facts(xr.Dataset(coords={"time": [2000]}))

"""Telemetry out of tables as they come: gaps, clocks, sentinels, commas, zones."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.sources.resampling import Axis, resampled
from climbench.recipes.sources.table_columns import Column
from climbench.store import open_store

Build = Callable[..., xr.Dataset]

PLAIN = """time,heater,voltage
2024-01-01T00:00:00,1.0,28.0
2024-01-01T00:01:00,2.0,28.5
2024-01-01T00:02:00,3.0,27.5
"""


@pytest.fixture
def telemetry(tmp_path: Path) -> Build:
    """Build a store of files (name to content) with a source's options."""

    def built(files: dict[str, str | bytes], **options: Any) -> xr.Dataset:
        folder = tmp_path / "archive"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            (folder / name).write_bytes(data)
        source = {"kind": "tables", "address": f"{folder}/*", "resample": None} | options
        recipe = load_recipe("telemetry_csv", {"sources": [source]})
        return open_store(build(recipe, tmp_path / "stores"))

    return built


def test_a_plain_table_is_one_variable_for_each_parameter(telemetry: Build) -> None:
    store = telemetry({"a.csv": PLAIN})
    assert set(store.data_vars) == {"heater", "voltage"}
    assert store["voltage"].dims == ("time",)
    assert store["voltage"].values.tolist() == [28.0, 28.5, 27.5]
    assert str(store["time"].values[-1])[:16] == "2024-01-01T00:02"


def test_semicolons_decimal_commas_and_a_units_row(telemetry: Build) -> None:
    text = "t;T1;U\n;[degC];(V)\n2024-01-01 00:00;1.234,5;28,1\n2024-01-01 00:01;-3,5;28,2\n"
    store = telemetry({"a.csv": text}, decimal=",", units_row=True)
    assert store["T1"].values.tolist() == [1234.5, -3.5]
    assert (store["T1"].attrs["units"], store["U"].attrs["units"]) == ("degC", "V")


def test_sentinels_and_empty_fields_are_missing(telemetry: Build) -> None:
    rows = ["2024-01-01T00:00,1,-999", "2024-01-01T00:01,,5", "2024-01-01T00:02,NA,9999"]
    store = telemetry({"a.csv": "\n".join(["t,a,b", *rows])}, missing=[-999, 9999])
    np.testing.assert_array_equal(store["a"].values, [1, np.nan, np.nan])
    np.testing.assert_array_equal(store["b"].values, [np.nan, 5, np.nan])


def test_times_of_a_zone_become_utc(telemetry: Build) -> None:
    text = "t,a\n2024-07-01T02:00+02:00,1\n2024-07-01T03:00+02:00,2\n"
    assert str(telemetry({"a.csv": text})["time"].values[0])[:13] == "2024-07-01T00"
    local = "t,a\n2024-07-01T02:00,1\n2024-07-01T03:00,2\n"
    again = telemetry({"a.csv": local}, zone="Europe/Rome")
    assert str(again["time"].values[0])[:13] == "2024-07-01T00"


def test_two_zones_can_be_asked_for(telemetry: Build) -> None:
    text = "t,a\n2024-01-01T01:00+01:00,1\n2024-01-01T03:00+02:00,2\n"
    store = telemetry({"a.csv": text}, zone="as_written")
    assert [str(t)[11:13] for t in store["time"].values] == ["00", "01"]


def test_seconds_since_1970(telemetry: Build) -> None:
    store = telemetry({"a.csv": "t,a\n86400,1\n86401.5,2\n"}, time_format="unix")
    assert str(store["time"].values[1]) == "1970-01-02T00:00:01.500000000"


def test_files_follow_each_other_in_time_whatever_their_names(telemetry: Build) -> None:
    later = PLAIN.replace("2024-01-01", "2024-01-02")
    store = telemetry({"a.csv": later, "b.csv": PLAIN})
    assert store.sizes["time"] == 6
    assert store.indexes["time"].is_monotonic_increasing


def test_a_clock_that_goes_backwards_can_be_sorted_and_twins_chosen(telemetry: Build) -> None:
    rows = ["2024-01-01T00:02,3", "2024-01-01T00:00,1", "2024-01-01T00:00,9"]
    text = "\n".join(["t,a", *rows])
    store = telemetry({"a.csv": text}, order="sort", duplicates="first")
    assert store["a"].values.tolist() == [1, 3]
    assert telemetry({"a.csv": text}, order="sort", duplicates="last")["a"].values[0] == 9


def test_parquet_is_read_as_csv_is(telemetry: Build, tmp_path: Path) -> None:
    time = pd.date_range("2024-01-01", periods=3, freq="1min")
    frame = pd.DataFrame({"time": time, "heater": [1.0, 2.0, 3.0], "voltage": [28.0, 28.5, 27.5]})
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    other = telemetry({"a.parquet": path.read_bytes()})
    (tmp_path / "archive/a.parquet").unlink()
    xr.testing.assert_equal(other, telemetry({"a.csv": PLAIN}))


RULES = {"mean": 2.5, "last": 3.0, "nearest": 3.0, "min": 2.0, "max": 3.0, "sum": 5.0}


@pytest.mark.parametrize("rule", RULES)
def test_a_value_comes_from_the_step_that_ends_at_its_time(telemetry: Build, rule: str) -> None:
    store = telemetry({"a.csv": PLAIN}, resample={"every": "2min", "rule": rule})
    assert [str(t)[14:16] for t in store["time"].values] == ["00", "02"]
    assert store["heater"].values.tolist() == [1.0, RULES[rule]]


def test_each_parameter_may_have_a_rule_of_its_own(telemetry: Build) -> None:
    resample = {"every": "2min", "rule": "mean", "rules": {"voltage": "max"}}
    store = telemetry({"a.csv": PLAIN}, resample=resample)
    assert (store["heater"].values[1], store["voltage"].values[1]) == (2.5, 28.5)


def test_too_few_samples_leave_a_step_missing(telemetry: Build) -> None:
    stamps = pd.date_range("2024-01-01", periods=31, freq="1min")
    kept = [t for t in stamps if not 2 < t.minute <= 10]  # two of ten are left, then all
    text = "t,a\n" + "\n".join(f"{t.isoformat()},1" for t in kept)
    share = [
        telemetry({"a.csv": text}, resample={"every": "10min", "valid": valid})["a"].values
        for valid in (0.1, 0.5)
    ]
    np.testing.assert_array_equal(np.isnan(share[0]), [False, False, False, False])
    np.testing.assert_array_equal(np.isnan(share[1]), [True, True, False, False])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 10_000), min_size=2, max_size=60, unique=True),
    st.integers(1, 500),
    st.integers(0, 10_000),
)
def test_nothing_of_the_future_is_in_a_value(moments: list[int], step: int, cut: int) -> None:
    """Shuffling what comes after a time changes no value up to it."""
    time = np.sort(np.array(moments, np.int64))
    values = np.arange(time.size, dtype=np.float32)
    changed = np.where(time > cut, -values - 1, values)
    axis = Axis(0, step, 10_000 // step + 1)
    upto = np.arange(axis.size) * step <= cut
    for rule in ("mean", "last", "min", "max", "sum"):
        one, other = (
            resampled([(_InMemory(time), _InMemory(v))], axis, rule, 0.0)  # type: ignore[list-item]
            for v in (values, changed)
        )
        np.testing.assert_array_equal(one[upto], other[upto])


class _InMemory:
    """Numbers that stand for a column on disk."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape = values, values.shape

    def __getitem__(self, key: slice) -> np.ndarray:
        return self.values[key]


def test_a_column_on_disk_is_read_in_pieces(tmp_path: Path) -> None:
    np.arange(10, dtype="<f4").tofile(tmp_path / "a")
    assert Column(tmp_path / "a", np.dtype("<f4"), (10,))[2:4].tolist() == [2, 3]


def test_a_long_table_in_the_layout_of_ops_sat(tmp_path: Path) -> None:
    stamps = pd.date_range("2022-01-01", periods=40, freq="5s").strftime("%Y-%m-%dT%H:%M:%S.000Z")
    rows = [
        f"{t},{channel},{number * scale},normal,1,5,1,0"
        for channel, scale in (("CADC0872", 1), ("CADC0873", 10))
        for number, t in enumerate(stamps)
    ]
    (tmp_path / "opssat_ad").mkdir()
    header = "timestamp,channel,value,label,segment,sampling,train,anomaly"
    (tmp_path / "opssat_ad/segments.csv").write_text("\n".join([header, *rows]))
    store = open_store(build(load_recipe("opssat_ad"), tmp_path / "stores", tmp_path))
    assert set(store.data_vars) == {"CADC0872", "CADC0873"}
    assert store["CADC0873"].values[1] == pytest.approx(15.0)  # 10 s: samples 1 and 2


def test_a_file_for_each_parameter_in_the_layout_of_goce(tmp_path: Path) -> None:
    for name, step in (("CAT35004", "32s"), ("IHT13017", "16s")):
        folder = tmp_path / "goce" / name
        folder.mkdir(parents=True)
        time = pd.date_range("2010-01-01", periods=200, freq=step)
        frame = pd.DataFrame({"datetime": time, "value": np.arange(200.0)})
        frame.to_parquet(folder / f"{name}_raw.parquet")
        frame.to_parquet(folder / f"{name}_stats_10min.parquet")  # not to be taken
    store = open_store(build(load_recipe("goce_telemetry"), tmp_path / "stores", tmp_path))
    assert set(store.data_vars) == {"CAT35004", "IHT13017"}
    assert store.sizes["time"] == 12  # 106 minutes from midnight on
    assert np.isnan(store["IHT13017"].values[-1])


ONE = "t,a\n2024-01-01T00:00,1\n"
BAD = {
    "empty file": ("", {}, "a.csv is empty"),
    "header only": ("t,a\n", {}, "a.csv has no rows: a series needs two"),
    "one row": (ONE, {}, "a.csv has 1 row: a series needs two"),
    "no value": (ONE + "2024-01-01T00:01,2\n", {"missing": [1, 2]}, "'a' has no value"),
    "text": (ONE + "2024-01-01T00:01,on\n", {}, "line 3: column 'a' holds the text 'on'"),
    "backwards": (
        ONE + "2024-01-01T00:02,2\n2024-01-01T00:01,3\n",
        {},
        "line 4: the time 2024-01-01T00:01:00 goes backwards",
    ),
    "twice": (
        ONE + "2024-01-01T00:00,2\n",
        {},
        "line 3: the time 2024-01-01T00:00:00 is there twice",
    ),
    "zones": (
        "t,a\n2024-01-01T00:00Z,1\n2024-01-01T02:00+01:00,2\n",
        {},
        "are of several zones",
    ),
    "some zones": ("t,a\n2024-01-01T00:00Z,1\n2024-01-01T02:00,2\n", {}, "'none' and 'UTC'"),
    "clock change": (
        "t,a\n2024-10-27T02:30,1\n2024-10-27T03:30,2\n",
        {"zone": "Europe/Rome"},
        "when the clock changes an hour is there twice",
    ),
    "no time": ("t,a\nlater,1\n2024-01-01T00:00,2\n", {}, "line 2: 'later' is no time"),
    "no column": (PLAIN, {"time": "tme"}, "no column 'tme' for the time: did you mean 'time'"),
    "columns twice": ("t,a,a\n2024-01-01,1,2\n", {}, "the column 'a' twice"),
    "rule": (
        PLAIN,
        {"resample": {"every": "2min", "rules": {"heatr": "max"}}},
        "no parameter 'heatr': did you mean 'heater'",
    ),
    "ragged": ("t,a\n2024-01-01,1,2,3\n2024-01-02,1\n", {}, "more fields than columns"),
    "short row": ("t,a,b\n2024-01-01,1,2\n2024-01-02,3\n", {}, "line 3: it has fewer fields"),
    "no header": ("2024-01-01,1,2\n2024-01-02,3,4\n", {}, "a.csv has no header: its first line"),
    "infinite": ("t,a\n2024-01-01,1\n2024-01-02,1e400\n", {}, "line 3: column 'a' holds the text"),
    "too large": ("t,a\n2024-01-01,1\n2024-01-02,1e39\n", {}, "line 3: column 'a' holds 1e39"),
    "a page": ("<!DOCTYPE html>\n<p>a,b</p>\n", {}, "a.csv is a web page and no table"),
    "decimal commas": ("t;a\n2024-01-01;1,5\n", {}, "line 2: column 'a' holds the text '1,5': of"),
    "decimal points": ("t;a\n2024-01-01;10.5\n", {"decimal": ","}, "leave out 'decimal'"),
    "seconds": ("t,a\n1,1\n1e20,2\n", {"time_format": "unix"}, "line 3: '1e20' is no time"),
    "no separator": (PLAIN, {"separator": ""}, "at least 1 character"),
    "names twice": (PLAIN, {"names": ["t", "a", "a"]}, "'names' has 'a' twice"),
    "not a step": (PLAIN, {"resample": {"every": "1month"}}, "no step of a fixed length"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(telemetry: Build, case: str) -> None:
    text, options, sentence = BAD[case]
    with pytest.raises(UserError) as caught:
        telemetry({"a.csv": text}, **options)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


ROWS = "".join(
    f"2024-01-01T{n // 60:02d}:{n % 60:02d},{n * 7919 % 1000 / 7}\n" for n in range(1440)
)
PACKED = gzip.compress(f"t,a\n{ROWS}".encode())
DAMAGED = {
    "cut": (PACKED[: len(PACKED) // 2], "a.csv is a damaged gzip file"),
    "junk": (b"\x1f\x8b" + bytes(range(200)), "a.csv is a damaged gzip file"),
    "sum": (PACKED[:-6] + b"abcdef", "a.csv is a damaged gzip file"),
    "nothing": (gzip.compress(b""), "a.csv is empty"),
    "zeros": (bytes(5000), "a.csv is no text in UTF-8"),
    "Latin-1": (ONE.encode() + b"2024-01-02,\xb0\n", "a.csv is no text in UTF-8"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_bytes_are_one_sentence(telemetry: Build, case: str) -> None:
    content, sentence = DAMAGED[case]
    with pytest.raises(UserError, match=sentence) as caught:
        telemetry({"a.csv": content})
    assert "\n" not in str(caught.value)


def test_a_folder_called_as_a_table_is_named(telemetry: Build, tmp_path: Path) -> None:
    (tmp_path / "archive/b.csv").mkdir(parents=True)
    with pytest.raises(UserError, match=r"b.csv is a folder"):
        telemetry({"a.csv": PLAIN})


def test_a_truncated_parquet_file_is_named(telemetry: Build) -> None:
    with pytest.raises(UserError, match=r"a.parquet is damaged"):
        telemetry({"a.parquet": b"PAR1" + b"\x00" * 100})


@pytest.mark.slow
def test_memory_holds_a_block_and_not_the_table(tmp_path: Path) -> None:
    """Two million rows of eight parameters, in a process of its own, under 400 MB more."""
    import subprocess
    import sys

    time = pd.date_range("2020-01-01", periods=2_000_000, freq="10s").strftime("%Y-%m-%dT%H:%M:%S")
    frame = pd.DataFrame({f"p{n}": np.float32(n) for n in range(8)}, index=time)
    frame.index.name = "time"
    folder = tmp_path / "archive"
    folder.mkdir()
    frame.to_csv(folder / "a.csv")
    code = (
        "import resource,sys\nfrom pathlib import Path\n"
        "from climbench.recipes import build, load_recipe\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "recipe = load_recipe('telemetry_csv')\n"
        "build(recipe, Path(sys.argv[1]), Path(sys.argv[2]), workers=1)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "stores"), str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(found.stdout.split()[-1]) < 400_000  # kB; the table as text takes 1.3 GB


def test_other_tables_of_the_same_name_are_another_store(tmp_path: Path) -> None:
    paths = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = "".join(f"2024-01-01T0{hour}:00:00Z,{hour + number}\n" for hour in range(4))
        (folder / "a.csv").write_text(f"time,x\n{rows}")
        changed = {"resample": None}
        source = load_recipe("telemetry_csv").resolved()["sources"][0] | changed
        recipe = load_recipe("telemetry_csv", {"sources": [source]})
        paths.append(build(recipe, tmp_path / "stores", folder))
        assert build(recipe, tmp_path / "stores", folder) == paths[-1]
    assert [float(open_store(path)["x"][0]) for path in paths] == [1, 2]


def test_the_mean_of_directions_is_that_of_their_vectors(telemetry: Build) -> None:
    angles = [350, 10, 80, 100, 0, 180]
    rows = [f"2024-01-01T00:{10 * n:02d}:00,{angle},{angle}" for n, angle in enumerate(angles)]
    store = telemetry(
        {"a.csv": "\n".join(["time,wd,plain", *rows])},
        units={"wd": "degree"},
        resample={"every": "20min", "rule": "mean"},
    )
    found = store["wd"].values  # a step ends at its time: 350 alone, 10 and 80, 100 and 0, 180
    np.testing.assert_allclose(found, [350, 45, 50, 180], atol=1e-4)
    assert store["plain"].values.tolist() == [350, 45, 50, 180]


def test_opposite_directions_have_no_mean(telemetry: Build) -> None:
    text = "time,wd\n2024-01-01T00:10,350\n2024-01-01T00:20,10\n"
    text += "2024-01-01T00:30,90\n2024-01-01T00:40,270\n"
    resample = {"every": "20min", "rule": "mean"}
    found = telemetry({"a.csv": text}, units={"wd": "degree"}, resample=resample)["wd"].values
    assert min(found[0], 360 - found[0]) < 1e-4  # across north
    assert np.isnan(found[1])

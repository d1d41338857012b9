"""Tables of stations in several files: overlaps, places, columns that only some have."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from climbench.errors import UserError
from climbench.recipes import build, load_recipe, plan
from climbench.store import open_store

HEADER = "t,id,lat,lon,z,a"


def recipe(**options: Any) -> Any:
    stations = {"column": "id", "place_columns": ["lat", "lon", "z"]}
    source = {"kind": "tables", "address": "-", "local": "*.csv", "stations": stations}
    source |= {"resample": {"every": "1h", "rule": "mean"}}
    dates = {"dates": options.pop("dates")} if "dates" in options else {}
    return load_recipe("telemetry_csv", dates | {"sources": [source | options]})


def row(hour: int, value: float | str, place: str = "50,10,5", name: str = "x") -> str:
    return f"2024-01-01T{hour:02d}:00,{name},{place},{value}"


def built(root: Path, files: dict[str, list[str]], **options: Any) -> xr.Dataset:
    for name, rows in files.items():
        header = options.get("header", HEADER)
        (root / name).write_text("\n".join([header, *rows]))
    options.pop("header", None)
    return open_store(build(recipe(**options), root / "stores", root))


def refused(sentence: str, root: Path, files: dict[str, list[str]], **options: Any) -> None:
    with pytest.raises(UserError) as caught:
        built(root, files, **options)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((root / "stores").glob("*.zarr*"))


def test_equal_rows_of_two_files_count_once(tmp_path: Path) -> None:
    files = {
        "1.csv": [row(hour, hour) for hour in range(6)],
        "2.csv": [row(hour, hour) for hour in range(4, 9)],
    }
    store = built(tmp_path, files, resample={"every": "3h", "rule": "sum"})
    assert store["a"].values[:, 0].tolist() == [0, 1 + 2 + 3, 4 + 5 + 6, 7 + 8]


WIDE = {
    "1.csv": [row(0, 0), row(1, 1), row(9, 9)],
    "2.csv": [row(2, 2), row(3, 3)],
    "3.csv": [row(9, 7), row(10, 8)],
}


def test_a_file_is_compared_with_all_that_it_overlaps(tmp_path: Path) -> None:
    """The second file lies between the first and the last, which contradict each other."""
    sentence = "station 'x', 'a': the time 2024-01-01 09:00:00 is there twice, in two files"
    refused(sentence, tmp_path, WIDE)


@pytest.mark.parametrize(("duplicates", "value"), [("first", 9), ("last", 7)])
def test_which_of_two_files_counts_can_be_said(
    tmp_path: Path, duplicates: str, value: float
) -> None:
    store = built(tmp_path, WIDE, duplicates=duplicates)
    assert store["a"].values[9:, 0].tolist() == [value, 8]
    assert store["a"].values[:4, 0].tolist() == [0, 1, 2, 3]


def test_the_last_sample_is_the_last_in_time_and_not_of_the_last_file(tmp_path: Path) -> None:
    files = {"1.csv": [row(0, 0), row(5, 5)], "2.csv": [row(1, 1), row(4, 4)]}
    store = built(tmp_path, files, resample={"every": "6h", "rule": "last"})
    assert store["a"].values[:, 0].tolist() == [0, 5]


def test_what_a_file_lacks_comes_from_the_other(tmp_path: Path) -> None:
    files = {"1.csv": [row(0, 0), row(1, ""), row(2, 2)], "2.csv": [row(1, 1), row(2, 2)]}
    assert built(tmp_path, files)["a"].values[:, 0].tolist() == [0, 1, 2]


def test_a_station_that_is_elsewhere_in_another_file(tmp_path: Path) -> None:
    files = {"1.csv": [row(0, 0), row(1, 1)], "2.csv": [row(2, 2, "50,14,5"), row(3, 3, "50,14,5")]}
    refused("2.csv: the longitude of the station 'x' is 14, and in another", tmp_path, files)


MOVED = [row(0, 0), row(1, 1, "50,14,5"), row(2, 2, "50,-350,5")]


def test_a_station_that_moves_has_the_place_that_the_recipe_gives(tmp_path: Path) -> None:
    stations = {
        "column": "id",
        "place_columns": ["lat", "lon", "z"],
        "places": {"x": [51, 11, None]},
    }
    store = built(tmp_path, {"1.csv": MOVED}, stations=stations)
    assert (float(store.latitude[0]), float(store.longitude[0])) == (51, 11)


def test_digits_that_are_cut_and_whole_turns_are_no_move(tmp_path: Path) -> None:
    rows = [row(0, 0, ",,"), row(1, 1), row(2, 2, "50.01,10.01,20"), row(3, 3, "50,370,5")]
    store = built(tmp_path, {"1.csv": rows})
    assert (float(store.latitude[0]), float(store.longitude[0])) == (50, 10)  # the first there is


def test_a_column_that_one_file_has_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "2.csv").write_text(f"{HEADER},b\n{row(0, 0, name='y')},1\n{row(1, 1, name='y')},1")
    store = built(tmp_path, {"1.csv": [row(0, 0), row(1, 1)]}, drop=["b"])
    assert set(store.data_vars) == {"a"} and store.sizes["station"] == 2


def test_two_labels_of_one_name(tmp_path: Path) -> None:
    options = {"parameter": "p", "value": "a", "rename": {"u": "w", "v": "w"}}
    rows = [f"{row(hour, 1)},{label}" for hour in range(3) for label in "uv"]
    sentence = "'u' and 'v' are both renamed to 'w': correct 'rename'"
    refused(sentence, tmp_path, {"1.csv": rows}, header=f"{HEADER},p", **options)


def test_letters_of_directions_are_degrees(tmp_path: Path) -> None:
    rows = [row(0, "N"), row(1, "NNW"), row(2, "NNE")]
    resample = {"every": "2h", "rule": "mean"}
    store = built(tmp_path, {"1.csv": rows}, compass=["a"], resample=resample)
    assert store["a"].attrs["units"] == "degree"
    np.testing.assert_allclose(store["a"].values[:, 0], [0, 0], atol=1e-4)
    sentence = "the rule of 'a' is sum, and of directions there is none"
    resample = {"every": "2h", "rule": "sum"}
    with pytest.raises(UserError, match=sentence):
        built(tmp_path, {"1.csv": rows}, compass=["a"], resample=resample)


DATES = {
    "beyond": ("2030-01-01", "2030-01-02", "no time lies between 2030-01-01 and 2030-01-02: the"),
    "reversed": ("2024-01-03", "2024-01-01", "begin at 2024-01-03 and end before, at 2024-01-01"),
    "no date": ("2024-02-30", "2024-03-01", "one of the two is no date of the years 1678 to 2261"),
    "too late": ("2024", "2930", "one of the two is no date of the years 1678 to 2261"),
}


@pytest.mark.parametrize("case", DATES)
def test_dates_that_the_tables_do_not_have(case: str, tmp_path: Path) -> None:
    start, end, sentence = DATES[case]
    files = {"1.csv": [row(hour, hour) for hour in range(3)]}
    refused(sentence, tmp_path, files, dates={"start": start, "end": end})


def test_a_year_may_end_what_a_month_begins(tmp_path: Path) -> None:
    files = {"1.csv": [row(hour, hour) for hour in range(3)]}
    dates = {"start": "2024-01", "end": "2024"}
    assert built(tmp_path, files, dates=dates).sizes["time"] == 366 * 24


STATIONS = {
    "no bracket": ({"column": None, "from_name": "1"}, "'1' has no group in brackets"),
    "no pattern": ({"column": None, "from_name": "("}, "'(' is no regular expression"),
    "no name": ({"column": None, "from_name": "1(.*)[.]csv"}, "its name has nothing where"),
    "no altitude": ({"places": {"x": [45, 7]}}, "[45, 7] is no place: write latitude, longitude"),
    "two columns": ({"place_columns": ["lat", "lon"]}, "name three, of latitude, longitude and"),
    "no list": ({"list": "http://x", "list_local": "l.json"}, "correct 'stations.list_local'"),
}


@pytest.mark.parametrize("case", STATIONS)
def test_options_of_stations(case: str, tmp_path: Path) -> None:
    options, sentence = STATIONS[case]
    stations = {"column": "id", "place_columns": ["lat", "lon", "z"]} | options
    refused(sentence, tmp_path, {"1.csv": [row(0, 0), row(1, 1)]}, stations=stations)


def test_a_list_that_is_none_is_named(tmp_path: Path) -> None:
    stations = {"column": "id", "list": "http://x", "list_local": "1.csv"}
    rows = {"1.csv": [row(0, 0), row(1, 1)]}
    refused("1.csv is no list of stations with 'id'", tmp_path, rows, stations=stations)


def test_latitudes_with_letters(tmp_path: Path) -> None:
    rows = [row(hour, 1, "50N,10,5") for hour in range(2)]
    sentence = "line 2: column 'lat' holds the text '50N': write degrees north and east as numbers"
    refused(sentence, tmp_path, {"1.csv": rows})


def test_a_build_whose_parts_are_all_empty_leaves_nothing(tmp_path: Path) -> None:
    refused("'a' has no value at any time", tmp_path, {"1.csv": [row(h, "") for h in range(3)]})
    assert not list((tmp_path / "stores").glob("*.building"))


def test_an_archive_without_an_address_asks_for_data_root(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds weather2k/data.npy as data_root"):
        build(load_recipe("weather2k"), tmp_path)
    with pytest.raises(UserError, match=r"holds weather2k/data.npy as data_root"):
        plan(load_recipe("weather2k"))

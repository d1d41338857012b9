import shutil

import pytest
import zarr

from climbench.errors import UserError
from climbench.store import open_store, store_hash


def refused(path, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        open_store(path)
    assert "\n" not in str(caught.value)


def test_nothing_there(tmp_path):
    refused(tmp_path / "nowhere.zarr", "there is no store at .*nowhere.zarr: make it with")


def test_half_written(weather, write_store, tmp_path):
    building = tmp_path / "store.zarr.building"
    write_store(weather).rename(building)
    refused(building, r"store\.zarr\.building is half-written: run the same")
    refused(tmp_path / "store.zarr", "half-written: run the same")


def test_lost_files_are_not_taken_for_missing_values(weather, write_store):
    path = write_store(weather)
    (path / "temperature" / "c" / "1" / "0" / "0" / "0").unlink()
    refused(path, r"damaged: 1 of its files are missing, the first is temperature/c/1/0/0/0;")


def test_netcdf_and_empty_folders(weather, tmp_path):
    weather.to_netcdf(tmp_path / "weather.nc")
    refused(tmp_path / "weather.nc", r"weather\.nc is not a climbench store")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty is not a climbench store")


def test_zarr_of_others(weather, tmp_path):
    weather.to_zarr(tmp_path / "other.zarr", consolidated=False)
    refused(
        tmp_path / "other.zarr", "a Zarr group but not a climbench store: name it as the source"
    )
    (tmp_path / "other.zarr" / "zarr.json").write_text("{")
    refused(tmp_path / "other.zarr", "not a Zarr group that can be read")


def test_another_format(weather, write_store):
    path = write_store(weather)
    zarr.open_group(path, mode="r+").attrs["climbench_format"] = 99
    refused(path, "has store format 99 and this climbench reads format 1")


def test_the_hash_tells_recipes_and_sources_apart_but_not_places(weather, write_store, tmp_path):
    source = {"address": "a.nc", "size": 1, "sha256": "1"}
    hashes = []
    for recipe_hash, sources in [
        ("r", [source]),
        ("s", [source]),
        ("r", [{**source, "sha256": "2"}]),
        ("r", [{"address": "gs://a", "size": 1, "etag": "1"}]),
        ("r", [{**source, "address": "moved/a.nc"}]),
    ]:
        hashes.append(store_hash(write_store(weather, recipe_hash=recipe_hash, sources=sources)))
    assert len(set(hashes)) == 4
    assert hashes[0] == hashes[4]
    shutil.move(tmp_path / "store.zarr", tmp_path / "elsewhere.zarr")
    assert store_hash(tmp_path / "elsewhere.zarr") == hashes[4]

"""The fault test: a build from an archive whose server has a bad day."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from servers.faulty_http import Faults, faulty_http

from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.store.opening import open_store

from ..conftest import weather

BAD_DAY = Faults(drop=0.2, truncate=0.05, burst=0.03, length=4, seed=1)


@pytest.fixture
def years(root: Path) -> dict[str, str]:
    """Forty files, one a year, in ``root``; their checksums by name."""
    checksums = {}
    for year in range(1961, 2001):
        path = root / f"t2m.{year}.nc"
        weather(f"{year}-01-01", 12, rows=30).isel(time=[0]).to_netcdf(path)
        checksums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return checksums


def source(url: str, **options: object) -> dict[str, object]:
    address = f"{url}/t2m.{{year}}.nc"
    rename = {"t2m": "2m_temperature"}
    return {"kind": "files", "address": address, "rename": rename, **options}


def test_a_build_from_forty_files_over_a_faulty_server_is_complete(
    root: Path,
    years: dict[str, str],
    tmp_path: Path,
    write_recipe: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    with faulty_http(root, faults=BAD_DAY) as server:
        recipe = write_recipe(
            sources=[source(server.url, sha256=years)],
            dates={"start": "1961", "end": "2000"},
            checks={"gaps": "allow"},
        )
        store = build(load_recipe(str(recipe)), tmp_path / "stores")
        asked, busy = len(server.requests), sum(r.status == 503 for r in server.requests)
    fields = open_store(store)
    with xr.open_mfdataset(sorted(root.glob("*.nc"))) as files:
        expected = files["t2m"].sortby("lat").values
    np.testing.assert_array_equal(fields["2m_temperature"].values, expected)
    recorded = json.loads(fields.attrs["sources"])
    assert sorted(one["sha256"] for one in recorded) == sorted(years.values())
    assert busy > 0 and asked > 45
    said = capfd.readouterr().err
    print(said)
    found = re.search(r"downloaded 40 files \(.*\) in (\d+) requests, (\d+) of them repeated", said)
    assert found is not None
    assert int(found[1]) == asked
    assert int(found[2]) == asked - 40
    assert not [*(tmp_path / "stores" / "downloads").glob("*.part*")]


def test_a_dead_archive_costs_nothing_where_there_is_a_mirror(
    root: Path, years: dict[str, str], tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with faulty_http(empty) as dead, faulty_http(root) as alive:
        recipe = write_recipe(
            sources=[source(dead.url, mirrors=[f"{alive.url}/"], sha256=years)],
            dates={"start": "1961", "end": "1964"},
            checks={"gaps": "allow"},
        )
        assert build(load_recipe(str(recipe)), tmp_path / "stores").exists()
        assert (len(dead.requests), len(alive.requests)) == (4, 4)


def test_an_interrupted_build_fetches_only_what_is_missing(
    root: Path, years: dict[str, str], tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    away = tmp_path / "t2m.1964.nc"
    (root / "t2m.1964.nc").rename(away)
    with faulty_http(root) as server:
        recipe = load_recipe(
            str(
                write_recipe(
                    sources=[source(server.url, md5={})],
                    dates={"start": "1961", "end": "1966"},
                    checks={"gaps": "allow"},
                )
            )
        )
        with pytest.raises(UserError, match=r"t2m\.1964\.nc does not exist"):
            build(recipe, tmp_path / "stores")
        away.rename(root / "t2m.1964.nc")
        build(recipe, tmp_path / "stores")
        good = [request.path for request in server.requests if request.status == 200]
        assert len(good) == len(set(good)) == 6


def test_a_mistake_shows_after_one_file_and_not_after_all(
    root: Path, years: dict[str, str], tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    with faulty_http(root) as server:
        recipe = write_recipe(
            sources=[source(server.url, variables=["tas"], rename={})],
            dates={"start": "1961", "end": "2000"},
        )
        with pytest.raises(UserError, match="no gridded variable 'tas'"):
            build(load_recipe(str(recipe)), tmp_path / "stores")
        assert len(server.requests) == 1


def test_files_of_many_sources_come_side_by_side(
    root: Path, tmp_path: Path, write_recipe: Callable[..., Path]
) -> None:
    members = [f"r{number}" for number in range(8)]
    for member in members:
        weather("2001-01-01", 8).to_netcdf(root / f"{member}.nc")
    with faulty_http(root, latency=0.25) as server:
        one = {
            "kind": "files",
            "address": f"{server.url}/{{member}}.nc",
            "coordinates": {"member": members},
            "rename": {"t2m": "2m_temperature"},
        }
        recipe = load_recipe(str(write_recipe(sources=[one])))
        store = open_store(build(recipe, tmp_path / "stores"))
        assert server.most_at_once == 4
        assert len(server.requests) == 8
    assert store.sizes["member"] == 8

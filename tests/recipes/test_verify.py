"""A finished store is held against its ledger and its sources, and mended."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from climbench.cli import main
from climbench.errors import UserError
from climbench.recipes import build, load_recipe
from climbench.recipes.verify import verify

from .test_build import arrays
from .test_workers import long_archive

WriteRecipe = Callable[..., Path]


def damaged_shard(store: Path) -> Path:
    shard = store / "2m_temperature" / "c" / "1" / "0" / "0"
    flip(shard)
    return shard


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_sound_store_passes(archive: Path, write_recipe: WriteRecipe, tmp_path: Path) -> None:
    recipe = load_recipe(str(write_recipe()))
    build(recipe, tmp_path / "stores", archive)
    assert verify(recipe, tmp_path / "stores", archive) == (3, [])
    assert verify(recipe, tmp_path / "stores", archive, manner="source") == (3, [])


def test_one_flipped_bit_is_found_named_and_mended(
    archive: Path,
    write_recipe: WriteRecipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe_file = write_recipe()
    recipe = load_recipe(str(recipe_file))
    store = build(recipe, tmp_path / "stores", archive)
    before = arrays(store)
    shard = damaged_shard(store)
    command = ["build", f"recipe={recipe_file}", f"stores_dir={tmp_path / 'stores'}"]
    command.append(f"data_root={archive}")
    assert main([*command, "verify=true"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "'2m_temperature' in part 1 (time 2001-01-09T00:00:00 to 2001-01-16" in error
    assert "give the same command with verify=mend" in error
    shard.unlink()
    assert main([*command, "verify=mend"]) == 0
    assert "damaged and mended: part 1; all else of 3 parts" in capsys.readouterr().out
    assert arrays(store) == before
    assert main([*command, "verify=true"]) == 0
    assert main([*command, "verify=maybe"]) == 2
    assert "write true, source or mend" in capsys.readouterr().err
    assert sorted(one.name for one in (tmp_path / "stores").glob("*ing*")) == []


@pytest.fixture
def two_years(write_recipe: WriteRecipe, tmp_path: Path) -> tuple[Path, Path]:
    """A store with statistics and a climatology, and its recipe; the sources are gone."""
    data = long_archive(tmp_path / "archive", 2)
    statistics = {"climatology": True, "tendency_leads": [48]}
    recipe = write_recipe(statistics=statistics, output={"chunk": 100, "shard": 300})
    store = build(load_recipe(str(recipe)), tmp_path / "stores", data)
    shutil.rmtree(data)
    return recipe, store


@pytest.mark.parametrize(
    "name", ["statistics/2m_temperature/c/0", "climatology/zarr.json", "latitude/c/0", "zarr.json"]
)
def test_whatever_belongs_to_no_part_is_covered_too(
    two_years: tuple[Path, Path], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, store = two_years
    assert (
        subprocess.run(["sha256sum", "--quiet", "-c", "checksums.sha256"], cwd=store).returncode
        == 0
    )
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    flip(store / name)
    command = ["build", f"recipe={recipe}", f"stores_dir={store.parent}"]
    assert main([*command, "verify=true"]) == 2
    error = " ".join(capsys.readouterr().err.split())
    mendable = name.startswith(("statistics", "climatology"))
    words = "is damaged: give the same command" if mendable else "delete it and build it again"
    assert f"'{name}' is" in error
    assert words in error
    assert main([*command, "verify=mend"]) == (0 if mendable else 2)
    if mendable:
        assert f"mended: {name.partition('/')[0]};" in capsys.readouterr().out
        assert {f: f.read_bytes() for f in store.rglob("*") if f.is_file()} == before


def test_sources_that_have_changed_are_found_and_not_mended(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()))
    store = build(recipe, tmp_path / "stores", archive)
    with xr.open_dataset(archive / "b.nc") as opened:
        changed = opened.load()
    changed["t2m"][5, 2, 3] += 0.25
    (archive / "b.nc").unlink()
    changed.to_netcdf(archive / "b.nc")
    assert verify(recipe, tmp_path / "stores", archive) == (3, [])
    with pytest.raises(UserError, match=r"'2m_temperature' in part 1 .* is not what the sources"):
        verify(recipe, tmp_path / "stores", archive, manner="source")
    damaged_shard(store)
    with pytest.raises(UserError, match=r"part 1 .* was made again and is not what it was"):
        verify(recipe, tmp_path / "stores", archive, manner="mend")


def test_a_value_changed_through_zarr_is_damage_too(
    archive: Path, write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    recipe = load_recipe(str(write_recipe()))
    store = build(recipe, tmp_path / "stores", archive)
    zarr.open_array(str(store / "2m_temperature"), mode="r+")[19, 0, 0] = np.float32(250.0)
    with pytest.raises(UserError, match=r"in part 2 \(time 2001-01-17T00:00:00 to .* is damaged"):
        verify(recipe, tmp_path / "stores", archive)


def test_there_must_be_a_store(archive: Path, write_recipe: WriteRecipe, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no finished store"):
        verify(load_recipe(str(write_recipe())), tmp_path, archive)


@pytest.mark.parametrize(
    ("name", "keep", "sentence"),
    [
        ("ledger.jsonl", lambda lines: lines[:-1], "does not hold all parts"),
        ("ledger.jsonl", lambda lines: [*lines[:-1], lines[-1][:40]], "is damaged itself"),
        ("checksums.sha256", lambda lines: [*lines, "0123"], "is damaged itself"),
        ("checksums.sha256", None, r"has no checksums\.sha256"),
    ],
)
def test_the_lists_themselves_must_be_whole(
    archive: Path,
    write_recipe: WriteRecipe,
    tmp_path: Path,
    name: str,
    keep: Callable[[list[str]], list[str]] | None,
    sentence: str,
) -> None:
    recipe = load_recipe(str(write_recipe()))
    file = build(recipe, tmp_path / "stores", archive) / name
    if keep is None:
        file.unlink()
    else:
        file.write_text("\n".join(keep(file.read_text().splitlines())) + "\n")
    with pytest.raises(UserError, match=sentence):
        verify(recipe, tmp_path / "stores", archive)

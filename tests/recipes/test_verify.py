"""A finished store is held against its ledger and its sources, and mended."""

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

WriteRecipe = Callable[..., Path]


def damaged_shard(store: Path) -> Path:
    shard = store / "2m_temperature" / "c" / "1" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    return shard


def test_a_sound_store_passes(archive: Path, write_recipe: WriteRecipe, tmp_path: Path) -> None:
    recipe = load_recipe(str(write_recipe()))
    build(recipe, tmp_path / "stores", archive)
    assert verify(recipe, tmp_path / "stores", archive) == (3, 0)
    assert verify(recipe, tmp_path / "stores", archive, manner="source") == (3, 0)


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
    assert "'2m_temperature' is damaged in part 1 (time 2001-01-09T00:00:00 to 2001-01-16" in error
    assert "give the same command with verify=mend" in error
    shard.unlink()
    assert main([*command, "verify=mend"]) == 0
    assert "1 of 3 parts were damaged and are mended" in capsys.readouterr().out
    assert arrays(store) == before
    assert main([*command, "verify=true"]) == 0
    assert main([*command, "verify=maybe"]) == 2
    assert "write true, source or mend" in capsys.readouterr().err
    assert sorted(one.name for one in (tmp_path / "stores").glob("*ing*")) == []


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
    assert verify(recipe, tmp_path / "stores", archive) == (3, 0)
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
    with pytest.raises(UserError, match=r"damaged in part 2 \(time 2001-01-17T00:00:00 to"):
        verify(recipe, tmp_path / "stores", archive)


def test_there_must_be_a_store(archive: Path, write_recipe: WriteRecipe, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no finished store"):
        verify(load_recipe(str(write_recipe())), tmp_path, archive)

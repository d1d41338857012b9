"""A user's pathway, from CSV to maps, global mean and page."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from small_stores import climate, write_store
from small_training import TRAINER, baseline

from climbench.cli import main
from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.prediction.emulate import emulate
from climbench.prediction.pathway import History, read_pathway
from climbench.prediction.world_emissions import world_total
from climbench.store import open_store
from climbench.tasks import Emulation
from climbench.training import train

YEARS = np.arange(2010, 2031)
WHOLE = pd.DataFrame({"year": YEARS, "carbon_dioxide": 2000.0 + 150.0 * (YEARS - 2009)})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """History to 2009 and three scenarios; CO2 in Gt, SO2 as maps in kg m-2 s-1."""
    ds = climate()
    sulphur = xr.full_like(ds.tas.isel(member=0, drop=True), 0.0)
    own = ds.carbon_dioxide.notnull()
    north = xr.where(ds.latitude > 0, 3e-12, 1e-12)
    ds["sulphur_dioxide"] = (sulphur + north).where(own).transpose(*sulphur.dims)
    ds["sulphur_dioxide"].attrs["units"] = "kg m-2 s-1"
    return write_store(tmp_path_factory.mktemp("store") / "earth.zarr", ds, "scenario")


def trained(store, folder, history=1):
    task = Emulation(
        store=store,
        inputs=("carbon_dioxide", "sulphur_dioxide"),
        targets=("tas",),
        train_scenarios=("historical", "ssp585"),
        validation={"scenario": "ssp370"},
        test_scenarios=("ssp126",),
        history=history,
    )
    model = baseline("pattern_scaling", "pattern_scaling.PatternScaling")
    return train(task, model, TRAINER, folder)


@pytest.fixture(scope="module")
def checkpoint(store, tmp_path_factory):
    return trained(store, tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def sulphur(store):
    """Total of the store's maps, Mt/yr."""
    return float(world_total(open_store(store).sulphur_dioxide.sel(scenario="ssp126"))[-1])


def csv(folder, table, name="mine.csv"):
    path = folder / name
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def pathway(tmp_path, sulphur):
    return csv(tmp_path, WHOLE.assign(sulphur_dioxide=sulphur))


def test_the_command_goes_from_csv_to_page(checkpoint, pathway, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["emulate", f"checkpoint={checkpoint}", f"scenario={pathway}"]) == 0
    folder = Path("projections/mine")
    assert capsys.readouterr().out.strip().endswith("projections/mine/index.html")
    maps = xr.open_zarr(folder / "maps.zarr")
    assert maps.tas.dims == ("scenario", "time", "latitude", "longitude")
    assert maps.scenario.values.tolist() == ["mine"]
    assert maps.time.dt.year.values.tolist() == YEARS.tolist()
    assert maps.attrs["simulated"] == "true"
    table = pd.read_csv(folder / "global_mean.csv")
    assert list(table) == ["year", "tas", "tas_lower", "tas_upper"]
    rows = latitude_weights(maps.latitude.values, "area")
    mean = np.average(maps.tas[0].mean("longitude"), axis=-1, weights=rows)
    np.testing.assert_allclose(table["tas"], mean, rtol=1e-5)
    page = (folder / "index.html").read_text()
    assert "TRAINED ON SIMULATED DATA" in page and "residuals of the training years" in page
    for name in ("plume_tas.png", "map_tas.png", "plume_tas_dark.png"):
        assert (folder / "figures" / name).stat().st_size > 3000
    assert json.loads((folder / "projection.json").read_text())["model"] == "pattern_scaling"
    assert not list(folder.parent.glob("*.partial"))
    assert main(["emulate", f"checkpoint={checkpoint}", f"scenario={pathway}"]) == 0  # again


def test_the_store_s_own_scenario_gives_its_own_climate(checkpoint, store, tmp_path, sulphur):
    """The truth warms by 0.05 K for each 100 Gt, times a pattern whose mean is 1."""
    table = WHOLE.assign(carbon_dioxide=2000.0 + 50.0 * (YEARS - 2010), sulphur_dioxide=sulphur)
    found = emulate(checkpoint, csv(tmp_path, table), tmp_path / "maps.zarr")
    mean = found.series.tas.sel(bound="mean").values
    np.testing.assert_allclose(mean, 288 + 0.0005 * table["carbon_dioxide"], atol=0.02)
    pattern = 1 + 0.5 * np.sin(np.deg2rad(found.mean_map.latitude))
    expected = 288 + 0.0005 * table["carbon_dioxide"][1:].mean() * pattern
    np.testing.assert_allclose(
        found.mean_map.tas, expected.broadcast_like(found.mean_map.tas), atol=0.05
    )
    assert found.mean_map.attrs["years"] == "2011 to 2030"
    assert found.notes == []


def test_bounds_are_the_residuals_of_single_members(checkpoint, pathway, tmp_path):
    """Noise of 0.05 K in each of 32 cells of equal or unequal area: 0.0097 K in the mean."""
    series = emulate(checkpoint, pathway, tmp_path / "maps.zarr").series.tas
    half = (series.sel(bound="upper") - series.sel(bound="lower")) / 2 / 1.6449
    rows = latitude_weights(series_latitude(), "area")
    noise = 0.05 * np.sqrt((rows**2).sum() / 8) / rows.sum()
    np.testing.assert_allclose(half, noise, rtol=0.2)


def series_latitude():
    return np.array([-67.5, -22.5, 22.5, 67.5])


def test_yearly_emissions_are_added_to_history(checkpoint, pathway, tmp_path, sulphur):
    yearly = pd.DataFrame({"year": YEARS, "carbon_dioxide_emissions [Gt CO2/yr]": 150.0})
    yearly["carbon_dioxide_emissions [Gt CO2/yr]"] -= np.where(YEARS == 2010, 50.0, 0.0)
    one = emulate(checkpoint, pathway, tmp_path / "one.zarr").series
    other = csv(tmp_path, yearly.assign(sulphur_dioxide=sulphur), "other.csv")
    # the store's history ends in 2009 with 1900 Gt, the pathway of the file begins with 2150 Gt
    two = emulate(checkpoint, other, tmp_path / "two.zarr").series
    difference = (one - two).tas.sel(bound="mean") / 0.0005
    np.testing.assert_allclose(difference, 150.0, rtol=0.05)


@pytest.mark.parametrize("years", [4, 1])
def test_the_window_before_the_pathway_is_history(store, tmp_path, pathway, years):
    checkpoint = trained(store, tmp_path / "train", history=years)
    found = emulate(checkpoint, pathway, tmp_path / "maps.zarr")
    assert np.isfinite(found.series.tas.sel(bound="mean")).all()


def test_a_gap_in_the_window_is_refused(store, tmp_path, sulphur):
    checkpoint = trained(store, tmp_path / "train", history=4)
    late = csv(tmp_path, WHOLE[2:].assign(sulphur_dioxide=sulphur))
    with pytest.raises(UserError, match=r"4 years before 2012 lacks 'carbon_dioxide' in 2010 to"):
        emulate(checkpoint, late, tmp_path / "maps.zarr")
    assert not list(tmp_path.glob("maps.zarr*"))


def test_maps_are_scaled_to_the_totals_of_the_file(store, sulphur, tmp_path):
    from climbench.prediction.world_emissions import drivers, history_of

    task = Emulation(
        store=store,
        inputs=("carbon_dioxide", "sulphur_dioxide"),
        targets=("tas",),
        train_scenarios=("historical",),
        validation={"scenario": "ssp370"},
        test_scenarios=("ssp126",),
    )
    history = history_of(task.dataset, task.inputs, None)
    table = WHOLE.assign(sulphur_dioxide=np.linspace(2 * sulphur, 0, YEARS.size))
    pathway = read_pathway(csv(tmp_path, table), task.inputs, history)
    windows = drivers(task.dataset, task.signature, pathway, history, "ssp126", None)
    assert windows.shape == (YEARS.size, 1, 2, 4, 8)
    maps = xr.DataArray(
        windows[:, 0, 1],
        {"time": YEARS, "latitude": task.dataset.latitude, "longitude": task.dataset.longitude},
    )
    np.testing.assert_allclose(world_total(maps), table["sulphur_dioxide"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(maps[0, 3] / maps[0, 0], 3.0, rtol=1e-5)  # the store's pattern


class Draws(torch.nn.Module):
    """Answers 1 and draws 1 + its member's number: known quantiles."""

    members = 21

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, sample):
        return torch.zeros_like(sample.targets)

    def draw(self, sample, member):
        return self(sample) + 0.1 * (member - 10)


def test_an_ensemble_gives_members_and_their_quantiles(checkpoint, pathway, tmp_path, monkeypatch):
    from climbench.prediction import emulate as module

    fitted = module.load_checkpoint(checkpoint)
    fitted.network = Draws(fitted.network)
    monkeypatch.setattr(module, "load_checkpoint", lambda path: fitted)
    found = emulate(checkpoint, pathway, tmp_path / "maps.zarr")
    maps = xr.open_zarr(tmp_path / "maps.zarr").tas
    assert maps.dims == ("scenario", "member", "time", "latitude", "longitude")
    assert maps.sizes["member"] == 21
    deviation = fitted.normalisation.scale(["tas"])[1][0]
    for bound, quantile in (("lower", -0.9), ("mean", 0.0), ("upper", 0.9)):
        off = (found.series.tas.sel(bound=bound) - found.series.tas.sel(bound="mean")) / deviation
        np.testing.assert_allclose(off, quantile, atol=1e-3)
    assert found.spread == "5 to 95 % of single years, 21 draws of the emulator"
    few = emulate(checkpoint, pathway, tmp_path / "few.zarr", members=3)
    assert "3 draws" in few.spread
    with pytest.raises(UserError, match="draws 1 to 21"):
        emulate(checkpoint, pathway, tmp_path / "few.zarr", members=22)


def test_what_lies_outside_the_training_range_is_said(checkpoint, tmp_path, sulphur):
    table = WHOLE.assign(sulphur_dioxide=sulphur)
    table["carbon_dioxide"] += np.linspace(0, 9000, len(table))
    found = emulate(checkpoint, csv(tmp_path, table), tmp_path / "maps.zarr")
    assert "outside the" in found.notes[0] and "extrapolates" in found.notes[0]


HISTORY = History(
    np.arange(1990, 2010),
    {"carbon_dioxide": 100.0 * np.arange(20), "methane": np.full(20, 350.0)},
)
GOOD = WHOLE.assign(methane=300.0)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (GOOD.drop(columns="methane"), "has no column 'methane' (Mt/yr), which the emulator"),
        (GOOD.rename(columns={"year": "jear"}), "unknown column 'jear': did you mean 'year'?"),
        (GOOD.assign(metan=1.0), "unknown column 'metan': did you mean 'methane'?"),
        (GOOD.rename(columns={"methane": "methane [Gt/yr]"}), "is in 'Gt/yr' and must be in Mt/yr"),
        (GOOD.assign(carbon_dioxide_emissions=40.0), "more than once: keep one column"),
        (GOOD.drop(index=[3, 4]), "lacks the years 2013 to 2014"),
        (GOOD[::-1], "year 2029 follows 2030: sort years"),
        (GOOD.assign(year=GOOD.year + 0.5), "'2010.5' is no year"),
        (
            GOOD.assign(methane=GOOD.methane.where(GOOD.year != 2013)),
            "'methane' has nothing in 2013",
        ),
        (
            GOOD.assign(methane=["300"] * 3 + ["many"] + ["300"] * 17),
            "'methane' has 'many' in 2013",
        ),
        (GOOD.assign(methane=-1.0), "'methane' is negative in 2010"),
        (GOOD.assign(carbon_dioxide=40.0), "jumps from 1900.0 Gt in 2009"),
        (GOOD[:0], "has no year"),
        (
            GOOD[5:].drop(columns="carbon_dioxide").assign(carbon_dioxide_emissions=1.0),
            "begins in 2015 and the store's history ends in 2009: begin in 2010 at the latest",
        ),
        (  # Mt instead of Gt
            GOOD.drop(columns="carbon_dioxide").assign(carbon_dioxide_emissions=39_500.0),
            "cumulative CO2 jumps from 1900.0 Gt in 2009 (the store's history) to 41400.0 in 2010",
        ),
        (
            GOOD.drop(columns="carbon_dioxide").assign(
                carbon_dioxide_emissions=1.0, year=GOOD.year - 100
            ),
            "begins in 1910 and the store's history in 1990, from which on CO2 is summed up",
        ),
    ],
)
def test_a_wrong_pathway_gets_one_sentence(tmp_path, table, sentence):
    path = csv(tmp_path, table)
    with pytest.raises(UserError) as mistake:
        read_pathway(path, ["carbon_dioxide", "methane"], HISTORY)
    assert sentence in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_suspicious_unit_is_noted_and_not_refused(tmp_path):
    path = csv(tmp_path, GOOD.assign(methane=0.3))
    pathway = read_pathway(path, ["carbon_dioxide", "methane"], HISTORY)
    assert pathway.notes == [
        "'methane' goes from 350 Mt/yr in 2009 to 0.3 in 2010: is its unit right?"
    ]


@pytest.mark.parametrize("content", ["", "year;methane\n2015;1\n", '"year\n'])
def test_what_is_no_csv_is_refused(tmp_path, content):
    path = tmp_path / "mine.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=r"mine\.csv (cannot be read|is not separated by commas)"):
        read_pathway(path, ["carbon_dioxide", "methane"], HISTORY)


def test_another_folder_is_not_overwritten(checkpoint, pathway, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    words = [f"checkpoint={checkpoint}", f"scenario={pathway}", f"output={tmp_path}/mine"]
    assert main(["emulate", *words]) == 2
    assert "no projection: choose another output=FOLDER" in capsys.readouterr().err

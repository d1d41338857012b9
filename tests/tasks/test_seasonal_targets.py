"""Seasons as targets: the year whose winter lacks its December is no sample."""

from pathlib import Path

import small_stores

from climbench.config import ModelConfig, instantiate
from climbench.tasks import Emulation


def test_a_year_without_its_whole_winter_is_left_out(tmp_path: Path) -> None:
    climate = small_stores.climate(members=2).isel(member=[0])
    own = climate["carbon_dioxide"].notnull()
    tas = climate["tas"].where(own)
    winter = tas.where(own & own.shift(time=1, fill_value=False))  # the first of each file is NaN
    store = climate.assign(tas_anomaly=tas, tas_djf_anomaly=winter).drop_vars("tas")
    path = small_stores.write_store(tmp_path / "seasons.zarr", store, "scenario")
    options = {
        "store": path,
        "inputs": ("carbon_dioxide",),
        "train_scenarios": ("historical", "ssp585"),
        "validation": {"scenario": "ssp370", "years": None},  # keeps 2009 out of training
        "test_scenarios": ("ssp126",),
    }
    year = Emulation(targets=("tas_anomaly",), **options)
    both = Emulation(targets=("tas_djf_anomaly", "tas_anomaly"), **options)
    assert len(year.split("train")) - len(both.split("train")) == 2  # one a file
    tested = both.split("test")
    assert tested.years[tested.window[:, -1]].tolist() == list(range(2011, 2031))
    preset = {
        "_target_": "climbench.models.pattern_scaling.PatternScaling",
        "predictor": "carbon_dioxide",
        "global_mean_of": "tas_anomaly",
    }
    model = instantiate(
        ModelConfig(name="seasonal", network=preset).network, signature=both.signature
    )
    assert both.signature.targets[model.target] == "tas_anomaly"

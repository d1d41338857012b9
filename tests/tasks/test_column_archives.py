"""Files in the true layout of ClimSim, read back as samples of both published vectors."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

from climbench.columns import column_variables, column_vectors
from climbench.config import ModelConfig, TrainerConfig
from climbench.errors import UserError
from climbench.evaluation import evaluate
from climbench.prediction import predict
from climbench.recipes import build, load_recipe
from climbench.tasks import ColumnEmulation
from climbench.tasks.column_scaling import published_scaling
from climbench.training import train
from tests.recipes.column_files import statistics_of, write_pairs

pytestmark = pytest.mark.data
DAYS = {"dates": {"start": "0001-02-01", "end": "0001-02-03"}, "statistics": {"period": None}}
PERIODS = {
    "train": ("0001-02-01", "0001-02-01"),
    "validation": ("0001-02-02", "0001-02-02"),
    "test": ("0001-02-03", "0001-02-03"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory, data_root):
    """Three days, six pairs, of files with the published moments."""
    root = tmp_path_factory.mktemp("archive")
    for before in write_pairs(root / "climsim/train", data_root, 6, every=36):
        assert before.exists()
    grid = "climsim/ClimSim_low-res_grid-info.nc"
    (root / grid).write_bytes((data_root / grid).read_bytes())
    return root


@pytest.fixture(scope="module")
def store(archive, tmp_path_factory):
    recipe = load_recipe("climsim", DAYS | {"sources": [_every_step()]})
    return build(recipe, tmp_path_factory.mktemp("stores"), archive)


def _every_step():
    source = load_recipe("climsim").model_dump(mode="json")["sources"][0]
    return source | {"stride": 1}


@pytest.mark.parametrize(("version", "sizes"), [("v1", (124, 128)), ("v2", (557, 368))])
def test_a_sample_is_the_published_vector_of_the_files(store, archive, version, sizes):
    task = ColumnEmulation(store=store, vectors=version, **PERIODS)
    assert (len(task.signature.inputs), len(task.signature.targets)) == sizes
    sample = task.split("test").__getitems__([384 + 11])  # the second time of the third day
    path = archive / "climsim/train/0001-02/E3SM-MMF.mli.0001-02-03-43200.nc"
    with netCDF4.Dataset(path) as before, netCDF4.Dataset(str(path).replace("mli", "mlo")) as after:
        for file in (before, after):
            file.set_auto_mask(False)
        inputs = np.concatenate(
            [np.atleast_1d(before[n][..., 11]) for n in column_vectors(version).inputs]
        )
        targets = np.concatenate(
            [_target(before, after, name) for name in column_vectors(version).targets]
        )
    inputs = np.where(inputs > 1e29, np.nan, inputs)
    np.testing.assert_array_equal(sample.inputs[0, 0, :, 0, 0], inputs.astype("f4"))
    np.testing.assert_array_equal(sample.targets[0, 0, :, 0, 0], targets.astype("f4"))


def _target(before, after, name):
    state = column_variables()[name].of
    if state is None:
        return np.atleast_1d(after[name][11])
    return (after[state][:, 11] - before[state][:, 11]) / 1200.0


def test_the_fill_value_of_snow_reaches_no_scaling_and_no_network(store):
    task = ColumnEmulation(store=store, vectors="v2", **PERIODS)
    mean, std = task.normalisation.scale(["cam_in_SNOWHICE"])
    assert abs(mean[0]) < 1e3 and std[0] < 1e3  # the published mean is 8.9e29
    assert np.isfinite(task.normalisation.mean).all()
    assert (np.array(task.normalisation.std) > 0).all()


def test_a_network_learns_and_is_scored_on_the_second_vectors(store, tmp_path):
    task = ColumnEmulation(store=store, vectors="v2", **PERIODS)
    network = {"_target_": "climbench.models.mlp.MLP", "width": 16, "depth": 1}
    model = ModelConfig(name="mlp", network=network, optimizer={"learning_rate": 1e-3})
    trainer = TrainerConfig(devices=1, accelerator="cpu", batch_size=128, progress_bar=False)
    checkpoint = train(task, model, trainer, tmp_path / "fit")
    predicted = xr.open_zarr(predict(checkpoint, task, tmp_path / "p.zarr", 256))
    assert all(np.isfinite(predicted[name]).all() for name in task.order.targets)
    scores = evaluate(predicted, task.truth(), model="mlp")
    assert scores.units.sel(channel="ptend_u").item() == "N m-2"
    assert np.isfinite(scores.score.sel(metric="rmse")).all()


@pytest.fixture(scope="module")
def statistics(tmp_path_factory, data_root):
    """ClimSim's normalisation files, from the published statistics."""
    folder, published = tmp_path_factory.mktemp("statistics"), statistics_of(data_root)
    names = [n for n, one in column_variables().items() if one.of is None and not one.output]
    for file, word in (("mean", "Mean"), ("min", "Minimum"), ("max", "Maximum")):
        xr.Dataset({name: _published(published, name, word) for name in names}).to_netcdf(
            folder / f"input_{file}.nc"
        )
    scale = "output_scale.nc"
    (folder / scale).write_bytes((data_root / "climsim" / scale).read_bytes())
    return folder


def _published(published, name, word):
    if not column_variables()[name].levels:
        return ((), published[f"mli_{name}"][word])
    return ("lev", [published[f"mli_{name}lev_{n:02d}"][word] for n in range(1, 61)])


def test_published_scaling_is_that_of_the_published_code(store, statistics):
    options = {"scaling": "published", "statistics": statistics}
    task = ColumnEmulation(store=store, **PERIODS, **options)
    sample = task.split("train").__getitems__(range(100))
    mean, std = task.normalisation.scale(task.signature.inputs)
    own = (sample.inputs[:, 0, :, 0, 0].double().numpy() - mean) / std
    tables = [xr.open_dataset(statistics / f"input_{word}.nc") for word in ("mean", "max", "min")]
    field = sample.inputs[:, 0, 60:120, 0, 0].double().numpy()
    middle, most, least = (table["state_q0001"].values for table in tables)
    expected = np.nan_to_num((field - middle) / (most - least))
    np.testing.assert_allclose(own[:, 60:120], expected, rtol=1e-6, atol=1e-9)
    _, scale = task.normalisation.scale(["ptend_t_5", "cam_out_PRECC"])
    np.testing.assert_allclose(1 / scale, [1004.64, 1313280.0])


def test_zero_ranges_are_divided_by_one_and_named(statistics, caplog, store):
    _, std, flat = published_scaling(statistics, column_vectors("v2"))
    inputs = np.array([*_names("v2")])
    gases = [name for name in inputs[flat[: inputs.size]] if name.startswith("pbuf_")]
    assert len(gases) >= 60  # 33 of 60 levels of CH4 and of N2O, as published
    assert (std > 0).all() and np.isfinite(std).all()
    options = {"scaling": "published", "statistics": statistics, "vectors": "v2"}
    assert torch.isfinite(
        torch.tensor(ColumnEmulation(store=store, **PERIODS, **options).normalisation.mean)
    ).all()
    assert "channels never vary and are left as they are" in caplog.text


def _names(version):
    from climbench.tasks.column_emulation import channels_of

    order = column_vectors(version)
    return channels_of(order.inputs, order.levels)


def _without(folder: Path, statistics: Path, change) -> Path:
    for file in statistics.glob("*.nc"):
        (folder / file.name).write_bytes(file.read_bytes())
    with xr.open_dataset(statistics / "input_mean.nc") as table:
        change(table.load()).to_netcdf(folder / "input_mean.nc")
    return folder


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.drop_vars("state_q0001"), r"input_mean.nc has no 'state_q0001': .* version"),
        (lambda t: t.isel(lev=slice(26)), r"'state_t' has 26 values and these vectors 60"),
    ],
)
def test_statistics_of_another_version_are_refused(store, statistics, tmp_path, change, sentence):
    folder = _without(tmp_path, statistics, change)
    task = ColumnEmulation(store=store, **PERIODS, scaling="published", statistics=folder)
    with pytest.raises(UserError, match=sentence):
        _ = task.normalisation


def test_absent_statistics_are_refused(store, tmp_path):
    task = ColumnEmulation(store=store, **PERIODS, scaling="published", statistics=tmp_path)
    with pytest.raises(UserError, match=r"input_mean.nc cannot be read: give ClimSim's file"):
        _ = task.normalisation
    task = ColumnEmulation(store=store, **PERIODS, scaling="published")
    with pytest.raises(UserError, match="'scaling' = published needs the option 'statistics'"):
        _ = task.normalisation

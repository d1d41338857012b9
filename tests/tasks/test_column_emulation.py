"""Column physics as a task: the published vectors, one column at a time, nothing from the test."""

import logging

import numpy as np
import pytest
import torch
import xarray as xr
import zarr

from climbench.columns import column_vectors
from climbench.errors import UserError
from climbench.store import open_store
from climbench.tasks import ColumnEmulation
from climbench.training.data import Batches, Loader
from tests.small_columns import PERIODS, column_store, column_task


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("columns")


@pytest.fixture(scope="module")
def task(folder):
    return column_task(folder)


def test_vectors_are_those_of_climsim_in_order(task):
    signature = task.signature
    assert (len(signature.inputs), len(signature.targets)) == (124, 128)
    assert (signature.layout, signature.levels) == ("columns", 60)
    assert signature.inputs[59:62] == ("state_t_59", "state_q0001_0", "state_q0001_1")
    assert signature.targets[119:122] == ("ptend_q0001_59", "cam_out_NETSW", "cam_out_FLWDS")


def test_a_sample_is_what_the_store_has_at_one_column_and_time(task):
    test, store = task.split("test"), open_store(task.store).sel(time=slice(*PERIODS["test"]))
    assert len(test) == store.sizes["time"] * 384
    sample = test.__getitems__([3 * 384 + 17, 5])
    assert sample.inputs.shape == (2, 1, 124, 1, 1)
    assert sample.targets.shape == (2, 1, 128, 1, 1)
    for row, (time, column) in enumerate([(3, 17), (0, 5)]):
        here = store.isel(time=time, column=column)
        for part, names in zip(
            (sample.inputs, sample.targets),
            (column_vectors("v1").inputs, column_vectors("v1").targets),
            strict=True,
        ):
            expected = np.concatenate([np.atleast_1d(here[name].values) for name in names])
            np.testing.assert_array_equal(part[row, 0, :, 0, 0], expected)
    assert sample.index.tolist() == [3 * 384 + 17, 5]


def test_scaling_is_that_of_the_training_columns(task):
    train = open_store(task.store).sel(time=slice(*PERIODS["train"]))
    mean, std = task.normalisation.scale(["state_ps", "ptend_t_50", "state_q0001_59"])
    fields = [train.state_ps, train.ptend_t.isel(level=50), train.state_q0001.isel(level=59)]
    for at, field in enumerate(fields):
        values = field.values.astype(np.float64)
        assert mean[at] == pytest.approx(values.mean(), rel=1e-6)
        assert std[at] == pytest.approx(values.std(), rel=1e-6)


def test_targets_that_never_vary_are_named_and_cannot_be_wrong(folder, caplog):
    task = column_task(folder)
    with caplog.at_level(logging.WARNING):
        mean, std = task.normalisation.scale(["ptend_q0001_0"])
    assert "never vary and are left as they are: ptend_q0001_0" in caplog.text
    layer = 1e3  # kg m-2: a network that is wrong by a deviation is wrong by nothing
    assert abs(mean[0]) + std[0] * layer * 2.5e6 < 1e-12
    sample = task.split("train").__getitems__(range(50))
    scaled = (sample.targets[:, 0, 60, 0, 0] - mean[0]) / std[0]
    assert torch.isfinite(scaled).all()


def test_no_time_is_in_two_splits(task):
    times = {name: {*task.split(name).parts[0].times} for name in ("train", "validation", "test")}
    assert not times["train"] & times["validation"] | times["test"] & times["train"]
    with pytest.raises(UserError, match="the periods 'train' and 'test' overlap: keep them apart"):
        ColumnEmulation(store=task.store, **PERIODS | {"train": PERIODS["test"]})


def test_predictions_in_climsims_dimensions_are_the_truth_where_targets_are_the_answer(task):
    test = task.split("test")
    block = task.blocks()[0]
    assert sum(map(len, task.blocks())) == len(test)
    predicted = task.to_dataset(block, test.__getitems__(block.tolist()).targets.numpy())
    truth = task.truth()
    assert predicted.ptend_t.dims == ("time", "ncol", "lev")
    for name, field in predicted.data_vars.items():
        np.testing.assert_array_equal(field, truth[name].transpose(*field.dims).values)
    assert task.template().sizes == predicted.sizes


def test_two_fidelities_are_two_climate_models(folder):
    low = column_store(folder, "climsim_twin_low")
    names = ("climsim_twin_low", "climsim_twin")
    task = column_task(folder, further_stores=(low,), train_on=names)
    assert task.signature.climate_models == names
    train = task.split("train")
    half = len(train) // 2
    sample = train.__getitems__([half + 7, 7, half])
    assert sample.climate_model.tolist() == [1, 0, 1]
    assert sample.index.tolist() == [half + 7, 7, half]
    torch.testing.assert_close(sample.inputs[0], sample.inputs[1])  # the same states
    assert not torch.equal(sample.targets[0], sample.targets[1])
    assert set(task.split("test").__getitems__([0, 1]).climate_model.tolist()) == {1}


def test_a_warmer_climate_is_scored_beside_the_own(folder):
    warm = column_store(folder, "climsim_twin_warm")
    names = ("climsim_twin", "climsim_twin_warm")
    task = column_task(folder, further_stores=(warm,), test_on=names)
    assert task.signature.climate_models == ()
    truth = task.truth()
    steps = truth.sizes["time"] // 2
    assert truth.scenario.values.tolist() == [names[0]] * steps + [names[1]] * steps
    assert len(task.split("test")) == 2 * len(task.split("validation")) * steps // steps
    blocks = [task.to_dataset(b, np.zeros((b.size, 1, 128, 1, 1), "f4")) for b in task.blocks()]
    assert xr.concat(blocks, "time").scenario.values.tolist() == truth.scenario.values.tolist()


def test_a_loader_gives_whole_batches_of_memory_of_their_own(task):
    train = task.split("train")
    loader = Loader(train, Batches(len(train), 500, shuffle=True, seed=1))
    seen = []
    for batch in loader:
        seen += batch.index.tolist()
        batch.inputs.zero_()
    assert sorted(seen) == list(range(len(train)))
    assert train.__getitems__([0]).inputs.abs().sum() > 0


def levels_lost(path, folder):
    """A store whose columns have fewer levels."""
    store = open_store(path)
    few = store.isel(level=slice(0, 30)).drop_encoding()
    few.to_zarr(folder / "few.zarr", consolidated=False)
    return folder / "few.zarr"


def test_columns_with_another_number_of_levels_are_refused(folder, tmp_path):
    few = levels_lost(column_store(folder), tmp_path)
    with pytest.raises(UserError, match=r"few.zarr has columns of 30 levels, .* are of 60"):
        ColumnEmulation(store=few, **PERIODS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"vectors": "v9"}, "there are no column vectors 'v9'"),
        ({"vectors": "v2"}, "lacks 'state_q0002', which these vectors have: take vectors=v1"),
        ({"train_on": ["climsim"]}, "option 'train_on': there is no store 'climsim'"),
        ({"scaling": "minmax"}, "option 'scaling' = minmax is unknown: take moments or published"),
        ({"test": ("0004-01-01", "0004-02-01")}, "the test period .* outside the store's dates"),
    ],
)
def test_wrong_options_are_one_sentence(folder, options, sentence):
    with pytest.raises(UserError, match=sentence):
        column_task(folder, **options)


def test_a_store_without_columns_is_refused(tmp_path):
    maps = tmp_path / "maps.zarr"
    xr.Dataset({"t": ("time", [1.0])}).to_zarr(maps, consolidated=False)
    zarr.open_group(str(maps)).attrs.update({"climbench_format": 1, "recipe_hash": "x"})
    with pytest.raises(UserError, match=r"maps.zarr has no columns: take a recipe such as"):
        ColumnEmulation(store=maps, **PERIODS)

"""What downscaling needs no network for: interpolation, regression, quantile mapping, BCSD."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.bcsd import BCSD
from climbench.models.interpolation import Interpolation
from climbench.models.linear_downscaling import LinearDownscaling
from climbench.models.quantile_mapping import QuantileMapping
from climbench.models.quantiles import map_quantiles, probabilities, valid_quantiles
from climbench.models.resizing import area_mean, coarsening_matrices, input_resize
from climbench.testing.model_contract import CHECKS, GLOBAL, random_sample

COARSE = replace(
    GLOBAL,
    history=1,
    leads=1,
    forcings=(),
    static=(),
    targets=("temperature_850",),
    input_latitude=(-67.5, -22.5, 22.5, 67.5),
    input_longitude=(11.25, 56.25, 101.25, 146.25, 191.25, 236.25, 281.25, 326.25),
)
ONE = replace(COARSE, inputs=("temperature_850",))
BUILDS = {
    "nearest": lambda signature: Interpolation(signature, "nearest"),
    "bicubic": lambda signature: Interpolation(signature, "bicubic"),
    "linear_4": lambda signature: LinearDownscaling(signature, ridge=(0.01,)),
    "linear_9": lambda signature: LinearDownscaling(signature, cells=9, ridge=(0.01,)),
    "bcsd": lambda signature: BCSD(signature, quantiles=5, parts_of_year=2),
}


@pytest.mark.parametrize("check", ["shape", "determinism", "state", "batch", "names", "merge"])
@pytest.mark.parametrize("name", BUILDS)
def test_models_that_take_coarse_inputs_keep_the_contract(name, check):
    CHECKS[check](BUILDS[name], COARSE)


def fitted(model, *samples):
    for sample in samples:
        model.accumulate(sample)
    model.solve()
    return model.eval()


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_interpolation_answers_with_the_input_on_the_fine_grid(method):
    sample = random_sample(COARSE, 3)
    answer = Interpolation(COARSE, method)(sample)
    at = COARSE.inputs.index("temperature_850")
    torch.testing.assert_close(
        answer[:, 0, 0], input_resize(COARSE, method)(sample.inputs[:, 0, at])
    )
    if method == "nearest":  # every coarse value stands in its four cells
        blocks = answer[:, 0, 0].unflatten(1, (4, 2)).unflatten(3, (8, 2))
        expected = sample.inputs[:, 0, at, :, None, :, None].expand(-1, -1, 2, -1, 2)
        torch.testing.assert_close(blocks, expected)


def test_regression_finds_the_bilinear_interpolation():
    sample = random_sample(ONE, 200)
    truth = input_resize(ONE)(sample.inputs)
    model = fitted(LinearDownscaling(ONE, ridge=(1e-9,)), sample._replace(targets=truth))
    other = random_sample(ONE, 5, seed=9)
    torch.testing.assert_close(model(other), input_resize(ONE)(other.inputs), atol=1e-4, rtol=0)


def test_regression_of_each_cell_equals_least_squares_by_numpy():
    sample = random_sample(ONE, 120)
    answer = fitted(LinearDownscaling(ONE, ridge=(1e-12,)), sample)(sample)[:, 0, 0, 3, 5]
    # row 3 of 8 (-11.25) lies between coarse rows 1 and 2; column 5 (112.5) between 2 and 3
    near = sample.inputs[:, 0, 0, 1:3, 2:4].flatten(1)
    season = 2 * np.pi * (sample.day_of_year[:, 0] - 1) / 365.25
    day = 2 * np.pi * (sample.hour[:, 0] / 24 + 112.5 / 360)
    features = [
        near,
        *(each[:, None] for each in (season.cos(), season.sin(), day.cos(), day.sin())),
    ]
    design = torch.cat([*features, torch.ones(120, 1)], dim=1).double().numpy()
    wanted = sample.targets[:, 0, 0, 3, 5].double().numpy()
    expected = design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
    np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_regression_leaves_out_samples_without_truth_and_cells_without_any():
    sample = random_sample(ONE, 120)
    gaps = sample.targets.clone()
    gaps[::2, :, :, 3, 5] = torch.nan
    gaps[..., 0, 0] = torch.nan
    answer = fitted(LinearDownscaling(ONE, ridge=(1e-9,)), sample._replace(targets=gaps))(sample)
    half = type(sample)(*(v if n == "static" else v[1::2] for n, v in sample._asdict().items()))
    expected = fitted(LinearDownscaling(ONE, ridge=(1e-9,)), half)(sample)
    torch.testing.assert_close(answer[..., 3, 5], expected[..., 3, 5], atol=1e-4, rtol=0)
    assert (answer[..., 0, 0] == 0).all()
    assert answer.isfinite().all()


# Quantiles.


def test_quantiles_equal_numpys_with_gaps_and_single_values():
    values = np.random.default_rng(0).normal(size=(37, 6)).astype(np.float32)
    values[5:, 1], values[1:, 2], values[::3, 3] = np.nan, np.nan, np.nan
    at = probabilities(9)
    expected = np.nanquantile(values, at.numpy(), axis=0).T
    np.testing.assert_allclose(valid_quantiles(torch.from_numpy(values), at), expected, rtol=1e-5)
    assert valid_quantiles(torch.full((3, 1), torch.nan), at).isnan().all()


def test_mapping_is_piecewise_linear_interpolation():
    generator = np.random.default_rng(1)
    given, wanted = np.sort(generator.normal(size=(2, 8)).astype(np.float32), axis=1)
    values = np.linspace(-4, 4, 50).astype(np.float32)
    answer = map_quantiles(*(torch.from_numpy(each) for each in (values, given, wanted)))
    expected = values + np.interp(values, given, wanted - given)
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_equal_quantiles_as_of_dry_days_are_no_division_by_zero():
    given = torch.tensor([0.0, 0.0, 0.0, 2.0])
    answer = map_quantiles(torch.tensor([0.0, 1.0, 2.0]), given, torch.tensor([0.0, 0.0, 1.0, 3.0]))
    assert answer.isfinite().all()
    torch.testing.assert_close(answer[1:], torch.tensor([2.0, 3.0]))


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_quantile_mapping_equals_xsdba(scale):
    """xsdba's empirical quantile mapping, by time of year in one group, additive."""
    sdba = pytest.importorskip("xsdba")
    xarray = pytest.importorskip("xarray")
    generator = np.random.default_rng(2)
    time = xarray.date_range("2000-01-01", periods=400)
    given, wanted = (
        xarray.DataArray(values, {"time": time}, "time", attrs={"units": "K"})
        for values in (generator.normal(size=400), scale * generator.gamma(2.0, size=400) + 1)
    )
    nodes = probabilities(20)
    theirs = sdba.EmpiricalQuantileMapping.train(
        wanted, given, nquantiles=nodes.numpy(), group="time", kind="+"
    ).adjust(given, interp="linear", extrapolation="constant")
    inputs, targets = (torch.from_numpy(v.values)[:, None] for v in (given, wanted))
    quantiles = [valid_quantiles(each, nodes) for each in (inputs, targets)]
    ours = map_quantiles(inputs, *quantiles)[:, 0]
    np.testing.assert_allclose(ours, theirs.values, atol=1e-6)


def year(signature, seed):
    """Return a year of days, the second half of which is warmer."""
    sample = random_sample(signature, 360, seed)
    days = torch.arange(1, 361)[:, None]
    return sample._replace(
        day_of_year=days,
        days_in_year=torch.full_like(days, 360),
        inputs=sample.inputs + (days > 180)[:, :, None, None, None] * 4.0,
    )


def test_quantile_mapping_gives_each_cell_and_half_year_its_distribution():
    same = replace(ONE, input_latitude=(), input_longitude=())
    sample = year(same, 0)
    season = (sample.day_of_year > 180)[:, :, None, None, None]
    field = torch.linspace(1, 3, 128).reshape(8, 16)  # every cell varies by another amount
    sample = sample._replace(targets=10 * season + sample.targets * field)
    model = fitted(QuantileMapping(same, quantiles=40, parts_of_year=2), sample)
    fresh = year(same, 1)  # other weather: nothing is paired
    answer = model(fresh)[:, 0, 0]
    for half, level in ((slice(0, 180), 0.0), (slice(180, 360), 10.0)):
        torch.testing.assert_close(answer[half].mean(), torch.tensor(level), atol=0.1, rtol=0)
        ratio = answer[half].std(0) / sample.targets[half, 0, 0].std(0)
        assert 0.7 < ratio.min() and ratio.max() < 1.4


def test_bcsd_by_hand():
    """Inputs that are the coarse means already: their anomalies on the fine climatology."""
    sample = year(ONE, 0)
    field = torch.linspace(-5, 5, 128).reshape(8, 16)
    targets = input_resize(ONE)(sample.inputs) + field
    areas = coarsening_matrices(
        ONE.latitude, ONE.longitude, ONE.input_latitude, ONE.input_longitude
    )
    sample = sample._replace(targets=targets, inputs=area_mean(targets, *areas))
    answer = fitted(BCSD(ONE, quantiles=30, parts_of_year=1), sample)(sample)
    anomaly = sample.inputs - sample.inputs.mean(0)
    expected = targets.mean(0) + input_resize(ONE)(anomaly)
    torch.testing.assert_close(answer, expected, atol=1e-3, rtol=0)


def test_bcsd_removes_a_bias_and_keeps_to_cells_that_have_a_truth():
    sample = year(ONE, 0)
    targets = input_resize(ONE)(sample.inputs)
    targets[..., :2, :] = torch.nan  # the whole southernmost row of coarse cells
    biased = sample._replace(targets=targets, inputs=sample.inputs + 7.0)
    answer = fitted(BCSD(ONE, quantiles=30, parts_of_year=2), biased)(biased)
    assert answer.isfinite().all()
    bias = (answer - targets)[..., 2:, :].mean()
    assert abs(bias) < 0.05


def test_a_part_of_the_year_without_training_takes_all_of_it():
    sample = year(ONE, 0)
    winter = type(sample)(*(v if n == "static" else v[:90] for n, v in sample._asdict().items()))
    for model in (
        BCSD(ONE, 5, 4),
        QuantileMapping(replace(ONE, input_latitude=(), input_longitude=()), 5, 4),
    ):
        given = (
            winter
            if isinstance(model, BCSD)
            else winter._replace(inputs=input_resize(ONE)(winter.inputs))
        )
        answer = fitted(model, given)(given._replace(day_of_year=given.day_of_year + 180))
        assert answer.isfinite().all()
        assert answer.abs().max() > 0


@pytest.mark.parametrize("build", [Interpolation, QuantileMapping, BCSD])
def test_a_target_that_is_no_input_is_one_sentence(build):
    with pytest.raises(UserError, match="needs the target 'temperature_850' among"):
        build(replace(ONE, inputs=("geopotential_500",)))


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: Interpolation(ONE, "bilinar"), "did you mean 'bilinear'"),
        (lambda: LinearDownscaling(ONE, cells=5), "'cells' = 5 is wrong: take 4 or 9"),
        (lambda: QuantileMapping(ONE, quantiles=1), "'quantiles' = 1 is wrong: at least 2"),
        (lambda: BCSD(ONE, parts_of_year=0), "'parts_of_year' = 0 is wrong"),
    ],
)
def test_wrong_options_are_one_sentence(build, sentence):
    with pytest.raises(UserError, match=sentence):
        build()


# Missing inputs: no value is made up for them.


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_interpolation_leaves_missing_inputs_out(method):
    """A field that is 2 everywhere stays 2 beside a hole; the training mean, 0, is not mixed in."""
    sample = random_sample(ONE, 1)
    given = torch.full_like(sample.inputs, 2.0)
    given[..., 1, 3] = torch.nan
    answer = Interpolation(ONE, method)(sample._replace(inputs=given))
    assert answer.isfinite().all()
    torch.testing.assert_close(answer, torch.full_like(answer, 2.0))


@pytest.mark.parametrize("kind", [QuantileMapping, BCSD])
def test_distributions_are_of_the_inputs_that_there_are(kind):
    signature = (
        replace(ONE, input_latitude=(), input_longitude=()) if kind is QuantileMapping else ONE
    )
    sample = random_sample(signature, 60)
    with_gaps = sample.inputs + 10.0
    with_gaps[::3, ..., 1, 2] = torch.nan
    model = fitted(kind(signature, quantiles=4, parts_of_year=1), sample._replace(inputs=with_gaps))
    values = with_gaps[:, 0, 0, 1, 2]
    expected = np.quantile(values[values.isfinite()].numpy(), probabilities(4).numpy())
    np.testing.assert_allclose(model.given[0, 0, 1, 2], expected, rtol=1e-5)
    assert kind.takes_missing_inputs
    assert model(sample._replace(inputs=with_gaps)).isfinite().all()

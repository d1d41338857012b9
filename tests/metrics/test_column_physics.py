"""ClimSim's scores against loops in float64, other packages, and by hand."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.metrics.column_energy import GRAVITY, layer_mass
from climbench.metrics.column_physics import (
    bias,
    coefficient_of_determination,
    column_scores,
    constant_columns,
    fair_crps,
    mean_absolute_error,
    root_mean_squared_error,
)

TIMES, COLUMNS, LEVELS, SAMPLES = 6, 5, 4, 7
UNIT = {"ptend_t": 1e-5, "ptend_q0001": 1e-8, "cam_out_NETSW": 100.0, "cam_out_PRECC": 1e-8}
FACTOR = {
    "ptend_t": 1004.64,
    "ptend_q0001": 2.501e6,
    "ptend_u": 1.0,
    "cam_out_NETSW": 1.0,
    "cam_out_PRECC": 2.501e9,
}


def grid(columns=COLUMNS):
    return xr.Dataset(
        {
            "area": ("ncol", np.linspace(0.02, 0.04, columns)),
            "hyai": ("ilev", np.array([0.001, 0.1, 0.2, 0.1, 0.0])),
            "hybi": ("ilev", np.array([0.0, 0.0, 0.2, 0.7, 1.0])),
            "P0": ((), 1e5),
        },
        coords={"lev": [50.0, 250.0, 600.0, 900.0]},
    )


def columns(seed=0, samples=None):
    """Truth, prediction and surface pressure."""
    random = np.random.default_rng(seed)
    truth, prediction = xr.Dataset(), xr.Dataset()
    for name, unit in UNIT.items():
        dims = ("time", "ncol", "lev") if name.startswith("ptend") else ("time", "ncol")
        shape = (TIMES, COLUMNS, LEVELS)[: len(dims)]
        exact = random.normal(size=shape)
        truth[name] = (dims, unit * exact)
        if samples is None:
            prediction[name] = (dims, unit * (exact + random.normal(0.1, 0.3, shape)))
        else:
            noise = random.normal(0.1, 0.3, (samples, *shape))
            prediction[name] = (("sample", *dims), unit * (exact + noise))
    pressure = xr.DataArray(random.uniform(6e4, 1.02e5, (TIMES, COLUMNS)), dims=("time", "ncol"))
    return prediction, truth, pressure


def as_energy(name, values, pressure, time, column, level):
    """One value in W m-2, step by step as ClimSim's evaluation does."""
    value = float(values[(Ellipsis, time, column, *([level] if level is not None else []))])
    mesh = grid()
    if level is not None:
        a, b = mesh["hyai"].values, mesh["hybi"].values
        thickness = 1e5 * (a[level + 1] - a[level])
        thickness += float(pressure[time, column]) * (b[level + 1] - b[level])
        value *= thickness / 9.80616
    value *= float(mesh["area"][column]) / float(mesh["area"].mean())
    return value * FACTOR[name]


def by_loops(name, prediction, truth, pressure):
    """Scores by level (one for a flux), one number at a time."""
    result = {metric: [] for metric in ("mae", "rmse", "r2", "bias")}
    for level in range(LEVELS) if truth.ndim == 3 else [None]:
        parts = {metric: [] for metric in result}
        for column in range(COLUMNS):
            p, t = (
                [as_energy(name, x, pressure, time, column, level) for time in range(TIMES)]
                for x in (prediction, truth)
            )
            errors = [a - b for a, b in zip(p, t, strict=True)]
            mean = sum(t) / TIMES
            parts["mae"].append(sum(map(abs, errors)) / TIMES)
            parts["rmse"].append((sum(e * e for e in errors) / TIMES) ** 0.5)
            parts["bias"].append(sum(p) / TIMES - mean)
            residual, total = sum(e * e for e in errors), sum((x - mean) ** 2 for x in t)
            parts["r2"].append(1 - residual / total)
        for metric, values in parts.items():
            result[metric].append(sum(values) / COLUMNS)
    return result


@pytest.mark.parametrize("name", UNIT)
def test_equals_loops(name):
    prediction, truth, pressure = columns()
    found = column_scores(prediction, truth, grid(), pressure)
    for metric, expected in by_loops(
        name, prediction[name].values, truth[name].values, pressure.values
    ).items():
        score = found["score"].sel(metric=metric, variable=name)
        assert float(score) == pytest.approx(np.mean(expected), rel=1e-12)
        if name.startswith("ptend"):
            levels = found["level_score"].sel(metric=metric, profile=name)
            np.testing.assert_allclose(levels, expected, rtol=1e-12)


def test_says_what_everything_is():
    prediction, truth, pressure = columns()
    prediction["ptend_u"], truth["ptend_u"] = prediction["ptend_t"], truth["ptend_t"]
    found = column_scores(prediction, truth, grid(), pressure)
    assert found["score"].dims == ("metric", "variable")
    assert found["level_score"].dims == ("metric", "profile", "lev")
    assert found["profile"].values.tolist() == ["ptend_t", "ptend_q0001", "ptend_u"]
    assert found["lev"].values.tolist() == [50.0, 250.0, 600.0, 900.0]
    assert found["units"].sel(variable="ptend_t").item() == "W m-2"
    assert found["units"].sel(variable="ptend_u").item() == "N m-2"
    assert found["unit_power"].sel(metric="r2").item() == 0
    assert found["orientation"].values.tolist() == ["lower", "lower", "higher", "zero"]


def test_fluxes_alone_have_no_levels():
    prediction, truth, pressure = (
        x[["cam_out_NETSW"]] if isinstance(x, xr.Dataset) else x for x in columns()
    )
    found = column_scores(prediction, truth, grid(), pressure)
    assert "level_score" not in found
    assert found["score"].shape == (4, 1)


def test_one_watt_by_hand():
    # 1 K in a day through a column of 1e4 kg m-2: 1004.64 * 1e4 / 86400 = 116.28 W m-2.
    mesh = xr.Dataset(
        {
            "area": ("ncol", [0.01, 0.01]),
            "hyai": ("ilev", [0.0, 0.0]),
            "hybi": ("ilev", [0.0, 1.0]),
            "P0": ((), 1e5),
        }
    )
    truth = xr.Dataset({"ptend_t": (("time", "ncol", "lev"), np.zeros((2, 2, 1)))})
    pressure = xr.DataArray(np.full((2, 2), GRAVITY * 1e4), dims=("time", "ncol"))
    found = column_scores(truth + 1 / 86400, truth, mesh, pressure)
    for metric in ("mae", "rmse", "bias"):
        score = found["score"].sel(metric=metric).item()
        assert score == pytest.approx(1004.64e4 / 86400, rel=1e-12)
    # A millimetre of rain in a day: 2.501e6 J kg-1 * 1 kg m-2 / 86400 s = 28.95 W m-2.
    rain = xr.Dataset({"cam_out_PRECC": (("time", "ncol"), np.zeros((2, 2)))})
    found = column_scores(rain - 1e-3 / 86400, rain, mesh, pressure)
    assert found["score"].sel(metric="bias").item() == pytest.approx(-2.501e6 / 86400, rel=1e-12)


def test_a_perfect_prediction():
    _, truth, pressure = columns()
    scores = column_scores(truth, truth, grid(), pressure)["score"]
    assert np.all(scores.sel(metric="r2") == 1.0)
    assert np.all(scores.drop_sel(metric="r2") == 0.0)


def test_the_layers_add_up_to_the_air_above_the_ground():
    mesh = grid()
    pressure = np.array([[7e4, 1e5]])
    mass = layer_mass(pressure, mesh["hyai"].values, mesh["hybi"].values, 1e5)
    assert mass.shape == (1, 2, LEVELS)
    np.testing.assert_allclose(mass.sum(axis=-1), (pressure - 100.0) / GRAVITY)


def test_scaled_outputs_are_divided_by_their_scale():
    prediction, truth, pressure = columns()
    scale = xr.Dataset(
        {
            name: ("lev", np.linspace(1e3, 2e3, LEVELS)) if "lev" in truth[name].dims else 5.0
            for name in truth
        }
    )
    expected = column_scores(prediction, truth, grid(), pressure)
    found = column_scores(prediction * scale, truth * scale, grid(), pressure, scale)
    xr.testing.assert_allclose(found, expected, rtol=1e-12)


def test_crps_equals_its_double_sum_and_other_scores_are_of_the_mean():
    prediction, truth, pressure = columns(samples=SAMPLES)
    found = column_scores(prediction, truth, grid(), pressure)
    mean = column_scores(prediction.mean("sample"), truth, grid(), pressure)
    xr.testing.assert_allclose(found.drop_sel(metric="crps"), mean)
    for name in ("ptend_q0001", "cam_out_PRECC"):
        totals = []
        for level in range(LEVELS) if name.startswith("ptend") else [None]:
            for place in np.ndindex(TIMES, COLUMNS):
                t = as_energy(name, truth[name].values, pressure, *place, level)
                s = [
                    as_energy(name, sample, pressure, *place, level)
                    for sample in prediction[name].values
                ]
                pairs = sum(abs(a - b) for a in s for b in s)
                near = sum(abs(a - t) for a in s) / SAMPLES
                totals.append(near - pairs / (2 * SAMPLES * (SAMPLES - 1)))
        score = found["score"].sel(metric="crps", variable=name)
        assert float(score) == pytest.approx(np.mean(totals), rel=1e-10)


@pytest.mark.parametrize("samples", [2, 32])
def test_crps_equals_scores(samples):
    from scores.probability import crps_for_ensemble

    random = np.random.default_rng(0)
    truth, forecast = random.normal(size=(9, 8)), random.normal(size=(samples, 9, 8))
    expected = crps_for_ensemble(
        xr.DataArray(forecast, dims=("sample", "time", "ncol")),
        xr.DataArray(truth, dims=("time", "ncol")),
        "sample",
        method="fair",
    )
    assert fair_crps(forecast, truth) == pytest.approx(float(expected), rel=1e-12)


def test_one_sample_has_no_fair_crps():
    with pytest.raises(ValueError, match="at least two"):
        fair_crps(np.zeros((1, 2, 2)), np.zeros((2, 2)))


def test_equals_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    truth = random.normal(size=(30, 8))
    prediction = truth + random.normal(0.2, 0.5, size=(30, 8))
    assert coefficient_of_determination(prediction, truth) == pytest.approx(
        metrics.r2_score(truth, prediction), rel=1e-12
    )
    assert mean_absolute_error(prediction, truth) == pytest.approx(
        metrics.mean_absolute_error(truth, prediction), rel=1e-12
    )
    root = metrics.root_mean_squared_error(truth, prediction, multioutput="uniform_average")
    assert root_mean_squared_error(prediction, truth) == pytest.approx(root, rel=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e5 / 3, 1e-30])
def test_outputs_that_never_vary_are_left_out_of_r2_and_counted(value):
    random = np.random.default_rng(0)
    truth = random.normal(size=(50, 6))
    prediction = truth + random.normal(size=truth.shape)
    kept = coefficient_of_determination(prediction[:, 2:], truth[:, 2:])
    truth[:, :2] = value
    assert constant_columns(prediction, truth) == 2
    assert coefficient_of_determination(prediction, truth) == pytest.approx(kept, rel=1e-12)
    truth[:] = value
    assert constant_columns(prediction, truth) == 6
    assert np.isnan(coefficient_of_determination(prediction, truth))


def test_a_level_without_water_counts_only_in_the_other_scores():
    prediction, truth, pressure = columns()
    truth["ptend_q0001"][:, :, 0] = 0.0
    truth["ptend_q0001"][:, 1, 3] = 0.0
    found = column_scores(prediction, truth, grid(), pressure)
    assert found["constant_outputs"].values.tolist() == [0, COLUMNS + 1, 0, 0]
    levels = found["level_score"].sel(profile="ptend_q0001")
    assert np.isnan(levels.sel(metric="r2")[0])
    assert np.isfinite(levels.sel(metric="mae")).all()
    score = found["score"].sel(variable="ptend_q0001")
    assert score.sel(metric="r2") == pytest.approx(float(levels.sel(metric="r2")[1:].mean()))
    assert score.sel(metric="mae") == pytest.approx(float(levels.sel(metric="mae").mean()))


def test_missing_values_have_no_weight_and_are_counted():
    prediction, truth, pressure = columns()
    whole = column_scores(prediction, truth, grid(), pressure)
    prediction["cam_out_NETSW"][2] = np.nan
    truth["cam_out_PRECC"][:, 1] = np.nan
    truth["ptend_t"][3, 2, 1] = np.nan
    pressure[0, 0] = np.nan
    found = column_scores(prediction, truth, grid(), pressure)
    assert found["missing"].values.tolist() == [1 + LEVELS, LEVELS, COLUMNS, TIMES]
    assert whole["missing"].sum() == 0
    assert np.isfinite(found["score"]).all()
    keep = [0, 1, 3, 4, 5]
    part = column_scores(
        prediction[["cam_out_NETSW"]].isel(time=keep),
        truth.isel(time=keep),
        grid(),
        pressure.isel(time=keep),
    )
    np.testing.assert_allclose(
        found["score"].sel(variable="cam_out_NETSW"), part["score"][:, 0], rtol=1e-12
    )


def test_nothing_valid_has_no_score():
    prediction, truth, pressure = columns()
    found = column_scores(prediction * np.nan, truth, grid(), pressure)
    assert np.isnan(found["score"]).all()
    assert found["constant_outputs"].sum() == 0


def test_times_and_columns_are_matched_by_their_coordinates():
    prediction, truth, pressure = columns()
    names = {"time": np.arange(TIMES), "ncol": np.arange(COLUMNS) + 100, "lev": grid()["lev"]}
    prediction, truth = prediction.assign_coords(names), truth.assign_coords(names)
    pressure = pressure.assign_coords(time=names["time"], ncol=names["ncol"])
    mesh = grid().assign_coords(ncol=names["ncol"])
    expected = column_scores(prediction, truth, mesh, pressure)
    shuffled = prediction.isel(time=[3, 1, 0, 5, 4, 2], ncol=[4, 0, 1, 3, 2], lev=[3, 2, 1, 0])
    shuffled = shuffled.transpose("lev", "ncol", "time")
    found = column_scores(
        shuffled,
        truth,
        mesh.isel(ncol=[1, 0, 2, 4, 3]),
        pressure.isel(time=slice(None, None, -1)).T,
    )
    xr.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda p, t, m, s: (p.rename(cam_out_NETSW="cam_out_NETS"), t, m, s),
            "'cam_out_NETS' is not in ClimSim's outputs: did you mean 'cam_out_NETSW'",
        ),
        (lambda p, t, m, s: (p, t.drop_vars("ptend_t"), m, s), "'ptend_t' is not in the truth"),
        (lambda p, t, m, s: (p.isel(time=slice(3)), t, m, s), "'time' has 3 values"),
        (lambda p, t, m, s: (p, t, m.isel(ncol=slice(3)), s), "area, 'ncol' has 3 values"),
        (lambda p, t, m, s: (p, t, m, s.isel(time=slice(3))), "surface pressure, 'time'"),
        (lambda p, t, m, s: (p, t, m.isel(ilev=slice(3)), s), "4 levels, the grid 2"),
        (lambda p, t, m, s: (p.isel(time=0), t, m, s), "must have the dimensions time, ncol"),
        (
            lambda p, t, m, s: (
                p.assign_coords(time=range(6)),
                t.assign_coords(time=range(1, 7)),
                m,
                s,
            ),
            "'time' is not that of the truth",
        ),
    ],
)
def test_what_does_not_fit_is_a_sentence(change, sentence):
    prediction, truth, pressure = columns()
    with pytest.raises(UserError, match=sentence):
        column_scores(*change(prediction, truth, grid(), pressure))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), factor=st.floats(1e-6, 1e6), shift=st.floats(-10, 10))
def test_scale_and_shift(seed, factor, shift):
    random = np.random.default_rng(seed)
    truth = random.normal(size=(9, 4))
    samples = truth + random.normal(size=(5, 9, 4))
    prediction = samples.mean(axis=0)
    for score in (mean_absolute_error, root_mean_squared_error, bias):
        moved = score(factor * (prediction + shift), factor * (truth + shift))
        assert moved == pytest.approx(factor * score(prediction, truth), rel=1e-9)
    r2 = coefficient_of_determination(prediction, truth)
    moved = coefficient_of_determination(factor * (prediction + shift), factor * (truth + shift))
    assert moved == pytest.approx(r2, rel=1e-9)
    crps = fair_crps(factor * (samples + shift), factor * (truth + shift))
    assert crps == pytest.approx(factor * fair_crps(samples, truth), rel=1e-9)
    assert crps <= fair_crps(factor * np.stack([prediction] * 2), factor * truth) + 1e-9 * factor


@pytest.mark.data
def test_the_real_grid(data_root):
    mesh = xr.open_dataset(data_root / "climsim" / "ClimSim_low-res_grid-info.nc")
    scale = xr.open_dataset(data_root / "climsim" / "output_scale.nc")
    pressure = mesh["PS"].isel(time=[0, 0, 0])
    mass = layer_mass(pressure.values, mesh["hyai"].values, mesh["hybi"].values, 1e5)
    top = float(mesh["hyai"][0]) * 1e5
    np.testing.assert_allclose(mass.sum(axis=-1), (pressure.values - top) / GRAVITY, rtol=1e-6)
    assert mass.min() > 0
    random = np.random.default_rng(0)
    truth = xr.Dataset(
        {
            name: (("time", "ncol", *values.dims), random.normal(size=(3, 384, *values.shape)))
            for name, values in scale.items()
        }
    )
    found = column_scores(truth + 1.0, truth, mesh, pressure, scale)
    # An error of one in scaled units: areas over their mean average to one.
    heating = 1004.64 / 1004.64 * (mass[0] * (mesh["area"] / mesh["area"].mean()).values[:, None])
    mae = found["score"].sel(metric="mae")
    assert float(mae.sel(variable="ptend_t")) == pytest.approx(heating.mean(), rel=1e-9)
    assert float(mae.sel(variable="cam_out_NETSW")) == pytest.approx(1 / 0.0024, rel=1e-9)
    rain = 2.501e9 / 12441600
    assert float(mae.sel(variable="cam_out_PRECSC")) == pytest.approx(rain, rel=1e-9)
    assert found.sizes == {"metric": 4, "variable": 14, "profile": 6, "lev": 60}
    mesh.close()
    scale.close()

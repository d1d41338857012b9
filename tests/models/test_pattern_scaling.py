"""Linear pattern scaling against np.polyfit, its identity, and a published-model check."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from climbench.errors import UserError
from climbench.grids import latitude_weights
from climbench.models.pattern_scaling import PatternScaling
from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample

CLIMATE = replace(
    GLOBAL,
    inputs=("carbon_dioxide", "methane"),
    forcings=(),
    static=(),
    targets=("tas", "pr"),
    history=1,
    leads=1,
)


def years(co2: np.ndarray, fields: np.ndarray, signature: Signature = CLIMATE) -> Sample:
    """One sample a year: emissions ``[year]``, fields ``[year, target, latitude, longitude]``."""
    sample = random_sample(signature, len(co2))
    sample.inputs[:, :, 0] = torch.from_numpy(co2).float()[:, None, None, None]
    return sample._replace(targets=torch.from_numpy(fields)[:, None].float())


def warming(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    co2 = np.cumsum(random.uniform(0, 0.1, count))
    pattern = random.normal(1, 0.5, (2, *CLIMATE.shape))
    noise = random.normal(0, 0.3, (count, 2, *CLIMATE.shape))
    return co2, co2[:, None, None, None] * pattern + noise + random.normal()


def fitted(*parts: Sample, signature: Signature = CLIMATE, **options: str) -> PatternScaling:
    model = PatternScaling(signature, **options)
    for part in parts:
        model.accumulate(part)
    model.solve()
    return model


def area_mean(fields: np.ndarray, latitude: tuple[float, ...] = CLIMATE.latitude) -> np.ndarray:
    return np.average(fields.mean(-1), axis=-1, weights=latitude_weights(latitude, "area"))


def test_both_stages_are_those_of_polyfit():
    co2, fields = warming(seed=1)
    model = fitted(years(co2, fields))
    mean = area_mean(fields[:, 0].astype(np.float32).astype(float))
    line = np.polyfit(co2.astype(np.float32), mean, 1)
    np.testing.assert_allclose(model.line.numpy(), line, rtol=1e-6, atol=1e-9)
    slope, intercept = np.polyfit(mean, fields.reshape(len(co2), -1), 1)
    np.testing.assert_allclose(model.slope.numpy().ravel(), slope, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.intercept.numpy().ravel(), intercept, rtol=1e-4, atol=1e-5)


def test_prediction_chains_both_stages():
    co2, fields = warming(seed=2)
    model = fitted(years(co2, fields))
    answer = model(years(np.array([7.0]), fields[:1]))[0, 0].numpy()
    warm = model.line[0].item() * 7.0 + model.line[1].item()
    expected = model.intercept.numpy() + model.slope.numpy() * warm
    np.testing.assert_allclose(answer, expected, rtol=1e-5)
    alone = model.local_from_global(torch.tensor([[warm]]))[0, 0].numpy()
    np.testing.assert_allclose(alone, expected, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    mean=st.floats(-300, 300),
    std=st.floats(0.1, 50),
)
def test_mean_slope_is_one_and_mean_intercept_zero_in_any_unit(seed, mean, std):
    model = fitted(years(*warming(seed, count=20)))
    assert abs(area_mean(model.slope[0].numpy()) - 1) < 1e-6
    assert abs(area_mean(model.intercept[0].numpy())) < 1e-6
    slope, intercept = model.maps([mean, 2.0], [std, 0.5])
    assert abs(area_mean(slope[0].numpy()) - 1) < 1e-6
    assert abs(area_mean(intercept[0].numpy())) < 1e-6


def test_maps_are_those_of_a_fit_in_physical_units():
    co2, fields = warming(seed=3)
    mean, std = np.array([288.0, 3.0]), np.array([0.7, 0.2])
    physical = fields * std[:, None, None] + mean[:, None, None]
    slope, intercept = np.polyfit(area_mean(physical[:, 0]), physical.reshape(len(co2), -1), 1)
    maps = fitted(years(co2, fields)).maps(mean, std)
    np.testing.assert_allclose(maps[0].numpy().ravel(), slope, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(maps[1].numpy().ravel(), intercept, rtol=1e-4, atol=1e-2)


def test_order_and_parts_do_not_matter():
    co2, fields = warming(seed=4)
    whole = fitted(years(co2, fields))
    order = np.random.default_rng(0).permutation(len(co2))
    parts = [years(co2[chosen], fields[chosen]) for chosen in np.array_split(order, 7)]
    torch.testing.assert_close(fitted(*parts).slope, whole.slope)


def test_global_mean_of_another_target_scales_all_patterns():
    model = fitted(years(*warming(seed=5)), global_mean_of="pr")
    assert abs(area_mean(model.slope[1].numpy()) - 1) < 1e-6
    assert abs(area_mean(model.slope[0].numpy()) - 1) > 1e-3


def test_predictor_may_be_a_forcing():
    forced = replace(CLIMATE, inputs=(), forcings=("carbon_dioxide",))
    co2, fields = warming(seed=6)
    sample = years(co2, fields)
    moved = sample._replace(forcings=sample.inputs[:, :, :1], inputs=sample.inputs[:, :, :0])
    model = fitted(moved, signature=forced)
    torch.testing.assert_close(model.line, fitted(sample).line)


def test_constant_predictor_leaves_the_mean():
    _, fields = warming(seed=7)
    sample = years(np.ones(len(fields)), fields)
    model = fitted(sample)
    assert model.line.tolist() == pytest.approx([0.0, area_mean(fields[:, 0]).mean()], abs=1e-5)


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match=r"'carbon_dioxid'.*did you mean 'carbon_dioxide'\?"):
        PatternScaling(CLIMATE, predictor="carbon_dioxid")
    with pytest.raises(UserError, match="'global_mean_of' = 'psl'"):
        PatternScaling(CLIMATE, global_mean_of="psl")


def test_ipsl_second_stage_has_the_reference_errors(data_root: Path):
    """Fitted on historical and ssp585 of one member, applied to ssp126 with its true mean."""
    folder = data_root / "mesmer_ipsl" / "cmip6-ng" / "tas" / "ann" / "g025"
    runs = {
        scenario: xr.open_dataset(
            folder / f"tas_ann_IPSL-CM6A-LR_{scenario}_r1i1p1f1_g025.nc", decode_times=False
        ).tas
        for scenario in ("historical", "ssp126", "ssp585")
    }
    latitude = tuple(runs["historical"].lat.values.astype(float))
    longitude = tuple(runs["historical"].lon.values.astype(float))
    signature = replace(CLIMATE, targets=("tas",), latitude=latitude, longitude=longitude)
    reference = runs["historical"].values[:51].mean(0)  # 1850-1900
    anomaly = {name: (run.values - reference)[:, None] for name, run in runs.items()}

    training = [
        years(np.arange(len(a)) / 100, a, signature)
        for a in (anomaly["historical"], anomaly["ssp585"])
    ]
    model = fitted(*training, signature=signature)
    assert abs(area_mean(model.slope[0].numpy(), latitude) - 1) < 1e-6

    truth = anomaly["ssp126"][:, 0]
    true_mean = torch.from_numpy(area_mean(truth, latitude))[:, None]
    error = model.local_from_global(true_mean)[:, 0, 0].numpy() - truth
    cosine = latitude_weights(latitude, "cos")

    def rmse(field: np.ndarray) -> float:
        return float(np.sqrt(np.average((field**2).mean(-1), axis=-1, weights=cosine).mean()))

    assert rmse(error) == pytest.approx(0.599, abs=0.001)  # annual
    assert rmse(error[-20:].mean(0)) == pytest.approx(0.356, abs=0.001)  # 2081-2100

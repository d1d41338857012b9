"""Each preset against its peer: formulas written out as the peer's code has them, and packages."""

import json

import numpy as np
import pandas as pd
import pytest
import scores.continuous
import scores.functions
import xarray as xr
import xskillscore

from climbench.errors import UserError
from climbench.evaluation import combine, compare, evaluate
from climbench.metrics.conventions import PRESETS, chosen_metrics, preset

SPACE = ("latitude", "longitude")
STARTS, LEADS = 6, 2
POLES = np.linspace(-90.0, 90.0, 7)
GRIDS = {
    "with poles": POLES,
    "without poles": np.linspace(-75.0, 75.0, 6),
    "gaussian": np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(6)[0])),
    "irregular": np.array([-80.0, -45.0, -10.0, 5.0, 30.0, 70.0]),
}


class Case:
    """Forecasts, truth and climatology as datasets for climbench and as arrays for the peers."""

    def __init__(self, latitude=POLES, holes=False):
        random = np.random.default_rng(0)
        longitude = np.arange(0.0, 360.0, 60.0)
        coords = {"latitude": latitude, "longitude": longitude}
        shape = (STARTS, LEADS, latitude.size, longitude.size)
        # no two forecasts share a truth, so holes can be anywhere
        times = pd.date_range("2020-01-01", periods=STARTS, freq="2D")
        leads = pd.to_timedelta([12, 24], unit="h")
        self.truth = random.normal(280.0, 10.0, shape)
        self.forecast = self.truth + random.normal(1.0, 3.0, shape)
        self.climate = 280.0 + random.normal(0.0, 3.0, (366, *shape[2:]))
        if holes:
            self.truth[random.random(shape) < 0.2] = np.nan
            self.truth[2, 1] = np.nan
        valid = times.to_numpy()[:, np.newaxis] + leads.to_numpy()
        days = pd.DatetimeIndex(valid.ravel()).day_of_year.to_numpy() - 1
        self.climatology = self.climate[days].reshape(shape)
        self.weights_of = latitude
        self.forecasts = xr.Dataset(
            {"t": (("time", "prediction_timedelta", *SPACE), self.forecast, {"units": "K"})},
            {"time": times, "prediction_timedelta": leads, **coords},
            {"model": "m"},
        )
        self.target = xr.Dataset(
            {"t": (("time", *SPACE), self.truth.reshape(-1, *shape[2:]), {"units": "K"})},
            {"time": valid.ravel(), **coords},
        )
        self.climate_store = xr.Dataset(
            {"t": (("dayofyear", *SPACE), self.climate, {"units": "K"})},
            {"dayofyear": np.arange(1, 367), **coords},
        )

    def score(self, metric, **options):
        """The score of each lead time."""
        found = evaluate(
            self.forecasts,
            self.target,
            self.climate_store if "acc" in metric else None,
            [metric],
            bootstrap=0,
            maps=False,
            **options,
        )
        return found.score.squeeze(["model", "metric", "channel", "region"]).to_numpy()


def wb2_weights(latitude):
    """WeatherBench 2, ``get_lat_weights``: outer bounds always at the poles."""
    bounds = np.concatenate([[-90.0], (latitude[1:] + latitude[:-1]) / 2, [90.0]])
    weights = np.diff(np.sin(np.deg2rad(bounds)))
    return (weights / weights.mean())[:, np.newaxis]


def wbx_weights(latitude):
    """WeatherBench-X, ``GridAreaWeighting``: outer bounds half a step beyond, cut at the poles."""
    middle = (latitude[1:] + latitude[:-1]) / 2
    first = latitude[0] - (latitude[1] - latitude[0]) / 2
    last = latitude[-1] + (latitude[-1] - latitude[-2]) / 2
    bounds = np.clip(np.concatenate([[first], middle, [last]]), -90.0, 90.0)
    weights = np.abs(np.diff(np.sin(np.deg2rad(bounds))))
    return (weights / weights.mean())[:, np.newaxis]


def cos_weights(latitude):
    """WeatherBench 1 and ClimateLearn: cosine over its mean."""
    weights = np.cos(np.deg2rad(latitude))
    return (weights / weights.mean())[:, np.newaxis]


class WeatherBench2:
    """``skipna=True``: mean over the valid cells of each time, then over the times that have one.

    The climatology's anomalies have one mask here, which the peer's ACC does not.
    """

    def __init__(self, case):
        self.w = np.where(np.isfinite(case.truth), wb2_weights(case.weights_of), 0.0)
        self.e = np.nan_to_num(case.forecast - case.truth)
        self.f, self.o = (np.nan_to_num(x - case.climatology) for x in (case.forecast, case.truth))
        self.valid = self.w.sum(axis=(2, 3)) > 0

    def space(self, x):
        weight = np.where(self.valid, self.w.sum(axis=(2, 3)), np.nan)
        return (self.w * x).sum(axis=(2, 3)) / weight

    def scores(self):
        correlation = self.space(self.f * self.o) / np.sqrt(
            self.space(self.f**2) * self.space(self.o**2)
        )
        return {
            "mse": np.nanmean(self.space(self.e**2), axis=0),
            "rmse": np.sqrt(np.nanmean(self.space(self.e**2), axis=0)),
            "rmse(root=before)": np.nanmean(np.sqrt(self.space(self.e**2)), axis=0),
            "mae": np.nanmean(self.space(abs(self.e)), axis=0),
            "bias": np.nanmean(self.space(self.e), axis=0),
            "acc": np.nanmean(correlation, axis=0),
        }


class WeatherBenchX(WeatherBench2):
    """Sums over everything that is valid, over sums of weights; ratios last."""

    def __init__(self, case):
        super().__init__(case)
        self.w = np.where(np.isfinite(case.truth), wbx_weights(case.weights_of), 0.0)

    def everything(self, x):
        return (self.w * x).sum(axis=(0, 2, 3)) / self.w.sum(axis=(0, 2, 3))

    def scores(self):
        top = self.everything(self.f * self.o)
        return {
            "mse": self.everything(self.e**2),
            "rmse": np.sqrt(self.everything(self.e**2)),
            "mae": self.everything(abs(self.e)),
            "bias": self.everything(self.e),
            "acc": top / np.sqrt(self.everything(self.f**2) * self.everything(self.o**2)),
        }


@pytest.mark.parametrize("holes", [False, True], ids=["whole", "holes"])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("name", "peer"), [("wb2", WeatherBench2), ("wbx", WeatherBenchX)], ids=["wb2", "wbx"]
)
def test_weatherbench_2_and_x(name, peer, grid, holes):
    case = Case(GRIDS[grid], holes)
    for metric, expected in peer(case).scores().items():
        np.testing.assert_allclose(
            case.score(metric, preset=name), expected, rtol=1e-10, err_msg=metric
        )


def with_land(case, share, where="target"):
    """The case with a land-sea mask in its truth or its climatology."""
    mask = ((*SPACE[::-1],), share.T)  # dimensions in any order
    setattr(case, where, getattr(case, where).assign(land_sea_mask=mask))
    return case


@pytest.mark.parametrize("holes", [False, True], ids=["whole", "holes"])
def test_land_of_weatherbench_2_is_weighed_by_the_fraction(holes):
    """``LandRegion`` without a threshold: the box's weights times the land-sea mask."""
    share = np.random.default_rng(2).uniform(size=(POLES.size, 6)).round(1)
    case = with_land(Case(holes=holes), share)
    peer = WeatherBench2(case)
    for region, inside in {"land": abs(POLES) <= 90, "tropics_land": abs(POLES) <= 20}.items():
        peer.w = np.where(np.isfinite(case.truth), wb2_weights(POLES) * share, 0.0)
        peer.w = peer.w * inside[:, np.newaxis]
        peer.valid = peer.w.sum(axis=(2, 3)) > 0
        for metric, expected in peer.scores().items():
            found = case.score(metric, regions=[region])
            np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=metric)


def test_land_of_weatherbench_x_is_whole_cells_of_at_least_half_land():
    """``LandSea``: ``land_sea_fraction >= 0.5``."""
    share = np.random.default_rng(2).uniform(size=(POLES.size, 6)).round(1)
    case = with_land(Case(), share)
    peer = WeatherBenchX(case)
    peer.w = peer.w * (share >= 0.5)
    found = case.score("rmse", preset="wbx", regions=["land"])
    np.testing.assert_allclose(found, peer.scores()["rmse"], rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "where", "region", "expected"),
    [
        ("wb2", "target", "europe_land", "fraction by the truth's land_sea_mask"),
        ("wb2", "climate_store", "sea", "fraction by the climatology's land_sea_mask"),
        ("wbx", "target", "land", "membership by the truth's land_sea_mask"),
        ("wb2", None, "land", "membership by Natural Earth"),
        ("wb2", "target", "global", ""),
    ],
)
def test_scores_say_what_land_is(name, where, region, expected):
    case = Case(np.linspace(-60, 60, 7))
    if where:
        with_land(case, np.full((7, 6), 0.6), where)
    inputs = case.forecasts, case.target, case.climate_store
    found = evaluate(*inputs, ["rmse"], preset=name, regions=[region], bootstrap=0)
    assert json.loads(found.attrs["conventions"])["land"] == expected


def weatherbench_1(case):
    """``src/score.py``: everything is a plain mean of what has been multiplied by the weights."""
    w, everything = cos_weights(case.weights_of), (0, 2, 3)
    f, o = case.forecast, case.truth
    fa, a = f - case.climatology, o - case.climatology
    fa = fa - fa.mean(axis=everything, keepdims=True)
    a = a - a.mean(axis=everything, keepdims=True)
    return {
        "rmse": np.sqrt((w * (f - o) ** 2).mean(axis=everything)),
        "mae": (w * abs(f - o)).mean(axis=everything),
        "acc": (w * fa * a).sum(axis=everything)
        / np.sqrt((w * fa**2).sum(axis=everything) * (w * a**2).sum(axis=everything)),
    }


@pytest.mark.parametrize("grid", GRIDS)
def test_weatherbench_1(grid):
    case = Case(GRIDS[grid])
    for metric, expected in weatherbench_1(case).items():
        np.testing.assert_allclose(
            case.score(metric, preset="wb1"), expected, rtol=1e-10, err_msg=metric
        )


def climatelearn(case):
    """``metrics/functional.py`` with the period as one batch."""
    w, space, batch = cos_weights(case.weights_of), (2, 3), (0, 2, 3)
    p, y = case.forecast, case.truth
    squares = w * (p - y) ** 2
    a, b = p - case.climatology, y - case.climatology
    a, b = (x - x.mean(axis=batch, keepdims=True) for x in (a, b))
    plain = [x - x.mean(axis=batch, keepdims=True) for x in (p, y)]
    return {
        "mse": squares.mean(axis=batch),
        "rmse": np.sqrt(squares.mean(axis=space)).mean(axis=0),
        "acc": (w * a * b).sum(axis=batch)
        / np.sqrt((w * a**2).sum(axis=batch) * (w * b**2).sum(axis=batch)),
        "pearson": (plain[0] * plain[1]).sum(axis=batch)
        / np.sqrt((plain[0] ** 2).sum(axis=batch) * (plain[1] ** 2).sum(axis=batch)),
        "bias": (y - p).mean(axis=batch),
        "plain_rmse": np.sqrt(((p - y) ** 2).mean(axis=space)).mean(axis=0),
    }


@pytest.mark.parametrize("grid", GRIDS)
def test_climatelearn(grid):
    case = Case(GRIDS[grid])
    expected = climatelearn(case)
    for metric in ("mse", "rmse", "acc", "pearson", "bias"):
        np.testing.assert_allclose(
            case.score(metric, preset="climatelearn"), expected[metric], rtol=1e-10, err_msg=metric
        )


def test_what_climatelearn_does_not_weigh_it_does_not_weigh_with_a_climatology_either():
    """The anomalies' pass and that of the fields themselves are two."""
    case = Case()
    labels = ["acc", "pearson", "bias", "bias(weights=cells, sign=forecast_minus_truth)"]
    inputs = case.forecasts, case.target, case.climate_store
    found = evaluate(*inputs, labels, preset="climatelearn", bootstrap=0).score.squeeze().to_numpy()
    expected = climatelearn(case)
    weighed = (cos_weights(POLES) * (case.forecast - case.truth)).mean(axis=(0, 2, 3))
    names = ("acc", "pearson", "bias")
    np.testing.assert_allclose(found[:3], [expected[name] for name in names], rtol=1e-10)
    np.testing.assert_allclose(found[3], weighed, rtol=1e-10)


def test_the_unweighted_rmse_of_climatelearn_needs_the_weighting_none():
    case = Case()
    found = case.score("rmse", preset="climatelearn", weighting="none")
    np.testing.assert_allclose(found, climatelearn(case)["plain_rmse"], rtol=1e-10)


@pytest.mark.parametrize("holes", [False, True], ids=["whole", "holes"])
@pytest.mark.parametrize("grid", GRIDS)
def test_the_package_scores(grid, holes):
    case = Case(GRIDS[grid], holes)
    dims = ("time", "prediction_timedelta", *SPACE)
    f, o = (xr.DataArray(x, dims=dims) for x in (case.forecast, case.truth))
    row = scores.functions.create_latitude_weights(xr.DataArray(GRIDS[grid], dims="latitude"))
    options = {"preserve_dims": "prediction_timedelta", "weights": row}
    for metric, function in {
        "mse": scores.continuous.mse,
        "rmse": scores.continuous.rmse,
        "mae": scores.continuous.mae,
        "bias": scores.continuous.additive_bias,
    }.items():
        np.testing.assert_allclose(
            case.score(metric, preset="scores"), function(f, o, **options), rtol=1e-10
        )
    pearson = scores.continuous.correlation.pearsonr(f, o, preserve_dims="prediction_timedelta")
    np.testing.assert_allclose(case.score("pearson", preset="scores"), pearson, rtol=1e-10)


@pytest.mark.parametrize("holes", [False, True], ids=["whole", "holes"])
def test_the_preset_scores_is_also_that_of_xskillscore(holes):
    case = Case(holes=holes)
    dims = ("time", "prediction_timedelta", *SPACE)
    f, o = (xr.DataArray(x, dims=dims) for x in (case.forecast, case.truth))
    weights = xr.DataArray(np.cos(np.deg2rad(POLES)), dims="latitude").broadcast_like(f)
    weights = weights.transpose(*dims).isel(prediction_timedelta=0)
    options = {"dim": ["time", *SPACE], "skipna": True}
    for metric in ("mse", "rmse", "mae"):
        function = getattr(xskillscore, metric)
        expected = [
            float(function(f[:, n], o[:, n], weights=weights, **options)) for n in range(LEADS)
        ]
        np.testing.assert_allclose(case.score(metric, preset="scores"), expected, rtol=1e-10)
    expected = [
        float(xskillscore.pearson_r(f[:, n], o[:, n], weights=weights, **options))
        for n in range(LEADS)
    ]
    own = case.score("pearson(weights=cells)", preset="scores")
    np.testing.assert_allclose(own, expected, rtol=1e-10)


def climatebench_runs():
    """Three members of truth and one emulation, 2080 to 2100, on a grid with poles."""
    random = np.random.default_rng(1)
    latitude, longitude = np.linspace(-90, 90, 7), np.arange(0.0, 360.0, 60.0)
    years = np.arange(2070, 2101)
    coords = {"scenario": ["ssp245"], "time": years, "latitude": latitude, "longitude": longitude}
    members = random.normal(2.0, 0.5, (3, 1, years.size, 7, 6))
    dims = ("scenario", "time", *SPACE)
    truth = xr.Dataset({"tas": (("member", *dims), members)}, coords)
    emulation = truth.mean("member") + random.normal(0.1, 0.4, members.shape[1:])
    return emulation.assign_attrs(model="emulator"), truth


def test_climatebench():
    """``paper_figures.ipynb``: mean over members, years 2080 to 2100, cosine weights."""
    emulation, truth = climatebench_runs()
    names = ["nrmse_spatial", "nrmse_global", "nrmse_total", "rmse(root=before)"]
    found = evaluate(emulation, truth, metrics=names, preset="climatebench", period=(2080, 2100))
    y = truth.tas.mean("member").sel(time=slice(2080, 2100)).squeeze("scenario").to_numpy()
    p = emulation.tas.sel(time=slice(2080, 2100)).squeeze("scenario").to_numpy()
    w = np.cos(np.deg2rad(truth.latitude.to_numpy()))[:, np.newaxis] * np.ones(6)

    def mean(x):
        return (w * x).sum(axis=(-2, -1)) / w.sum()

    norm = abs(mean(y.mean(axis=0)))
    spatial = np.sqrt(mean((y.mean(axis=0) - p.mean(axis=0)) ** 2)) / norm
    course = np.sqrt(((mean(y) - mean(p)) ** 2).mean()) / norm
    yearly = np.sqrt(mean((y - p) ** 2)).mean()
    expected = [spatial, course, spatial + 5 * course, yearly]
    np.testing.assert_allclose(found.score.squeeze(), expected, rtol=1e-11)


def test_presets_differ_where_their_peers_do():
    case = Case(holes=True)
    rmse = {name: case.score("rmse", preset=name)[1] for name in PRESETS}
    assert rmse["wb1"] == rmse["scores"] == rmse["climatebench"]
    different = [rmse[name] for name in ("wb2", "wbx", "wb1", "climatelearn")]
    assert len({round(value, 9) for value in different}) == 4
    acc = {name: case.score("acc", preset=name)[1] for name in PRESETS}
    different = [acc[name] for name in ("wb2", "wbx", "wb1", "climatelearn", "scores")]
    assert len({round(value, 9) for value in different}) == 5


def test_area_and_cosine_are_one_on_a_grid_without_poles():
    case = Case(GRIDS["without poles"])
    np.testing.assert_allclose(
        case.score("rmse", preset="wb2"), case.score("rmse", preset="wb1"), rtol=1e-13
    )


def test_missing_per_time_differs_from_pooled_only_where_values_are_missing():
    for holes in (False, True):
        case = Case(holes=holes)
        pooled, per_time = (
            case.score("mse", preset="wb2", missing=rule) for rule in ("pooled", "per_time")
        )
        assert np.allclose(pooled, per_time, rtol=1e-12) != holes


def test_what_is_said_counts_before_the_preset():
    case = Case(holes=True)
    one = case.score("acc(form=centred)", preset="wbx", weighting="area", missing="per_time")
    other = case.score("acc(form=centred)", preset="wb2")
    np.testing.assert_array_equal(one, other)
    climatelearn = case.score("rmse(root=after)", preset="climatelearn", missing="pooled")
    np.testing.assert_array_equal(climatelearn, case.score("rmse", preset="wb1"))


@pytest.mark.parametrize(
    ("name", "weights", "nan", "root", "acc"),
    [
        ("wb2", "area", "per_time", "after", "mean_of_ratios"),
        ("wbx", "area_half_step", "pooled", "after", "ratio_of_means"),
        ("wb1", "cos", "pooled", "after", "pooled_centred"),
        ("scores", "cos", "pooled", "after", "mean_of_ratios"),
        ("climatelearn", "cos", "per_time", "before", "pooled_centred"),
        ("climatebench", "cos", "pooled", "after", "mean_of_ratios"),
    ],
)
def test_scores_say_what_they_are(name, weights, nan, root, acc):
    case = Case()
    found = evaluate(
        case.forecasts,
        case.target,
        case.climate_store,
        ["rmse", "acc"],
        preset=name,
        period=["2020-01-01", "2020-01-05"],
        bootstrap=0,
    )
    record = json.loads(found.attrs["conventions"])
    assert found.attrs["preset"] == name
    assert (record["weights"], record["nan"]) == (weights, nan)
    assert (record["root"], record["acc"]) == (root, acc)
    assert record["time"] == "initial"
    assert record["period"] == ["2020-01-01", "2020-01-05"]
    labels = found.metric.to_numpy().tolist()
    assert labels == ["rmse" if root == "after" else "rmse(root=before)",
                      "acc" if acc == "mean_of_ratios" else f"acc(form={acc})"]  # fmt: skip


def test_scores_say_which_of_them_do_not_weigh_cells():
    case = Case()
    for name, unweighted, sign in (
        ("wb2", "", "forecast_minus_truth"),
        ("scores", "pearson(form=pooled, weights=none)", "forecast_minus_truth"),
        (
            "climatelearn",
            "bias(sign=truth_minus_forecast, weights=none), pearson(form=pooled, weights=none)",
            "truth_minus_forecast",
        ),
    ):
        found = evaluate(case.forecasts, case.target, None, ["bias", "pearson"], preset=name)
        record = json.loads(found.attrs["conventions"])
        assert (record["unweighted"], record["bias"]) == (unweighted, sign)


def test_unweighted_scores_are_compared_and_binned_from_their_file():
    """It holds the numbers of cells that they are averages over."""
    case = Case(holes=True)
    worse = case.forecasts.assign(t=case.forecasts.t + 1.0).assign_attrs(model="worse")
    first, second = (
        evaluate(forecasts, case.target, None, ["bias"], preset="climatelearn", bins="season")
        for forecasts in (worse, case.forecasts)
    )
    expected = np.nanmean(case.truth - case.forecast, axis=(0, 2, 3))
    np.testing.assert_allclose(first.score_by_season.sel(season="DJF"), first.score, rtol=1e-12)
    both = compare(first, second)
    np.testing.assert_allclose(both.reference.squeeze(), expected, rtol=1e-10)
    np.testing.assert_allclose(both.candidate.squeeze(), expected - 1.0, rtol=1e-10)


def test_scores_of_two_presets_are_not_put_together():
    case = Case()
    inputs = case.forecasts, case.target
    first = evaluate(*inputs, preset="wb2", bootstrap=0)
    for name, message in {
        "wbx": "'nan' is per_time in one, pooled in the other",
        "climatelearn": "'weights' is area in one, cos in the other",
    }.items():
        second = evaluate(*inputs, preset=name, model="other", bootstrap=0)
        with pytest.raises(UserError, match=message):
            combine([first, second])


def test_every_preset_is_tested_here_and_unknown_ones_are_refused():
    assert set(PRESETS) == {"wb2", "wbx", "wb1", "scores", "climatelearn", "climatebench"}
    with pytest.raises(UserError, match="There is no preset 'climate_learn': did you mean"):
        preset("climate_learn")


def test_families_stand_for_what_is_possible():
    labels = [m.label for m in chosen_metrics("deterministic", preset("wb2"), False, 0)]
    assert {"rmse", "mse", "mae", "bias", "error_std", "pearson", "r2"} <= set(labels)
    assert not {"acc", "activity", "mse_skill", "crps"} & set(labels)
    with_climate = chosen_metrics("deterministic", preset("wbx"), True, 0)
    assert "acc(form=ratio_of_means)" in [metric.label for metric in with_climate]
    assert chosen_metrics(["rmse", "deterministic", "rmse"], preset("wb2"), False, 0)[0].label == (
        "rmse"
    )

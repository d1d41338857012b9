"""The whole experiment on a small made-up ensemble: sweep, resuming, tables and page."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_stores import climate, write_store

from climbench.config import ModelConfig, OptimizerConfig, TrainerConfig
from climbench.errors import UserError
from climbench.experiments.internal_variability import fits as fitting
from climbench.experiments.internal_variability import sweep as experiment
from climbench.experiments.internal_variability.bench import Bench
from climbench.experiments.kinds import parse_experiment
from climbench.prediction import predict
from climbench.store import with_expected
from climbench.tasks import Emulation
from climbench.training import train

EVALUATION = {
    "metrics": ["nrmse_spatial(norm=none)", "nrmse_global(norm=none)"],
    "preset": "wb2",
    "weighting": None,
    "regions": ["global"],
    "period": [2021, 2030],
    "confidence": 0.95,
}
LINE = ModelConfig(
    name="line", network={"_target_": "climbench.models.pattern_scaling.PatternScaling"}
)
VARIANT = "climbench.models.pattern_scaling_variants.PolynomialPatternScaling"
DEEP = ModelConfig(
    name="deep",
    network={"_target_": "climbench.models.resnet.ResNet", "hidden_channels": 2, "blocks": 1},
    optimizer=OptimizerConfig(learning_rate=1e-2),
)
OPTIONS = {
    "kind": "internal_variability",
    "name": "small",
    "title": "Small",
    "recipe": "planet_climate",
    "members": [1, 3, 6],
    "seeds": 3,
    "candidate_members": [1, 6],
    "candidate_seeds": 2,
    "reference": "line",
    "task": {},
    "models": {"line": LINE, "deep": DEEP},
    "trainer": TrainerConfig(accelerator="cpu", devices=1, progress_bar=False, batch_size=16),
    "evaluation": EVALUATION,
}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    whole = climate(members=7).isel(member=slice(6))  # the last one lacks history
    store = write_store(folder / "climate.zarr", whole, "scenario")
    return Emulation(
        store=store,
        inputs=("carbon_dioxide",),
        targets=("tas",),
        train_scenarios=("historical", "ssp126", "ssp585"),
        validation={"scenario": "ssp585", "years": (2028, 2030)},
        test_scenarios=("ssp370",),
    )


def run(task, folder, monkeypatch, **changes):
    monkeypatch.setattr(experiment, "prepare", lambda config: config.check() or (task.store, task))
    return experiment.run_internal_variability(
        parse_experiment({**OPTIONS, "runs_dir": folder, **changes})
    )


@pytest.fixture(scope="module")
def finished(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        return folder, run(task, folder, patch)


def test_every_draw_has_its_scores(finished):
    results = finished[1].results
    line, deep = (results.where(results["model"] == name, drop=True) for name in ("line", "deep"))
    assert (line.sizes["fit"], deep.sizes["fit"]) == (9, 4)
    assert np.isfinite(results["score"].sel(truth="all")).all()
    held_out = results["score"].sel(truth="held_out")
    assert (held_out.isnull().all(["channel", "metric"]) == (results["members"] == 6)).all()
    assert len(set(deep["model_seed"].values.tolist())) == 2  # other weights for other draws


def test_sums_give_the_scores_of_training_and_predicting(finished, task, tmp_path):
    bench = Bench.of(task, EVALUATION)
    drawn = fitting.drawn_task(task, (3, 1), tmp_path / "cache")
    checkpoint = train(drawn, LINE, OPTIONS["trainer"], tmp_path)
    predict(checkpoint, drawn, tmp_path / "p.zarr", 64)
    plain = bench.judge(xr.open_zarr(tmp_path / "p.zarr"), (3, 1))
    results = finished[1].results
    own = (results["model"] == "line") & (results["members"] == 3) & (results["member_seed"] == 1)
    # The pipeline of training is in float32, at temperatures of 290 K.
    np.testing.assert_allclose(
        results["score"].isel(fit=np.flatnonzero(own)), plain["score"], rtol=1e-2, atol=1e-4
    )


def test_an_emulator_that_draws_members_is_judged_by_what_it_expects(task, tmp_path):
    bench = Bench.of(task, EVALUATION)
    checkpoint = train(task, LINE, OPTIONS["trainer"], tmp_path)
    expected = xr.open_zarr(predict(checkpoint, task, tmp_path / "p.zarr", 64)).load()
    noise = np.random.default_rng(0).normal(size=(3, *expected.tas.shape))
    drawn = expected + xr.DataArray(noise, dims=("member", *expected.tas.dims))
    both = with_expected(drawn, expected)
    alone, found = (bench.judge(each, (3, 1)) for each in (expected, both))
    xr.testing.assert_identical(found, alone)
    by_draws = bench.judge(drawn, (3, 1))
    assert (by_draws["score"].sel(truth="all") > alone["score"].sel(truth="all")).all()


def test_what_was_finished_is_not_trained_again(finished, task, monkeypatch):
    folder = finished[0]
    fits = sorted((folder / "small" / "fits" / "deep").iterdir())
    assert len(fits) == 4
    (fits[0] / "stage.json").unlink()
    for report in (folder / "small").glob("report-*"):
        (report / "stage.json").unlink()
    trained = []
    monkeypatch.setattr(
        fitting, "train", lambda *args: trained.append(args[3].name) or train(*args)
    )
    again = run(task, folder, monkeypatch)
    assert trained == [f"{fits[0].name}.partial"]
    xr.testing.assert_allclose(again.results["score"], finished[1].results["score"])


def test_what_must_come_out_the_same_is_trained_once(finished, task, tmp_path, monkeypatch):
    plain = ModelConfig(name="plain", network={"_target_": VARIANT, "degree": 1})
    models = {"line": LINE, "plain": plain}
    results = run(task, tmp_path, monkeypatch, models=models, candidate_members=[6]).results
    assert len(list((tmp_path / "small" / "fits" / "plain").iterdir())) == 1
    scores = results["score"].where(results["model"] == "plain", drop=True).sel(truth="all")
    assert scores["member_seed"].values.tolist() == [0, 1]
    np.testing.assert_array_equal(scores[0], scores[1])


@pytest.mark.slow
def test_side_by_side_trainings_give_the_same_scores(finished, task, tmp_path, monkeypatch):
    both = run(task, tmp_path, monkeypatch, processes=2).results
    xr.testing.assert_allclose(both["score"], finished[1].results["score"], rtol=1e-4)


def test_tables_and_page(finished):
    folder = finished[1].page.parent
    rows = pd.read_csv(folder / "scores.csv")
    assert len(rows) == 2 * (9 + 4) + 2 * (6 + 2)  # metrics x fits, all and held-out
    differences = pd.read_csv(folder / "differences.csv")
    assert set(differences["members"]) == {1, 6}
    page = finished[1].page.read_text()
    assert "SIMULATED DATA" in page
    assert 'alt="Curves: RMSE of the mean map of tas against' in page
    assert page.count("<figure>") == len(list((folder / "figures").glob("*_light.png"))) == 6


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"members": [3, 3]}, "option 'members' = .* none twice"),
        ({"members": [1, 7], "candidate_members": None}, "asks for 7 members"),
        ({"candidate_members": [2]}, "holds 2, which is not in 'members'"),
        ({"candidate_seeds": 4}, "greater than 'seeds'"),
        ({"reference": "lin"}, "did you mean 'line'"),
        ({"evaluation": {**EVALUATION, "metrics": ["bias"]}}, "'bias' is no error"),
        ({"kind": "internal_variabilty"}, "did you mean 'internal_variability'"),
    ],
)
def test_mistakes_are_named(task, tmp_path, monkeypatch, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        run(task, tmp_path, monkeypatch, **changes)

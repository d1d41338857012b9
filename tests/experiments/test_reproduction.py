"""Published numbers computed again, on the real public tables and on a small archive."""

import json
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from recipes import emulation_archives as archives

from climbench.config.folders import conf_folder
from climbench.errors import UserError
from climbench.experiments.global_figures import (
    TEST,
    TRAINING,
    Figure,
    course_figures,
    cumulative_co2,
    first_stage,
    global_figures,
    global_means,
)
from climbench.experiments.kinds import run_kind
from climbench.report.published import published


def options(folder: Path, *overrides: str) -> dict:
    places = [f"runs_dir='{folder}/runs'", f"stores_dir='{folder}/stores'", "report=tables"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("run", ["experiment=climatebench_lps", *places, *overrides])
    return dict(OmegaConf.to_container(config, resolve=True))


def by_name(figures: list[Figure], part: str) -> Figure:
    (found,) = [one for one in figures if part in one.name]
    return found


@pytest.mark.data
def test_cumulative_co2_is_climatebenchs(data_root: Path) -> None:
    co2 = cumulative_co2(
        data_root / "ssp_forcing/rcmip-emissions-annual-means-4-0-0-ssp-only.csv.gz"
    )
    used = ["hist-GHG", "hist-aer", "ssp126", "ssp370", "ssp585"]
    values = np.concatenate([co2[name] for name in used])
    assert values.size == 588
    assert (values.mean(), values.std()) == pytest.approx((1708.658, 2158.809), rel=1e-4)
    # what the authors print
    assert co2["historical"][0] == pytest.approx(0.1883, abs=5e-5)
    ends = {"ssp126": 2793, "ssp245": 4524}
    assert {name: co2[name][-1] for name in ends} == pytest.approx(ends, abs=1)
    assert co2["ssp245"][0] == pytest.approx(1536, abs=0.5)
    assert not co2["hist-aer"].any()


@pytest.mark.data
def test_the_published_score_of_pattern_scaling_is_reproduced(data_root: Path) -> None:
    figures = global_figures(data_root)
    ours = by_name(figures, "NRMSE global of our line")
    assert ours.ours == pytest.approx(0.0411, abs=0.001) and ours.reproduced
    theirs = by_name(figures, "NRMSE global of the published line")
    assert theirs.ours == pytest.approx(0.04114, abs=1e-5) and theirs.reproduced
    assert by_name(figures, "slopes, K/K").ours == pytest.approx(1.0, abs=1e-6)
    assert by_name(figures, "intercepts, K").ours == pytest.approx(0.0, abs=1e-6)
    slope = by_name(figures, "slope, K/Gt CO2")
    assert slope.published == pytest.approx(4.818774e-4, rel=1e-6)
    assert slope.reproduced is None  # fitted on other years than the published one
    assert all(one.reproduced is not False for one in figures)


@pytest.mark.data
@pytest.mark.parametrize("model", ["IPSL-CM6A-LR", "MPI-ESM1-2-LR"])
def test_another_climate_model_has_nothing_published_beside_it(data_root: Path, model: str) -> None:
    co2 = cumulative_co2(
        data_root / "ssp_forcing/rcmip-emissions-annual-means-4-0-0-ssp-only.csv.gz"
    )
    means = global_means(data_root / f"cmip_global_mean/gmst_{model}.nc", model)
    figures = course_figures(model, co2, means, np.array([4.8e-4, 0.0]))
    assert all(one.published is None and one.reproduced is None for one in figures)
    assert 0.0 < by_name(figures, "NRMSE global of our line").ours < 0.2


def test_the_first_stage_is_numpys_straight_line() -> None:
    random = np.random.default_rng(0)
    co2 = np.linspace(0, 5000, 80)
    means = 4e-4 * co2 + random.normal(0.0, 0.1, 80)
    slope, intercept = first_stage(co2, means)
    assert (slope, intercept) == pytest.approx(tuple(np.polyfit(co2, means, 1)), rel=1e-9)


def test_nothing_of_the_test_scenario_is_fitted() -> None:
    random = np.random.default_rng(0)
    co2 = {name: np.linspace(0, 5000, 86) for name in (*TRAINING, TEST)}
    means = {name: 4e-4 * one + random.normal(0.0, 0.1, 86) for name, one in co2.items()}
    before = by_name(course_figures("x", co2, means, None), "slope").ours
    means[TEST] = means[TEST] + 7.0
    assert by_name(course_figures("x", co2, means, None), "slope").ours == before


def test_a_figure_that_differs_is_not_reproduced() -> None:
    assert Figure("x", 0.050, 0.041, 0.001).reproduced is False
    assert Figure("x", 0.0415, 0.041, 0.001).reproduced is True
    assert Figure("x", 0.0415).reproduced is None


@pytest.mark.data
def test_the_experiment_prints_and_records_the_numbers(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = options(tmp_path, f"data_root='{data_root}'")
    assert run_kind(values) == 0
    shown = capsys.readouterr().out
    assert "reproduced" in shown and "archive=fetch" in shown
    record = json.loads((tmp_path / "runs/climatebench_lps/reproduction.json").read_text())
    assert len(record["figures"]) == 9 and "scores" not in record


def test_the_experiment_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data_root=FOLDER.*archive=fetch"):
        run_kind(options(tmp_path))
    with pytest.raises(UserError, match=r"rcmip-emissions.*is not there"):
        run_kind(options(tmp_path, f"data_root='{tmp_path}'"))


def test_published_rows_are_cited_and_those_from_memory_left_out() -> None:
    rows = published("climatebench")
    assert all(row.citation and row.verified for row in rows)
    assert not any("ClimaX" in row.model for row in rows)
    everything = {row.model: row.verified for row in published("climatebench", verified_only=False)}
    assert everything["ClimaX"] is False
    for row in rows:  # the authors' totals are their parts', as far as they print digits
        for parts in row.scores.values():
            if len(parts) == 3:
                total = parts["nrmse_spatial"] + 5 * parts["nrmse_global"]
                assert total == pytest.approx(parts["nrmse_total"], abs=2e-3)
    assert {row.members for row in published("em_mpi")} == {1, 3, 10, 20, 50}
    with pytest.raises(UserError, match="did you mean 'climatebench'"):
        published("climatebenhc")


@pytest.mark.slow
def test_the_archive_fills_the_table_beside_the_published_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a small archive in ClimateBench's layout, whose years end in 2019."""
    archives.climatebench(tmp_path / "data" / "climatebench")
    (tmp_path / "data" / "ssp_forcing").mkdir()
    archives.write_rcmip(
        tmp_path / "data/ssp_forcing/rcmip-emissions-annual-means-4-0-0-ssp-only.csv.gz"
    )
    maps = ("tas", "diurnal_temperature_range", "pr", "pr90")
    flat = ["sulphur_dioxide", "black_carbon", *(f"{name}_anomaly" for name in maps)]
    values = options(
        tmp_path,
        f"data_root='{tmp_path}/data'",
        "+recipe_overrides.dates={start: 2010, end: 2019}",
        "task.validation.years=[2015,2019]",
        "evaluation.period=[2015,2019]",
        "evaluation.bootstrap=0",
        f"+recipe_overrides.checks.constant_fields=[{','.join(flat)}]",
    )
    assert run_kind(values) == 1  # those emissions are not the published ones
    rows = json.loads((tmp_path / "runs/climatebench_lps/reproduction.json").read_text())["scores"]
    ours = [row for row in rows if row["source"] == "climbench"]
    assert {row["variable"] for row in ours} == set(values["task"]["targets"])
    assert all(np.isfinite(row["nrmse_total"]) for row in ours)
    theirs = [row for row in rows if "Watson-Parris" in row["source"]]
    assert {row["model"] for row in theirs} == {"CNN-LSTM", "Gaussian process", "random forest"}
    assert "published" in capsys.readouterr().out

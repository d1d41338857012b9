"""Column physics from recipe to page, on a few simulated days."""

import pytest
from small_experiments import configuration

from climbench.experiments.run import run

SHORT = [
    "+recipe_overrides.dates={start: 0001-01-01, end: 0001-01-24}",
    "+recipe_overrides.statistics.period=[0001-01-01, 0001-01-12]",
    "task.train=[0001-01-01,0001-01-12]",
    "task.validation=[0001-01-13,0001-01-18]",
    "task.test=[0001-01-19,0001-01-23]",
    "trainer.progress_bar=false",
    "report=tables",
]


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    overrides = ["experiment=climsim_twin", *SHORT, "trainer.batch_size=64"]
    overrides += ["models.column_mlp_small.max_epochs=12", "models.column_mlp_small.batch_size=64"]
    overrides += ["models.column_randomised_prior_small.max_epochs=1"]
    return run(configuration(tmp_path_factory.mktemp("twin"), *overrides))


def test_a_network_and_a_straight_line_beat_the_mean(twin):
    mae = twin.scores.score.sel(metric="mae", channel="cam_out_NETSW").squeeze()
    assert mae.sel(model="column_regression") < 0.6 * mae.sel(model="mean_climatology")
    assert mae.sel(model="column_mlp_small") < 0.6 * mae.sel(model="mean_climatology")


def test_no_model_is_wrong_where_nothing_ever_happens(twin):
    top = twin.scores.level_score.sel(metric="mae", profile="ptend_q0001").isel(lev=0)
    assert float(top.max()) < 1e-12  # W m-2


def test_the_page_says_that_data_are_simulated(twin):
    page = twin.page.read_text()
    assert "simulated" in page.lower()
    assert "water_budget" in page
    assert twin.gate["verdicts"]

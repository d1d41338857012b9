"""`climbench report runs=...`: from finished runs to one site, on simulated weather."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_experiments import configuration

from climbench.cli import main
from climbench.errors import UserError
from climbench.evaluation import compare, read_scores, write_scores
from climbench.experiments.finished_runs import benchmark_of
from climbench.experiments.joined_runs import benchmarks_of
from climbench.experiments.run import run
from climbench.plot.ranking import reference_of

SHORT = [
    "experiment=quickstart",
    "recipe_overrides.dates={start: 2000-01-01, end: 2000-12-31}",
    "recipe_overrides.statistics.period=[2000-01-01, 2000-09-30]",
    "task.train=[2000-01-01,2000-09-30]",
    "task.validation=[2000-10-01,2000-10-15]",
    "task.test=[2000-10-16,2000-12-31]",
    "evaluation.bootstrap=100",
    "evaluation.metrics=[rmse,bias]",
    "~models.vit_small",
    "models.resnet_small.max_epochs=2",
    "models.resnet_small.network.hidden_channels=8",
    "trainer.batch_size=32",
    "trainer.progress_bar=false",
]


@pytest.fixture(scope="module")
def folder(module_path):
    """Two runs of one task with different weights, and one of another test period."""
    run(configuration(module_path, *SHORT))
    other = ["name=second", "trainer.seed=1", "models.resnet_small.max_epochs=1"]
    run(configuration(module_path, *SHORT, *other, "report=tables"))
    later = ["name=autumn", "task.test=[2000-11-16,2000-12-31]", "report=tables"]
    autumn = configuration(module_path, *SHORT, *later, "~models.resnet_small")
    run(autumn.model_copy(update={"gate": None}))
    return module_path


@pytest.fixture(scope="module")
def first(folder):
    (report,) = (folder / "runs" / "quickstart").glob("report-*")
    return report


def test_a_run_leaves_all_that_its_page_needs(first):
    benchmark = benchmark_of(first)
    assert benchmark.title.startswith("Quickstart") and benchmark.simulated
    assert benchmark.gate["rules"][0]["metric"] == "rmse"
    marks = benchmark.comparison["mark"].sel(metric="rmse")
    baselines = ["persistence", "climatology", "linear_regression"]
    assert marks["reference"].values.tolist() == baselines
    for name in baselines:
        others = marks.sel(reference=name).drop_sel(model=name)
        assert set(np.unique(others)) <= {"better", "worse", "not significant"}
        assert set(np.unique(marks.sel(reference=name, model=name))) == {""}


def test_marks_are_those_of_a_comparison_of_one_metric(first):
    marks = benchmark_of(first).comparison["mark"]
    scores = read_scores(first / "scores.nc")
    for reference in ("linear_regression", "persistence"):
        own, other = (scores.sel(model=[name]) for name in ("resnet_small", reference))
        alone = compare(own, other, metrics=["rmse"])["mark"]
        here = marks.sel(reference=reference, model="resnet_small", metric=["rmse"])
        np.testing.assert_array_equal(here.values.astype(str), alone.values.astype(str))


def test_a_card_shows_what_a_model_cost(first):
    benchmark = benchmark_of(first)
    card = benchmark.cards["resnet_small"]
    assert card["summary"].startswith("A 7x7 stem")
    assert card["sections"]["Cost"]["train"]["time"].endswith(" s")
    assert re.fullmatch(r"\d\.\d\d GB", card["sections"]["Cost"]["train"]["peak memory"])
    assert card["sections"]["Cost"]["energy"] == "not measured"
    assert int(card["sections"]["Size"]["trained weights"].replace(",", "")) > 1000
    losses = {row["model"] for row in card["history"]["rows"]}
    assert losses == {"train/loss", "validation/loss"}
    assert "history" not in benchmark.cards["persistence"]


def test_examples_are_the_forecasts_and_their_truth(first, folder):
    examples = benchmark_of(first).examples
    assert dict(examples["prediction"].sizes) == {
        "model": 4,
        "channel": 3,
        "scene": 1,
        "frame": 2,
        "latitude": 32,
        "longitude": 64,
    }
    start = pd.Timestamp(str(examples["scene"].item()).removeprefix("from "))
    (store,) = (folder / "stores").glob("planet_weather-*.zarr")
    weather = xr.open_zarr(store)["2m_temperature"]
    for lead, frame in ((24, "24 h"), (72, "72 h")):
        truth = weather.sel(time=start + pd.Timedelta(hours=lead))
        kept = examples["truth"].sel(channel="2m_temperature", frame=frame).squeeze()
        np.testing.assert_allclose(kept, truth.transpose("latitude", "longitude"))
        valid = str(examples["valid"].sel(frame=frame).item())
        assert pd.Timestamp(valid) == start + pd.Timedelta(hours=lead)
    persistence = examples["prediction"].sel(model="persistence", channel="2m_temperature")
    now = weather.sel(time=start).transpose("latitude", "longitude")
    np.testing.assert_allclose(persistence.sel(frame="72 h").squeeze(), now, atol=1e-3)


def test_runs_of_one_truth_share_a_leaderboard_others_do_not(folder):
    runs = [folder / "runs" / name for name in ("quickstart", "second", "autumn")]
    (both, autumn), alone = benchmarks_of(runs)
    assert alone == {}
    names = both.scores["model"].values.tolist()
    baselines = ["climatology", "linear_regression", "persistence"]
    assert sorted(names) == [*baselines, "resnet_small", "resnet_small (second)"]
    assert set(both.cards) == set(names)
    alone = benchmarks_of([runs[1]])[0][0].scores["score"].sel(model="resnet_small")
    joined = both.scores["score"].sel(model="resnet_small (second)")
    np.testing.assert_array_equal(joined, alone)
    assert "resnet_small" not in autumn.scores["model"].values


def test_runs_of_one_name_are_told_apart(folder, first, tmp_path):
    """A copy of a run whose scores, straight line and gate are others."""
    copies = [tmp_path / place / "quickstart" for place in ("a", "b")]
    for factor, copy in zip((0.9, 1.1), copies, strict=True):
        shutil.copytree(first, copy)
        scores = read_scores(first / "scores.nc").load()
        write_scores(scores.assign(score=factor * scores["score"]), copy)
    ((both,), _) = benchmarks_of([folder / "runs" / "quickstart", *copies])
    names = both.scores["model"].values.tolist()
    assert {"resnet_small", "resnet_small (a/quickstart)", "resnet_small (b/quickstart)"} < {*names}
    assert "Of a/quickstart, climatology, persistence, linear_regression scored" in both.notes[0]
    assert reference_of(both.scores) == "linear_regression (a/quickstart)"
    assert len(both.gate["verdicts"]) == 3 * len(benchmark_of(first).gate["verdicts"])
    assert any(one["sentence"].startswith("a/quickstart: ") for one in both.gate["verdicts"])
    assert both.cards["resnet_small (b/quickstart)"]["sections"]["Run"]["folder"] == str(copies[1])


def test_the_command_writes_the_site_and_says_where(folder, capsys, tmp_path):
    runs = ",".join(str(folder / "runs" / name) for name in ("quickstart", "second", "autumn"))
    output = tmp_path / "site"
    options = [f"runs=[{runs}]", f"output={output}", "title=All", "report.map_channels=1"]
    assert main(["report", *options]) == 0
    page = output / "index.html"
    assert capsys.readouterr().out.strip().endswith(str(page))
    assert "2 benchmarks" in page.read_text()
    (inner,) = output.glob("quickstart*_quickstart/index.html")
    text = inner.read_text()
    payload = json.loads(text.split('id="scores-data">')[1].split("</script>")[0])
    assert set(payload["marks"]) == {"linear_regression", "persistence", "climatology"}
    assert "quickstart</dd>" in text.split("<dt>run</dt>")[1][:400]
    assert "resnet_small (second)" in [model["name"] for model in payload["models"]]
    single = tmp_path / "one"
    assert main(["report", f"runs={folder / 'runs' / 'second'}", f"output={single}"]) == 0
    assert "Leaderboard" in (single / "index.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "needs either runs=[FOLDER,...] or scores=[FILE,...]"),
        (["runs=nowhere"], "nowhere is no folder"),
        (["runs=EMPTY"], "holds no finished run"),
        (["runs=FIRST", "scores=x.nc"], "needs either runs=[FOLDER,...] or scores=[FILE,...]"),
        (["runs=FIRST", "report.lead_hours=soon"], "report.lead_hours"),
        (["runs=FIRST", "report.lead_hours=-5"], "report.lead_hours"),
        (["runs=FIRST", "report.map_channels=-1"], "report.map_channels"),
        (["runs=FIRST", "report.colour=red"], "report.colour"),
        (["runs=DAMAGED"], "run.json is damaged"),
        (["runs=LIST"], "run.json is damaged"),
        (["runs=JUNK"], "examples.nc is damaged"),
        (["runs=[]"], "needs either runs=[FOLDER,...] or scores=[FILE,...]"),
        (["runs=GATE"], "gate.json is damaged"),
        (["runs=CARD"], "run.json is damaged"),
        (["runs=LOST"], "scores.nc is missing: run the experiment again"),
        (["runs=FIRST", "output="], "option 'output' is empty"),
        (["runs=FIRST", "output=FIRST/site"], "is a run: name a folder outside of it"),
        (["runs=FIRST", "output=EMPTY/.."], "index.html is there and is no part of a report"),
        (["runs=FIRST", "output=/proc/site"], "/proc cannot be written"),
    ],
)
def test_mistakes_have_one_sentence(options, words, first, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "scores.nc").write_bytes((first / "scores.nc").read_bytes())
    (damaged / "run.json").write_text('{"title": ')
    for name, file, content in (
        ("list", "run.json", "[1, 2]"),
        ("junk", "examples.nc", "junk"),
        ("gate", "gate.json", '{"passed": true}'),
        ("card", "run.json", '{"cards": {"vit": {"history": "none"}}}'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.nc").write_bytes((first / "scores.nc").read_bytes())
        (tmp_path / name / file).write_text(content)
    places = {"EMPTY": tmp_path / "empty", "FIRST": first, "DAMAGED": damaged}
    places |= {name.upper(): tmp_path / name for name in ("list", "junk", "gate", "card", "lost")}
    (tmp_path / "lost" / "report-0123").mkdir(parents=True)
    (tmp_path / "lost" / "report-0123" / "stage.json").write_text("{}")
    (tmp_path / "index.html").write_text("precious")
    for name, place in places.items():
        options = [option.replace(name, str(place)) for option in options]
    assert main(["report", *options]) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error and error.count("\n") == 1
    assert not (tmp_path / "site").exists()
    assert (tmp_path / "index.html").read_text() == "precious"


def test_further_pages_of_a_run_come_along(folder, tmp_path):
    events = folder / "runs" / "second" / "events-0123456789"
    events.mkdir()
    (events / "index.html").write_text("<title>Second: events &amp; causes</title>")
    (events / "residuals.nc").write_bytes(b"large")
    (events / "stage.json").write_text("{}")
    members = folder / "runs" / "members" / "report-0123456789"
    members.mkdir(parents=True)
    (members / "index.html").write_text("<title>Members</title>")
    (members / "stage.json").write_text("{}")
    runs = [folder / "runs" / name for name in ("second", "members")]
    found, alone = benchmarks_of(runs)
    assert list(found[0].companions) == ["Second: events & causes"]
    assert alone == {"Members": members}
    output = tmp_path / "site"
    assert main(["report", f"runs=[{runs[0]},{runs[1]}]", f"output={output}"]) == 0
    page = (output / "index.html").read_text()
    assert "Members" in page
    (copied,) = output.glob("quickstart*/report_files/pages/0")
    assert [path.name for path in copied.iterdir()] == ["index.html"]
    assert "events &amp; causes" in (copied.parents[2] / "index.html").read_text()


def test_a_time_that_is_none_is_refused(folder):
    config = configuration(folder, *SHORT, "report.times=[soon]")
    with pytest.raises(UserError, match=r"report\.times"):
        run(config)


def test_a_run_says_what_it_will_do_and_what_it_did(folder, capsys):
    config = configuration(folder, *SHORT, "name=told", "report=tables")
    run(config)
    first = capsys.readouterr().err
    assert re.search(r"4 models; [\d,]+ training, \d+ validation and \d+ test samples", first)
    assert "12 of 12 stages to do" in " ".join(first.split())
    assert "2 epochs" in first
    assert re.search(r"train +resnet_small +\d", first)
    assert "12 stages done, 0 reused; longest:" in " ".join(first.split())
    run(config)
    second = " ".join(capsys.readouterr().err.split())
    assert "all is done" in second and "0 stages done, 12 reused" in second

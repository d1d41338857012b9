"""The static page."""

import csv
import json
import socket
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from climbench.errors import UserError
from climbench.report import Benchmark, report
from climbench.report import site as site_module

GATE = {
    "name": "beats_linear",
    "passed": False,
    "verdicts": [
        {"passed": True, "sentence": "vit is better than linear_regression."},
        {"passed": False, "sentence": "vit has no score for wind."},
    ],
}
PROVENANCE = {
    "description": "Forecasts on the embedded planet.",
    "created": "2026-11-22",
    "hash": "3f9a" * 16,
    "command": "climbench run experiment=quickstart",
    "recipe": {
        "licence": "CC0-1.0",
        "citation": "Nobody et al., 2026",
        "sources": [{"address": "https://example.org/a.nc", "size": 12}],
    },
    "versions": {"climbench": "0.1.0"},
    "seed": 0,
}
VOID = {"meta", "link", "img", "source", "br", "wbr", "input"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module", autouse=True)
def no_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", lambda *a: (_ for _ in ()).throw(OSError("off")))
        yield


@pytest.fixture
def small(forecasting):
    """Scores that are quick to draw."""
    scores = forecasting(models=("linear_regression", "vit"), leads=[24.0, 72.0])
    return scores.isel(channel=[0, 3], metric=[0])


def write(scores, folder, gate=GATE, cards=None, **options):
    benchmark = Benchmark("A run", scores, gate, PROVENANCE, cards or {})
    return report(benchmark, folder, **({"map_channels": 1} | options))


def data_of(page, name):
    """The JSON that the scripts of a page read."""
    text = page.read_text(encoding="utf-8")
    start = text.index(f'id="{name}">') + len(f'id="{name}">')
    return json.loads(text[start : text.index("</script>", start)])


def test_the_page_holds_everything_and_needs_nothing_else(small, tmp_path):
    path = write(small, tmp_path / "site")
    page = Page(path)
    for words in (
        "SIMULATED DATA",
        "vit wins on rmse of geopotential_500 at 24 h",
        "Better than a straight line? Yes",
        "vit has no score for wind.",
        "✗ failed",
        "climbench run experiment=quickstart",
        "Nobody et al., 2026",
        "CC0-1.0",
        "cd" * 32,
        "after time mean",
    ):
        assert words in page.text, words
    scripts = [a["src"] for a in page.all("script") if "src" in a]
    groups = data_of(path, "maps-data")["groups"].values()
    pictures = [picture["source"] for group in groups for picture in group["pictures"]]
    local = scripts + pictures
    assert all((path.parent / name).is_file() for name in local)
    maps = {f"report_files/maps/{f.name}" for f in (path.parent / "report_files/maps").iterdir()}
    assert maps == set(pictures)
    assert not page.all("link")
    remote = [a["href"] for a in page.all("a") if a["href"].startswith("http")]
    assert remote == ["https://example.org/a.nc"]  # of the provenance; a link, not a resource
    anchors = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    assert anchors <= {a["id"] for _, a in page.tags if "id" in a}
    labelled = {a["for"] for a in page.all("label")}
    assert labelled == {a["id"] for t in ("select", "input") for a in page.all(t)}


def test_the_page_is_accessible(small, tmp_path):
    path = write(small, tmp_path / "site")
    page = Page(path)
    assert page.all("html")[0]["lang"] == "en"
    groups = data_of(path, "maps-data")["groups"].values()
    texts = [picture["alternative"] for group in groups for picture in group["pictures"]]
    assert texts and all(len(text) > 30 for text in texts)
    assert all("scope" in heading for heading in page.all("th"))
    assert next(tag for tag, _ in page.tags if tag in ("h1", "h2")) == "h1"
    assert len(page.all("h1")) == 1 and page.all("main") and page.all("nav")
    assert len(page.all("table")) == len(page.all("caption"))


def test_hostile_names_are_only_text(forecasting, tmp_path):
    evil = "</script><script>alert(1)</script>"
    scores = forecasting(models=(evil, "../../etc/passwd", '" onload="x'), leads=[24.0])
    scores = scores.isel(channel=[0], metric=[0])
    scores = scores.assign_coords(channel=["'><img src=x onerror=y>"])
    gate = {"name": evil, "passed": True, "verdicts": [{"passed": True, "sentence": evil}]}
    provenance = {evil: evil, "link": "javascript:alert(1)", "odd": 'https://x"onclick="y'}
    cards = {evil: {"summary": evil, "sections": {evil: {evil: evil}}}}
    path = report(Benchmark(evil, scores, gate, provenance, cards), tmp_path / "site")
    pages = [path, *(path.parent / "report_files").rglob("*.html")]
    assert len(pages) == 3  # the gate's and the model's as well
    for page in map(Page, pages):
        sources = {script.get("src", "") for script in page.all("script")}
        assert all(source == "" or source.endswith(".js") for source in sources)
        types = {script["type"] for script in page.all("script") if "src" not in script}
        assert types <= {"application/json"}
        assert not page.all("img")
        assert not [a for _, a in page.tags if {"onerror", "onload", "onclick"} & set(a)]
        assert not [a for a in page.all("a") if a["href"].startswith("javascript")]
        assert evil in page.text
    assert evil in [model["name"] for model in data_of(path, "scores-data")["models"]]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["site"]


def test_what_a_record_leaves_empty_is_none(forecasting, tmp_path):
    provenance = {"a": "", "b": [], "c": {}, "d": None, "e": 0}
    scores = forecasting(leads=[24.0]).isel(metric=[0], channel=[0])
    path = report(Benchmark("B", scores, None, provenance), tmp_path / "site", map_channels=0)
    assert "anonebnonecnonednonee0" in "".join(Page(path).text.split())


def test_emulation_without_gate_and_provenance(emulation, tmp_path):
    scores = emulation(scenarios=("ssp126", "ssp245")).isel(metric=[0, 2], channel=[0])
    path = report(Benchmark("Emulation", scores), tmp_path / "site", map_channels=0)
    page = Page(path)
    assert "pattern_scaling wins" in page.text
    assert data_of(path, "scores-data")["places"][1] == {"name": "ssp245", "hours": None}
    assert not [a for _, a in page.tags if a.get("id") in ("gate", "maps")]


def test_a_region_one_model_and_missing_scores(forecasting, tmp_path):
    scores = forecasting(
        models=("vit",),
        leads=[24.0],
        latitude=np.arange(35, 76, 2.5),
        longitude=np.arange(-12.5, 43, 2.5) % 360,
        regions=("europe", "alps"),
    ).isel(metric=[0, 2])
    scores["map_bias"][:] = np.nan
    scores = scores.assign_attrs(simulated="false")
    path = write(scores, tmp_path / "site")
    page = Page(path)
    assert "SIMULATED" not in page.text and "vit is the only model" in page.text
    assert "alps" in page.text
    maps = data_of(path, "maps-data")
    assert maps["views"] == ["all of the region"]
    assert {key[0] for key in maps["groups"]} == {"0"}  # of the RMSE, none of the bias


def test_scores_without_maps(small, tmp_path):
    page = Page(write(small.drop_vars(["map_rmse", "map_bias"]), tmp_path / "site"))
    assert not [a for _, a in page.tags if a.get("id") == "maps"]


def test_no_map_of_the_rmse_where_only_distributions_are_scored(forecasting, tmp_path):
    scores = forecasting(models=("vit",), leads=[24.0]).isel(channel=[0])
    path = write(scores.sel(metric=["bias"]), tmp_path / "site")
    assert data_of(path, "maps-data")["kinds"] == ["bias"]
    assert "None of the RMSE, which is no score here." in Page(path).text


def test_several_benchmarks_have_a_page_that_lists_them(small, emulation, tmp_path):
    climate = Benchmark("Climate", emulation().isel(metric=[2], channel=[0]))
    weather = Benchmark("Weather / 1", small, GATE, PROVENANCE, {"vit": {"sections": {}}})
    again = Benchmark("weather 1", small)
    path = report([weather, climate, again], tmp_path / "site", "All of it", map_channels=0)
    page = Page(path)
    links = [a["href"] for a in page.all("a") if not a["href"].startswith("#")]
    assert links == ["weather_1/index.html", "climate/index.html", "weather_1_2/index.html"]
    assert "3 benchmarks, 7 models" in page.text and "pattern_scaling wins" in page.text
    for link in links:
        inner = Page(path.parent / link)
        folder = (path.parent / link).parent
        for a in inner.all("a") + inner.all("script"):
            address = a.get("href", a.get("src", "#"))
            if not address.startswith(("#", "http")):
                assert (folder / address).is_file(), address
    card = Page(path.parent / "weather_1/report_files/models/000.html")
    assert [a["href"] for a in card.all("a")] == ["#main", "../../index.html"]


def test_a_model_has_a_page_with_its_training(small, tmp_path):
    rows = [{"model": "train/loss", "x": n, "y": 1 / (n + 1)} for n in range(3)]
    card = {
        "summary": "Patches become tokens.",
        "sections": {"Size": {"trained weights": "1,234"}},
        "history": {"along": "step", "rows": rows},
    }
    path = write(small, tmp_path / "site", cards={"vit": card}, map_channels=0)
    models = {model["name"]: model.get("card") for model in data_of(path, "scores-data")["models"]}
    assert models["linear_regression"] is None
    page = Page(path.parent / models["vit"])
    assert "1,234" in page.text and "Patches become tokens." in page.text
    folder = (path.parent / models["vit"]).parent
    assert all((folder / a["src"]).is_file() for a in page.all("script") if "src" in a)


def test_the_gate_page_shows_rules_and_evidence(small, tmp_path):
    verdict = {
        "passed": False,
        "outcome": "fail",
        "sentence": "FAIL: vit falls behind.",
        "rule": 1,
        "metric": "rmse",
        "channel": "2m_temperature",
        "condition": "24 h",
        "region": "global",
        "candidate": "vit",
        "candidate_score": 2.5,
        "reference": "linear_regression",
        "reference_score": None,
        "change": -0.25,
        "significant": True,
    }
    rules = [{"metric": "rmse", "better_than": "reference"}]
    gate = {"name": "strict", "passed": False, "verdicts": [verdict], "rules": rules}
    path = write(small, tmp_path / "site", gate=gate, map_channels=0)
    page = Page(path.parent / "report_files/gate.html")
    for words in ("vit falls behind.", "2.5", "-25.0 %", "–", "yes", "better than"):
        assert words in page.text, words


def test_the_table_of_scores_has_a_row_per_score(small, tmp_path):
    path = write(small, tmp_path / "site", map_channels=0)
    with (path.parent / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == int(small["score"].notnull().sum()) == 6
    chosen = next(r for r in rows if r["model"] == "vit" and r["lead_time"] == "72.0")
    where = {"model": "vit", "metric": "rmse", "channel": "geopotential_500", "lead_time": 72}
    assert float(chosen["score"]) == float(small["score"].sel(where).squeeze())
    assert (chosen["variable"], float(chosen["level"])) == ("geopotential", 500)
    assert chosen["units"] == "m**2 s**-2" and chosen["count"] == "1460"


def test_the_same_scores_give_the_same_bytes(small, tmp_path):
    first, second = (write(small, tmp_path / name).parent for name in ("a", "b"))
    names = sorted(str(f.relative_to(first)) for f in first.rglob("*") if f.is_file())
    assert names == sorted(str(f.relative_to(second)) for f in second.rglob("*") if f.is_file())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_a_former_report_is_replaced_whole(small, tmp_path):
    folder = tmp_path / "site"
    write(small, folder, map_channels=2)
    write(small, folder, map_channels=0)
    assert not list((folder / "report_files/maps").iterdir())
    assert [entry.name for entry in tmp_path.iterdir()] == ["site"]


def test_other_files_in_the_folder_are_left_alone(small, tmp_path):
    (tmp_path / "gate.json").write_text("precious")
    (tmp_path / "figures").mkdir()
    for _ in range(2):
        write(small, tmp_path, map_channels=0)
    assert (tmp_path / "gate.json").read_text() == "precious"
    names = {"gate.json", "figures", "index.html", "report_files", "scores.csv"}
    assert {entry.name for entry in tmp_path.iterdir()} == names


def test_a_page_of_another_origin_is_left_alone(small, tmp_path):
    (tmp_path / "index.html").write_text("precious")
    with pytest.raises(UserError, match="is a file"):
        write(small, tmp_path / "index.html")
    assert (tmp_path / "index.html").read_text() == "precious"


@pytest.mark.parametrize(
    "foreign", ["index.html", "scores.csv", "report_files/thesis.tex", "a_run/checkpoint.ckpt"]
)
def test_what_no_site_has_written_is_never_overwritten(small, tmp_path, foreign):
    folder = tmp_path / "site"
    (folder / foreign).parent.mkdir(parents=True)
    (folder / foreign).write_text("precious")
    with pytest.raises(UserError, match="is no part of a report"):
        if foreign.startswith("a_run"):
            report([Benchmark("A run", small)] * 2, folder, map_channels=0)
        else:
            write(small, folder, map_channels=0)
    assert (folder / foreign).read_text() == "precious"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / foreign]


def test_what_a_former_site_had_beside_is_gone(small, tmp_path):
    report([Benchmark("A run", small), Benchmark("B run", small)], tmp_path, map_channels=0)
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "report_files" / "made.json").write_text(
        json.dumps(["../x", "index.html", "report_files", "a_run", "b_run"])
    )
    report([Benchmark("A run", small)], tmp_path, map_channels=0)
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {"a_run", "index.html", "notes.txt", "report_files"}


def test_a_failure_leaves_nothing_behind(small, tmp_path, monkeypatch):
    folder = tmp_path / "site"
    path = write(small, folder, map_channels=0)
    before = path.read_bytes()

    def fail(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(site_module, "render", fail)
    with pytest.raises(OSError, match="no space"):
        write(small, folder, map_channels=0)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["site"]

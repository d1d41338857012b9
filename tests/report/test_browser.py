"""The site in a real browser: what a reader clicks, sees and hears."""

import shutil
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from climbench.report import Benchmark, report

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium")

EVIL = "<img src=x onerror=\"document.title='broken in'\">"
MODELS = ("persistence", "climatology", "linear_regression", EVIL, "vit", "unet")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Open a page and collect what the browser complains about."""
    contexts, complaints = [], []

    def opened(path, **options):
        context = browser.new_context(**({"viewport": {"width": 1200, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:"))
                else complaints.append(request.url)
            ),
        )
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def scores(forecasting):
    scores = forecasting(models=MODELS, leads=[24.0, 72.0, 120.0])
    waves = xr.DataArray([1.0, 2.0, 4.0, 8.0], dims="zonal_wavenumber")
    spectrum = (waves**-3 * (1 + 0 * scores["score"].isel(metric=0, drop=True))).assign_attrs(
        unit_power=2, orientation="none", unit="({units})**2"
    )
    scores = scores.assign_coords(zonal_wavenumber=[0, 1, 2, 3]).assign(spectrum=spectrum)
    plain = (0.25 + 0 * scores["score"].isel(metric=0, drop=True)).assign_attrs(
        unit_power=0, orientation="none"
    )
    of_ensembles = plain.where(scores["model"].isin(["vit", "unet"]))
    return scores.assign(
        {
            "rank_histogram": of_ensembles.expand_dims(rank=[0, 1, 2, 3]),
            "reliability(threshold=5)": of_ensembles.expand_dims(probability=[0, 0.5, 1]),
        }
    )


@pytest.fixture
def site(scores, tmp_path):
    marks = scores[["score"]].rename(score="mark").astype(object)
    marks["mark"][:] = "not significant"
    comparison = marks.expand_dims(reference=["linear_regression"])
    fields = np.arange(2 * 3 * 32 * 64, dtype=float).reshape(1, 1, 2, 3, 32, 64)[:, :, 0]
    grid = {name: scores[name] for name in ("latitude", "longitude")}
    truth = xr.DataArray(
        fields,
        {"channel": ["geopotential_500"], "scene": ["from 2003-07-01 00:00"], **grid}
        | {"frame": ["24 h", "72 h", "120 h"]},
        ("channel", "scene", "frame", "latitude", "longitude"),
    )
    examples = xr.Dataset({"truth": truth})
    times = [["2003-07-02 00:00", "2003-07-04 00:00", "2003-07-06 00:00"]]
    examples["valid"] = (("scene", "frame"), times)
    examples["prediction"] = (1.5 * truth - 3000).expand_dims(model=["unet", "linear_regression"])
    rows = [{"model": "train/loss", "x": n, "y": 1.0 / (n + 1)} for n in range(4)]
    cards = {
        "unet": {
            "summary": "Down and up.",
            "sections": {},
            "history": {"along": "step", "rows": rows},
        }
    }
    gate = {"name": "g", "passed": True, "verdicts": [{"passed": True, "sentence": EVIL}]}
    benchmark = Benchmark("A run", scores, gate, {}, cards, comparison, examples)
    return report(benchmark, tmp_path / "site", map_channels=2)


def first_column(page):
    return page.locator("#board tbody th").all_inner_texts()


def test_the_leaderboard_sorts_filters_and_chooses(site, open_page):
    page = open_page(site)
    page.wait_for_selector("#board[data-ready]")
    assert page.title() == "A run (simulated data)"
    by_score = first_column(page)
    assert len(by_score) == 6 and by_score[0] == "unet"
    page.click("#board thead th:nth-child(1) button")
    assert first_column(page) == sorted(MODELS, key=str.lower)
    page.click("#board thead th:nth-child(1) button")
    assert page.get_attribute("#board thead th:nth-child(1)", "aria-sort") == "descending"
    page.click("#board thead th:nth-child(5) button")
    assert first_column(page)[-1] == "unet"  # it lacks this variable: missing comes last
    assert page.locator("#board tbody tr:last-child td:nth-child(5)").inner_text() == "–"
    page.fill("#board-filter", "VI")
    assert first_column(page) == ["vit"]
    assert page.inner_text("#board-count") == "1 of 6 models"
    page.fill("#board-filter", "")
    before = page.inner_text("#board tbody")
    page.select_option("#board-place", "2")
    page.select_option("#board-metric", label="acc")
    assert page.inner_text("#board tbody") != before
    assert "higher is better" in page.inner_text("#board caption")


def test_chance_is_shown_and_colours_are_relative_to_the_chosen_model(site, open_page):
    page = open_page(site)
    cells = page.locator("#board td.doubt")
    assert cells.count() > 4 and "n.s." in cells.first.inner_text()
    caption = page.inner_text("#board caption")
    assert "Diebold-Mariano" in caption and "n = 1460" in caption
    static = page.locator("details", has_text="headline:").locator("td.doubt")
    assert static.count() > 1 and "n.s." in static.first.text_content()
    page.select_option("#board-reference", label="persistence")
    assert "not tested here" in page.inner_text("#board caption")
    assert page.locator("#board td.doubt").count() == 0
    assert page.locator("#board td.better6, #board td.better5").count() > 0


def test_a_column_is_sorted_by_the_keyboard_alone(site, open_page):
    page = open_page(site)
    page.focus("#board thead th:nth-child(2) button")
    page.keyboard.press("Enter")
    assert page.get_attribute("#board thead th:nth-child(2)", "aria-sort") == "descending"
    assert page.evaluate("document.activeElement.closest('th').cellIndex") == 1


def test_models_are_hidden_and_shown_again(site, open_page):
    page = open_page(site)
    page.wait_for_selector("#curve-chart[data-ready] svg")
    lines = "#curve-chart svg .mark-line path"
    before = page.locator(lines).count()
    button = page.locator("#curve-legend button", has_text="vit")
    button.click()
    page.wait_for_function(f"document.querySelectorAll('{lines}').length === {before - 1}")
    assert button.get_attribute("aria-pressed") == "false"
    assert (
        page.locator("#own-legend button", has_text="vit").get_attribute("aria-pressed") == "false"
    )
    button.press("Enter")
    page.wait_for_function(f"document.querySelectorAll('{lines}').length === {before}")


def test_charts_follow_the_choices(site, open_page):
    page = open_page(site)
    page.wait_for_selector("#own-chart[data-ready] svg")
    assert "rmse [m² s⁻²] of geopotential_500" in page.inner_text("#curve-caption")
    page.select_option("#curve-channel", label="2m_temperature")
    page.wait_for_function("document.querySelector('#curve-caption').innerText.includes('2m_temp')")
    assert "zonal wavenumber" in page.inner_html("#own-chart")
    assert page.locator("#own-legend button").count() == 6
    assert page.locator("#own-legend .ideal").count() == 0  # of this truth nothing is known
    page.select_option("#own-curve", label="rank_histogram")
    page.wait_for_selector("#own-chart:has-text('rank of the truth among 3 members')")
    assert page.locator("#own-legend button").all_inner_texts() == ["unet", "vit"]
    assert page.locator("#own-chart .mark-rect path").count() == 8
    assert "Thick grey line: a perfect forecast" in page.inner_text("#own-caption")
    assert page.inner_text("#own-legend .ideal") == "a perfect forecast"
    page.select_option("#own-curve", label="reliability(threshold=5)")
    page.wait_for_selector("#own-chart:has-text('observed frequency')")
    caption = page.inner_text("#own-caption")
    assert "(event: geopotential_500 above 5 m² s⁻²)" in caption


def test_maps_and_forecasts(site, open_page):
    page = open_page(site)
    images = page.locator("#map-gallery img")
    assert images.count() == 6
    page.select_option("#map-kind", label="skill")
    assert images.count() == 5  # of the reference there is none
    page.select_option("#map-view", label="Europe")
    assert "Europe" in images.first.get_attribute("alt")
    page.locator("#map-gallery").scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('#map-gallery img')].every((image) => image.naturalWidth)"
    )
    source = page.locator("#forecast-gallery img").nth(1)
    before = source.get_attribute("src")
    page.focus("#frame")
    page.keyboard.press("ArrowRight")
    assert source.get_attribute("src") != before
    assert page.inner_text("#frame-name") == "72 h, valid 2003-07-04 00:00"
    assert page.get_attribute("#frame", "aria-valuetext") == "72 h, valid 2003-07-04 00:00"
    page.click("#play")
    page.wait_for_function("document.querySelector('#frame-name').innerText.startsWith('120 h')")
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "false"


@pytest.mark.parametrize("width", [360, 1200], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(site, open_page, width, scheme):
    page = open_page(site, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.wait_for_selector("#own-chart[data-ready] svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_captions_are_read_whole_on_a_phone(site, open_page):
    page = open_page(site, viewport={"width": 360, "height": 800})
    boxes = page.locator(".scroll caption span").evaluate_all(
        "all => all.filter((each) => each.offsetParent).map((each) => each.getBoundingClientRect())"
    )
    assert boxes and all(0 <= box["left"] and box["right"] <= 360 for box in boxes)


def test_numbers_of_colour_bars_do_not_touch_and_keep_zero(site, open_page):
    for width in (360, 1200):
        page = open_page(site, viewport={"width": width, "height": 800})
        for bar in page.locator(".colourbar").all():
            ticks = bar.locator(".ticks span:visible")
            boxes = [tick.bounding_box() for tick in ticks.all()]
            assert len(boxes) > 2
            assert all(a["x"] + a["width"] < b["x"] for a, b in pairwise(boxes))
            if any("−" in number for number in ticks.all_inner_texts()):
                assert "0" in ticks.all_inner_texts()


def test_the_caption_of_the_evidence_is_read_whole_too(scores, tmp_path, open_page):
    columns = ("rule", "outcome", "metric", "channel", "condition", "region", "candidate")
    columns += ("candidate_score", "reference", "reference_score", "change", "significant")
    verdict = dict.fromkeys(columns, "a_word") | {"passed": True, "sentence": "PASS: so."}
    verdict |= {"change": -0.25, "candidate_score": -1.5}
    gate = {"name": "g", "passed": True, "verdicts": [verdict]}
    site = report(Benchmark("A run", scores, gate), tmp_path / "evidence", map_channels=0)
    page = open_page(
        site.parent / "report_files" / "gate.html", viewport={"width": 360, "height": 800}
    )
    assert page.locator("caption span").bounding_box()["width"] <= 360


def test_nothing_is_cut_on_paper(forecasting, tmp_path, open_page):
    whole = forecasting(models=MODELS)
    wide = xr.concat(
        [
            whole.isel(channel=[0]).assign_coords(channel=[f"temperature_{n:02d}"])
            for n in range(11)
        ],
        "channel",
    )
    site = report(Benchmark("Wide", wide), tmp_path / "site", map_channels=0)
    page = open_page(site, viewport={"width": 1280, "height": 720}, color_scheme="dark")
    page.wait_for_selector("#curve-chart[data-ready] svg")
    page.evaluate("document.body.style.width = '1030px'")  # A4 without its margins; no redrawing
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    right = "all => all.map((each) => each.getBoundingClientRect().right)"
    edges = page.locator(".scroll table").evaluate_all(right)
    assert len(edges) == 2 + 3 * 3 and 0 < min(edges) and max(edges) <= 1030
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 41, 51)"  # on white
    (chart,) = page.locator("#curve-chart svg").evaluate_all(right)
    assert 0 < chart <= 1030
    look = "getComputedStyle(document.querySelector('#curve-chart svg')).filter"
    assert "invert" in page.evaluate(look)  # it was drawn for a dark screen
    page.emulate_media(media="print", color_scheme="light")
    assert page.evaluate(look) == "none"


def test_a_name_without_any_break_does_not_widen_the_page(forecasting, tmp_path, open_page):
    scores = forecasting(models=("x" * 300, "linear_regression"))
    site = report(Benchmark("y" * 300, scores), tmp_path / "site", map_channels=1)
    page = open_page(site, viewport={"width": 360, "height": 800})
    page.wait_for_selector("#curve-chart[data-ready] svg")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_name_cannot_turn_the_text_around_it(forecasting, tmp_path, open_page):
    scores = forecasting(models=("vit\u202eknalb", "linear_regression"))
    site = report(Benchmark("A \u2067run", scores), tmp_path / "site", map_channels=1)
    assert not {"\u202e", "\u2067"} & {*site.read_text()}
    page = open_page(site)
    page.wait_for_selector("#curve-chart[data-ready] svg")
    for place in ("#board", "#curve-legend", ".verdict", "#board-reference", "#map-gallery"):
        assert "vit⌈U+202E⌉knalb" in page.inner_text(place)
    assert page.inner_text("h1") == "A ⌈U+2067⌉run"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_keep_the_rules_of_accessibility(site, open_page, scheme):
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()
    folder = site.parent / "report_files"
    for path in (site, folder / "gate.html", folder / "models" / "000.html"):
        page = open_page(path, color_scheme=scheme)
        if path != folder / "gate.html":
            page.wait_for_selector(".chart[data-ready] svg")
        page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
        broken = [
            (rule["id"], node["html"][:120], node["failureSummary"])
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        assert broken == []


def test_a_number_below_zero_has_a_minus_sign_in_every_table(forecasting, tmp_path, open_page):
    scores = forecasting(models=("vit", "linear_regression")).isel(metric=[1])
    scores["score"][:] = -1.5
    page = open_page(report(Benchmark("Bias", scores), tmp_path / "site", map_channels=0))
    page.wait_for_selector("#board[data-ready]")
    for table in ("#board", "#leaderboard details"):
        cells = page.locator(f"{table} td .value").all_text_contents()
        assert "−1.50" in cells and not any("-" in cell for cell in cells)


def test_without_scripts_the_tables_are_there_and_nothing_that_does_nothing(site, open_page):
    page = open_page(site, java_script_enabled=False)
    assert page.locator(".controls:visible").count() == 0
    assert "need none" in page.inner_text("#board")
    assert "Charts need JavaScript" in page.inner_text("#curve-chart")
    assert not page.locator("text=Press a model").is_visible()
    assert page.locator("#leaderboard table").first.is_visible()
    card = open_page(site.parent / "report_files/models/000.html", java_script_enabled=False)
    assert "Charts need JavaScript" in card.inner_text("#training-chart")


def test_the_training_says_which_line_is_which(site, open_page):
    page = open_page(site.parent / "report_files" / "models" / "000.html")
    page.wait_for_selector("#training-chart[data-ready] svg")
    assert "train/loss" in page.inner_text("#training-chart")


def test_the_list_of_benchmarks_leads_to_each(scores, emulation, tmp_path, open_page):
    both = [Benchmark("Weather", scores), Benchmark("Climate", emulation())]
    page = open_page(report(both, tmp_path / "site", map_channels=1))
    page.click("text=Climate")
    page.wait_for_selector("#board[data-ready]")
    page.wait_for_selector("#curve-chart[data-ready] svg")  # bars
    page.click("text=all benchmarks")
    assert page.locator("h2 a").count() == 2

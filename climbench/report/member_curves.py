"""Scores against the number of training members: pictures and page of the experiment."""

import json
from functools import partial
from pathlib import Path

import xarray as xr

from climbench.plot.member_figures import difference_figure, score_figure, spectrum_figure
from climbench.plot.member_names import emulators, metric_name, score_units
from climbench.plot.wording import number, pretty_units, with_units
from climbench.report.figures import Picture, draw_picture
from climbench.report.member_wording import details, difference_rows, fit_rows, verdicts
from climbench.report.pages import render_page

FOLDER = "figures"
PLACES = {"cell": "mean over cells", "global_mean": "global mean"}


def draw_scores(results: xr.Dataset, folder: Path) -> list[tuple[str, list[Picture]]]:
    """Draw scores and differences of each metric and channel; pictures by metric."""
    groups = []
    for metric in results["metric"].values.astype(str):
        pictures = []
        for channel in results["channel"].values.astype(str):
            here = results.sel(channel=channel, metric=metric, truth="all")
            units = score_units(results, channel, metric)
            label = f"{with_units(metric_name(metric), units)}, {channel}"
            words = _describe(here, f"{metric_name(metric)} of {channel}", units)
            for kind, draw, text in (
                ("score", score_figure, f"Curves: {words[0]}"),
                ("difference", difference_figure, f"Dots and bounds: {words[1]}"),
            ):
                if kind == "difference" and len(emulators(results)) == 1:
                    continue
                title = label if kind == "score" else f"difference in {label}"
                stem = f"{kind} {metric} {channel}"
                pictures.append(draw_picture(folder, stem, text, partial(draw, here, title)))
        groups.append((metric_name(metric), pictures))
    return groups


def draw_spectra(results: xr.Dataset, folder: Path) -> list[Picture]:
    """Draw the spectra of each channel, of cells and of the global mean."""
    pictures = []
    for channel in results["channel"].values.astype(str):
        units = _squared(str(results["units"].sel(channel=channel).item()))
        for place, words in PLACES.items():
            here = results.sel(channel=channel, place=place)
            label = f"power [{units} yr], {channel}, {words}"
            text = (
                f"Spectra of the variability of {channel}, {words}, on logarithmic axes: one "
                "member of the truth, the mean of all members, and what each emulator's "
                "predictions add to that mean, trained on the fewest and on the most members."
            )
            draw = partial(spectrum_figure, here, label)
            pictures.append(draw_picture(folder, f"spectrum {place} {channel}", text, draw))
    return pictures


def _squared(units: str) -> str:
    """Return the square of a unit.

    Examples
    --------
    >>> _squared("K"), _squared("kg m-2 s-1")
    ('K²', '(kg m⁻² s⁻¹)²')
    """
    return pretty_units(f"({units})**2" if " " in units else f"{units}**2")


def _describe(here: xr.Dataset, what: str, units: str) -> tuple[str, str]:
    """Return in words what the figures of a score and of its differences show."""
    scores, differences = [], []
    for name in emulators(here):
        mean = here["draw_score"].sel(emulator=name).mean("draw").dropna("size")
        ends = (f"{number(float(mean[k]), units)} at n = {int(mean['size'][k])}" for k in (0, -1))
        scores.append(f"{name} from {' to '.join(ends)}")
        gap = here["mean"].sel(emulator=name).dropna("size")
        if gap.size:
            ends = (f"{number(float(gap[k]), units)} at n = {int(gap['size'][k])}" for k in (0, -1))
            differences.append(f"{name} less {here.attrs['reference']} {' and '.join(ends)}")
    floor = number(float(here["noise_floor"].isel(size=0)), units)
    return (
        f"{what} against the number of training members, {'; '.join(scores)}; noise floor {floor}.",
        f"differences in {what}, {'; '.join(differences)}.",
    )


def member_report(results: xr.Dataset, directory: Path, title: str) -> Path:
    """Write the page with its figures and tables, and return it.

    Parameters
    ----------
    results
        What the experiment found: ``results.nc``.
    directory
        Folder of ``index.html``, ``scores.csv``, ``differences.csv`` and ``figures/``.
    title
        Heading of the page.
    """
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    differences = difference_rows(results)
    fit_rows(results).to_csv(directory / "scores.csv", index=False, lineterminator="\n")
    differences.to_csv(directory / "differences.csv", index=False, lineterminator="\n")
    page = render_page(
        "members.html.j2",
        title=title,
        simulated=results.attrs["simulated"] == "true",
        verdicts=verdicts(results),
        details=details(results),
        groups=draw_scores(results, folder),
        spectra=draw_spectra(results, folder),
        confidence=f"{100 * results.attrs['confidence']:g} %",
        members=int(results.attrs["truth_members"]),
        provenance=json.loads(results.attrs["provenance"]),
    )
    (directory / "index.html").write_text(page, encoding="utf-8")
    return directory / "index.html"

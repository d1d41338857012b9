"""What a page of the site shows: models that were scored on the same truth, and their evidence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from climbench.errors import UserError
from climbench.plot.ranking import Headline, headline_of

HEADER = ("description", "run", "created", "hash", "command")
"""What of the provenance stands at the top of a page."""


@dataclass(frozen=True)
class Benchmark:
    """Models, their scores, and where the scores come from.

    Attributes
    ----------
    title
        Heading of the page.
    scores
        Scores [model, metric, channel, region, lead_time or scenario], 95 % bounds and maps.
    gate
        What ``GateResult.to_dict`` gives: ``name``, ``passed`` and ``verdicts``, each with
        ``passed`` and ``sentence``; with ``rules`` they are shown too.
    provenance
        Any nested mapping. ``description``, ``run``, ``created``, ``hash`` and ``command`` stand
        at the top of the page, all other entries (recipes, licences, citations, versions) at its
        end.
    cards
        Of a model: ``summary`` (a sentence), ``sections`` (headings and nested mappings) and
        ``history`` (rows of ``model``, ``x`` and ``y``, and what is ``along`` x), all optional.
    comparison
        ``mark`` of tests, see :func:`climbench.plot.ranking.marks_at`.
    companions
        Folders of further pages (``index.html`` and its pictures) by their titles: they are copied.
    examples
        Some forecasts and their truth, see :func:`climbench.report.map_files.write_forecasts`.
    notes
        Sentences that stand below the verdict.
    """

    title: str
    scores: xr.Dataset
    gate: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    cards: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    comparison: xr.Dataset | None = None
    examples: xr.Dataset | None = None
    companions: Mapping[str, Path] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def simulated(self) -> bool:
        """Whether the data are of a model planet, which every page says."""
        return bool(self.scores.attrs.get("simulated") == "true")

    def headline(self, lead_hours: float) -> Headline:
        """Return the score that models are ranked by.

        Raises
        ------
        UserError
            If there are no scores.
        """
        try:
            return headline_of(self.scores, lead_hours)
        except UserError as error:
            raise UserError(f"{self.title}: {error}") from error

    def header(self) -> dict[str, Any]:
        """Return what stands at the top of the page."""
        return {key: self.provenance[key] for key in HEADER if self.provenance.get(key)}

    def footer(self) -> dict[str, Any]:
        """Return what stands at its end."""
        return {key: value for key, value in self.provenance.items() if key not in HEADER}

    def scoring(self) -> dict[str, Any]:
        """Return how the scores were made."""
        return {key: _parsed(value) for key, value in self.scores.attrs.items()}


def _parsed(value: Any) -> Any:
    """Return what a JSON attribute says, or the attribute itself."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value

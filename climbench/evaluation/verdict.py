"""Outcomes of the gate, as sentences, JSON and JUnit XML."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """The outcome of one rule for one score.

    ``change`` is the candidate's gain relative to the reference: positive is better.
    ``significant`` is None where no samples could be drawn.
    """

    passed: bool
    sentence: str
    rule: int
    metric: str
    channel: str
    condition: str
    region: str
    candidate: str
    reference: str
    candidate_score: float
    reference_score: float
    change: float
    significant: bool | None


@dataclass(frozen=True)
class GateResult:
    """The verdicts of all rules; the gate is passed if each of them is."""

    name: str
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule is kept."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def exit_code(self) -> int:
        """0 if passed, else 1."""
        return 0 if self.passed else 1

    @property
    def sentences(self) -> list[str]:
        """A sentence per verdict."""
        return [verdict.sentence for verdict in self.verdicts]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; numbers that are not finite are None."""
        verdicts = [
            {
                key: None if isinstance(value, float) and not np.isfinite(value) else value
                for key, value in asdict(verdict).items()
            }
            for verdict in self.verdicts
        ]
        return {"name": self.name, "passed": self.passed, "verdicts": verdicts}

    def write_json(self, path: Path) -> Path:
        """Write the verdicts as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        return path

    def write_junit(self, path: Path) -> Path:
        """Write a JUnit XML report, one test case per verdict, for CI services."""
        failures = sum(not verdict.passed for verdict in self.verdicts)
        suite = ElementTree.Element(
            "testsuite",
            name=f"climbench gate {self.name}",
            tests=str(len(self.verdicts)),
            failures=str(failures),
        )
        for verdict in self.verdicts:
            name = f"{verdict.metric} {verdict.channel} {verdict.condition} {verdict.region}"
            case = ElementTree.SubElement(
                suite, "testcase", classname=f"rule {verdict.rule}", name=name
            )
            kind = "system-out" if verdict.passed else "failure"
            element = ElementTree.SubElement(case, kind)
            element.text = verdict.sentence
            if not verdict.passed:
                element.set("message", verdict.sentence)
        ElementTree.indent(suite)
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
        return path

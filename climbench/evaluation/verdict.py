"""Outcomes of the gate, as sentences, JSON, JUnit XML and annotations of GitHub."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

Outcome = Literal["pass", "fail", "not significant"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one rule for one score.

    Attributes
    ----------
    passed
        Whether the rule is kept. What is not significant passes as not worse, not as better.
    outcome
        ``pass``, ``fail``, or ``not significant``: a difference that chance or internal
        variability explains.
    sentence
        All of it in words.
    change
        The candidate's gain relative to the reference: positive is better.
    significant
        Whether the difference is beyond chance; None where that could not be tested.
    """

    passed: bool
    outcome: Outcome
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
    simulated: bool = False

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

    @property
    def summary(self) -> str:
        """The whole gate in one sentence."""
        kept = sum(verdict.passed for verdict in self.verdicts)
        data = " on simulated data" if self.simulated else ""
        word = "passed" if self.passed else "failed"
        scores = f"{kept} of {len(self.verdicts)} scores keep the rules."
        return printable(f"Gate {self.name} {word}{data}: {scores}")

    @property
    def annotations(self) -> list[str]:
        """Lines that GitHub Actions shows on the page of a job: what failed, and what nearly did.

        Examples
        --------
        >>> GateResult("mine", ()).annotations
        []
        """
        lines = []
        for verdict in self.verdicts:
            level = "error" if not verdict.passed else "warning"
            if verdict.outcome != "pass":
                title = _escaped(f"climbench gate {self.name}", also=":,")
                lines.append(f"::{level} title={title}::{_escaped(verdict.sentence)}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; numbers that are not finite are None."""
        verdicts = [
            {
                key: None if isinstance(value, float) and not np.isfinite(value) else value
                for key, value in asdict(verdict).items()
            }
            for verdict in self.verdicts
        ]
        return {
            "name": self.name,
            "passed": self.passed,
            "simulated": self.simulated,
            "verdicts": verdicts,
        }

    def write_json(self, path: Path) -> Path:
        """Write the verdicts as JSON."""
        path.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n")
        return path

    def write_junit(self, path: Path) -> Path:
        """Write a JUnit XML report, one test case per verdict, for CI services."""
        failures = sum(not verdict.passed for verdict in self.verdicts)
        suite = ElementTree.Element(
            "testsuite",
            name=printable(f"climbench gate {self.name}"),
            tests=str(len(self.verdicts)),
            failures=str(failures),
        )
        for verdict in self.verdicts:
            place = f"{verdict.channel} {verdict.condition} {verdict.region}"
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"rule {verdict.rule}",
                name=printable(f"{verdict.metric} {place}"),
            )
            kind = "system-out" if verdict.passed else "failure"
            element = ElementTree.SubElement(case, kind)
            element.text = verdict.sentence
            if not verdict.passed:
                element.set("message", verdict.sentence)
                element.set("type", verdict.outcome)
        ElementTree.indent(suite)
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
        return path


def printable(text: str) -> str:
    r"""Return text on one line: what cannot be printed (or stand in XML) as its escape sequence.

    Examples
    --------
    >>> printable("two\nlines")
    'two\\nlines'
    """
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def _escaped(text: str, also: str = "") -> str:
    """Return text as GitHub's workflow commands want it: what ends or splits a command encoded."""
    for sign in "%\r\n" + also:  # the percent sign first, as the others bring new ones
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text

"""Write docs/metrics.md from the docstrings of the metrics.

python scripts/make_metrics_page.py
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from climbench.metrics import classification, column_physics, images, noise_floor
from climbench.metrics.conventions import PRESETS
from climbench.metrics.metric import Metric, metric_class, metric_families

OUTSIDE: dict[ModuleType, tuple[Callable[..., Any], ...]] = {
    classification: (
        *(classification.auroc, classification.auprc, classification.overall_accuracy),
        *(classification.precision, classification.recall, classification.f1),
    ),
    images: (images.spectral_angle, images.ergas),
    column_physics: (
        *(column_physics.column_scores, column_physics.mean_absolute_error),
        *(column_physics.root_mean_squared_error, column_physics.bias),
        *(column_physics.coefficient_of_determination, column_physics.fair_crps),
    ),
    noise_floor: (
        *(noise_floor.noise_floor, noise_floor.skill_above_noise),
        noise_floor.climatebench_variability,
    ),
}
FUNCTIONS = """
## Functions outside evaluate

These scores are functions to call from Python, on arrays; `climbench evaluate` does not know them.
Those of classes are for forecasts that are classes, or probabilities of classes; of events above a
threshold they are metrics of the family [classification](#classification). Those of bands are for
bands of any kind; where they are levels of one variable, `sam` and `ergas` are metrics.
"""
PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
HEAD = """\
# Metrics

Every score that `climbench evaluate` knows, by family. Made from the docstrings by
`python scripts/make_metrics_page.py`.

Name metrics by label: `metrics=[rmse,acc(form=centred),brier(quantile=0.9)]`, or by family:
`metrics=deterministic` takes all of a family that the inputs allow (a climatology, an ensemble) and
that need no threshold. Two labels with the same parameters are one metric, and what they share is
computed once.

A region's mean counts the cells that have a value in forecast, truth and climatology (for
ensembles: in every member), each by its weight. A score is made of such means of each sample (an
initial time, or a year), averaged over samples; roots and ratios come last unless a label says
otherwise.

Each says which score is *better*. Where that is neither, no value is better by itself, and it
belongs beside another score: `climbench compare` shows the difference without a winner, the gate
refuses rules on it, and reports do not rank by it.

## Presets

Systems differ by definition. `preset=` takes all choices of one at once; `weighting=`, `missing=`
and parameters in labels go before it. Scores with `weights=none` weigh no cells, whatever the
weights of the others.

| preset | weights | missing cells | land | parameters |
|---|---|---|---|---|
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """Return the page as Markdown."""
    text = HEAD
    for name, preset in PRESETS.items():
        forms = [
            f"`{metric}({key}={value})`"
            for metric, given in preset.forms.items()
            for key, value in given.items()
        ]
        choices = f"{preset.weighting} | {preset.missing} | {preset.land}"
        text += f"| `{name}` | {choices} | {', '.join(forms)} |\n"
    for family, names in metric_families().items():
        text += f"\n## {family.capitalize()}\n"
        for name in names:
            text += section(metric_class(name))
    text += FUNCTIONS
    for module, functions in OUTSIDE.items():
        text += f"\n### `{module.__name__}`\n\n{_summary(module)}\n"
        for function in functions:
            text += f"\n#### `{function.__name__}`\n\n{_summary(function)}\n"
    return text


def section(metric: type[Metric]) -> str:
    """Return the part of one metric."""
    lines = [f"\n### `{metric.name}`\n", _markdown(inspect.getdoc(metric) or "")]
    parameters = [f"`{item.name}={_default(item)}`" for item in fields(metric)]
    if parameters:
        lines.append(f"\nParameters: {', '.join(parameters)}.")
    if metric.curve:
        lines.append(f"\nA curve along `{metric.curve}`, not one number.")
    return "\n".join(lines) + "\n"


def _summary(described: ModuleType | Callable[..., Any]) -> str:
    """Return what a docstring says before its parameters, and its references."""
    head, *rest = re.split(r"\n\n(?=\w+\n-+\n)", inspect.getdoc(described) or "")
    sources = [part for part in rest if part.startswith("References")]
    return _markdown("\n\n".join([head.strip(), *sources])).strip()


def _default(item: Any) -> Any:
    return "" if item.default is MISSING else item.default


def _markdown(docstring: str) -> str:
    """Turn the few marks of our docstrings into those of Markdown."""
    lines: list[str] = []
    source = _tables(docstring).split("\n")
    equation: list[str] = []
    inside = False
    for number, line in enumerate(source):
        if line.startswith(".. math::"):
            inside, equation = True, [line.removeprefix(".. math::").strip()]
        elif inside and (line.startswith(" ") or not line):
            equation.append(line.strip())
        else:
            if inside:
                lines += ["$$", " ".join(part for part in equation if part), "$$", ""]
                inside = False
            if set(line) == {"-"}:
                lines[-1] = f"**{source[number - 1]}**"
                lines.append("")
            else:
                lines.append(line)
    if inside:
        lines += ["$$", " ".join(part for part in equation if part), "$$"]
    text = "\n".join(lines)
    while ":math:`" in text:
        before, _, rest = text.partition(":math:`")
        formula, _, after = rest.partition("`")
        text = f"{before}${' '.join(formula.split())}${after}"
    text = re.sub(r":(?:func|class):`(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def _tables(docstring: str) -> str:
    """Turn tables of two columns between three rules into those of Markdown."""
    lines: list[str] = []
    start = 0  # of the second column
    for line in docstring.split("\n"):
        if re.fullmatch(r"=+ +=+", line):
            lines += [] if start else ["| | |", "|---|---|"]
            start = 0 if start else line.rindex(" ") + 1
        elif start and line[:start].strip():
            lines.append(f"| {line[:start].strip()} | {line[start:].strip()} |")
        elif start:
            lines[-1] = f"{lines[-1].removesuffix(' |')} {line.strip()} |"
        else:
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Write docs/metrics.md from the docstrings of the metrics.

python scripts/make_metrics_page.py
"""

import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from climbench.metrics.conventions import PRESETS
from climbench.metrics.metric import Metric, metric_class, metric_families

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

## Presets

Systems differ by definition. `preset=` takes all choices of one at once; `weighting=`, `missing=`
and parameters in labels go before it.

| preset | weights | missing cells | parameters |
|---|---|---|---|
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
        text += f"| `{name}` | {preset.weighting} | {preset.missing} | {', '.join(forms)} |\n"
    for family, names in metric_families().items():
        text += f"\n## {family.capitalize()}\n"
        for name in names:
            text += section(metric_class(name))
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


def _default(item: Any) -> Any:
    return "" if item.default is MISSING else item.default


def _markdown(docstring: str) -> str:
    """Turn the few marks of our docstrings into those of Markdown."""
    lines: list[str] = []
    source = docstring.split("\n")
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
        text = f"{before}${formula}${after}"
    return text.replace("``", "`")


if __name__ == "__main__":
    main()

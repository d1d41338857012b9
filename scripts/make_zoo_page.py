"""Write docs/zoo.md from results/planet_zoo.json, which benchmarks/skill/run.py makes."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

ROOT = Path(__file__).parents[1]
SIGNS = {"better": " ▲", "worse": " ▼"}
HEAD = """# The zoo on the embedded planet

**Simulated weather**: these figures rank models on the planet of docs/planet_weather.md, nowhere
else. Protocol (conf/experiment/planet_zoo.yaml): 32 x 64 cells, five variables in and out, one pass
answers {leads} hours; trained on 2000-2008, weights chosen on 2009, scored on 2010-2011, a start
every 30 hours; compact sizes (`conf/model/*_small.yaml`), {minutes:g} minutes of training for
each, of one thread with another model beside it on 2 shared cores. Made by
`python benchmarks/skill/run.py`; rows by RMSE at 72 h. Models of the zoo that are missing here were
not trained by this protocol yet.

In brackets: 95 % bounds of a moving-block bootstrap over start times. ▲ ▼: better or worse than the
linear regression beyond chance (Diebold-Mariano with false discovery control). Where three seeds
were trained, the figure is their mean, and ± half the distance between the best and the worst.
"""


def cell(entries: list[dict[str, Any]], metric: str, channel: str, at: int) -> str:
    """Return one figure of a model over its seeds."""
    rows = [entry["scores"][metric][channel][at] for entry in entries]
    values = [row[0] for row in rows]
    marks = {row[3] for row in rows}
    sign = SIGNS.get(next(iter(marks)), "") if len(marks) == 1 else ""
    if len(values) > 1:
        half = (max(values) - min(values)) / 2
        return f"{mean(values):.4g} ± {half:.2g}{sign}"
    return f"{values[0]:.4g} ({rows[0][1]:.4g} to {rows[0][2]:.4g}){sign}"


def table(
    models: dict[str, list[dict[str, Any]]], metric: str, channel: str, leads: list[float]
) -> str:
    """Return a table of one score: a row for each model, a column for each lead."""
    have = {name: each for name, each in models.items() if metric in each[0]["scores"]}
    third = leads.index(72.0)

    def rank(name: str) -> float:
        return mean(entry["scores"][metric][channel][third][0] for entry in have[name])

    lines = ["| model | " + " | ".join(f"{lead:g} h" for lead in leads) + " |"]
    lines.append("|---" * (len(leads) + 1) + "|")
    for name in sorted(have, key=rank):
        cells = [cell(have[name], metric, channel, at) for at in range(len(leads))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    record = json.loads((ROOT / "results" / "planet_zoo.json").read_text())
    entries = [entry for entry in record.values() if isinstance(entry, dict)]
    models: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        models.setdefault(entry["model"], []).append(entry)
    leads = entries[0]["scores"]["leads"]
    hours = ", ".join(f"{lead:g}" for lead in leads)
    parts = [HEAD.format(leads=hours, minutes=max(entry["minutes"] for entry in entries))]
    shown = [
        ("rmse", "geopotential_500", "RMSE of geopotential at 500 hPa, m2 s-2"),
        ("rmse", "2m_temperature", "RMSE of 2 m temperature, K"),
        ("crps", "geopotential_500", "CRPS of geopotential at 500 hPa, m2 s-2 (ensembles)"),
        ("mae", "geopotential_500", "MAE of geopotential at 500 hPa, m2 s-2 (of the mean)"),
        (
            "spread_skill",
            "geopotential_500",
            "Spread over error less one, geopotential at 500 hPa",
        ),
    ]
    for metric, channel, heading in shown:
        if any(metric in entry["scores"] for entry in entries):
            parts.append(f"## {heading}\n\n{table(models, metric, channel, leads)}\n")
    (ROOT / "docs" / "zoo.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()

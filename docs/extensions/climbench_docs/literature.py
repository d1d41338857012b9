"""Page of published results: every table of ``climbench/report/literature``, with its citation."""

from importlib.resources import files
from typing import Any

import yaml

from climbench_docs.markdown import table

HEAD = """# Published results

Numbers as their authors print them; none of them is ours. A report shows a row beside scores of a
run only where archive, grid, test period, initial times, unit, lead time and the definition of the
score are the same ([published scores](../../forecasting.md#published-scores)). Rows that were not
read at their source are marked *from memory* and no report shows them: do not quote them.

"""
UNREAD = " *(from memory)*"


def literature_page() -> str:
    """Return the page."""
    page = HEAD
    folder = files("climbench.report").joinpath("literature")
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        name = file.name.removesuffix(".yaml")
        if "data" in content:
            page += _by_metric(name, content)
        else:
            page += "".join(_by_variable(key, one) for key, one in content.items())
    return page


def _number(given: Any) -> str:
    return "" if given is None else f"{given:g}"


def _by_variable(name: str, content: dict[str, Any]) -> str:
    """Return a table whose rows give columns of scores for each variable."""
    page = f"## {name}\n\n{content['description'].strip()}\n\nSource: {content['citation']}.\n\n"
    variables = dict.fromkeys(
        key for row in content["rows"] for key, one in row.items() if isinstance(one, list)
    )
    own = {row["citation"] for row in content["rows"] if "citation" in row}
    for variable in variables:
        rows = []
        for row in content["rows"]:
            if variable in row:
                model = row["model"] + (f", {row['members']} members" if "members" in row else "")
                model += "" if row["verified"] else UNREAD
                rows.append([model, *map(_number, row[variable])])
        page += f"`{variable}`:\n\n" + table(("model", *content["columns"]), rows)
    for citation in sorted(own):
        models = [row["model"] for row in content["rows"] if row.get("citation") == citation]
        page += f"- {', '.join(dict.fromkeys(models))}: {citation}.\n"
    return page + "\n"


def _by_metric(name: str, content: dict[str, Any]) -> str:
    """Return tables of a metric each, whose rows give a score for each lead time."""
    data = content["data"]
    page = f"## {name}\n\nSource: {' '.join(content['citation'].split())}; <{content['url']}>.\n\n"
    page += f"{data['archive']}; test {' to '.join(map(str, data['test']))}.\n\n"
    unread = content.get("confidence") == "low"
    leads = [_lead(lead) for lead in content.get("leads", [""])]
    for metric, rules in content["conventions"].items():
        said = ", ".join(f"{key} {value}" for key, value in rules.items())
        page += f"`{metric}` ({said}):\n\n"
        rows = []
        for row in content["rows"]:
            mark = UNREAD if unread or row.get("confidence") == "low" else ""
            for variable, scores in row.get(metric, {}).items():
                unit = content["units"].get(variable, "")
                model = row["model"].removesuffix(" (published)") + mark
                rows.append([model, f"`{variable}`", unit, *map(_number, scores)])
        page += table(("model", "variable", "unit", *leads), rows)
    return page


def _lead(lead: Any) -> str:
    if lead == "":
        return "score"
    return "all leads" if lead != lead else f"{lead:g} h"  # .nan: pooled over leads

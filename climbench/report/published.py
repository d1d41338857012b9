"""Numbers out of the literature, to stand beside ours: read, cited and never computed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from climbench.errors import UserError, nearest


@dataclass(frozen=True)
class PublishedScores:
    """One row of a published table.

    Attributes
    ----------
    model
        What was scored, in the authors' words.
    scores
        By variable and metric; what was not published is absent.
    citation
        Where it is printed.
    verified
        Whether it was read there; a number from memory must be marked wherever it is shown.
    members
        Number of training members, where the table is by that.
    """

    model: str
    scores: Mapping[str, Mapping[str, float]]
    citation: str
    verified: bool
    members: int | None = None


OWN = ("model", "verified", "citation", "members")


@cache
def published(table: str, verified_only: bool = True) -> Sequence[PublishedScores]:
    """Return the rows of a published table.

    Parameters
    ----------
    table
        ``climatebench``, ``em_mpi`` or ``climateset``.
    verified_only
        Leave out what was not read at its source.

    Raises
    ------
    UserError
        If there is no such table.

    Examples
    --------
    >>> scaling = next(row for row in published("climatebench") if row.model == "pattern scaling")
    >>> scaling.scores["tas_anomaly"]["nrmse_global"]
    0.040997
    """
    text = files("climbench.report").joinpath("literature/climatebench.yaml").read_text("utf-8")
    tables = yaml.safe_load(text)
    if table not in tables:
        raise UserError(f"no published table '{table}': {nearest(table, tables)}")
    content = tables[table]
    return tuple(
        PublishedScores(
            row["model"],
            {
                variable: {
                    metric: float(value)
                    for metric, value in zip(content["columns"], values, strict=True)
                    if value is not None
                }
                for variable, values in row.items()
                if variable not in OWN
            },
            " ".join(row.get("citation", content["citation"]).split()),
            row["verified"],
            row.get("members"),
        )
        for row in content["rows"]
        if row["verified"] or not verified_only
    )

"""A user's pathway of emissions: a CSV that is read, checked and continued from history."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from climbench.errors import UserError, nearest

YEAR = "year"
CUMULATIVE = "carbon_dioxide"
EMITTED = "carbon_dioxide_emissions"
UNITS = {YEAR: "", CUMULATIVE: "Gt", EMITTED: "Gt/yr"}
OTHER_UNIT = "Mt/yr"
LARGEST_STEP = 3.0  # of the largest yearly step in history: more is another unit or meaning
SUSPICIOUS_RATIO = 10.0  # of a first year to history's last: worth a note, not a refusal

Series = NDArray[np.float64]


@dataclass(frozen=True)
class Pathway:
    """Emissions of the world, year by year without a gap.

    Attributes
    ----------
    name
        What the pathway is called: the file's name.
    years
        ``[year]``, each one more than the one before.
    values
        By input: cumulative Gt of CO2, Mt/yr of the others ``[year]``.
    notes
        What a user should look at again, a sentence each.
    """

    name: str
    years: NDArray[np.int64]
    values: dict[str, Series]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class History:
    """Emissions of the world before a pathway begins.

    Attributes
    ----------
    years
        ``[year]``.
    values
        By input ``[year]``; NaN where a year is not known.
    """

    years: NDArray[np.int64]
    values: dict[str, Series]

    def at(self, name: str, year: int) -> float:
        """Return a value, NaN where it is not known."""
        found = self.values[name][self.years == year]
        return float(found[0]) if found.size else np.nan

    def last_year(self, name: str) -> int | None:
        """Return the last year whose value is known."""
        known = self.years[np.isfinite(self.values[name])]
        return int(known[-1]) if known.size else None


def read_pathway(path: Path, inputs: Sequence[str], history: History) -> Pathway:
    """Read a pathway.

    Parameters
    ----------
    path
        CSV with the column ``year`` and one for each input: ``carbon_dioxide`` (cumulative Gt
        since 1850) or ``carbon_dioxide_emissions`` (Gt/yr, summed up from history), the others in
        Mt/yr. A name may carry its unit in brackets: ``methane [Mt/yr]``. Lines that begin with
        ``#`` are comments.
    inputs
        What the emulator reads.
    history
        What the emissions were before.

    Raises
    ------
    UserError
        If a column is missing, unknown or in another unit, a value is missing, years do not
        follow each other, or cumulative CO2 does not continue history.
    """
    table = _table(path, inputs)
    years = _years(path, table.pop(YEAR))
    values = {str(name): _numbers(path, column, years) for name, column in table.items()}
    for name, series in values.items():
        if name not in (CUMULATIVE, EMITTED) and (series < 0).any():
            year = years[np.argmax(series < 0)]
            raise UserError(f"{path}: '{name}' is negative in {year}: emissions of it are not.")
    if EMITTED in values:
        before = _cumulated_before(path, int(years[0]), history)
        values[CUMULATIVE] = before + np.cumsum(values.pop(EMITTED))
    if CUMULATIVE in values:
        _check_continues(path, int(years[0]), values[CUMULATIVE][0], history)
    notes = _notes(years, values, history)
    return Pathway(path.stem, years, {name: values[name] for name in inputs}, notes)


def _table(path: Path, inputs: Sequence[str]) -> pd.DataFrame:
    """Return the file's columns by name, without units."""
    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True, index_col=False)
        table = table.loc[:, [not str(name).startswith("Unnamed:") for name in table.columns]]
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}: give scenario=FILE.csv.") from error
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"{path} cannot be read as CSV: {reason}.") from error
    known = [YEAR, *inputs, *([EMITTED] if CUMULATIVE in inputs else [])]
    names = [_bare_name(path, str(column), known) for column in table.columns]
    twice = {CUMULATIVE, EMITTED}
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled or twice <= set(names):
        which = doubled or "', '".join(sorted(twice))
        raise UserError(f"{path} gives '{which}' more than once: keep one column.")
    for name in (YEAR, *inputs):
        if name not in names and not (name == CUMULATIVE and EMITTED in names):
            unit = f" ({_unit(name)})" if name != YEAR else ""
            raise UserError(f"{path} has no column '{name}'{unit}, which the emulator needs.")
    if table.empty:
        raise UserError(f"{path} has no year: give a line for each.")
    return table.set_axis(names, axis=1)


def _bare_name(path: Path, column: str, known: Sequence[str]) -> str:
    """Return a column's name without its unit, which is checked."""
    name, bracket, rest = column.replace("(", "[").partition("[")
    name, unit = name.strip(), rest.partition("]")[0].replace(")", "")
    if ";" in name or "\t" in name:
        raise UserError(f"{path} is not separated by commas: write year,methane and so on.")
    if name not in known:
        raise UserError(f"{path} has an unknown column '{name}': {nearest(name, known)}")
    plain = unit.replace(" ", "").replace("CO2", "").replace("yr-1", "/yr").replace("/a", "/yr")
    if bracket and plain != _unit(name):
        raise UserError(
            f"{path}: '{name}' is in '{unit.strip()}' and must be in {_unit(name)}: convert it."
        )
    return name


def _unit(name: str) -> str:
    return UNITS.get(name, OTHER_UNIT)


def _years(path: Path, column: pd.Series) -> NDArray[np.int64]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    whole = np.isfinite(numbers) & (numbers == np.round(numbers))
    if not whole.all():
        raise UserError(f"{path}: '{column[np.argmin(whole)]}' is no year: write whole numbers.")
    years = numbers.astype(np.int64)
    steps = np.diff(years)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise UserError(f"{path}: year {years[at + 1]} follows {years[at]}: sort years, each once.")
    if (steps > 1).any():
        at = int(np.argmax(steps > 1))
        first, last = years[at] + 1, years[at + 1] - 1
        gap = f"{first}" if first == last else f"{first} to {last}"
        raise UserError(f"{path} lacks the years {gap}: give a line for every year.")
    return years


def _numbers(path: Path, column: pd.Series, years: NDArray[np.int64]) -> Series:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        at = int(np.argmin(np.isfinite(numbers)))
        found = "nothing" if pd.isna(column[at]) else f"'{column[at]}'"
        raise UserError(
            f"{path}: '{column.name}' has {found} in {years[at]}: give a number for every year."
        )
    return numbers


def _cumulated_before(path: Path, first: int, history: History) -> float:
    """Return what had been emitted before the first year, Gt."""
    before = history.at(CUMULATIVE, first - 1)
    if np.isfinite(before):
        return before
    last = history.last_year(CUMULATIVE)
    if last is None:
        raise UserError(
            f"{path}: the emulator's store has no historical CO2 to add '{EMITTED}' to: give "
            f"'{CUMULATIVE}', cumulative Gt since 1850."
        )
    if first == int(history.years[0]):
        return 0.0
    if first < int(history.years[0]):
        raise UserError(
            f"{path} begins in {first} and the store's history in {history.years[0]}, from which "
            f"on CO2 is summed up: begin in {history.years[0]} or later."
        )
    raise UserError(
        f"{path} begins in {first} and the store's history ends in {last}: begin in {last + 1} "
        f"at the latest, or give '{CUMULATIVE}', cumulative Gt since 1850."
    )


def _check_continues(path: Path, first: int, value: float, history: History) -> None:
    """Refuse cumulative CO2 that another unit or meaning has torn from history."""
    last = history.last_year(CUMULATIVE)
    if last is None:
        return
    year = min(last, first - 1)
    before = history.at(CUMULATIVE, year) if year in history.years else 0.0
    steps = np.abs(np.diff(history.values[CUMULATIVE]))
    step = np.nanmax(steps, initial=0.0) if np.isfinite(steps).any() else np.inf
    if abs(value - before) > LARGEST_STEP * step * (first - year):
        raise UserError(
            f"{path}: cumulative CO2 jumps from {before:.1f} Gt in {year} (the store's history) to "
            f"{value:.1f} in {first}: give '{CUMULATIVE}', cumulative Gt CO2 since 1850, or "
            f"'{EMITTED}' in Gt/yr."
        )


def _notes(years: NDArray[np.int64], values: dict[str, Series], history: History) -> list[str]:
    """Return a sentence on each input whose first year is far from history's last."""
    notes = []
    for name in (name for name in values if name != CUMULATIVE):
        last = history.last_year(name)
        if last is None:
            continue
        year = min(last, int(years[0]) - 1)
        before, now = history.at(name, year), float(values[name][0])
        if before > 0 and not 1 / SUSPICIOUS_RATIO <= now / before <= SUSPICIOUS_RATIO:
            notes.append(
                f"'{name}' goes from {before:.3g} Mt/yr in {year} to {now:.3g} in {years[0]}: "
                "is its unit right?"
            )
    return notes

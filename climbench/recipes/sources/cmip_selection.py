"""Which of the series that an archive offers a recipe means; and why none, in a sentence."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from climbench.errors import UserError, nearest
from climbench.recipes.schema import CmipSearch, as_list

FACETS = ("source_id", "experiment_id", "member_id", "table_id", "variable_id", "grid_label")

Field = tuple[str, str]
"""Variable and table."""

Available = Callable[[str, str], Collection[str]]
"""All names that an archive has for a facet, of one climate model or of any (no name)."""


@dataclass(frozen=True)
class Offer:
    """One object of an archive.

    Attributes
    ----------
    name
        Its file name.
    addresses
        Where it lies: on several data nodes, perhaps.
    checksum
        ``ALGORITHM:HEXADECIMAL``, if it is published.
    size
        Bytes, if that is published.
    """

    name: str
    addresses: tuple[str, ...]
    checksum: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Series:
    """One variable of one run on one grid in one version, in CMIP's words."""

    source_id: str
    experiment_id: str
    member_id: str
    table_id: str
    variable_id: str
    grid_label: str
    version: str
    offers: tuple[Offer, ...]

    @classmethod
    def of(cls, words: Sequence[str], offers: Iterable[Offer]) -> "Series":
        """Return the series that the words of `FACETS` and a version name."""
        model, experiment, member, table, variable, grid, version = words
        return cls(model, experiment, member, table, variable, grid, version, tuple(offers))

    @property
    def field(self) -> Field:
        """Variable and table."""
        return self.variable_id, self.table_id


@dataclass(frozen=True)
class Run:
    """What is taken of a run: a series for each field, and the name of its member in the store."""

    source_id: str
    experiment_id: str
    member_id: str
    label: str | int
    series: dict[Field, Series]


def choose(
    found: Sequence[Series],
    search: CmipSearch,
    fields: Sequence[Field],
    available: Available,
    archive: str,
) -> list[Run]:
    """Return the runs that a search means, each with all the fields.

    Parameters
    ----------
    found
        What the archive offers.
    search
        What is wanted.
    fields
        Variable and table of everything that a run must have.
    available
        Names that the archive has at all, to say which are near.
    archive
        How to call it.

    Raises
    ------
    UserError
        If a name matches nothing, a climate model offers several grids, or a scenario, a member or
        the version is not there.
    """
    found = [one for one in found if one.field in fields]
    models = _names("source_id", search.source_id, found, available, archive)
    scenarios = _names("experiment_id", search.experiment_id, found, available, archive)
    for position, facet in enumerate(("variable_id", "table_id")):
        _names(facet, [field[position] for field in fields], found, available, archive)
    runs = []
    for model in models:
        own = [one for one in found if one.source_id == model]
        try:
            if not own:
                raise _LackingError(_nothing_of(model, search, fields, available))
            runs += _runs_of(model, scenarios, own, search, fields)
        except _LackingError as error:
            if search.lacking != "leave_out":
                raise UserError(str(error)) from None
    if not runs:
        raise UserError(f"{archive} has no climate model with all of it: {_described(fields)}.")
    return runs


class _LackingError(Exception):
    """A climate model is without something that is asked for."""


def _names(
    facet: str,
    wanted: str | list[str] | None,
    found: Sequence[Series],
    available: Available,
    archive: str,
) -> list[str]:
    """Return the names that a facet's names and globs mean; a name that nobody has is refused."""
    if wanted is None:
        return [""]
    there = sorted({str(getattr(one, facet)) for one in found})
    names: list[str] = []
    for pattern in as_list(wanted):
        if _is_glob(pattern):
            matching = [name for name in there if fnmatchcase(name, pattern)]
        else:
            matching = [pattern]
        if not set(matching) & set(there):
            known = [str(name) for name in available(facet, "") if name]
            if not any(fnmatchcase(name, pattern) for name in known):
                hint = nearest(pattern, known)
                raise UserError(f"{archive} has no {facet} '{pattern}': {hint}")
            if _is_glob(pattern):
                raise UserError(f"{archive} has nothing of {facet} '{pattern}' that is asked for.")
        names += matching
    return list(dict.fromkeys(names))


def _runs_of(
    model: str,
    scenarios: Sequence[str],
    own: Sequence[Series],
    search: CmipSearch,
    fields: Sequence[Field],
) -> list[Run]:
    """Return the runs of one climate model."""
    own = _of_version(model, _on_one_grid(model, own, search, fields), search.version)
    runs: dict[tuple[str, str], dict[Field, Series]] = {}
    for one in own:
        runs.setdefault((one.experiment_id, one.member_id), {})[one.field] = one
    whole = {key: series for key, series in runs.items() if len(series) == len(set(fields))}
    chosen = _members(model, scenarios, whole, runs, search, fields)
    count = search.first_members
    numbered = count is not None and _makes_dimension(search.source_id)
    return [
        Run(model, scenario, member, number if numbered else member, whole[scenario, member])
        for scenario in scenarios
        for number, member in enumerate(chosen, 1)
        if (scenario, member) in whole
    ]


def _nothing_of(
    model: str, search: CmipSearch, fields: Sequence[Field], available: Available
) -> str:
    """Return the sentence for a climate model without any file; a member's name may be wrong."""
    what = _described(fields)
    names = as_list(search.member_id or [])
    there = available("member_id", model) if names and search.first_members is None else []
    if there and not any(fnmatchcase(one, name) for one in there for name in names):
        return f"{model} has no member '{names[0]}': {nearest(names[0], there)}"
    return f"{model} has no {what} of these experiments and members: {_mend('source_id')}"


def _on_one_grid(
    model: str, own: Sequence[Series], search: CmipSearch, fields: Sequence[Field]
) -> list[Series]:
    """Return the series on the grid that is asked for, or on the only one.

    Raises
    ------
    UserError
        If there are several to choose from.
    """
    labels = sorted({one.grid_label for one in own})
    whole = [
        label
        for label in labels
        if {one.field for one in own if one.grid_label == label} >= set(fields)
    ]
    if search.grid_label is not None:
        wanted = [label for label in as_list(search.grid_label) if label in (whole or labels)]
        if not wanted:
            named = ", ".join(as_list(search.grid_label))
            raise _LackingError(
                f"{model} has no {_described(fields)} with grid_label {named}: it has "
                f"{', '.join(whole or labels)}."
            )
        label = wanted[0]
    elif len(whole or labels) > 1:
        raise UserError(
            f"{model} has {_described(fields)} on several grids ({', '.join(whole or labels)}): "
            "choose with 'grid_label'."
        )
    else:
        label = (whole or labels)[0]
    return [one for one in own if one.grid_label == label]


def _of_version(model: str, own: Sequence[Series], version: str) -> list[Series]:
    """Return one version of each series."""
    if version != "newest":
        number = version.lstrip("v")
        kept = [one for one in own if one.version.lstrip("v") == number]
        if not kept:
            there = ", ".join(sorted({one.version for one in own}))
            raise UserError(
                f"{model} has no version {version} of what is asked for: it has {there}."
            )
        return kept
    newest: dict[tuple[str, str, Field], Series] = {}
    for one in sorted(own, key=lambda series: series.version.lstrip("v")):
        newest[one.experiment_id, one.member_id, one.field] = one
    return list(newest.values())


def _members(
    model: str,
    scenarios: Sequence[str],
    whole: Collection[tuple[str, str]],
    runs: Collection[tuple[str, str]],
    search: CmipSearch,
    fields: Sequence[Field],
) -> list[str]:
    """Return the members to take; whatever is lacking is told apart from what is misspelt."""
    what = _described(fields)
    there = {scenario: {m for s, m in whole if s == scenario} for scenario in scenarios}
    for scenario in scenarios:
        if not there[scenario] and search.lacking != "allow":
            scenario_text = f" of the scenario {scenario}" if scenario else ""
            raise _LackingError(f"{model} has no {what}{scenario_text}: {_mend('experiment_id')}")
    anywhere = sorted(set().union(*there.values()), key=member_key)
    if search.member_id is None:
        return anywhere
    count = search.first_members
    if count is not None:
        present = [members for members in there.values() if members]
        everywhere = [m for m in anywhere if all(m in members for members in present)]
        if not everywhere:
            raise _LackingError(f"no member of {model} has {what} in every scenario: {_mend()}")
        return everywhere[:count]
    chosen: list[str] = []
    for pattern in as_list(search.member_id):
        matching = [member for member in anywhere if fnmatchcase(member, pattern)]
        if not matching and (search.lacking != "allow" or _is_glob(pattern)):
            hint = nearest(pattern, anywhere or {m for _, m in runs})
            raise _LackingError(f"{model} has no member '{pattern}' with {what}: {hint}")
        for scenario in scenarios:
            if not there[scenario] & set(matching) and search.lacking != "allow":
                hint = nearest(pattern, there[scenario])
                raise _LackingError(
                    f"{model} has no member '{pattern}' with {what} of the scenario {scenario} "
                    f"({hint}): {_mend('member_id')}"
                )
        chosen += matching
    return sorted(dict.fromkeys(chosen), key=member_key)


def _mend(option: str | None = None) -> str:
    change = f"change '{option}', or " if option else ""
    return f"{change}set 'lacking' to leave_out (the climate model) or allow (no values there)."


def _described(fields: Sequence[Field]) -> str:
    return " and ".join(f"{name} ({table})" if table else name for name, table in fields)


def member_key(member: str) -> tuple[tuple[int, ...], str]:
    """Return what members are ordered by: their numbers.

    Examples
    --------
    >>> sorted(["r10i1p1f1", "r2i1p1f1", "r2i1p2f1"], key=member_key)
    ['r2i1p1f1', 'r2i1p2f1', 'r10i1p1f1']
    """
    return tuple(int(digits) for digits in re.findall(r"\d+", member)), member


def _is_glob(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _makes_dimension(names: str | list[str] | None) -> bool:
    """Tell whether what is written for a facet makes a dimension of the store."""
    return isinstance(names, list) or (names is not None and _is_glob(names))


def labels(run: Run, search: CmipSearch) -> dict[str, str | int]:
    """Return the coordinates of a run in the store: those of which there may be several."""
    coordinates: dict[str, str | int] = {}
    if _makes_dimension(search.source_id):
        coordinates["source_id"] = run.source_id
    if _makes_dimension(search.experiment_id):
        coordinates["scenario"] = run.experiment_id
    if _makes_dimension(search.member_id) or (search.first_members or 1) > 1:
        coordinates["member"] = run.label
    return coordinates

"""From the runs that were chosen in an archive of CMIP to files."""

from collections.abc import Sequence

from climbench.recipes.schema import CmipSearch, Files, Recipe, years
from climbench.recipes.sources.cmip_names import years_of
from climbench.recipes.sources.cmip_selection import Field, Offer, Run, labels


def all_fields(source: CmipSearch, recipe: Recipe) -> list[Field]:
    """Return what a run must have: the fields of this source and of those that share its runs."""
    searches = [one for one in recipe.sources if isinstance(one, CmipSearch)]
    fields = [field for one in searches if source.same_runs(one) for field in one.fields]
    return list(dict.fromkeys(fields))


def as_files(runs: Sequence[Run], source: CmipSearch, recipe: Recipe) -> list[Files]:
    """Return a source of files for each variable of each run."""
    return [
        _files(run.series[variable, table].offers, variable, run, source, recipe)
        for variable, table in source.fields
        if variable in _wanted(source, recipe)
        for run in runs
    ]


def _wanted(source: CmipSearch, recipe: Recipe) -> set[str]:
    """Return the variables to read: where nothing is derived, those that the store will keep."""
    names = {variable for variable, _ in source.fields}
    makes_new = {"derive", "rename", "sum_over", "select"} & {step.name for step in recipe.steps}
    if recipe.variables is None or makes_new or source.annual == "seasons":
        return names
    kept = {name for name in names if source.rename.get(name, name) in recipe.variables}
    return kept


def _files(
    offers: Sequence[Offer], variable: str, run: Run, source: CmipSearch, recipe: Recipe
) -> Files:
    offers = _of_years(offers, source, recipe)
    checksums = [(one.name, *one.checksum.partition(":")[::2]) for one in offers if one.checksum]
    return Files(
        kind="files",
        address=[one.addresses[0] for one in offers],
        mirrors=_folders(offers),
        sha256={name: digits for name, kind, digits in checksums if kind == "sha256"},
        sizes={one.name: one.size for one in offers if one.size is not None},
        md5={name: digits for name, kind, digits in checksums if kind == "md5"},
        coordinates={**labels(run, source), **source.coordinates},
        variables=[variable],
        annual=source.annual,
        regrid=source.regrid,
        rename={old: new for old, new in source.rename.items() if old == variable},
        units={name: unit for name, unit in source.units.items() if name == variable},
    )


def _folders(offers: Sequence[Offer]) -> list[str]:
    """Return the folders, on other data nodes, where some of the files are as well."""
    others = [(other, one.name) for one in offers for other in one.addresses[1:]]
    folders = [other.removesuffix(name) for other, name in others if other.endswith(f"/{name}")]
    return list(dict.fromkeys(folders))


def _of_years(offers: Sequence[Offer], source: CmipSearch, recipe: Recipe) -> Sequence[Offer]:
    """Return the files that the recipe's dates touch, by their names; at least one."""
    if recipe.dates is None or source.annual == "interpolated":
        return offers
    wanted = years(recipe.dates)
    first = wanted[0] - (source.annual == "seasons")  # a winter begins in December
    spans = [years_of(one.name) for one in offers]
    touched = [
        one
        for one, span in zip(offers, spans, strict=True)
        if span is None or (span[0] <= wanted[-1] and span[1] >= first)
    ]
    return touched or offers[:1]

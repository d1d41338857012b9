"""Tables of a user's own, which no archive names: what they hold is part of the recipe."""

from pathlib import Path

from climbench.recipes.schema import Recipe, Tables, as_list
from climbench.store.provenance import file_sha256


def with_contents(recipe: Recipe, data_root: Path | None) -> Recipe:
    """Return the recipe with the checksums of tables that have no address but a name.

    Other files of the same name are another store then, not one that is there already.
    """
    if data_root is None:
        return recipe
    sources = [
        source.model_copy(update={"sha256": _checksums(source, Path(data_root))})
        if isinstance(source, Tables) and not source.sha256 and _is_own(source)
        else source
        for source in recipe.sources
    ]
    return recipe.model_copy(update={"sources": sources})


def _is_own(source: Tables) -> bool:
    return not any("://" in address for address in as_list(source.address))


def _checksums(source: Tables, data_root: Path) -> dict[str, str]:
    patterns = as_list(source.local or source.address)
    files = {file for pattern in patterns for file in data_root.glob(pattern) if file.is_file()}
    return {file.name: file_sha256(file) for file in sorted(files)}

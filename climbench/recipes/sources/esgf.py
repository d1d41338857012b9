"""The search of the Earth System Grid Federation: files, checksums and data nodes."""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

import requests
from rich.console import Console

from climbench.errors import UserError
from climbench.recipes.schema import EsgfSearch, Files, Recipe, as_list
from climbench.recipes.sources.cmip import all_fields, as_files
from climbench.recipes.sources.cmip_names import local_series
from climbench.recipes.sources.cmip_selection import FACETS, Field, Offer, Run, Series, choose
from climbench.recipes.sources.listings import remembered
from climbench.recipes.sources.source import Surroundings

PAGE = 500
TRIES = 2
SECONDS = (10, 60)
"""To connect to an index node, and between two bytes of its answer."""

WORDS = (
    *("id", "title", "url", "size", "checksum", "checksum_type", "dataset_id", "version"),
    *("retracted", "replica", "data_node"),
    *FACETS,
)
ALGORITHMS = ("md5", "sha256")
Document = dict[str, Any]


def expand_search(source: EsgfSearch, recipe: Recipe, surroundings: Surroundings) -> list[Files]:
    """Return the files that a source means, those of one variable of one run together.

    Index nodes are asked in order, until what they know together is enough.

    Raises
    ------
    UserError
        If no index node answers, or what is asked for is not there.
    """
    fields = all_fields(source, recipe)
    if surroundings.data_root is not None and source.local is not None:
        runs = _local_runs(source, fields, surroundings)
    else:
        runs = _runs(source, fields, surroundings)
    return as_files(runs, source, recipe)


def _local_runs(source: EsgfSearch, fields: list[Field], surroundings: Surroundings) -> list[Run]:
    root = surroundings.data_root
    assert root is not None and source.local is not None  # noqa: S101  for the type checker
    found = local_series(root / source.local, source.project)
    if not found:
        raise UserError(
            f"nothing in {root} matches {source.local}/**/*.nc with a name of {source.project}: "
            "check data_root, or leave it out to read from the public address."
        )

    def available(facet: str, model: str) -> Collection[str]:
        return {str(getattr(one, facet)) for one in found if model in ("", one.source_id)}

    return choose(found, source, fields, available, str(root / source.local))


def _runs(source: EsgfSearch, fields: list[Field], surroundings: Surroundings) -> list[Run]:
    documents: list[Document] = []
    answered: list[str] = []
    failures: list[str] = []
    refusal: UserError | None = None
    for node in source.index_nodes:
        try:
            documents += remembered(
                surroundings,
                {"node": node, "queries": _queries(source, fields)},
                partial(_ask, node, source, fields),
            )
        except _NoAnswerError as error:
            failures.append(f"{node} ({error})")
            continue
        answered.append(node)

        def available(facet: str, model: str) -> Collection[str]:
            return {name for one in answered for name in _facet_names(one, source, facet, model)}

        try:
            found = _series(documents, source)
            return choose(found, source, fields, available, "the ESGF search")
        except UserError as error:
            refusal = error
    if not answered:
        raise UserError(
            f"no index node of the ESGF answers: {'; '.join(failures)}; try again later, or give "
            "others with 'index_nodes'."
        )
    if failures:
        Console(stderr=True).print(f"no answer from {'; '.join(failures)}.")
    assert refusal is not None  # noqa: S101  every node that answers either serves or refuses
    raise refusal


class _NoAnswerError(Exception):
    """An index node fails, or does not give all that it says it has."""


def _queries(source: EsgfSearch, fields: Iterable[Field]) -> list[dict[str, str]]:
    """Return the words of the search for each table; names that are patterns are left open."""
    tables: dict[str, list[str]] = {}
    for variable, table in fields:
        tables.setdefault(table, []).append(variable)
    common: dict[str, str] = {"project": source.project}
    common |= {name: ",".join(as_list(value)) for name, value in source.facets.items()}
    if source.version == "newest":
        common["latest"] = "true"
    for facet in ("source_id", "experiment_id", "member_id"):
        names = as_list(getattr(source, facet) or [])
        open_ends = facet == "member_id" and source.first_members is not None
        if names and not open_ends and not any(set("*?[") & set(name) for name in names):
            common[facet] = ",".join(names)
    return [
        common | {"variable_id": ",".join(names)} | ({"table_id": table} if table else {})
        for table, names in tables.items()
    ]


def _ask(node: str, source: EsgfSearch, fields: Iterable[Field]) -> list[Document]:
    """Return all that an index node has, page by page."""
    documents: dict[str, Document] = {}
    for query in _queries(source, fields):
        offset, total = 0, 1
        before = len(documents)
        while offset < total:
            words = {"limit": str(PAGE), "offset": str(offset), "fields": ",".join(WORDS)}
            response = _answer(node, query | words)["response"]
            total = int(response["numFound"])
            page = response["docs"]
            if not page and offset < total:
                raise _NoAnswerError(f"it gives {offset} of {total} files")
            documents |= {str(one.get("id", one.get("title"))): one for one in page}
            offset += len(page)
        if len(documents) - before < total:
            raise _NoAnswerError("its pages repeat files and leave others out")
    return list(documents.values())


def _facet_names(node: str, source: EsgfSearch, facet: str, model: str) -> list[str]:
    """Return all names that an index node has for a facet, none if it does not say."""
    query = {"project": source.project, "limit": "0", "facets": facet}
    query |= {"source_id": model} if model else {}
    try:
        counts = _answer(node, query, kind="Dataset")["facet_counts"]["facet_fields"][facet]
    except (_NoAnswerError, KeyError, TypeError):
        return []
    return [str(name) for name in counts[::2]]


def _answer(node: str, words: Mapping[str, str], kind: str = "File") -> dict[str, Any]:
    """Return an answer of an index node.

    Raises
    ------
    _NoAnswerError
        If there is none.
    """
    query = {"type": kind, "format": "application/solr+json", "distrib": "true", **words}
    problem = ""
    for _ in range(TRIES):
        try:
            response = requests.get(node, params=query, timeout=SECONDS)
            response.raise_for_status()
            answer = response.json()
            if isinstance(answer, dict) and "response" in answer:
                return answer
            problem = "its answer is not that of a search"
        except requests.HTTPError as error:
            problem = f"HTTP {error.response.status_code}"
        except requests.JSONDecodeError:
            problem = "its answer is not JSON"
        except requests.RequestException as error:
            problem = type(error).__name__
    raise _NoAnswerError(problem)


def _series(documents: Iterable[Document], source: EsgfSearch) -> list[Series]:
    """Return the series that documents are about; each file with all of its data nodes."""
    groups: dict[tuple[str, ...], dict[str, list[Document]]] = {}
    for document in documents:
        if str(_one(document, "retracted")).lower() == "true" or not _http(document):
            continue
        known = FACETS if source.project == "CMIP6" else ("source_id", "variable_id", "grid_label")
        words = [str(_one(document, name) or "") if name in known else "" for name in FACETS]
        key = (*words, _version(document))
        files = groups.setdefault(key, {})
        files.setdefault(str(_one(document, "title")), []).append(document)
    return [
        Series.of(key, (_offer(name, copies) for name, copies in sorted(files.items())))
        for key, files in groups.items()
    ]


def _offer(name: str, copies: list[Document]) -> Offer:
    """Return a file with its addresses, the publisher's own first.

    Copies whose checksum is another one than the publisher's are of another version, or damaged.
    """
    copies = sorted(copies, key=lambda one: str(_one(one, "replica")).lower() == "true")
    checksum = next((found for found in map(_checksum, copies) if found), None)
    same = [one for one in copies if _checksum(one) in (None, checksum)]
    addresses = dict.fromkeys(address for one in same for address in _http(one))
    size = next((int(found) for one in same if (found := _one(one, "size"))), None)
    return Offer(name, tuple(addresses), checksum, size)


def _http(document: Document) -> list[str]:
    """Return the addresses for plain downloads; an entry is ADDRESS|MEDIA TYPE|SERVICE."""
    entries = [str(entry).split("|") for entry in document.get("url") or []]
    return [
        entry[0]
        for entry in entries
        if entry[-1] == "HTTPServer" and entry[0].startswith(("https://", "http://"))
    ]


def _checksum(document: Document) -> str | None:
    algorithm = str(_one(document, "checksum_type") or "").lower().replace("-", "")
    digits = str(_one(document, "checksum") or "").lower()
    return f"{algorithm}:{digits}" if algorithm in ALGORITHMS and digits else None


def _version(document: Document) -> str:
    """Return the version of the data set that a file belongs to, which stands in its name."""
    dataset = str(_one(document, "dataset_id") or "").partition("|")[0]
    end = dataset.rpartition(".")[2]
    return end if end.lstrip("v").isdigit() else f"v{_one(document, 'version') or ''}"


def _one(document: Document, word: str) -> Any:
    """Return a value that index nodes give alone or as a list of one."""
    value = document.get(word)
    return (value[0] if value else None) if isinstance(value, list) else value

"""Which field of an ensemble deterministic scores are of: what the model expects."""

from dataclasses import replace

from climbench.evaluation.source import Source
from climbench.store import as_expected, expected_names


def without_members(predictions: Source) -> tuple[Source, Source | None, list[str]]:
    """Return the members of an ensemble, what it expects, and a note for the user.

    Parameters
    ----------
    predictions
        Perhaps with expected fields, see :mod:`climbench.store.expected`.

    Returns
    -------
    tuple
        The predictions without expected fields; a source that has them under the names of the
        variables (None where there is none: the mean over members counts then); which of both
        deterministic scores are of.

    Raises
    ------
    UserError
        If an expected field has other dimensions than the members.
    """
    dataset = predictions.dataset
    members = dataset.sizes.get("member", 0)
    names = expected_names(dataset, predictions.label)
    if not names:
        drawn = f"the mean of {members} members, which holds part of their noise"
        told = members > 0 and "scenario" in dataset.dims
        return predictions, None, [f"deterministic scores are of {drawn}"] * told
    note = f"deterministic scores are of the expected fields ({', '.join(names.values())})"
    return (
        replace(predictions, dataset=dataset.drop_vars(names.values())),
        replace(predictions, dataset=as_expected(dataset, names)),
        [note],
    )

"""The one error that a user's mistake becomes, and the hint that goes with it."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake in what the user gave: one sentence that names the culprit and the mend.

    The command line prints the sentence and exits with code 2, without a traceback.
    """


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return the hint that ends an error about an unknown name; capitals do not matter.

    Parameters
    ----------
    name
        What the user wrote.
    choices
        The names that are valid.

    Returns
    -------
    str
        The nearest valid name if one is close, else all valid names.

    Examples
    --------
    >>> nearest("resnt", ["resnet", "vit"])
    "did you mean 'resnet'?"
    >>> nearest("VIT", ["resnet", "vit"])
    "did you mean 'vit'?"
    >>> nearest("xyz", ["resnet", "vit"])
    'valid names: resnet, vit'
    """
    known = sorted(set(choices))
    by_letters = {choice.lower(): choice for choice in known}
    close = get_close_matches(name.lower(), by_letters, n=1, cutoff=0.6)
    return (
        f"did you mean '{by_letters[close[0]]}'?" if close else f"valid names: {', '.join(known)}"
    )

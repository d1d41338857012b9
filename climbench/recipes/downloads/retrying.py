"""Trying again: after a pause that grows, as long as tries bring something."""

from collections.abc import Callable
from threading import Event
from typing import TypeVar

from rich.console import Console
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

Result = TypeVar("Result")

TRIES = 8  # without a single new byte; about half a minute if the server does not say how long
FIRST_PAUSE = 0.5  # seconds; doubled with every try, and drawn between zero and that
LONGEST_PAUSE = 600.0  # seconds, whatever a server asks for
PATIENCE = 4  # tries after which the user hears about it
LONG = 30.0  # seconds after which the user hears as well


class Interrupted(Exception):
    """What another try may mend.

    Attributes
    ----------
    reason
        Half a sentence for the user.
    pause
        Seconds that the server asks to wait at least.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause = pause


class Stopped(Exception):
    """Another download failed or the user interrupted: what is left has no use."""


def persistently(
    attempt: Callable[[], Result],
    name: str,
    stop: Event | None = None,
    progress: Callable[[], int] = lambda: 0,
    tries: int = TRIES,
) -> Result:
    """Return what an attempt returns, trying again while it is :class:`Interrupted`.

    Parameters
    ----------
    attempt
        Called without arguments.
    name
        What is waited for, in words that hold no secret.
    stop
        Ends pauses and tries when it is set.
    progress
        Number of bytes that are there; as long as it grows, the tries begin anew.
    tries
        How many without progress.

    Raises
    ------
    Interrupted
        The last one.
    Stopped
        If ``stop`` was set.
    """
    stop = stop or Event()

    def rest(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped

    said = False

    def tell(state: RetryCallState) -> None:
        nonlocal said
        long = (state.seconds_since_start or 0.0) > LONG
        if not said and (long or state.attempt_number >= PATIENCE):
            said = True
            console = Console(stderr=True)
            console.print(f"{name}: {_interruption(state).reason}; trying again", markup=False)

    best = progress()
    while True:
        series = Retrying(
            retry=retry_if_exception_type(Interrupted),
            stop=stop_after_attempt(tries),
            wait=_pause,
            sleep=rest,
            before_sleep=tell,
            reraise=True,
        )
        try:
            return series(attempt)
        except Interrupted:
            if progress() <= best:
                raise
            best = progress()


def _pause(state: RetryCallState) -> float:
    """Return seconds until the next try: what the server asks for, and a random share of ours."""
    own = wait_random_exponential(multiplier=FIRST_PAUSE, max=60)(state)
    return min(_interruption(state).pause + own, LONGEST_PAUSE)


def _interruption(state: RetryCallState) -> Interrupted:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, Interrupted) else Interrupted("no answer")

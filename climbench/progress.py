"""Progress of long work: a bar in a terminal, a line now and then in a log file or a notebook."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Self, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_SECONDS = 30.0  # between two lines of a log
BAR_SECONDS = 0.5  # of work before a bar appears, and between two looks at it

Item = TypeVar("Item")


class Rate(ProgressColumn):
    """How many steps are done in a second."""

    def render(self, task: Task) -> Text:
        """Return the rate of a task as text, nothing before it is known."""
        speed = task.finished_speed or task.speed
        return Text(f"{rate_in_words(speed)}" if speed else "", style="progress.data.speed")


class Meter:
    """Shows how far some work is, how fast, and how long it will still take.

    In a terminal it is one line that disappears when the work is done; elsewhere a line is written
    every half minute, so that logs stay short. Work of less than half a second shows nothing.

    Parameters
    ----------
    label
        What is done.
    total
        Number of steps; None if nobody knows.
    shown
        False for silence.
    done
        Steps that an earlier run has done.
    """

    def __init__(self, label: str, total: int | None, *, shown: bool = True, done: int = 0) -> None:
        self.label, self.total, self.note = label, total, ""
        self.done: float = done
        self.shown = shown
        self._console = Console(stderr=True)
        self._first = done
        self._start = self._said = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        """Begin to measure."""
        self._start = self._said = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def advance(self, steps: float = 1, note: Callable[[], str] | None = None) -> None:
        """Count steps, or parts of one; a note, asked for when it is shown, stands behind them."""
        self.done += steps
        now = time.monotonic()
        lasting = self._console.is_jupyter or self._console.is_dumb_terminal
        bar = self._console.is_terminal and not lasting  # a line can be written again
        pause = BAR_SECONDS if bar else LINE_SECONDS
        if not self.shown or now - self._said < pause:
            return
        self._said = now
        self.note = note() if note is not None else ""
        if bar:
            self._draw()
        else:
            self._console.print(self.line(now - self._start), markup=False, highlight=False)

    def line(self, seconds: float) -> str:
        """Return the state after some seconds in words."""
        speed = (self.done - self._first) / seconds if seconds > 0 else 0.0
        parts = [f"{self.label}: {int(self.done)}" + (f" of {self.total}" if self.total else "")]
        if speed > 0:
            parts.append(rate_in_words(speed))
            if self.total:
                parts.append(f"{duration_in_words((self.total - self.done) / speed)} left")
        return ", ".join([*parts, *([self.note] if self.note else [])])

    def _draw(self) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                Rate(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(escape(self.label), total=self.total, note="")
        self._bar.update(self._task, completed=self.done, note=escape(self.note))


def track(items: Iterable[Item], label: str, *, shown: bool = True) -> Iterator[Item]:
    """Yield items and show how many have been worked on.

    Parameters
    ----------
    items
        What is worked on; the bar knows the end if they have a length.
    label
        What is done.
    shown
        False for silence.

    Examples
    --------
    >>> [2 * number for number in track([1, 2, 3], "doubling")]
    [2, 4, 6]
    """
    with Meter(label, len(items) if isinstance(items, Sized) else None, shown=shown) as meter:
        for item in items:
            yield item
            meter.advance()


def rate_in_words(steps_per_second: float) -> str:
    """Return a rate with two digits.

    Examples
    --------
    >>> rate_in_words(123.4), rate_in_words(2.345), rate_in_words(0.05)
    ('123/s', '2.3/s', '3/min')
    """
    if steps_per_second < 0.5:
        return f"{60 * steps_per_second:.2g}/min"
    return f"{steps_per_second:.{0 if steps_per_second >= 10 else 1}f}/s"


def duration_in_words(seconds: float) -> str:
    """Return a duration in the two largest units that it has.

    Examples
    --------
    >>> duration_in_words(0.42), duration_in_words(75), duration_in_words(7260)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"

"""Progress in a terminal, in a log file and in silence."""

import io

import pytest
from rich.console import Console

from climbench import progress
from climbench.progress import Meter, track


class Clock:
    """A clock that each look moves on."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def monotonic(self):
        self.now += self.step
        return self.now


@pytest.fixture
def told(monkeypatch):
    """What is printed, by a console of a given kind and with a clock of given steps."""
    file = io.StringIO()
    monkeypatch.setenv("TERM", "xterm-256color")

    def prepare(step, **kind):
        monkeypatch.setattr(progress, "time", Clock(step))
        monkeypatch.setattr(
            progress, "Console", lambda stderr: Console(file=file, width=70, **kind)
        )
        return file

    return prepare


def test_a_log_has_a_line_each_half_minute(told):
    file = told(10.0)
    assert list(track(range(7), "reading")) == list(range(7))
    lines = file.getvalue().splitlines()
    assert lines == ["reading: 3 of 7, 6/min, 40 s left", "reading: 6 of 7, 6/min, 10 s left"]


def test_short_work_says_nothing(told):
    file = told(0.01)
    list(track(range(5), "reading"))
    assert file.getvalue() == ""


def test_silence_is_kept(told):
    file = told(10.0, force_terminal=True)
    list(track(range(20), "reading", shown=False))
    assert file.getvalue() == ""


def test_a_terminal_has_a_bar_that_goes_away(told):
    file = told(1.0, force_terminal=True, color_system=None)
    with Meter("train [small]", 10, done=2) as meter:
        for _ in range(3):
            meter.advance(note=lambda: "loss 0.5")
    text = file.getvalue()
    assert "train [small]" in text and "5/10" in text and "loss 0.5" in text
    assert text.endswith("\x1b[2K")  # the line is empty again


def test_a_terminal_that_cannot_go_back_has_lines(told, monkeypatch):
    file = told(31.0, force_terminal=True, color_system=None)
    monkeypatch.setenv("TERM", "dumb")
    list(track(range(2), "reading"))
    assert file.getvalue().splitlines()[0] == "reading: 1 of 2, 1.9/min, 31 s left"


def test_a_note_is_only_asked_for_when_it_is_shown(told):
    told(1.0)
    with Meter("train", 100) as meter:
        for _ in range(20):
            meter.advance(note=lambda: pytest.fail("asked"))


def test_nobody_knows_the_end(told):
    file = told(31.0)
    list(track(iter("ab"), "listening"))
    assert file.getvalue().splitlines()[0] == "listening: 1, 1.9/min"

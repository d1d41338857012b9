"""Stages are recognised by the hash of what went into them, and are never half there."""

import threading
import time

import pytest

from climbench.errors import UserError
from climbench.experiments.stage import MARKER, Stage


def write(text):
    return lambda folder: (folder / "result.txt").write_text(text)


def test_a_finished_stage_is_not_run_again(tmp_path):
    stage = Stage("train/resnet", {"seed": 0}, tmp_path)
    first = stage.run(write("first"))
    again = Stage("train/resnet", {"seed": 0}, tmp_path).run(write("second"))
    assert first == again
    assert (again / "result.txt").read_text() == "first"


def test_another_input_is_another_stage(tmp_path):
    a = Stage("train/resnet", {"seed": 0}, tmp_path).run(write("a"))
    b = Stage("train/resnet", {"seed": 1}, tmp_path).run(write("b"))
    assert a != b
    assert (a / "result.txt").read_text() == "a"


def test_interrupted_work_is_not_finished_and_continues_in_its_folder(tmp_path):
    stage = Stage("train/resnet", {"seed": 0}, tmp_path)

    def interrupted(folder):
        (folder / "last.ckpt").write_text("epoch 3")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.run(interrupted)
    assert not stage.finished

    def continued(folder):
        assert (folder / "last.ckpt").read_text() == "epoch 3"
        (folder / "result.txt").write_text("whole")

    folder = stage.run(continued)
    assert (folder / "result.txt").read_text() == "whole"
    assert stage.finished


def test_a_folder_without_marker_is_replaced(tmp_path):
    stage = Stage("train/resnet", {"seed": 0}, tmp_path)
    stage.directory.mkdir(parents=True)
    (stage.directory / "result.txt").write_text("cut short")
    stage.run(write("whole"))
    assert (stage.directory / "result.txt").read_text() == "whole"
    assert (stage.directory / MARKER).is_file()


def test_a_stage_that_another_process_makes_is_waited_for(tmp_path):
    stage = Stage("train/resnet", {"seed": 0}, tmp_path)
    begun, other = threading.Event(), []

    def slow(folder):
        begun.set()
        while not waiting.is_alive():
            time.sleep(0.01)
        write("first")(folder)

    waiting = threading.Thread(target=lambda: other.append(stage.run(write("second"))))
    first = threading.Thread(target=lambda: stage.run(slow))
    first.start()
    begun.wait()
    waiting.start()
    first.join()
    waiting.join()
    assert (other[0] / "result.txt").read_text() == "first"


def test_of_the_processes_of_one_training_the_first_finishes_the_stage(tmp_path, monkeypatch):
    stage = Stage("train/resnet", {"seed": 0}, tmp_path)
    monkeypatch.setenv("RANK", "1")
    done = []

    def work(folder):
        done.append(folder)
        assert not stage.finished

    second = threading.Thread(target=lambda: stage.run(work))
    second.start()
    while not done:
        time.sleep(0.01)
    assert second.is_alive()
    monkeypatch.setenv("RANK", "0")
    stage.run(write("whole"))
    second.join()
    assert done == [tmp_path / f"{stage.directory.relative_to(tmp_path)}.partial"]


@pytest.mark.parametrize("kept", [False, True])
def test_a_refused_stage_leaves_only_what_can_be_continued(tmp_path, kept):
    stage = Stage("train/vit", {"a": 1}, tmp_path)

    def refused(folder):
        if kept:
            (folder / "last.ckpt").write_text("half-way")
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        stage.run(refused)
    assert [path.suffix for path in (tmp_path / "train").glob("*.partial")] == [".partial"] * kept

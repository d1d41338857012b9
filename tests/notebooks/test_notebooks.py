"""The notebooks: as they lie in git, and from the first cell to the last."""

import os
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
REAL_DATA = {"02_real_data_scenarios": "mesmer_ipsl"}
names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_of(path):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(1, 8)]


@names
def test_it_is_valid_and_stripped_of_outputs(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert set(notebook.metadata["language_info"]) <= {"name"}
    for cell in notebook.cells:
        assert not cell.metadata
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, cell.id


@names
def test_it_uses_public_names_only(path):
    text = "\n".join(cell.source for cell in code_of(path))
    imports = re.findall(r"^(?:from|import)\s+(\S+)(?:\s+import\s+(.+))?", text, flags=re.M)
    for module, taken in imports:
        assert not module.startswith("climbench.") or module == "climbench.errors", module
        assert not any(name.strip().startswith("_") for name in (taken or "").split(",")), taken
    assert not re.search(r"\bclimbench\._|\.\b_[a-z]", text)
    assert "/tmp" not in text and "/home" not in text


@names
def test_simulated_data_are_called_so(path):
    text = path.read_text().lower()
    assert path.stem in REAL_DATA or "simulated" in text or "made up" in text


@pytest.mark.slow
@names
def test_it_runs_from_the_first_cell_to_the_last(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    if path.stem in REAL_DATA:
        folder = os.environ.get("CLIMBENCH_TEST_DATA")
        if not folder or not (Path(folder) / REAL_DATA[path.stem]).is_dir():
            pytest.skip(f"CLIMBENCH_TEST_DATA has no {REAL_DATA[path.stem]}: it needs real data")
    if path.stem == "05_telemetry":
        pytest.importorskip("xgboost", reason="it needs the extra xgboost")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(path, 4)
    client = NotebookClient(
        notebook,
        timeout=20 * 60,  # busy machines
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 2
    errors = [o for cell in notebook.cells for o in cell.get("outputs", []) if "ename" in o]
    assert not errors

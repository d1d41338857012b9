import numpy as np
import xarray as xr
from rich.console import Console

from climbench.report import listing


def test_all_scores_of_a_model_are_listed_with_their_units():
    dims = ("model", "metric", "channel", "region", "lead_time")
    values = np.array([[1.25, 2.5], [0.9, np.nan]]).reshape(1, 2, 1, 1, 2)
    scores = xr.Dataset(
        {"score": (dims, values), "rank_histogram": ("rank", [1.0], {"unit_power": 0})},
        {
            "model": ["mine [v2]"],
            "metric": ["rmse", "acc"],
            "orientation": ("metric", ["lower", "higher"]),
            "unit_power": ("metric", [1, 0]),
            "unit": ("metric", ["", ""]),
            "channel": ["2m_temperature"],
            "units": ("channel", ["K"]),
            "region": ["global"],
            "lead_time": [24.0, 72.0],
        },
        {"simulated": "true"},
    )
    console = Console(width=80)
    with console.capture() as capture:
        console.print(listing(scores))
    lines = capture.get().splitlines()
    assert lines[0].split() == ["SIMULATED", "DATA", "Scores", "of", "mine", "[v2]"]
    assert [line.split() for line in lines if line.startswith(("rmse", "acc"))] == [
        ["rmse", "1.25", "2.5", "K"],
        ["acc", "0.9", "–"],
    ]
    assert lines[-1] == "curves in the file: rank_histogram"

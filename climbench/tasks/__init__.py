"""What is asked: split, inputs, targets, forcings, protocol and required baselines."""

from climbench.tasks.column_emulation import ColumnEmulation
from climbench.tasks.downscaling import Downscaling
from climbench.tasks.emulation import Emulation
from climbench.tasks.forecasting import (
    ContinuousForecasting,
    DirectForecasting,
    IterativeForecasting,
)
from climbench.tasks.masked_reconstruction import MaskedReconstruction
from climbench.tasks.pretraining import Pretraining
from climbench.tasks.sample import Sample, Signature
from climbench.tasks.series import SeriesForecasting
from climbench.tasks.task import Normalisation, Split, Task
from climbench.tasks.telemetry import TelemetryForecasting
from climbench.tasks.temporal_interpolation import TemporalInterpolation

__all__ = [
    "ColumnEmulation",
    "ContinuousForecasting",
    "DirectForecasting",
    "Downscaling",
    "Emulation",
    "IterativeForecasting",
    "MaskedReconstruction",
    "Normalisation",
    "Pretraining",
    "Sample",
    "SeriesForecasting",
    "Signature",
    "Split",
    "Task",
    "TelemetryForecasting",
    "TemporalInterpolation",
]

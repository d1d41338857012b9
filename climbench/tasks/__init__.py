"""What is asked: split, inputs, targets, forcings, protocol and required baselines."""

from climbench.tasks.emulation import Emulation
from climbench.tasks.forecasting import (
    ContinuousForecasting,
    DirectForecasting,
    IterativeForecasting,
)
from climbench.tasks.sample import Sample, Signature
from climbench.tasks.task import Normalisation, Split, Task

__all__ = [
    "ContinuousForecasting",
    "DirectForecasting",
    "Emulation",
    "IterativeForecasting",
    "Normalisation",
    "Sample",
    "Signature",
    "Split",
    "Task",
]

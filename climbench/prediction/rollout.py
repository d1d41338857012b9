"""Applying a model to samples by the protocol of their task, in physical units."""

import torch
from torch import Tensor

from climbench.tasks.forecasting import IterativeForecasting
from climbench.tasks.sample import Sample
from climbench.tasks.stepping import Model, iterate
from climbench.tasks.task import Task

__all__ = ["Model", "answer", "each_lead", "iterate"]


def answer(model: Model, sample: Sample, task: Task) -> Tensor:
    """Return the answers to test samples at the lead times that are scored.

    Parameters
    ----------
    model
        Answers one sample.
    sample
        Of the task's test split.
    task
        Its ``strategy`` says how the model is applied.

    Returns
    -------
    torch.Tensor
        ``[batch, lead, target, latitude, longitude]``; one lead for emulation.
    """
    if task.strategy == "continuous":
        return each_lead(model, sample)
    if isinstance(task, IterativeForecasting):
        steps = iterate(model, sample, task.signature, task.step)
        return steps[:, [round(hours / task.step) - 1 for hours in task.lead_times]]
    return model(sample)


def each_lead(model: Model, sample: Sample) -> Tensor:
    """Return the answers of a model that is told the lead time, asked once for each lead."""
    leads = range(sample.lead_time.shape[1])
    return torch.cat([model(sample.at_lead(lead)) for lead in leads], dim=1)

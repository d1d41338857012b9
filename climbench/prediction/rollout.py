"""Applying a model to samples by the protocol of their task, in physical units."""

from collections.abc import Callable

import torch
from torch import Tensor

from climbench.tasks.forecasting import IterativeForecasting
from climbench.tasks.sample import Sample, Signature
from climbench.tasks.task import Task

Model = Callable[[Sample], Tensor]
"""Maps a sample to ``[batch, lead, target, latitude, longitude]``, both in physical units."""


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
        return steps[:, [hours // task.step - 1 for hours in task.lead_times]]
    return model(sample)


def each_lead(model: Model, sample: Sample) -> Tensor:
    """Return the answers of a model that is told the lead time, asked once for each lead."""
    leads = range(sample.lead_time.shape[1])
    return torch.cat([model(sample.at_lead(lead)) for lead in leads], dim=1)


def iterate(model: Model, sample: Sample, signature: Signature, step: float) -> Tensor:
    """Return the answers of a one-step model that is fed with its own answers.

    The oldest input drops out and the answer comes in as the newest; forcings, the calendar and
    static fields are those of the time that is stepped to.

    Parameters
    ----------
    model
        Answers one step.
    sample
        Its lead axis holds every step until the last lead.
    signature
        Says which answers are inputs.
    step
        Hours.

    Returns
    -------
    torch.Tensor
        The answer of every step ``[batch, lead, target, latitude, longitude]``.
    """
    fed_back = [signature.targets.index(name) for name in signature.inputs]
    inputs, answers = sample.inputs, []
    for lead in range(sample.lead_time.shape[1]):
        now = sample.at_lead(lead)
        hours = torch.full_like(now.lead_time, step)
        answers.append(model(now._replace(inputs=inputs, lead_time=hours)))
        inputs = torch.cat([inputs[:, 1:], answers[-1][:, :, fed_back]], dim=1)
    return torch.cat(answers, dim=1)

"""Feeding a one-step model with its own answers: the same way in training and in prediction."""

from collections.abc import Callable

import torch
from torch import Tensor

from climbench.tasks.sample import Sample, Signature

Model = Callable[[Sample], Tensor]
"""Maps a sample to ``[batch, lead, target, latitude, longitude]``, both in the same units."""


def next_step(sample: Sample, step: float) -> Sample:
    """Return the question of the first lead, asked as one step of ``step`` hours."""
    now = sample.at_lead(0)
    return now._replace(lead_time=torch.full_like(now.lead_time, step))


def stepped(sample: Sample, answer: Tensor, signature: Signature) -> Sample:
    """Return what remains to be asked after the first lead was answered.

    The oldest input drops out and the answer comes in as the newest; forcings, the calendar and
    the truth are those of the leads that are left. Inputs and targets are in units of one scale.

    Parameters
    ----------
    sample
        Its lead axis holds every step.
    answer
        ``[batch, 1, target, latitude, longitude]``.
    signature
        Says which answers are inputs.
    """
    fed_back = [signature.targets.index(name) for name in signature.inputs]
    inputs = torch.cat([sample.inputs[:, 1:], answer[:, :, fed_back]], dim=1)
    return sample.at_leads(slice(1, None))._replace(inputs=inputs)


def iterate(
    model: Model,
    sample: Sample,
    signature: Signature,
    step: float,
    feed: Callable[[Tensor], Tensor] = lambda answer: answer,
) -> Tensor:
    """Return the answers of a one-step model that is fed with its own answers.

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
    feed
        What becomes of an answer before it is fed back; ``torch.Tensor.detach`` keeps gradients
        inside each step.

    Returns
    -------
    torch.Tensor
        The answer of every step ``[batch, lead, target, latitude, longitude]``.
    """
    answers = []
    for _ in range(sample.lead_time.shape[1]):
        answers.append(model(next_step(sample, step)))
        sample = stepped(sample, feed(answers[-1]), signature)
    return torch.cat(answers, dim=1)

"""What a network sees and answers: stacks of maps, put together by channel name."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from climbench.tasks.sample import Sample, Signature

LEAD_UNIT = 100.0  # hours; the scale that ClimaX uses
DAYS_PER_YEAR = 365.25


def positions(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Return where each wanted name stands among names.

    Examples
    --------
    >>> positions(["a", "b", "c"], ["c", "a"])
    [2, 0]
    """
    return [list(names).index(name) for name in wanted]


def last_input(signature: Signature, sample: Sample) -> Tensor:
    """Return the last input of each target channel, zero for targets that are not inputs.

    Returns
    -------
    torch.Tensor
        ``[batch, 1, target, latitude, longitude]``.
    """
    last = sample.inputs[:, -1:]
    fields = [
        last[:, :, signature.inputs.index(name)]
        if name in signature.inputs
        else last.new_zeros(last.shape[0], 1, *signature.shape)
        for name in signature.targets
    ]
    return torch.stack(fields, dim=2)


def last_known(signature: Signature, sample: Sample) -> Tensor:
    """Return the last input of each target channel that is not missing, NaN where all are.

    Returns
    -------
    torch.Tensor
        ``[batch, 1, target, latitude, longitude]``.
    """
    known = last_input(signature, sample)
    for step in range(sample.inputs.shape[1] - 1, 0, -1):
        before = last_input(signature, sample._replace(inputs=sample.inputs[:, :step]))
        known = torch.where(known.isnan(), before, known)
    return known


def given(signature: Signature, sample: Sample) -> Tensor:
    r"""Return what the inputs alone say: the last, or the line between two around the targets.

    .. math:: (1 - s)\, x(t_1) + s\, x(t_2), \qquad s = (\tau - t_1) / (t_2 - t_1)

    Returns
    -------
    torch.Tensor
        ``[batch, lead or 1, target, latitude, longitude]``, zero for targets that are no inputs.
    """
    last = last_input(signature, sample)
    if not signature.input_hours:
        return last
    begin, end = signature.input_hours
    first = last_input(signature, sample._replace(inputs=sample.inputs[:, :1]))
    share = ((sample.lead_time - begin) / (end - begin))[:, :, None, None, None]
    return first * (1 - share) + last * share


def driver(signature: Signature, sample: Sample, name: str) -> Tensor:
    """Return a channel of the forcings, or of the inputs at the last step of their history.

    Returns
    -------
    torch.Tensor
        ``[batch, lead, latitude, longitude]``; an input is the same for all leads.
    """
    if name in signature.forcings:
        return sample.forcings[:, :, signature.forcings.index(name)]
    field = sample.inputs[:, -1:, signature.inputs.index(name)]
    return field.expand(-1, sample.lead_time.shape[1], -1, -1)


def each_step(sample: Sample) -> Sample:
    """Return every step of the history as a sample of its own, with what is asked of all leads.

    The steps of a sample follow each other, oldest first: inputs ``[batch * history, 1, channel,
    latitude, longitude]``, forcings and times of the leads ``[batch * history, lead, ...]``; the
    rest stays.
    """
    history = sample.inputs.shape[1]
    asked = ("forcings", "lead_time", "day_of_year", "hour")
    repeated = {name: getattr(sample, name).repeat_interleave(history, dim=0) for name in asked}
    return sample._replace(inputs=sample.inputs.flatten(0, 1)[:, None], **repeated)


def calendar_features(day_of_year: Tensor, hour: Tensor, longitude: Tensor) -> Tensor:
    r"""Return the first harmonics of the season and of the local solar day.

    .. math:: \cos a, \sin a, \cos h, \sin h; \quad a = 2\pi\,(d - 1) / 365.25,
       \quad h = 2\pi\,(t / 24 + \lambda / 360)

    Parameters
    ----------
    day_of_year
        Day :math:`d`, 1..366 ``[batch]``.
    hour
        Hour of the day :math:`t`, UTC ``[batch]``.
    longitude
        Columns :math:`\lambda`, degrees east ``[longitude]``.

    Returns
    -------
    torch.Tensor
        ``[batch, 4, longitude]``, dimensionless.

    Examples
    --------
    >>> calendar_features(torch.tensor([1]), torch.tensor([6.0]), torch.tensor([0.0]))[0, :, 0]
    tensor([ 1.0000e+00,  0.0000e+00, -4.3711e-08,  1.0000e+00])
    """
    season = 2 * math.pi * (day_of_year.to(longitude.dtype) - 1) / DAYS_PER_YEAR
    day = 2 * math.pi * (hour.to(longitude.dtype)[:, None] / 24 + longitude / 360)
    season = season[:, None].expand_as(day)
    return torch.stack([season.cos(), season.sin(), day.cos(), day.sin()], dim=1)


def coordinate_features(latitude: Sequence[float], longitude: Sequence[float]) -> Tensor:
    """Return the unit vector from the Earth's centre to each cell.

    Returns
    -------
    torch.Tensor
        Components x, y, z ``[3, latitude, longitude]``, dimensionless, float32.
    """
    phi, lam = np.meshgrid(np.deg2rad(latitude), np.deg2rad(longitude), indexing="ij")
    vector = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    return torch.from_numpy(vector.astype(np.float32))


class NetworkInput(nn.Module):
    """Stack everything a network may see into channels ``[batch, channel, latitude, longitude]``.

    Channels stand in alphabetical order whatever the order of the signature, so that the same
    weights serve every order. They are: each step of the history of each input, the forcings at
    each lead, the static fields, and as options the lead time (of the first lead, in 100 h), the
    harmonics of season and local solar time (of the first lead's target), and the position on the
    sphere.

    Attributes
    ----------
    count
        Number of channels.
    """

    longitude: Tensor
    coordinate: Tensor

    def __init__(
        self, signature: Signature, *, lead_time: bool, calendar: bool, coordinates: bool
    ) -> None:
        super().__init__()
        self.inputs, self.forcings, self.static = (
            positions(names, sorted(names))
            for names in (signature.inputs, signature.forcings, signature.static)
        )
        self.lead_time, self.calendar, self.coordinates = lead_time, calendar, coordinates
        self.count = (
            signature.history * len(self.inputs)
            + signature.leads * len(self.forcings)
            + len(self.static)
            + (1 if lead_time else 0)
            + (4 if calendar else 0)
            + (3 if coordinates else 0)
        )
        position = coordinate_features(signature.latitude, signature.longitude)
        self.register_buffer("coordinate", position, persistent=False)
        longitude = torch.tensor(signature.longitude, dtype=torch.float32)
        self.register_buffer("longitude", longitude, persistent=False)

    def forward(self, sample: Sample) -> Tensor:
        """Return the stack for a batch of samples."""
        batch, *_, rows, columns = sample.inputs.shape
        fields = [
            sample.inputs[:, :, self.inputs].flatten(1, 2),
            sample.forcings[:, :, self.forcings].flatten(1, 2),
            sample.static[self.static].expand(batch, -1, -1, -1),
        ]
        if self.lead_time:
            lead = sample.lead_time[:, :1, None, None] / LEAD_UNIT
            fields.append(lead.expand(-1, -1, rows, columns))
        if self.calendar:
            day, hour = sample.day_of_year[:, 0], sample.hour[:, 0]
            harmonics = calendar_features(day, hour, self.longitude)
            fields.append(harmonics[:, :, None].expand(-1, -1, rows, -1))
        if self.coordinates:
            fields.append(self.coordinate.expand(batch, -1, -1, -1))
        return torch.cat([field.to(sample.inputs.dtype) for field in fields], dim=1)


class NetworkOutput(nn.Module):
    """Arrange the maps of a network's head as ``[batch, lead, target, latitude, longitude]``.

    With ``residual`` the head gives the change from the last input for every target that is also
    an input; a head of zeros is then persistence. Between two inputs it is the change from the
    line that joins them, and a head of zeros linear interpolation.

    Attributes
    ----------
    count
        Number of maps the head must give: leads times targets, targets in alphabetical order.
    """

    def __init__(self, signature: Signature, *, residual: bool) -> None:
        super().__init__()
        self.signature = signature
        self.residual = residual
        self.count = signature.leads * len(signature.targets)
        self.order = positions(sorted(signature.targets), signature.targets)

    def forward(self, maps: Tensor, sample: Sample) -> Tensor:
        """Return the answer for maps ``[batch, count, latitude, longitude]`` of the head."""
        batch, _, rows, columns = maps.shape
        targets = maps.reshape(batch, -1, len(self.order), rows, columns).unbind(2)
        fields = torch.stack([targets[i] for i in self.order], dim=2)
        return given(self.signature, sample) + fields if self.residual else fields

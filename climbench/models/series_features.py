"""Features of time series: lags, rolling statistics, differences, and the time of day."""

import math

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.models.channels import last_known
from climbench.tasks.sample import Sample, Signature


class SeriesFeatures:
    """What a regression of series sees, all of it from the history that ends at the initial time.

    Every channel gives its last value, its change over the longest lag, and its mean over each
    window; a channel that is also a target moreover its value at each lag, its last difference,
    and standard deviation, minimum and maximum over each window. To these come forcings and
    static values, the first two harmonics of the local solar day at the first lead, and its phase
    from 0 to 1. Nothing after the initial time is known here, so that nothing can leak.

    Parameters
    ----------
    signature
        The question.
    windows
        Lengths of the rolling windows, input steps, ascending; they end at the initial time.
    lags
        Input steps before the initial time, ascending.

    Attributes
    ----------
    names
        Of the features, in order: ``CHANNEL:STATISTIC``.

    Raises
    ------
    UserError
        If a window or lag reaches beyond the history, or is not positive.
    """

    def __init__(
        self, signature: Signature, windows: tuple[int, ...], lags: tuple[int, ...]
    ) -> None:
        for option, values, most in (
            ("windows", windows, signature.history),
            ("lags", lags, signature.history - 1),
        ):
            if not values or list(values) != sorted(set(values)) or values[0] < 1:
                raise UserError(
                    f"option '{option}' = {list(values)} must list steps from 1 on, ascending"
                )
            if values[-1] > most:
                raise UserError(
                    f"option '{option}' reaches back {values[-1]} steps and the task's history "
                    f"has {signature.history}: lengthen 'task.history' to "
                    f"{values[-1] + signature.history - most}, or shorten '{option}'"
                )
        self.windows, self.lags = tuple(windows), tuple(lags)
        self.channels = sorted(signature.inputs)
        self.order = [signature.inputs.index(name) for name in self.channels]
        self.own = [at for at, name in enumerate(self.channels) if name in signature.targets]
        self.forcings = sorted(signature.forcings)
        self.forcing_order = [signature.forcings.index(name) for name in self.forcings]
        self.static = sorted(signature.static)
        self.static_order = [signature.static.index(name) for name in self.static]
        self.longitude = torch.tensor(signature.longitude)
        self.names = self._names(signature.leads)

    def _names(self, leads: int) -> tuple[str, ...]:
        targets = [self.channels[at] for at in self.own]
        blocks = [(self.channels, ["last", f"change_{self.lags[-1]}"])]
        blocks += [(self.channels, [f"mean_{window}"]) for window in self.windows]
        blocks += [(targets, [f"lag_{lag}"]) for lag in self.lags]
        blocks += [(targets, ["difference"])]
        for window in self.windows:
            blocks.append((targets, [f"{what}_{window}" for what in ("std", "min", "max")]))
        names = [
            f"{name}:{what}" for channels, each in blocks for what in each for name in channels
        ]
        names += [f"{name}:lead_{lead}" for lead in range(leads) for name in self.forcings]
        names += [f"{name}:static" for name in self.static]
        return (*names, *(f"time:{what}" for what in ("cos", "sin", "cos2", "sin2", "phase")))

    def __call__(self, sample: Sample) -> Tensor:
        """Return features ``[batch, station, feature]``, NaN where nothing was measured."""
        past = sample.inputs[:, :, self.order, 0]  # [batch, history, channel, station]
        own = past[:, :, self.own]
        last = past[:, -1]
        parts = [last, last - past[:, -1 - self.lags[-1]]]
        parts += [past[:, -window:].nanmean(1) for window in self.windows]
        parts += [own[:, -1 - lag] for lag in self.lags]
        parts += [own[:, -1] - own[:, -2]]
        for window in self.windows:
            parts += _spread(own[:, -window:])
        parts += [sample.forcings[:, :, self.forcing_order, 0].flatten(1, 2)]
        parts += [sample.static[self.static_order, 0].expand(len(past), -1, -1)]
        parts += [self._day(sample)]
        return torch.cat([part.to(past.dtype) for part in parts], dim=1).transpose(1, 2)

    def _day(self, sample: Sample) -> Tensor:
        """Return harmonics and phase of the local solar day ``[batch, 5, station]``."""
        phase = (sample.hour[:, :1] / 24 + self.longitude.to(sample.hour) / 360) % 1
        angle = 2 * math.pi * phase
        waves = [angle.cos(), angle.sin(), (2 * angle).cos(), (2 * angle).sin()]
        return torch.stack([*waves, phase], dim=1)


def _spread(window: Tensor) -> list[Tensor]:
    """Return standard deviation, minimum and maximum over steps ``[batch, step, ...]``."""
    missing = window.isnan()
    none = missing.all(1)
    mean = window.nanmean(1, keepdim=True)
    deviation = (window - mean).square().nanmean(1).sqrt()
    least = window.masked_fill(missing, torch.inf).amin(1)
    most = window.masked_fill(missing, -torch.inf).amax(1)
    return [deviation, least.masked_fill(none, torch.nan), most.masked_fill(none, torch.nan)]


def last_values(signature: Signature, sample: Sample) -> Tensor:
    """Return the last value of each target that there is, else 0, the training mean.

    Returns
    -------
    torch.Tensor
        ``[batch, 1, target, 1, station]``.
    """
    return last_known(signature, sample).nan_to_num(0.0)

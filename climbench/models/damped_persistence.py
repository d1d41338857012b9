"""Climatology of a few harmonics, and the anomaly that fades towards it."""

import math

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.models.channels import DAYS_PER_YEAR, last_known
from climbench.models.closed_form import KeyedClosedForm, lent
from climbench.tasks.sample import Sample, Signature

HOURS = 24  # of the clock: a key is lead time * HOURS + hour of the target


class HarmonicRegression(KeyedClosedForm):
    r"""Least squares on the harmonics of the year, for each lead time and hour of the day apart.

    With :math:`h(d) = (1, \cos k a, \sin k a, ...)`, :math:`a = 2\pi (d - 1) / 365.25`,
    :math:`k = 1..K`, the sums of :math:`h h^T` and :math:`h y^T` give the climatology
    :math:`c_y(d) = h(d)^T B_y` of each cell. At stations a missing value counts nowhere; on maps,
    where equations of every cell would not fit into memory, it counts as the training mean.

    Parameters
    ----------
    signature
        The question.
    harmonics
        :math:`K`: 4 reaches from the year to the season.
    """

    layouts = ("map", "stations")

    gram: Tensor
    target_moment: Tensor
    target_fit: Tensor

    def __init__(self, signature: Signature, harmonics: int = 4) -> None:
        super().__init__(signature)
        self.harmonics = harmonics
        terms, field = 2 * harmonics + 1, (len(signature.targets), *signature.shape)
        self.gaps_count = signature.layout == "stations"
        self.register_statistic("gram", 0, terms, terms, *(field if self.gaps_count else (1, 1, 1)))
        self.register_statistic("target_moment", 0, terms, *field)
        self.register_buffer("target_fit", torch.zeros(0, terms, *field))

    def season(self, day_of_year: Tensor) -> Tensor:
        """Return the constant and the harmonics of a day ``[..., term]``, float64."""
        angle = 2 * math.pi * (day_of_year.double() - 1) / DAYS_PER_YEAR
        turns = [k * angle for k in range(1, self.harmonics + 1)]
        waves = [wave for turn in turns for wave in (turn.cos(), turn.sin())]
        return torch.stack([torch.ones_like(angle), *waves], dim=-1)

    def rows(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return key and harmonics of each target ``[batch * lead]``, ``[batch * lead, term]``."""
        keys = (sample.lead_time.double() * HOURS + sample.hour.double()).flatten()
        return keys, self.season(sample.day_of_year.flatten())

    def accumulate(self, sample: Sample) -> None:
        """Add the targets to the sums of their lead time and hour."""
        keys, season = self.rows(sample)
        slots, targets = self.slots(keys), sample.targets.flatten(0, 1).double()
        known = self.known(sample) if self.gaps_count else torch.ones_like(targets[:, :1, :1, :1])
        targets = torch.where(known > 0, targets, 0.0).nan_to_num(0.0)
        for slot in torch.unique(slots).tolist():
            own, at = slots == slot, season[slots == slot]
            self.gram[slot] += torch.einsum("ns,nt,n...->st...", at, at, known[own])
            self.target_moment[slot] += torch.einsum("nt,n...->t...", at, targets[own])

    def known(self, sample: Sample) -> Tensor:
        """Return 1 for targets that are learnt from, else 0 ``[batch * lead, target, ...]``."""
        return sample.targets.flatten(0, 1).isfinite().double()

    def solve(self) -> None:
        """Set ``target_fit [key, term, target, latitude, longitude]``."""
        self.lend()
        self.target_fit = self.regress(self.target_moment).float()

    def lend(self) -> None:
        """Give stations that were never learnt from the sums of all others."""
        if not self.gaps_count:
            return
        never = (self.gram[:, 0, 0] == 0).all(dim=0)
        for name, sums in self.statistics().items():
            setattr(self, name, lent(sums, never))

    def regress(self, moment: Tensor) -> Tensor:
        """Return the coefficients of the harmonics ``[key, term, ...]``, the least of several."""
        inverse = torch.linalg.pinv(self.gram.movedim((1, 2), (-2, -1)), hermitian=True)
        every = inverse.expand(-1, *moment.shape[2:], -1, -1)
        return torch.einsum("k...st,kt...->ks...", every, moment).contiguous()

    def known_slots(self, keys: Tensor) -> Tensor:
        """Return the slot of the same lead time and the nearest hour round the clock.

        Raises
        ------
        UserError
            If a lead time did not occur in training.
        """
        leads, hours = torch.div(self.keys, HOURS, rounding_mode="floor"), self.keys % HOURS
        asked = torch.div(keys, HOURS, rounding_mode="floor").to(leads)
        apart = (keys[:, None].to(hours) % HOURS - hours).abs()
        apart = torch.minimum(apart, HOURS - apart)
        apart = apart.masked_fill(asked[:, None] != leads, math.inf)
        nearest, slots = apart.min(dim=1)
        if not torch.isfinite(nearest).all():
            unknown = float(asked[~torch.isfinite(nearest)][0])
            raise UserError(
                f"{type(self).__name__} was not fitted at a lead time of {unknown:g} h, only at "
                f"{', '.join(f'{lead:g}' for lead in torch.unique(leads).tolist())} h."
            )
        return slots

    def at(self, fit: Tensor, sample: Sample) -> Tensor:
        """Return a climatology at each target's time ``[batch, lead, ...]``."""
        keys, season = self.rows(sample)
        slots = self.known_slots(keys)
        values = fit.new_empty(len(slots), *fit.shape[2:])
        for slot in torch.unique(slots).tolist():
            own = slots == slot
            values[own] = torch.einsum("nt,t...->n...", season[own].float(), fit[slot])
        return values.reshape(*sample.lead_time.shape, *fit.shape[2:])


class HarmonicClimatology(HarmonicRegression):
    """Answer with the training climatology of the day of the year and hour, of few harmonics.

    Its lead times share one climatology where the same hours of the day occur, but for the few
    days at the ends of the training period.
    """

    def forward(self, sample: Sample) -> Tensor:
        """Return the climatology at each target's time."""
        if self.target_fit.shape[0] == 0:
            return self.zeros(sample)
        return self.at(self.target_fit, sample)


class DampedPersistence(HarmonicRegression):
    r"""Answer with the climatology and the part of the last anomaly that is left.

    .. math:: \hat y(t + \tau) = c(t + \tau) + r_\tau \, (x(t) - c(t)), \quad
        r_\tau = \frac{\sum_t x'(t)\, y'(t + \tau)}{\sum_t x'(t)^2}

    with one coefficient for each cell, channel and lead time, and anomalies :math:`x', y'` from
    the harmonics of the training period of their hour of the day. Both come from one pass: what
    the sums hold beyond the harmonics is the sum of anomalies (Frisch and Waugh). At stations a
    pair that misses one of both counts nowhere, and a missing input has no anomaly.

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.
    harmonics
        Of the climatology.

    Raises
    ------
    UserError
        If a target is not an input.

    References
    ----------
    Lorenz (1973), On the existence of extended range predictability, J. Appl. Meteor. 12,
    543-546; Frisch and Waugh (1933), Econometrica 1, 387-401.
    """

    takes_missing_inputs = True

    input_moment: Tensor
    input_square: Tensor
    product: Tensor
    departure_fit: Tensor
    damping: Tensor

    def __init__(self, signature: Signature, harmonics: int = 4) -> None:
        super().__init__(signature, harmonics)
        for name in signature.targets:
            if name not in signature.inputs:
                raise UserError(
                    f"damped persistence needs the target '{name}' among the task's inputs: "
                    "add it there or leave this model out."
                )
        terms, field = 2 * harmonics + 1, (len(signature.targets), *signature.shape)
        self.register_statistic("input_moment", 0, terms, *field)
        self.register_statistic("input_square", 0, *field)
        self.register_statistic("product", 0, *field)
        self.register_buffer("departure_fit", torch.zeros(0, terms, *field))
        self.register_buffer("damping", torch.zeros(0, *field))

    def accumulate(self, sample: Sample) -> None:
        """Add targets, last inputs and their products to the sums of their lead time and hour."""
        super().accumulate(sample)
        keys, season = self.rows(sample)
        slots, targets = self.slots(keys), sample.targets.flatten(0, 1).double()
        last = self.last(sample).double()
        if self.gaps_count:
            known = self.known(sample) > 0
            last, targets = (torch.where(known, each, 0.0) for each in (last, targets))
        last, targets = last.nan_to_num(0.0), targets.nan_to_num(0.0)
        for slot in torch.unique(slots).tolist():
            own = slots == slot
            x, y = last[own], targets[own]
            self.input_moment[slot] += torch.einsum("nt,n...->t...", season[own], x)
            self.input_square[slot] += (x**2).sum(0)
            self.product[slot] += (x * y).sum(0)

    def known(self, sample: Sample) -> Tensor:
        """Return 1 for pairs of which both are there, else 0."""
        return super().known(sample) * self.last(sample).isfinite()

    def last(self, sample: Sample) -> Tensor:
        """Return the last input at every lead ``[batch * lead, target, latitude, longitude]``."""
        fields = last_known(self.signature, sample)
        return fields.expand(-1, sample.lead_time.shape[1], -1, -1, -1).flatten(0, 1)

    def solve(self) -> None:
        """Set the climatology, the damping of each key, and what both make of the last input."""
        self.lend()
        target, last = self.regress(self.target_moment), self.regress(self.input_moment)
        along = "kt...,kt...->k..."
        product = self.product - torch.einsum(along, self.input_moment, target)
        square = self.input_square - torch.einsum(along, self.input_moment, last)
        leads = torch.div(self.keys, HOURS, rounding_mode="floor")
        same = (leads[:, None] == leads).to(product)  # the hours of a lead time have one damping
        product, square = (torch.einsum("kj,j...->k...", same, s) for s in (product, square))
        varies = square > 1e-9 * torch.einsum("kj,j...->k...", same, self.input_square)
        damping = torch.where(varies, product / square.where(varies, torch.ones(())), 0.0)
        self.target_fit, self.damping = target.float(), damping.float()
        self.departure_fit = (target - damping[:, None] * last).float()

    def forward(self, sample: Sample) -> Tensor:
        """Return climatology and damped anomaly ``[batch, lead, target, latitude, longitude]``."""
        if self.damping.shape[0] == 0:
            return self.zeros(sample)
        keys, _ = self.rows(sample)
        damping = self.damping[self.known_slots(keys)]
        damping = damping.reshape(*sample.lead_time.shape, *self.damping.shape[1:])
        last = last_known(self.signature, sample)
        if not self.gaps_count:
            last = last.nan_to_num(0.0)
        answer = self.at(self.departure_fit, sample) + damping * last
        missing = last.isnan()
        return (
            torch.where(missing, self.at(self.target_fit, sample), answer)
            if missing.any()
            else answer
        )

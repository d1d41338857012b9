"""What every model must do: checks that authors can run on a model of their own.

>>> from climbench.models.resnet import ResNet
>>> check_model(lambda signature: ResNet(signature, hidden_channels=8, blocks=1))
"""

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from climbench.models.closed_form import ClosedForm
from climbench.models.gathered import Gathered
from climbench.tasks.sample import Sample, Signature

Build = Callable[[Signature], nn.Module]
"""Makes the model under test for a signature."""

GLOBAL = Signature(
    inputs=("temperature_850", "geopotential_500", "2m_temperature"),
    forcings=("toa_incident_solar_radiation", "carbon_dioxide"),
    static=("orography", "land_sea_mask"),
    targets=("temperature_850", "geopotential_500"),
    history=2,
    leads=2,
    latitude=tuple(-78.75 + 22.5 * row for row in range(8)),
    longitude=tuple(22.5 * column for column in range(16)),
)
"""A small globe, two input steps, two lead times."""

REGIONAL = replace(
    GLOBAL,
    forcings=("carbon_dioxide",),
    static=(),
    history=1,
    leads=1,
    latitude=tuple(15.0 + 2.5 * row for row in range(25)),
    longitude=tuple(200.0 + 2.5 * column for column in range(53)),
)
"""North America on 25 x 53 cells: odd sizes, nothing periodic, no static fields."""

STATIONS = replace(
    GLOBAL,
    static=(),
    history=3,
    latitude=(0.0,),
    longitude=(10.5, 3.25, 8.0, 359.0, 10.5),
    stations=("Oslo", "Bergen", "Stavanger", "Lerwick", "Blindern"),
    places=(
        (59.91, 10.5, 12.0),
        (60.39, 3.25, 20.0),
        (58.97, 8.0, 10.0),
        (60.15, 359.0, 80.0),
        (59.94, 10.5, 94.0),
    ),
)
"""Five stations in one row, in no order, three hours of history."""

COLUMNS = replace(
    GLOBAL,
    inputs=(
        *(f"{profile}_{level}" for profile in ("state_t", "state_q0001") for level in range(8)),
        *("state_ps", "pbuf_SOLIN"),
    ),
    forcings=(),
    static=(),
    targets=(
        *(f"{profile}_{level}" for profile in ("ptend_t", "ptend_q0001") for level in range(8)),
        *("cam_out_NETSW", "cam_out_PRECC"),
    ),
    history=1,
    leads=1,
    latitude=(0.0,),
    longitude=(0.0,),
    levels=8,
)
"""A column of eight levels: two profiles and two single values in, and as many out."""

BATCH = 40
BATCHES = 4  # enough for every hour, season and fold of a closed-form fit


def random_sample(signature: Signature, batch: int, seed: int = 0) -> Sample:
    """Return normalised random fields whose numbers depend on the channel's name, not its place.

    Parameters
    ----------
    signature
        The question.
    batch
        Number of samples; their indices follow on from ``seed * batch``.
    seed
        Another seed gives other numbers; the static fields stay.
    """

    def fields(
        names: Sequence[str], seed: int, *lengths: int, grid: tuple[int, int] = signature.shape
    ) -> Tensor:
        shape = (*lengths, *grid)
        drawn = [torch.randn(shape, generator=_generator(name, seed)) for name in names]
        return torch.stack(drawn, dim=-3) if drawn else torch.zeros(*lengths, 0, *grid)

    generator = _generator("calendar", seed)
    leads = 24 * torch.arange(1, signature.leads + 1)
    start = torch.randint(0, 4 * 365, (batch, 1), generator=generator) * 6
    valid = start + leads
    return Sample(
        inputs=fields(signature.inputs, seed, batch, signature.history, grid=signature.input_shape),
        forcings=fields(signature.forcings, seed + 1000, batch, signature.leads),
        static=fields(signature.static, 0),
        targets=fields(signature.targets, seed + 2000, batch, signature.leads),
        lead_time=leads.float().expand(batch, -1),
        day_of_year=valid // 24 % 365 + 1,
        days_in_year=torch.full_like(valid, 365),
        hour=(valid % 24).float(),
        year=2001
        + torch.arange(seed * batch, (seed + 1) * batch)[:, None].expand(-1, signature.leads),
        run=torch.zeros(batch, dtype=torch.int64),
        climate_model=torch.arange(batch) % max(1, len(signature.climate_models)),
        index=torch.arange(seed * batch, (seed + 1) * batch),
    )


def ready_model(build: Build, signature: Signature) -> nn.Module:
    """Return a model with something to say: fitted if closed-form, else with shaken weights."""
    torch.manual_seed(0)
    model = build(signature)
    if isinstance(model, ClosedForm):
        for seed in range(BATCHES):
            model.accumulate(random_sample(signature, BATCH, seed))
        model.solve()
    for name, parameter in model.named_parameters():
        # A head of zeros, as residual networks start with, would hide what lies before it.
        noise = torch.randn(parameter.shape, generator=_generator(name, 1))
        parameter.data += 0.02 * noise
    return model.eval()


def check_shape(build: Build, signature: Signature) -> None:
    """Require an answer of finite float32 ``[batch, lead, target, latitude, longitude]``."""
    sample = random_sample(signature, 3)
    answer = _answer(ready_model(build, signature), sample)
    _require(answer.shape == sample.targets.shape, f"shape {tuple(answer.shape)}")
    _require(answer.dtype == torch.float32, f"type {answer.dtype}")
    _require(bool(torch.isfinite(answer).all()), "values that are not finite")


def check_determinism(build: Build, signature: Signature) -> None:
    """Require the same answer twice, whatever the state of the random generator."""
    model, sample = ready_model(build, signature), random_sample(signature, 3)
    torch.manual_seed(1)
    first = _answer(model, sample)
    torch.manual_seed(2)
    _same(first, _answer(model, sample), "two evaluations differ", tolerance=0.0)


def check_state(build: Build, signature: Signature) -> None:
    """Require the same answer of a new model that loads the saved weights, plain tensors all."""
    model, sample = ready_model(build, signature), random_sample(signature, 3)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = build(signature)
    other.load_state_dict(torch.load(file, weights_only=True))
    answers = _answer(model, sample), _answer(other.eval(), sample)
    _same(*answers, "the loaded model differs", tolerance=0.0)


def check_batch(build: Build, signature: Signature) -> None:
    """Require that a sample's answer does not depend on its neighbours in the batch."""
    model, sample = ready_model(build, signature), random_sample(signature, 4)
    together = _answer(model, sample)
    for position in range(4):
        alone = Sample(
            **{
                name: values if name == "static" else values[position : position + 1]
                for name, values in sample._asdict().items()
            }
        )
        _same(together[position : position + 1], _answer(model, alone), "alone and in a batch")


def check_gradient(build: Build, signature: Signature) -> None:
    """Require a finite gradient of answer or own loss, not all zero, for every trainable weight."""
    model = ready_model(build, signature)
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trainable:
        return
    sample = random_sample(signature, 3)
    model(sample).square().sum().backward()
    if hasattr(model, "loss"):
        weights = torch.ones(signature.shape[0], 1)
        cast(Any, model).loss(sample, weights).backward()
    for name, parameter in trainable.items():
        gradient = torch.zeros(1) if parameter.grad is None else parameter.grad
        _require(bool(gradient.any()), f"no gradient reaches {name}")
        _require(bool(torch.isfinite(gradient).all()), f"the gradient of {name} is not finite")


def check_longitude(build: Build, signature: Signature) -> None:
    """Require that a model with ``longitude_equivariant`` turns its answer with the globe."""
    model, sample = ready_model(build, signature), random_sample(signature, 2)
    if not getattr(model, "longitude_equivariant", False):
        return
    turned = sample._replace(
        inputs=sample.inputs.roll(3, -1),
        forcings=sample.forcings.roll(3, -1),
        static=sample.static.roll(3, -1),
    )
    _same(_answer(model, sample).roll(3, -1), _answer(model, turned), "the turned globe differs")


def check_names(build: Build, signature: Signature) -> None:
    """Require that channels are found by name, whatever their order in the signature.

    A network gets the same weights under both orders; a closed-form model is fitted again.
    """
    backward = replace(
        signature,
        inputs=signature.inputs[::-1],
        forcings=signature.forcings[::-1],
        static=signature.static[::-1],
        targets=signature.targets[::-1],
    )
    model, other = ready_model(build, signature), ready_model(build, backward)
    if not isinstance(model, ClosedForm):
        other.load_state_dict(model.state_dict())
    answer = _answer(model, random_sample(signature, 2))
    _same(answer.flip(2), _answer(other, random_sample(backward, 2)), "the order of channels tells")


def check_merge(build: Build, signature: Signature) -> None:
    """Require of a closed-form model that sums over halves of the data add up to the whole."""
    whole = ready_model(build, signature)
    halves = [build(signature), build(signature)]
    if not isinstance(whole, ClosedForm):
        return
    for seed in range(BATCHES):
        half = halves[seed % 2]
        if isinstance(half, ClosedForm):
            half.accumulate(random_sample(signature, BATCH, seed))
    merged, other = halves
    if isinstance(merged, ClosedForm) and isinstance(other, ClosedForm):
        for name, total in merged.statistics().items():
            total += other.statistics()[name]
        if isinstance(merged, Gathered) and isinstance(other, Gathered):
            merged.rows += other.rows
        merged.solve()
    sample = random_sample(signature, 2)
    _same(_answer(whole, sample), _answer(merged.eval(), sample), "merged halves differ")


CHECKS: dict[str, Callable[[Build, Signature], None]] = {
    "shape": check_shape,
    "determinism": check_determinism,
    "state": check_state,
    "batch": check_batch,
    "gradient": check_gradient,
    "longitude": check_longitude,
    "names": check_names,
    "merge": check_merge,
}
"""Every check by name, to parametrise a test with."""


def check_model(build: Build, signatures: Sequence[Signature] = (GLOBAL, REGIONAL)) -> None:
    """Run every check on a model.

    Parameters
    ----------
    build
        Makes the model for a signature.
    signatures
        The questions to try; give your own where the model needs other channels.

    Raises
    ------
    AssertionError
        If the model breaks the contract; the sentence says how.
    """
    for signature in signatures:
        for check in CHECKS.values():
            check(build, signature)


def _answer(model: nn.Module, sample: Sample) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(model(sample))


def _same(first: Tensor, second: Tensor, message: str, tolerance: float = 1e-4) -> None:
    apart = float((first - second).abs().max())
    _require(apart <= tolerance, f"{message} by up to {apart:g}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(f"model contract: {message}")


def _generator(name: str, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(name.encode()) + seed)

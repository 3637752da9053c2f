"""The moving average has a closed form; its clock counts images; buffers are those of the moment."""

import pytest
import torch
from torch import nn

from gan_lab import EMA


def network(value: float = 0.0) -> nn.Module:
    """One parameter and BatchNorm's buffers, all of one value."""
    made = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    filled(made, value)
    return made


@torch.no_grad()
def filled(made: nn.Module, value: float) -> nn.Module:
    for tensor in (*made.parameters(), *made.buffers()):
        tensor.fill_(value)
    return made


def followed(ema: EMA, values: list[float], images: int) -> EMA:
    """The average after the network had each of these values, `images` images apart; it started at 0."""
    moving = network()
    ema.follow(moving)
    for k, value in enumerate(values, start=1):
        ema.update(filled(moving, value), images, k * images)
    return ema


def weight(ema: EMA) -> float:
    return float(ema.module[0].weight)  # type: ignore[index]


@pytest.mark.parametrize("images", [1, 64, 500])
def test_an_old_network_counts_half_after_a_half_life(images: int) -> None:
    """average = Σ_k (1 − β) β^(n − k) value_k, β = ½^(images / half-life); after a half-life, 1 − ½."""
    half_life = 500.0
    values = [1.0] * int(half_life / images)
    ema = followed(EMA(half_life, warm_up=0.0), values, images)
    assert weight(ema) == pytest.approx(1 - 0.5 ** (images * len(values) / half_life), rel=1e-5)
    uneven = [0.3, -2.0, 5.0, 1.0]
    beta = 0.5 ** (images / half_life)
    expected = sum((1 - beta) * beta ** (len(uneven) - 1 - k) * value for k, value in enumerate(uneven))
    assert weight(followed(EMA(half_life, warm_up=0.0), uneven, images)) == pytest.approx(expected, rel=1e-5)


def test_the_clock_counts_images_and_not_rounds() -> None:
    """The same images in fewer, larger rounds give the same average (the network standing still meanwhile)."""
    small = followed(EMA(500.0, warm_up=0.0), [1.0] * 8, 64)
    large = followed(EMA(500.0, warm_up=0.0), [1.0] * 2, 256)
    assert weight(small) == pytest.approx(weight(large), rel=1e-5)
    rounds = followed(EMA(500.0, warm_up=0.0), [1.0] * 2, 64)  # the control: as many rounds, fewer images
    assert weight(rounds) < 0.5 * weight(large)


def test_the_warm_up_soon_forgets_the_beginning() -> None:
    ema = EMA(half_life=10_000.0, warm_up=0.05)
    assert ema.beta(64, 64) == pytest.approx(0.5 ** (1 / 0.05))
    assert ema.beta(64, 6400) == pytest.approx(0.5 ** (64 / 320))
    assert ema.beta(64, 200_000) == ema.beta(64, 10**7) == pytest.approx(0.5 ** (64 / 10_000))
    assert EMA(10_000.0, warm_up=0.0).beta(64, 64) == pytest.approx(0.5 ** (64 / 10_000))
    warm, cold = (followed(EMA(10_000.0, warm_up), [1.0] * 10, 64) for warm_up in (0.05, 0.0))
    assert weight(warm) > 0.99
    assert weight(cold) < 0.05


def test_buffers_are_copied_and_not_averaged() -> None:
    ema = followed(EMA(500.0, warm_up=0.0), [1.0, 7.0], 64)
    assert all(float(buffer) == 7.0 for buffer in ema.module.buffers())
    assert 0 < weight(ema) < 7.0  # the control: parameters are averaged
    assert ema.module[1].num_batches_tracked.dtype == torch.int64  # type: ignore[index, union-attr]


def test_the_average_is_a_network_of_its_own() -> None:
    ema, moving = EMA(500.0), network(3.0)
    ema.follow(moving)
    filled(moving, 5.0)
    assert weight(ema) == 3.0
    assert not any(parameter.requires_grad for parameter in ema.parameters())
    assert all(parameter.requires_grad for parameter in moving.parameters())


@pytest.mark.parametrize("half_life", [0.0, -1.0])
def test_a_half_life_is_positive(half_life: float) -> None:
    with pytest.raises(ValueError, match=r"it must be positive \(ema: null averages nothing\)"):
        EMA(half_life)

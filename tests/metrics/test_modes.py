"""Laws of the mode scores: all modes, one mode, no mode."""

import math

import pytest
import torch

from gan_lab.metrics import ModeScores

ANGLES = torch.arange(8) * (2 * math.pi / 8)
RING = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], dim=1)
SIGMA = 0.02


def drawn(modes, seed=0):
    noise = torch.randn(len(modes), 2, generator=torch.Generator().manual_seed(seed))
    return RING[modes] + SIGMA * noise


def scored(points, **kwargs):
    scores = ModeScores(RING, SIGMA, "ring8", **kwargs)
    scores.update(points)
    return scores.compute()


def test_the_distribution_itself():
    found = scored(drawn(torch.arange(10_000) % 8))
    assert found["modes"].value == 8
    assert found["high_quality"].value == pytest.approx(1 - math.exp(-4.5), abs=0.004)  # within 3σ in two dimensions
    assert found["reverse_kl"].value == pytest.approx(0, abs=1e-12)
    assert found["modes"].protocol == "modes10k_ring8-3sigma"
    assert found["modes"].floor is None


def test_collapse_onto_one_mode():
    found = scored(drawn(torch.full((1000,), 3)))
    assert found["modes"].value == 1
    assert found["reverse_kl"].value == pytest.approx(2.0794415, abs=1e-6)
    assert found["high_quality"].value > 0.97


def test_noise_reaches_no_mode():
    found = scored(5 * torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)) - 2.5)
    assert found["modes"].value == 0
    assert found["high_quality"].value < 0.02
    assert found["reverse_kl"].value < 0.1


@pytest.mark.parametrize(("share", "covered"), [(12, 7), (13, 8)])
def test_a_mode_is_covered_from_one_in_80(share, covered):
    modes = torch.cat([torch.zeros(share).long(), 1 + torch.arange(1000 - share) % 7])
    assert scored(RING[modes])["modes"].value == covered


def test_wider_counts_more():
    points = drawn(torch.arange(4000) % 8)
    assert scored(points, within=4)["high_quality"].value > scored(points, within=2)["high_quality"].value
    assert scored(points, within=4)["modes"].protocol == "modes4k_ring8-4sigma"


def test_floor_is_what_as_many_reals_get():
    found = scored(drawn(torch.zeros(500).long()), unseen=drawn(torch.arange(800) % 8, seed=1))
    assert found["modes"].floor == 8
    assert found["reverse_kl"].floor == pytest.approx(0, abs=0.01)
    assert found["high_quality"].floor > 0.97
    assert scored(drawn(torch.zeros(900).long()), unseen=RING)["modes"].floor is None


def test_batches_add_up_and_reset_starts_over():
    points = drawn(torch.randint(8, (300,), generator=torch.Generator().manual_seed(0)))
    scores = ModeScores(RING, SIGMA, "ring8")
    for batch in points.split(70):
        scores.update(batch)
    assert scores.compute() == scored(points)
    scores.reset()
    scores.update(points[:50])
    assert scores.compute() == scored(points[:50])


def test_refusals():
    scores = ModeScores(RING, SIGMA, "ring8")
    with pytest.raises(ValueError, match="diverged"):
        scores.update(torch.full((3, 2), float("nan")))
    with pytest.raises(ValueError, match="2 dimensions"):
        scores.update(torch.zeros(3, 5))
    with pytest.raises(ValueError, match="at least 2"):
        scores.compute()
    with pytest.raises(ValueError, match="width"):
        ModeScores(RING, 0.0, "ring8")

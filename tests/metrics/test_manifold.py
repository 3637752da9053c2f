"""Laws of precision, recall, density, coverage: hand vectors, slow oracles, torch-fidelity, ties, bounded memory."""

import numpy as np
import pytest
import torch

from gan_lab.metrics import manifold, manifold_scores


def normal(n, d, seed, shift=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def oracle(fake, real, k, k_density):
    """The definitions, image by image."""
    fake, real = fake.double().numpy(), real.double().numpy()

    def reach(rows, k):
        return [sorted(np.linalg.norm(rows - row, axis=1))[k] for row in rows]  # the 0th is itself

    def inside(point, centres, radii):
        return [np.linalg.norm(point - c) <= r for c, r in zip(centres, radii, strict=True)]

    wide, narrow, fakes = reach(real, k), reach(real, k_density), reach(fake, k)
    precision = np.mean([any(inside(f, real, wide)) for f in fake])
    recall = np.mean([any(inside(r, fake, fakes)) for r in real])
    counts = np.array([inside(f, real, narrow) for f in fake])
    return precision, recall, counts.sum() / (k_density * len(fake)), counts.any(axis=0).mean()


def test_hand_vector_where_ties_count_as_inside():
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    fake = torch.tensor([[0.15], [0.25], [10.0], [1.3]])
    assert tuple(manifold_scores(fake, real, k=1, k_density=1)) == pytest.approx((0.75, 0.75, 1.5, 0.75))
    on_the_surface = torch.tensor([[4.0], [4.0], [7.0]])
    assert manifold_scores(on_the_surface, real, k=1, k_density=1).precision == pytest.approx(2 / 3)
    assert manifold_scores(on_the_surface + 1e-6, real, k=1, k_density=1).precision == 0


@pytest.mark.parametrize(("n", "m", "k", "k_density"), [(60, 45, 3, 5), (30, 70, 5, 2), (8, 9, 1, 7)])
@pytest.mark.parametrize("shift", [0.0, 0.6])
def test_equals_a_slow_oracle(n, m, k, k_density, shift):
    fake, real = normal(n, 4, 0, shift), normal(m, 4, 1)
    assert tuple(manifold_scores(fake, real, k, k_density)) == pytest.approx(oracle(fake, real, k, k_density))


@pytest.mark.parametrize(("n", "m", "d"), [(500, 400, 64), (300, 700, 2048), (50, 60, 2)])
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_precision_and_recall_equal_torch_fidelity(n, m, d, shift):
    from torch_fidelity.metric_prc import prc_features_to_metric

    fake, real = normal(n, d, 0, shift), normal(m, d, 1)
    theirs = prc_features_to_metric(fake, real, verbose=False)
    ours = manifold_scores(fake, real)
    assert ours.precision == pytest.approx(theirs["precision"], abs=1e-7)  # they average in float32
    assert ours.recall == pytest.approx(theirs["recall"], abs=1e-7)


def test_values_where_fakes_are_reals():
    """Expected coverage is 1 − Π (N−i)/(2N−i) and expected density 1, whatever the distribution."""
    high = [manifold_scores(normal(1000, 64, 2 * i), normal(1000, 64, 2 * i + 1), k=5) for i in range(6)]
    assert np.mean(high, axis=0) == pytest.approx((0.73, 0.74, 0.983, 0.968), abs=0.03)
    low = [manifold_scores(normal(400, 2, 2 * i), normal(400, 2, 2 * i + 1)) for i in range(20)]
    assert np.mean([scores.density for scores in low]) == pytest.approx(1, abs=0.02)
    assert np.mean([scores.coverage for scores in low]) == pytest.approx(1 - 0.5**5, abs=0.01)


def test_what_each_of_them_sees():
    """Half of the modes missing costs recall and coverage; fakes outside cost precision and density."""
    real = torch.cat([normal(200, 8, 0, -5), normal(200, 8, 1, 5)])
    one_mode = manifold_scores(normal(400, 8, 2, 5), real)
    assert one_mode.precision > 0.8
    assert one_mode.recall < 0.55
    assert one_mode.coverage < 0.55
    beside = manifold_scores(torch.cat([normal(200, 8, 3, 5), normal(200, 8, 4, 50)]), real)
    assert beside.precision < 0.55
    assert beside.density < 0.65


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_copies_are_inside_however_distances_are_rounded(offset):
    """Each ball of a real holds exactly its k neighbours and itself when the fakes are the reals."""
    real = normal(300, 512, 0) + offset
    found = manifold_scores(real.flip(0), real)
    assert tuple(found) == (1, 1, pytest.approx(6 / 5), 1)


def test_blocks_change_nothing(monkeypatch):
    fake, real = normal(90, 16, 0, 0.2), normal(70, 16, 1)
    whole = manifold_scores(fake, real)
    monkeypatch.setattr(manifold, "BLOCK", 7 * 70)
    assert manifold_scores(fake, real) == whole
    assert [len(squares) for _, squares in manifold.distances(fake.double(), real.double())] == [7] * 12 + [6]


def test_radii_that_are_known_already():
    fake, real = normal(90, 16, 0, 0.2), normal(70, 16, 1)
    assert manifold_scores(fake, real, real_radii=manifold.radii(real, 5)) == manifold_scores(fake, real)


def test_refusals():
    with pytest.raises(ValueError, match="no 5 neighbours each: give at least 6"):
        manifold_scores(normal(9, 4, 0), normal(5, 4, 1))
    with pytest.raises(ValueError, match="no 3 neighbours"):
        manifold_scores(normal(3, 4, 0), normal(9, 4, 1))
    with pytest.raises(ValueError, match="compared"):
        manifold_scores(normal(9, 4, 0), normal(9, 5, 1))

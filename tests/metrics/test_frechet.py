"""Laws of the Fréchet distance: closed forms, a slow oracle, and sums that add up."""

import numpy as np
import pytest
import scipy.linalg
import torch

from gan_lab.metrics import Gaussian, Moments, frechet, frechet_distance

I4, ZERO4 = torch.eye(4), torch.zeros(4)
A, B = torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]])


def normal(n, d, seed, scale=1.0):
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def by_sqrtm(x, y):
    x, y = x.double().numpy(), y.double().numpy()
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    mean = x.mean(axis=0) - y.mean(axis=0)
    return mean @ mean + np.trace(first + second) - 2 * np.trace(scipy.linalg.sqrtm(first @ second)).real


@pytest.mark.parametrize(
    ("fake", "real", "distance"),
    [
        ((ZERO4, I4), (ZERO4, I4), 0.0),
        ((ZERO4, I4), (torch.ones(4), I4), 4.0),
        ((ZERO4, I4), (ZERO4, 4 * I4), 4.0),
        ((torch.zeros(2), A), (torch.zeros(2), B), 0.5166852),
        ((torch.zeros(2), torch.zeros(2, 2)), (torch.zeros(2), B), 4.0),
    ],
)
def test_closed_forms(fake, real, distance):
    assert frechet_distance(fake, real) == pytest.approx(distance, abs=1e-6)
    assert frechet_distance(real, fake) == pytest.approx(distance, abs=1e-6)


def test_controls_are_told_apart():
    elementwise = (A.trace() + B.trace() - 2 * (A @ B).sqrt().trace()).item()
    roots = [torch.tensor(scipy.linalg.sqrtm(m.double().numpy())) for m in (A, B)]
    frobenius = (roots[0] - roots[1]).square().sum().item()
    right = frechet_distance((torch.zeros(2), A), (torch.zeros(2), B))
    assert elementwise == pytest.approx(0.2726, abs=1e-4)
    assert frobenius == pytest.approx(0.5359, abs=1e-4)
    assert abs(right - frobenius) > 0.01
    assert abs(right - elementwise) > 0.01


@pytest.mark.parametrize(("n", "m"), [(500, 400), (20, 400), (400, 20), (20, 12)])
def test_equals_the_matrix_square_root_whatever_the_rank(n, m):
    x, y = normal(n, 48, 0) @ normal(48, 48, 7) / 7, normal(m, 48, 1) + 0.3
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(by_sqrtm(x, y), rel=1e-5)


def test_blocks_change_nothing(monkeypatch):
    x, y = Moments.of(normal(200, 48, 0)), Moments.of(normal(200, 48, 1, 1.2))
    whole = frechet_distance(x, y)
    for block in (1, 7, 24):
        monkeypatch.setattr(frechet, "BLOCK", block)
        assert frechet_distance(x, y) == pytest.approx(whole, rel=1e-12)


def test_a_set_is_at_no_distance_from_itself():
    x = normal(30, 64, 0)
    assert frechet_distance(Moments.of(x), Moments.of(x)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("n", "bias"), [(100, 21.96), (500, 4.53), (1000, 2.25), (5000, 0.44)])
def test_bias_shrinks_with_the_count(n, bias):
    found = frechet_distance(Moments.of(normal(n, 64, n)), Moments.of(normal(n, 64, n + 1)))
    assert found == pytest.approx(bias, rel=0.06)


def test_covariance_is_over_n_minus_1_and_far_means_cost_no_precision():
    x = normal(40, 5, 0).double() + 1000
    gaussian = Moments.of(x).gaussian()
    torch.testing.assert_close(gaussian.covariance, torch.tensor(np.cov(x.numpy(), rowvar=False)), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(gaussian.mean, x.mean(dim=0))


def test_halves_merge_into_the_whole():
    x = normal(101, 6, 0)
    merged = Moments.zeros(6).merge(Moments.of(x[:37])).merge(Moments.of(x[37:]))
    for part, whole in zip(merged, Moments.of(x), strict=True):
        torch.testing.assert_close(part, whole)


def test_factor_squares_to_the_covariance():
    gaussian = Moments.of(normal(10, 30, 0)).gaussian()
    assert gaussian.factor.shape == (30, 9)
    torch.testing.assert_close(gaussian.factor @ gaussian.factor.T, gaussian.covariance)
    assert gaussian.factor is gaussian.factor


def test_refusals():
    with pytest.raises(ValueError, match="at least 2"):
        Moments.of(normal(1, 4, 0)).gaussian()
    with pytest.raises(ValueError, match="dimensions"):
        frechet_distance((ZERO4, I4), (torch.zeros(2), A))
    with pytest.raises(ValueError, match="no covariance"):
        Gaussian(ZERO4, A)


def test_equals_torch_fidelity():
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    x, y = normal(300, 32, 0), normal(200, 32, 1, 1.3)
    theirs = fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), verbose=False)
    ours = frechet_distance(Moments.of(x), Moments.of(y))
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)

"""The Fréchet distance between two sets of features, each seen as a Gaussian.

Sums in float64 are all that is kept of a set (`Moments`), so sets of any size cost the same, and the sums of two
processes add up to the sums of both. The distance is taken through symmetric eigenvalues, which are real and stable
where a general matrix square root is neither.
"""

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 512  # columns of a product at a time


class Gaussian:
    """A mean and a covariance; remembers the factor A of its covariance, Σ = AAᵀ, once that was asked for.

    Args:
        mean: (d,).
        covariance: (d, d), symmetric, positive semi-definite; of any rank.

    Raises:
        ValueError: the shapes don't fit.
    """

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise ValueError(f"a mean of shape {tuple(mean.shape)} has no covariance of {tuple(covariance.shape)}")
        self.mean, self.covariance = mean.double(), covariance.double()

    @cached_property
    def factor(self) -> Tensor:
        """A = V·√w, (d, rank): eigenvalues that are rounding noise, the negative ones among them, are left out."""
        values, vectors = torch.linalg.eigh(self.covariance)
        kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
        return vectors[:, kept] * values[kept].sqrt()


class Moments(NamedTuple):
    """The sums that a mean and a covariance need; adds up over batches and processes."""

    n: Tensor  # (), float64
    total: Tensor  # (d,), float64
    outer: Tensor  # (d, d), float64

    @classmethod
    def zeros(cls, dim: int) -> "Moments":
        """The moments of no features."""
        return cls(*(torch.zeros(shape, dtype=torch.float64) for shape in ((), (dim,), (dim, dim))))

    @classmethod
    def of(cls, features: Tensor) -> "Moments":
        """The moments of features (n, d), on their device."""
        rows = features.double()
        return cls(rows.new_tensor(float(len(rows))), rows.sum(dim=0), rows.T @ rows)

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets together."""
        return Moments(self.n + other.n, self.total + other.total, self.outer + other.outer)

    def gaussian(self) -> Gaussian:
        """Mean and covariance, the latter over N − 1 as `numpy.cov` has it.

        Raises:
            ValueError: fewer than two rows have no covariance.
        """
        if self.n < 2:
            raise ValueError(f"{int(self.n)} image(s) have no covariance: give at least 2")
        mean = self.total / self.n
        return Gaussian(mean, (self.outer - self.n * torch.outer(mean, mean)) / (self.n - 1))


def frechet_distance(
    fake: Gaussian | Moments | tuple[Tensor, Tensor], real: Gaussian | Moments | tuple[Tensor, Tensor]
) -> float:
    """The squared Wasserstein-2 distance of two Gaussians; of Inception features it is the FID.

    ``|µ − ν|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½``, the last term as the sum of ``√eig(AᵀΣ₁A)`` with ``Σ₂ = AAᵀ``
    (Heusel et al. 2017, arXiv:1706.08500). Biased upwards by about 1/N: compare equal counts only.

    Args:
        fake: moments, or (mean, covariance).
        real: the same; the side whose factor is kept where it is a `Gaussian`.

    Raises:
        ValueError: the two sides have different dimensions, or one has fewer than two rows.
    """
    p, q = _gaussian(fake), _gaussian(real)
    if p.mean.shape != q.mean.shape:
        raise ValueError(f"features of {len(p.mean)} and of {len(q.mean)} dimensions can't be compared")
    mean, covariance = p.mean.to(q.mean.device), p.covariance.to(q.mean.device)
    trace = torch.linalg.eigvalsh(_lower(q.factor, covariance)).clamp(min=0).sqrt().sum()
    distance = (mean - q.mean).square().sum() + covariance.trace() + q.covariance.trace() - 2 * trace
    return max(distance.item(), 0.0)


def _lower(a: Tensor, covariance: Tensor) -> Tensor:
    """AᵀΣA, of which `eigvalsh` reads the lower triangle: the blocks above it are left zero."""
    half, rank = covariance @ a, a.shape[1]
    product = half.new_zeros(rank, rank)
    for start in range(0, rank, BLOCK):
        columns = slice(start, start + BLOCK)
        torch.mm(a[:, start:].T, half[:, columns], out=product[start:, columns])
    return product


def _gaussian(side: Gaussian | Moments | tuple[Tensor, Tensor]) -> Gaussian:
    if isinstance(side, Gaussian):
        return side
    return side.gaussian() if isinstance(side, Moments) else Gaussian(*side)

"""Scores of points whose distribution is known: which modes of a mixture does a generator reach, and how sharply?"""

import math
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lab.metrics.suite import Score, protocol


class ModeScores(Metric):
    """Counts the modes of a Gaussian mixture that samples reach (Metz et al. 2016; Srivastava et al. 2017).

    A sample is *near* its nearest mode when it lies within `within`·σ of it. "modes": how many modes have at least
    1/(10·modes) of all samples near them. "high_quality": the share of samples near any mode. "reverse_kl":
    ``KL(q ‖ uniform)``, q the histogram of nearest modes, in nats; collapse onto one of 8 is ln 8.

    Args:
        centres: (modes, d).
        sigma: each mode's standard deviation.
        name: the data's name in protocols, such as "ring8".
        within: 3 by custom for the ring, 4 for the grid.
        unseen: real samples (n, d), for the floors.

    Raises:
        ValueError: no modes, or a width that isn't positive.
    """

    full_state_update = False
    centres: Tensor
    unseen: Tensor | None
    nearest: Tensor
    near: Tensor

    def __init__(
        self,
        centres: Tensor,
        sigma: float,
        name: str,
        within: float = 3.0,
        unseen: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if centres.ndim != 2 or len(centres) == 0 or not sigma > 0 or not within > 0:
            raise ValueError(f"modes need centres (modes, d) and a width: {tuple(centres.shape)}, {sigma}, {within}")
        self.sigma, self.name, self.within = sigma, name, within
        self.register_buffer("centres", centres.float(), persistent=False)
        self.register_buffer("unseen", unseen, persistent=False)
        for state in ("nearest", "near"):
            self.add_state(state, torch.zeros(len(centres), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, points: Tensor) -> None:
        """Adds samples (n, d).

        Raises:
            ValueError: other dimensions than the modes, or a value that is NaN or infinite.
        """
        if points.ndim != 2 or points.shape[1:] != self.centres.shape[1:]:
            raise ValueError(f"modes in {self.centres.shape[1]} dimensions can't judge samples {tuple(points.shape)}")
        if not points.isfinite().all():
            raise ValueError(
                "the samples hold NaN or infinite values, which no score can judge: the generator diverged"
            )
        nearest, near = self._histograms(points)
        self.nearest, self.near = self.nearest + nearest, self.near + near

    def compute(self) -> dict[str, Score]:
        """ "modes", "high_quality" and "reverse_kl", each with what as many unseen reals get.

        Raises:
            ValueError: fewer than two samples.
        """
        n = int(self.nearest.sum())
        if n < 2:
            raise ValueError(f"{n} sample(s) can't be scored: give at least 2")
        values = _scores(self.nearest, self.near)
        floors = {}
        if self.unseen is not None and len(self.unseen) >= n:
            floors = _scores(*self._histograms(self.unseen[:n]))
        where = f"{self.name}-{self.within:g}sigma"
        return {key: Score(value, floors.get(key), protocol(key, n, where)) for key, value in values.items()}

    def _histograms(self, points: Tensor) -> tuple[Tensor, Tensor]:
        points = points.detach().to(self.centres)
        distance, mode = torch.cdist(points, self.centres, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        count = len(self.centres)
        return mode.bincount(minlength=count), mode[distance <= self.within * self.sigma].bincount(minlength=count)


def _scores(nearest: Tensor, near: Tensor) -> dict[str, float]:
    total, modes = nearest.sum(), len(nearest)
    q = nearest.double() / total
    return {
        "modes": float((10 * modes * near >= total).sum()),
        "high_quality": float(near.sum() / total),
        "reverse_kl": max(math.log(modes) - torch.special.entr(q).sum().item(), 0.0),
    }

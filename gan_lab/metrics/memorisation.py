"""Does a generator repeat its training images? Then its images lie nearer to them than unseen reals do."""

from torch import Tensor

from gan_lab.metrics.manifold import nearest


class Memorisation:
    """The share of fakes nearer to a training image than is typical of reals that the generator never saw.

    ``P(d(f, T) < median d(h, T))``, d the distance of features to the nearest in T, the reference; h the held-out
    reals. 0 where no fake is near any training image, ½ where fakes are to the training images what unseen reals are,
    1 where all are copies. The held-out reals' own share, just below ½, is the floor; kin to the test of Meehan,
    Chaudhuri & Dasgupta 2020 (arXiv:2004.05675).

    Args:
        held_out: their features, (h, d).

    Raises:
        ValueError: none are given.
    """

    def __init__(self, held_out: Tensor) -> None:
        if len(held_out) == 0:
            raise ValueError("memorisation is judged by held-out reals, and there are none")
        self.held_out = held_out
        self._typical: tuple[Tensor, float] | None = None

    def share(self, fake: Tensor, real: Tensor) -> float:
        """Of `fake` (n, d), where the generator was trained on `real` (m, d)."""
        found = nearest(fake, real.to(fake.device))
        return (found < self.typical(real)).double().mean().item()

    def typical(self, real: Tensor) -> float:
        """The median distance of held-out reals to the nearest of `real`; remembered for as long as that stays."""
        if self._typical is None or self._typical[0] is not real:
            self._typical = real, nearest(self.held_out, real).median().item()
        return self._typical[1]

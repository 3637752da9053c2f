"""What the two players of a GAN minimise, as functions of scores.

`r` = D(x) are the scores of reals, `f` = D(G(z)) those of fakes: raw numbers of shape (n,), never probabilities. sp is
softplus, σ the sigmoid. Every loss is a mean over the batch, in the papers' own scale: L_D of the first GAN is the sum
of its two terms, not half of it.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from gan_lab.recipes import Recorded

Scores = Float[Tensor, " n"]
Scalar = Float[Tensor, ""]


class AdversarialLoss(Recorded, nn.Module, ABC):
    """A pair of losses over the same scores, one for each player.

    Attributes:
        relativistic: whether the generator looks at real scores too; if so, `generator` must be given `real`.
    """

    relativistic = False

    @abstractmethod
    def discriminator(self, real: Scores, fake: Scores) -> Scalar:
        """L_D of the scores `real` and `fake`, each of shape (n,)."""

    @abstractmethod
    def generator(self, fake: Scores, real: Scores | None = None) -> Scalar:
        """L_G of the scores `fake`, and of `real` where the loss is relativistic."""


class Minimax(AdversarialLoss):
    """The zero-sum game, whose generator's gradient vanishes where the discriminator is sure.

    L_D = sp(−r) + sp(f),  L_G = −sp(f) = log(1 − σ(f))

    Goodfellow et al. 2014, Generative Adversarial Nets, https://arxiv.org/abs/1406.2661, eq. 1.
    """

    def discriminator(self, real: Scores, fake: Scores) -> Scalar:
        return (softplus(-real) + softplus(fake)).mean()

    def generator(self, fake: Scores, real: Scores | None = None) -> Scalar:
        return -softplus(fake).mean()


class NonSaturating(AdversarialLoss):
    """The generator maximises the chance that its fakes pass for real: the loss in use since the first paper.

    L_D = α·sp(−r) + (1−α)·sp(r) + sp(f) with α = 1 − smoothing,  L_G = sp(−f)

    Goodfellow et al. 2014, section 3. One-sided smoothing: Salimans et al. 2016, https://arxiv.org/abs/1606.03498,
    section 3.4; then D* = σ(score*) = αp/(p+q). Only reals are smoothed: a target β for fakes would put q into the
    numerator, (αp+βq)/(p+q), and reward the generator for staying where it is.

    Args:
        smoothing: how far the target of reals lies below 1, from 0 (off) to below 1; Salimans et al. use 0.1.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing is {smoothing}: give a number from 0 (off) to below 1, such as 0.1")
        self.smoothing = smoothing

    def discriminator(self, real: Scores, fake: Scores) -> Scalar:
        smoothed = softplus(-real) + self.smoothing * real  # sp(r) = sp(−r) + r
        return (smoothed + softplus(fake)).mean()

    def generator(self, fake: Scores, real: Scores | None = None) -> Scalar:
        return softplus(-fake).mean()


class LeastSquares(AdversarialLoss):
    """Scores are pulled to targets by squared error, so that fakes far on the right side still move (LSGAN).

    L_D = ½(r−b)² + ½(f−a)²,  L_G = ½(f−c)²

    Mao et al. 2016, https://arxiv.org/abs/1611.04076, eq. 2 with the 0-1 code of eq. 9. (a, b, c) = (−1, 1, 0), eq. 8,
    makes the generator minimise the Pearson χ² divergence of 2q from p + q.

    Args:
        a: the discriminator's target for fakes.
        b: the discriminator's target for reals.
        c: what the generator wants its fakes to score.
    """

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0) -> None:
        super().__init__()
        self.a, self.b, self.c = a, b, c

    def discriminator(self, real: Scores, fake: Scores) -> Scalar:
        return ((real - self.b).square() + (fake - self.a).square()).mean() / 2

    def generator(self, fake: Scores, real: Scores | None = None) -> Scalar:
        return (fake - self.c).square().mean() / 2


class Hinge(AdversarialLoss):
    """The discriminator stops caring about scores beyond a margin of one.

    L_D = relu(1−r) + relu(1+f),  L_G = −f

    Lim & Ye 2017, https://arxiv.org/abs/1705.02894; used by SNGAN, SAGAN and BigGAN.
    """

    def discriminator(self, real: Scores, fake: Scores) -> Scalar:
        return (relu(1 - real) + relu(1 + fake)).mean()

    def generator(self, fake: Scores, real: Scores | None = None) -> Scalar:
        return -fake.mean()


class Wasserstein(AdversarialLoss):
    """The critic estimates the earth mover's distance, which is −L_D when the critic is 1-Lipschitz.

    L_D = f − r,  L_G = −f

    Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875, Algorithm 1. The loss alone bounds nothing: clip weights,
    add a gradient penalty or normalise spectrally.
    """

    def discriminator(self, real: Scores, fake: Scores) -> Scalar:
        return (fake - real).mean()

    def generator(self, fake: Scores, real: Scores | None = None) -> Scalar:
        return -fake.mean()


class RelativisticPairing(AdversarialLoss):
    """Each fake is compared with a real one, not with a fixed threshold, which rules out dropping modes (RpGAN).

    L_D = sp(f − r),  L_G = sp(r − f)

    Jolicoeur-Martineau 2018, https://arxiv.org/abs/1807.00734; Huang et al. 2024 (R3GAN),
    https://arxiv.org/abs/2501.05441, eq. 2. The pairs are arbitrary.

    Raises:
        ValueError: the generator was given no real scores.
    """

    relativistic = True

    def discriminator(self, real: Scores, fake: Scores) -> Scalar:
        return softplus(fake - real).mean()

    def generator(self, fake: Scores, real: Scores | None = None) -> Scalar:
        if real is None:
            raise ValueError("RelativisticPairing compares fakes with reals: call generator(fake, real)")
        return softplus(real - fake).mean()

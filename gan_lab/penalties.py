"""What is added to a player's loss to keep its networks smooth.

A penalty sees a `critic`: images in, scores out, condition and augmentation already bound. It returns its value
*without* the weight; a game adds weight · every · value to the player's terms, every `every` rounds, so that the
average push does not depend on the cadence (StyleGAN2's lazy regularisation). Slopes are those of each sample's own
score with respect to all of that sample's pixels, so a layer that mixes samples, such as BatchNorm, blurs them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lab.recipes import Recorded

Critic = Callable[[Tensor], Tensor]
Images = Float[Tensor, "n *shape"]
Scalar = Float[Tensor, ""]


class Penalty(Recorded, nn.Module, ABC):
    """A number that a player keeps small besides its adversarial loss.

    Args:
        weight: the paper's λ or γ.
        every: rounds between applications.

    Raises:
        ValueError: `every` is below 1.
    """

    def __init__(self, weight: float, every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"every is {every}: give the number of rounds between applications, 1 or more")
        self.weight, self.every = weight, every

    def check(self, discriminator: nn.Module) -> None:
        """Raises a ValueError, one line that names the mend, if the penalty can't work on this discriminator."""


class DiscriminatorPenalty(Penalty):
    """A penalty on the critic, at real and fake images of one batch."""

    @abstractmethod
    def forward(self, critic: Critic, real: Images, fake: Images) -> Scalar:
        """The unweighted value; its gradient reaches the critic's parameters and never the images."""


class GeneratorPenalty(Penalty):
    """A penalty on the generator, at latents."""

    @abstractmethod
    def forward(self, generator: nn.Module, z: Float[Tensor, "n z"]) -> Scalar:
        """The unweighted value; its gradient reaches the generator's parameters."""


class R1(DiscriminatorPenalty):
    """The critic is flat at real images, which makes the game converge locally.

    weight · ½ E‖∇_x D(x)‖², x real

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, eq. 9.

    Args:
        weight: γ; the paper's ½ is part of the value, so this is γ itself and not γ/2.
        every: rounds between applications; StyleGAN2 uses 16.
    """

    def __init__(self, weight: float = 10.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def forward(self, critic: Critic, real: Images, fake: Images) -> Scalar:
        return gradients(critic, real).square().sum(dim=1).mean() / 2


class R2(DiscriminatorPenalty):
    """The critic is flat at fake images: R1's counterpart.

    weight · ½ E‖∇_x D(x)‖², x fake

    Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, eq. 10.

    Args:
        weight: γ, as in R1.
        every: rounds between applications.
    """

    def __init__(self, weight: float = 10.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def forward(self, critic: Critic, real: Images, fake: Images) -> Scalar:
        return gradients(critic, fake).square().sum(dim=1).mean() / 2


class GradientPenalty(DiscriminatorPenalty):
    """The critic's slope is one on the lines between reals and fakes (WGAN-GP).

    weight · E(‖∇_x̂ D(x̂)‖ − target)²,  x̂ = u·x + (1−u)·G(z),  one u ~ U(0, 1) per sample

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, eq. 3.

    Args:
        weight: λ.
        every: rounds between applications.
        target: the slope asked for, in scores per unit of pixel value.
        one_sided: punish only slopes above the target, relu(‖∇‖ − target)², which all that 1-Lipschitz asks for is.
    """

    def __init__(self, weight: float = 10.0, every: int = 1, target: float = 1.0, one_sided: bool = False) -> None:
        super().__init__(weight, every)
        self.target, self.one_sided = target, one_sided

    def check(self, discriminator: nn.Module) -> None:
        if any(isinstance(module, _BatchNorm) for module in discriminator.modules()):
            raise ValueError(
                "GradientPenalty needs each image's own slope and BatchNorm in the critic mixes the batch:"
                " use norm: layer or none / instance"
            )

    def forward(self, critic: Critic, real: Images, fake: Images) -> Scalar:
        u = one_per_sample(real)
        excess = slopes(critic, u * real + (1 - u) * fake) - self.target
        return (excess.relu() if self.one_sided else excess).square().mean()


class DRAGAN(DiscriminatorPenalty):
    """The critic's slope is one in a neighbourhood of the reals.

    weight · E(‖∇D(x + u·δ)‖ − 1)²,  δ = scale · std(batch) · U(0, 1) per pixel,  one u ~ U(0, 1) per sample

    Kodali et al. 2017, https://arxiv.org/abs/1705.07215. The paper writes δ ~ N(0, cI); the noise here is that of the
    authors' code and of most ports.

    Args:
        weight: λ.
        every: rounds between applications.
        scale: the noise's largest value, in standard deviations of the batch's pixels.
    """

    def __init__(self, weight: float = 10.0, every: int = 1, scale: float = 0.5) -> None:
        super().__init__(weight, every)
        self.scale = scale

    def forward(self, critic: Critic, real: Images, fake: Images) -> Scalar:
        noise = self.scale * real.std(correction=0) * torch.rand_like(real)
        return (slopes(critic, real + one_per_sample(real) * noise) - 1).square().mean()


def gradients(critic: Critic, image: Images) -> Float[Tensor, "n pixels"]:
    """∇_x D(x) of each sample, flat, with a graph to the critic's parameters and none to what made the images."""
    image = image.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(image).sum(), image, create_graph=True)
    return gradient.flatten(1)


def slopes(critic: Critic, image: Images) -> Float[Tensor, " n"]:
    """‖∇_x D(x)‖ of each sample over all of its pixels."""
    return torch.linalg.vector_norm(gradients(critic, image), dim=1)  # its gradient at 0 is 0, that of sqrt is infinite


def one_per_sample(image: Images) -> Float[Tensor, "n ..."]:
    """u ~ U(0, 1), one for each sample, shaped to broadcast over the sample's pixels."""
    return torch.rand(len(image), *[1] * (image.ndim - 1), device=image.device, dtype=image.dtype)

"""Dense networks, the first GAN's: for points of any dimension and for small images.

Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661. Where we differ from its MNIST run: images lie in [−1, 1], so
the generator ends in tanh, not a sigmoid; the discriminator's 240 maxout units of five pieces are 240 leaky ReLUs, and
there is no dropout. Weights start as PyTorch starts them.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from gan_lab.networks.conditions import Condition
from gan_lab.networks.layers import (
    FLAT_NORMS,
    Z_DIM,
    Activation,
    block,
    checked_shape,
    join,
    joined_dim,
    normalise_spectrally,
)
from gan_lab.parts import Discriminator, Generator

FlatNorm = Literal["batch", "layer", "none"]

SHAPE = (1, 28, 28)
RANKS = {1: "[dimensions] of points", 3: "[channels, height, width] of images"}


class MLPGenerator(Generator):
    """Latents to points or images through dense layers.

    Args:
        shape: one image's (channels, height, width) or (dimensions,) of points; None stands for MNIST's (1, 28, 28).
        z_dim: the latents' size; None stands for the paper's 100.
        hidden: the widths of the hidden layers.
        activation: of the hidden layers.
        norm: of the hidden layers.
        condition: makes a label a vector, which is appended to z; None for an unconditional network.

    Raises:
        ValueError: `shape` is neither an image's nor a point's.
    """

    condition: Condition | None

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        z_dim: int | None = None,
        hidden: Sequence[int] = (1200, 1200),
        activation: Activation = "relu",
        norm: FlatNorm = "none",
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.shape = checked_shape(shape, SHAPE, RANKS)
        self.z_dim = Z_DIM if z_dim is None else z_dim
        self.condition = condition
        widths = [self.z_dim + joined_dim(condition), *hidden]
        last = nn.Linear(widths[-1], math.prod(self.shape))
        squash = [nn.Tanh()] if len(self.shape) == 3 else []
        self.net = nn.Sequential(*hidden_layers(widths, norm, activation), last, *squash)

    def forward(self, z: Float[Tensor, "n z"], condition: Tensor | None = None) -> Float[Tensor, "n *shape"]:
        return self.net(join(z, self.condition, condition)).unflatten(1, self.shape)


class MLPDiscriminator(Discriminator):
    """Points or images to scores through dense layers.

    Args:
        shape: one image's (channels, height, width) or (dimensions,) of points; None stands for MNIST's (1, 28, 28).
        hidden: the widths of the hidden layers.
        activation: of the hidden layers.
        norm: of the hidden layers; with a gradient penalty "layer" or "none".
        spectral_norm: divide every weight by its largest singular value.
        condition: makes a label a vector, which is appended to the flat image; None for an unconditional network.

    Raises:
        ValueError: `shape` is neither an image's nor a point's.
    """

    condition: Condition | None

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        hidden: Sequence[int] = (240, 240),
        activation: Activation = "leaky_relu",
        norm: FlatNorm = "none",
        spectral_norm: bool = False,
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.shape = checked_shape(shape, SHAPE, RANKS)
        self.condition = condition
        widths = [math.prod(self.shape) + joined_dim(condition), *hidden]
        self.features = nn.Sequential(*hidden_layers(widths, norm, activation))
        self.score = nn.Linear(widths[-1], 1)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, image: Float[Tensor, "n *shape"], condition: Tensor | None = None) -> Float[Tensor, " n"]:
        joined = join(image.flatten(1), self.condition, condition)
        return self.score(self.features(joined)).flatten()


def hidden_layers(widths: Sequence[int], norm: FlatNorm, activation: Activation) -> list[nn.Module]:
    """Dense blocks from each width to the next."""
    return [
        module
        for before, after in pairwise(widths)
        for module in block(nn.Linear(before, after), norm, after, activation, FLAT_NORMS)
    ]

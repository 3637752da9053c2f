"""Strided convolutions all the way, no pooling and no dense layer, for images of any size from 8×8.

Radford et al. 2015, Unsupervised Representation Learning with Deep Convolutional GANs,
https://arxiv.org/abs/1511.06434. As in the common port, kernels are 4×4 (the authors': 5×5), no layer before a norm has
a bias, and neither have the first layer of D and the last of both; at 64×64 this is the port to the parameter.

Each side is halved, rounding up, until the shorter one is at most `base_size`; the discriminator walks down these sizes
and the generator up. Where the larger of two sides is odd the kernel is 3 long, else 4, so that every size comes out
exactly.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from gan_lab.networks.conditions import Condition
from gan_lab.networks.layers import Z_DIM, Norm, block, checked_shape, join, joined_dim, normalise_spectrally
from gan_lab.parts import Discriminator, Generator

SHAPE = (3, 64, 64)
SMALLEST = 8
RANKS = {3: "[channels, height, width] of images"}


class DCGANGenerator(Generator):
    """Latents to images through transposed convolutions.

    Args:
        shape: one image's (channels, height, width); None stands for the paper's (3, 64, 64).
        z_dim: the latents' size; None stands for the paper's 100.
        width: channels before the last layer; they double with each halving of the image.
        base_size: how long, in pixels, the shorter side of the smallest feature map is at most.
        max_width: the most channels that a layer has.
        norm: of every layer but the last.
        condition: makes a label a vector, which is appended to z; None for an unconditional network.

    Raises:
        ValueError: `shape` is no image's, a side is below 8, or `base_size` does not fit it.
    """

    condition: Condition | None

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        z_dim: int | None = None,
        width: int = 64,
        base_size: int = 4,
        max_width: int = 512,
        norm: Norm = "batch",
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.shape = checked_image_shape(shape, base_size)
        self.z_dim = Z_DIM if z_dim is None else z_dim
        self.condition = condition
        sizes, widths = pyramid(self.shape, width, base_size, max_width)
        bias = norm == "none"
        first = nn.ConvTranspose2d(self.z_dim + joined_dim(condition), widths[-1], sizes[-1], bias=bias)
        blocks = block(first, norm, widths[-1], "relu")
        for i in range(len(widths) - 1, 0, -1):
            up = nn.ConvTranspose2d(widths[i], widths[i - 1], kernel(sizes[i]), stride=2, padding=1, bias=bias)
            blocks += block(up, norm, widths[i - 1], "relu")
        last = nn.ConvTranspose2d(widths[0], self.shape[0], kernel(sizes[0]), stride=2, padding=1, bias=False)
        self.net = nn.Sequential(*blocks, last, nn.Tanh())
        initialise(self)

    def forward(self, z: Float[Tensor, "n z"], condition: Tensor | None = None) -> Float[Tensor, "n *shape"]:
        return self.net(join(z, self.condition, condition)[:, :, None, None])


class DCGANDiscriminator(Discriminator):
    """Images to scores through strided convolutions.

    Args:
        shape: one image's (channels, height, width); None stands for the paper's (3, 64, 64).
        width: channels after the first layer; they double with each halving of the image.
        base_size: how long, in pixels, the shorter side of the smallest feature map is at most.
        max_width: the most channels that a layer has.
        norm: of every layer but the first and the last; with a gradient penalty anything but "batch".
        spectral_norm: divide every weight by its largest singular value (SNGAN; its norm is "none").
        condition: makes a label a vector, which is appended to the image as planes; None for an unconditional network.

    Raises:
        ValueError: `shape` is no image's, a side is below 8, or `base_size` does not fit it.
    """

    condition: Condition | None

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        width: int = 64,
        base_size: int = 4,
        max_width: int = 512,
        norm: Norm = "batch",
        spectral_norm: bool = False,
        condition: Condition | None = None,
    ) -> None:
        super().__init__()
        self.shape = checked_image_shape(shape, base_size)
        self.condition = condition
        sizes, widths = pyramid(self.shape, width, base_size, max_width)
        bias = norm == "none"
        channels = self.shape[0] + joined_dim(condition)
        first = nn.Conv2d(channels, widths[0], kernel(sizes[0]), stride=2, padding=1, bias=bias)
        blocks = block(first, "none", widths[0], "leaky_relu")
        for i in range(1, len(widths)):
            down = nn.Conv2d(widths[i - 1], widths[i], kernel(sizes[i]), stride=2, padding=1, bias=bias)
            blocks += block(down, norm, widths[i], "leaky_relu")
        self.features = nn.Sequential(*blocks)
        self.score = nn.Conv2d(widths[-1], 1, sizes[-1], bias=False)
        initialise(self)
        if spectral_norm:
            normalise_spectrally(self)

    def forward(self, image: Float[Tensor, "n *shape"], condition: Tensor | None = None) -> Float[Tensor, " n"]:
        joined = join(image, self.condition, condition)
        return self.score(self.features(joined)).flatten()


def pyramid(
    shape: tuple[int, ...], width: int, base_size: int, max_width: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """The (height, width) of the image and of every feature map, large to small, and the channels of the latter.

    ``sizes[i + 1]`` is half of ``sizes[i]``, rounded up, and has ``widths[i]`` channels.
    """
    sizes = [(shape[1], shape[2])]
    while min(sizes[-1]) > base_size:
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes, [min(width * 2**i, max_width) for i in range(len(sizes) - 1)]


def kernel(larger: tuple[int, int]) -> tuple[int, int]:
    """The kernel that leads, at stride 2 and padding 1, between a size and its half: 4 where even, 3 where odd."""
    return 4 - larger[0] % 2, 4 - larger[1] % 2


def checked_image_shape(shape: Sequence[int] | None, base_size: int) -> tuple[int, ...]:
    """`shape` as a tuple, or the paper's, with sides that can be halved at least once."""
    shape = checked_shape(shape, SHAPE, RANKS)
    shorter = min(shape[1:])
    if shorter < SMALLEST:
        raise ValueError(f"shape is {list(shape)}: a DCGAN needs sides of 8 or more; resize, or take the MLP networks")
    if not 2 <= base_size < shorter:
        raise ValueError(f"base_size is {base_size}: give one from 2 to {shorter - 1}, below the image's shorter side")
    return shape


def initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02), BatchNorm's scale N(1, 0.02), biases 0 (section 4 of the paper; the port for the scale)."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)

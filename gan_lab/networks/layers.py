"""What the families of networks share: norms and activations by name, labels joined to inputs, spectral norm."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from gan_lab.networks.conditions import Condition

Norm = Literal["batch", "instance", "layer", "none"]
Activation = Literal["relu", "leaky_relu", "tanh"]

Z_DIM = 100  # the latents' size in the papers of both families

# In place: every norm and convolution before them keeps its input for the backward pass, not its output.
ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),
    "leaky_relu": partial(nn.LeakyReLU, 0.2, inplace=True),
    "tanh": nn.Tanh,
}
# "layer" normalises a sample over all its values and scales each channel, as in the code of WGAN-GP.
NORMS: Mapping[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "instance": partial(nn.InstanceNorm2d, affine=True),
    "layer": partial(nn.GroupNorm, 1),
}
FLAT_NORMS: Mapping[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": partial(nn.GroupNorm, 1)}


def block(
    layer: nn.Module,
    norm: Norm,
    channels: int,
    activation: Activation,
    norms: Mapping[str, Callable[[int], nn.Module]] = NORMS,
) -> list[nn.Module]:
    """A layer with `channels` outputs, its norm if any, its activation."""
    normed = [] if norm == "none" else [norms[norm](channels)]
    return [layer, *normed, ACTIVATIONS[activation]()]


def join(x: Tensor, condition: Condition | None, label: Tensor | None) -> Tensor:
    """`x` with the label's vector behind its channels: appended to a vector, as constant planes to an image.

    Args:
        x: (n, features) or (n, channels, height, width).
        condition: makes the label a vector; None leaves `x` as it is.
        label: (n,) class indices.

    Raises:
        ValueError: there is a condition but no label.
    """
    if condition is None:
        return x
    if label is None:
        raise ValueError("a conditional network was given no labels: pass them as its second argument")
    code = condition(label).to(x.dtype)
    planes = code.reshape(*code.shape, *[1] * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
    return torch.cat([x, planes], dim=1)


def joined_dim(condition: Condition | None) -> int:
    """The channels that `join` adds."""
    return 0 if condition is None else condition.dim


def normalise_spectrally(network: nn.Module) -> None:
    """Divides every weight matrix of `network` by its largest singular value, found by power iteration.

    W ← W / σ(W), one iteration a forward in training, none in evaluation

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957. A convolution's W is reshaped to (out, rest), whose σ is not
    the norm of the convolution as an operator, which may be larger: 1-Lipschitz holds for dense layers only.
    """
    for module in list(network.modules()):
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            parametrizations.spectral_norm(module)


def checked_shape(shape: Sequence[int] | None, default: tuple[int, ...], ranks: dict[int, str]) -> tuple[int, ...]:
    """`shape` as a tuple, or the default.

    Raises:
        ValueError: its length is not among `ranks`, or a side is below 1.
    """
    shape = default if shape is None else tuple(shape)
    if len(shape) not in ranks or min(shape) < 1:
        raise ValueError(f"shape is {list(shape)}: give {' or '.join(ranks.values())}, each 1 or more")
    return shape

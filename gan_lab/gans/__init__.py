"""The rules: one paper a file. What two variants share is a loss, a penalty, a network or a function."""

from gan_lab.gans.gan import GAN
from gan_lab.gans.wgan import WGAN

__all__ = ["GAN", "WGAN"]

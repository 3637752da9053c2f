"""Plain modules, ``(z, condition) -> image`` and ``(image, condition) -> score``, that know of no game."""

from gan_lab.networks.conditions import Condition, Embedding, OneHot
from gan_lab.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from gan_lab.networks.mlp import MLPDiscriminator, MLPGenerator

__all__ = [
    "Condition",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Embedding",
    "MLPDiscriminator",
    "MLPGenerator",
    "OneHot",
]

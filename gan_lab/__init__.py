"""gan-lab: train, compare and reuse Generative Adversarial Networks."""

from gan_lab.version import __version__

__all__ = ["__version__"]

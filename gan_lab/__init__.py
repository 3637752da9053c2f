"""gan-lab: train, compare and reuse Generative Adversarial Networks.

The names below are imported when they are first used, so that ``import gan_lab`` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gan_lab.version import __version__

if TYPE_CHECKING:
    from gan_lab.averaging import EMA
    from gan_lab.checkpoints import load
    from gan_lab.exports import load_generator
    from gan_lab.game import Game, Turn
    from gan_lab.gans import GAN, WGAN

__all__ = ["EMA", "GAN", "WGAN", "Game", "Turn", "__version__", "load", "load_generator"]

_HOMES = {
    "EMA": "gan_lab.averaging",
    "GAN": "gan_lab.gans",
    "Game": "gan_lab.game",
    "Turn": "gan_lab.game",
    "WGAN": "gan_lab.gans",
    "load": "gan_lab.checkpoints",
    "load_generator": "gan_lab.exports",
}
_PACKAGES = (
    "averaging", "callbacks", "checkpoints", "data", "exports", "game", "gans", "loggers", "losses", "metrics",
    "networks", "parts", "penalties", "pictures", "priors", "recipes", "sampling",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"gan_lab.{name}")
    raise AttributeError(f"module 'gan_lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_PACKAGES})

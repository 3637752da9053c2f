"""WGAN (Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875): a critic held Lipschitz by clipping its weights."""

from functools import partial
from typing import Any

import torch
from torch.nn.utils import parametrize

from gan_lab.game import OptimizerCallable, Turn
from gan_lab.gans.gan import GAN
from gan_lab.losses import AdversarialLoss, Wasserstein
from gan_lab.parts import Discriminator, Generator
from gan_lab.priors import Prior


class WGAN(GAN):
    """After each of its moves every weight of the critic is clipped to [−c, c] (the paper's algorithm 1).

    The authors' code also trains the critic for 100 moves in each of the first 25 rounds and of every 500th; here the
    cadence is the paper's constant ``n_critic``.

    Args:
        generator: draws images from latents.
        discriminator: the critic; no spectral norm, whose stored weights are not those that it applies.
        prior: where the latents come from.
        clip_weights: c.
        generator_every: ``n_critic``, the critic's moves to one of the generator's.
        loss: None: the Wasserstein loss.
        optimizers: None: RMSprop at 5e-5 for both players.
        game: what `GAN` takes besides.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        prior: Prior | None = None,
        clip_weights: float = 0.01,
        generator_every: int = 5,
        loss: AdversarialLoss | None = None,
        optimizers: dict[str, OptimizerCallable] | None = None,
        **game: Any,
    ) -> None:
        rmsprop = partial(torch.optim.RMSprop, lr=5e-5)
        optimizers = optimizers or {"generator": rmsprop, "discriminator": rmsprop}
        loss = loss or Wasserstein()
        super().__init__(generator, discriminator, prior, loss, optimizers, generator_every=generator_every, **game)
        if any(parametrize.is_parametrized(module) for module in discriminator.modules()):
            raise ValueError(
                "weight clipping can't be joined with spectral norm: set the critic's spectral_norm: false"
            )
        self.clip_weights = clip_weights

    @torch.no_grad()
    def after_turn(self, turn: Turn) -> None:
        super().after_turn(turn)
        if turn.player == "discriminator":
            weights: list[torch.Tensor] = list(self.discriminator.parameters())
            torch._foreach_clamp_min_(weights, -self.clip_weights)
            torch._foreach_clamp_max_(weights, self.clip_weights)

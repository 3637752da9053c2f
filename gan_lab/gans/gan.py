"""The game of Goodfellow et al. 2014: a discriminator tells real from fake, a generator makes that hard."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gan_lab.averaging import EMA
from gan_lab.game import Batch, Game, OptimizerCallable, Terms, Turn
from gan_lab.losses import AdversarialLoss, NonSaturating
from gan_lab.parts import Discriminator, Generator
from gan_lab.penalties import Critic, DiscriminatorPenalty, GeneratorPenalty, Penalty
from gan_lab.priors import Gaussian, Prior
from gan_lab.sampling import draw


class GAN(Game):
    """Two players; everything that tells DCGAN, LSGAN, WGAN-GP or SNGAN apart is an argument.

    Algorithm 1 of Goodfellow et al. 2014 (arXiv:1406.2661), with k discriminator moves to one of the generator's:
    ``generator_every = k``, each move on fresh images.

    Args:
        generator: draws images from latents (and a condition).
        discriminator: scores images.
        prior: where the latents come from; its `dim` is the generator's `z_dim`.
        loss: what the scores should be.
        optimizers: for ``generator`` and ``discriminator``; None: Adam as DCGAN has it, 2e-4 and (0.5, 0.999).
        discriminator_penalties: further terms of the discriminator's.
        generator_penalties: further terms of the generator's.
        generator_every: rounds between the generator's moves.
        discriminator_every: rounds between the discriminator's.
        ema: the average of the generator that answers; None: the generator of the moment.
        reuse_fakes: let the generator answer for the very fakes that the discriminator has just seen, as tutorials do,
            instead of drawing anew, as the paper's algorithm does. It saves one pass of the generator a round.
        loop: what `Game` takes: ``schedulers``, ``clip``, ``micro_batches``, ``channels_last``.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        prior: Prior | None = None,
        loss: AdversarialLoss | None = None,
        optimizers: dict[str, OptimizerCallable] | None = None,
        discriminator_penalties: list[DiscriminatorPenalty] | None = None,
        generator_penalties: list[GeneratorPenalty] | None = None,
        generator_every: int = 1,
        discriminator_every: int = 1,
        ema: EMA | None = None,
        reuse_fakes: bool = True,
        **loop: Any,
    ) -> None:
        adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
        super().__init__(optimizers or {"generator": adam, "discriminator": adam}, **loop)
        self.generator = generator
        self.discriminator = discriminator
        self.prior = prior or Gaussian(generator.z_dim)
        self.loss = loss or NonSaturating()
        self.discriminator_penalties = torch.nn.ModuleList(discriminator_penalties or [])
        self.generator_penalties = torch.nn.ModuleList(generator_penalties or [])
        self.generator_every = generator_every
        self.discriminator_every = discriminator_every
        self.reuse_fakes = reuse_fakes
        self.ema = ema
        if ema is not None:
            ema.follow(generator)
        self._drawn: dict[int, Tensor] = {}
        self._check(discriminator_penalties or [])

    def players(self) -> dict[str, list[torch.nn.Module]]:
        return {"generator": [self.generator], "discriminator": [self.discriminator]}

    def turns(self) -> list[Turn]:
        return [
            Turn("discriminator", self.discriminator_loss, self.discriminator_every),
            Turn("generator", self.generator_loss, self.generator_every),
        ]

    def discriminator_loss(self, batch: Batch) -> Terms:
        real, critic = batch[0], self.critic(batch)
        fake = self.fake_to_judge(batch)
        terms = {"adversarial": self.loss.discriminator(critic(real), critic(fake))}
        with torch.autocast(self.device.type, enabled=False):  # second derivatives want all of float32
            for penalty in self.due_now(self.discriminator_penalties):
                _add(terms, penalty, penalty(critic, real.float(), fake.float()))
        return terms

    def generator_loss(self, batch: Batch) -> Terms:
        critic = self.critic(batch)
        fake = self._drawn.pop(id(batch), None)
        if fake is None:
            fake = self.draw(batch)
        real_scores = None
        if self.loss.relativistic:
            with torch.no_grad():
                real_scores = critic(batch[0])
        terms = {"adversarial": self.loss.generator(critic(fake), real_scores)}
        for penalty in self.due_now(self.generator_penalties):
            _add(terms, penalty, penalty(self.generator, self.prior(len(batch[0]))))
        return terms

    def due_now(self, penalties: Iterable[Any]) -> list[Penalty]:
        """Those that this round's terms include."""
        return [penalty for penalty in penalties if self.due(penalty.every)]

    def critic(self, batch: Batch) -> Critic:
        """The discriminator with the batch's condition bound."""
        condition = condition_of(batch)
        return lambda images: self.discriminator(images, condition).float()

    def draw(self, batch: Batch) -> Tensor:
        """G(z, c), as many as the batch has images."""
        return self.generator(self.prior(len(batch[0])), condition_of(batch))

    def fake_to_judge(self, batch: Batch) -> Tensor:
        """Fakes for the discriminator, no way back to the generator; kept for its turn if that comes this round."""
        share = self.reuse_fakes and self.due(self.generator_every)
        with torch.set_grad_enabled(share):
            fake = self.draw(batch)
        if share:
            self._drawn[id(batch)] = fake
        return fake.detach()

    def after_turn(self, turn: Turn) -> None:
        if turn.player == "generator" and self.ema is not None:
            images = self.images_this_round
            self.ema.update(self.generator, images * self.generator_every, self.images_seen + images)

    def fakes(self, batch: Batch) -> Tensor:
        return self.answering(self.prior(len(batch[0])), condition_of(batch))

    @property
    def answering(self) -> Any:
        """The generator that draws for users: the average where there is one."""
        return self.generator if self.ema is None else self.ema.module

    def sample(self, n: int = 64, seed: int | None = None, condition: Tensor | None = None) -> Tensor:
        """n images by the averaged generator; see `gan_lab.sampling.draw`."""
        return draw(self.answering, self.prior, n, seed, condition)

    def _check(self, discriminator_penalties: list[DiscriminatorPenalty]) -> None:
        g, d = self.generator, self.discriminator
        if tuple(g.shape) != tuple(d.shape):
            raise ValueError(f"the generator draws {tuple(g.shape)}, but the discriminator judges {tuple(d.shape)}")
        if g.z_dim != self.prior.dim:
            raise ValueError(
                f"the generator's z_dim is {g.z_dim}, but the prior draws latents of size {self.prior.dim}"
            )
        for penalties in (self.discriminator_penalties, self.generator_penalties):
            names = [type(penalty).__name__ for penalty in penalties]
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise ValueError(f"two terms are named {twice}: give each penalty once")
        for penalty in discriminator_penalties:
            penalty.check(d)


def condition_of(batch: Batch) -> Tensor | None:
    """What comes with the images of a batch, if anything does."""
    return batch[1] if len(batch) > 1 else None


def _add(terms: Terms, penalty: Penalty, value: Tensor) -> None:
    """A lazy penalty counts for the rounds that it was left out of."""
    terms[type(penalty).__name__] = penalty.weight * penalty.every * value

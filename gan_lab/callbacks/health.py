"""Notices what goes wrong while there is still money to be saved: saturation, collapse, divergence."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from gan_lab.game import Batch, Game
from gan_lab.sampling import seeded

LOOKS = 3  # bad looks in a row that make a finding: one bad batch is none


class Health(pl.Callback):
    """Looks at the game every so many rounds; each trouble is told once, with what was seen and what to try.

    - **saturation**: the critic tells nearly every real image from every fake, so the generator learns from little but
      its errors' scale. Seen as the share of a batch's reals and fakes that lie on the right side of the middle of
      their scores' means. Wasserstein critics are meant to do that: with `accuracy` 1 nothing is said.
    - **collapse**: the fakes lie closer together than the reals do, by their mean pairwise distance in pixels.
    - **divergence**: FID has risen to a multiple of its best.

    What is not finite stops the run by itself, in `Game`. Looking draws from a stream of its own and changes nothing in
    the training.

    Args:
        every: rounds between looks.
        after: rounds before the first; an untrained generator draws one grey all over.
        accuracy: the share from which on the critic counts as saturated.
        diversity: the fakes' mean distance, as a share of the reals', below which they count as collapsed.
        divergence: how many times its best FID may be.
        stop: end the run, validated and saved, on the first trouble, instead of only telling.
    """

    def __init__(
        self,
        every: int = 500,
        after: int = 1000,
        accuracy: float = 0.995,
        diversity: float = 0.3,
        divergence: float = 5.0,
        stop: bool = False,
    ) -> None:
        self.every = every
        self.after = after
        self.accuracy = accuracy
        self.diversity = diversity
        self.divergence = divergence
        self.stop = stop
        self.told: dict[str, int] = {}
        self._bad = {"saturation": 0, "collapse": 0}
        self._best: float | None = None

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, game: Game, outputs: Any, batch: Batch, *args: Any
    ) -> None:
        if game.rounds % self.every or game.rounds < self.after or batch[0].ndim != 4:
            return
        accuracy, diversity = self.look(game, batch)
        if self._persists("saturation", accuracy is not None and self.accuracy < 1 and accuracy >= self.accuracy):
            self._tell(trainer, game, "saturation", f"the critic tells {accuracy:.1%} of reals and fakes apart: try a"
                       " lower rate for it, a penalty (R1), spectral norm, or augmentation")  # fmt: skip
        if self._persists("collapse", diversity < self.diversity):
            self._tell(trainer, game, "collapse", f"fakes lie {diversity:.0%} as far apart as reals: try a penalty (R1,"
                       " GradientPenalty), another loss, a larger batch or a lower rate")  # fmt: skip

    def on_validation_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        fid = trainer.callback_metrics.get("val/fid")
        if fid is None or trainer.state.fn != "fit":
            return
        self._best = min(float(fid), self._best or float("inf"))
        if float(fid) > self.divergence * self._best:
            self._tell(trainer, game, "divergence", f"FID is {float(fid):.3g}, its best was {self._best:.3g}: go on"
                       " from best.ckpt with lower rates or a stronger penalty")  # fmt: skip

    @torch.no_grad()
    def look(self, game: Any, batch: Batch) -> tuple[float | None, float]:
        """The critic's accuracy on a batch (None: the game has no critic) and the fakes' spread by the reals'."""
        training = game.training
        game.eval()
        with seeded(game.rounds):
            fake = game.fakes(batch)
        accuracy = None
        if hasattr(game, "critic"):
            critic = game.critic(batch)
            real_scores, fake_scores = critic(batch[0]), critic(fake)
            middle = (real_scores.mean() + fake_scores.mean()) / 2
            accuracy = float(((real_scores > middle).float().mean() + (fake_scores < middle).float().mean()) / 2)
        game.train(training)
        return accuracy, float(spread(fake) / spread(batch[0]).clamp_min(1e-12))

    def state_dict(self) -> dict[str, Any]:
        return {"told": self.told, "bad": self._bad, "best": self._best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.told, self._bad, self._best = state["told"], state["bad"], state["best"]

    def _persists(self, trouble: str, bad: bool) -> bool:
        self._bad[trouble] = self._bad[trouble] + 1 if bad else 0
        return self._bad[trouble] >= LOOKS

    def _tell(self, trainer: pl.Trainer, game: Game, trouble: str, what: str) -> None:
        if trouble not in self.told:
            self.told[trouble] = game.rounds
            rank_zero_warn(f"{trouble} in round {game.rounds}: {what}")
        if self.stop:
            trainer.should_stop = True


def spread(images: Tensor) -> Tensor:
    """The mean Euclidean distance between two images of a batch, in pixels' units."""
    return torch.pdist(images.flatten(1).float()).mean()

"""A GAN is a game: players own networks and take turns; on its turn a player lowers the sum of its named terms.

A **round** is one batch of real images. Who moves, minimising what, how often, is all that a variant says; how a move
is made (zero, backward, clip, step, count, log) is written here, once. A move reaches only its own player's parameters:
the backward pass is asked for those and prunes the rest, so the others hold still without being switched off and on.

One `training_step` is one round and counts once: `trainer.global_step`, ``max_steps``, ``val_check_interval`` and the
loggers' axis are all rounds.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from gan_lab import streams
from gan_lab.recipes import Recorded, build, recipe
from gan_lab.sampling import seeded
from gan_lab.strategies import GameStrategy
from gan_lab.version import __version__

Batch = tuple[Tensor, ...]
Terms = dict[str, Tensor]
OptimizerCallable = Callable[[Iterable], Optimizer]
LRSchedulerCallable = Callable[[Optimizer], LRScheduler]


class Turn(NamedTuple):
    """One player's move in a round.

    Attributes:
        player: whose parameters move.
        loss: the batch's named terms; the player minimises their sum.
        every: rounds between moves.
    """

    player: str
    loss: Callable[[Batch], Terms]
    every: int = 1


class NonFinite(RuntimeError):
    """A term or a weight stopped being a finite number; the message names the turn, the term and the round."""


class Game(Recorded, pl.LightningModule, ABC):
    """The only training loop.

    Args:
        optimizers: one for each player, as a callable that takes the parameters.
        schedulers: learning-rate schedules by player, as callables that take the optimizer; they step once a round.
        clip: largest gradient norm by player; a player that isn't named is not clipped.
        micro_batches: parts that a batch is played in, to save memory; the gradients are their mean.
        channels_last: store images and convolutions channels last, which is faster wherever convolutions are.

    Attributes:
        rounds: rounds played. Cadences and schedules read it.
        images_seen: real images seen, by all processes together.
        moves: moves made, by player.
    """

    def __init__(
        self,
        optimizers: dict[str, OptimizerCallable],
        schedulers: dict[str, LRSchedulerCallable] | None = None,
        clip: dict[str, float] | None = None,
        micro_batches: int = 1,
        channels_last: bool = True,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.make_optimizers = optimizers
        self.make_schedulers = schedulers or {}
        self.clip = clip or {}
        self.micro_batches = micro_batches
        self.channels_last = channels_last
        self.rounds = 0
        self.images_seen = 0
        self.moves: dict[str, int] = {}
        self._history: list[tuple[int, str, Tensor]] = []
        self._random: dict[str, Any] | None = None

    # What a variant says.

    @abstractmethod
    def players(self) -> dict[str, list[nn.Module]]:
        """The networks that each player owns."""

    @abstractmethod
    def turns(self) -> list[Turn]:
        """The moves of a round, in order; at least one of them is made every round."""

    @abstractmethod
    def fakes(self, batch: Batch) -> Tensor:
        """The images that the game answers a batch with, as its user would get them."""

    def after_turn(self, turn: Turn) -> None:
        """What follows a move: clipping weights, averaging them."""

    # How a round is played.

    def due(self, every: int) -> bool:
        """Whether something that comes round every so many rounds falls on this one (on the last of them)."""
        return (self.rounds + 1) % every == 0

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        self.images_this_round = len(batch[0]) * self.trainer.world_size
        parts = list(zip(*(tensor.chunk(self.micro_batches) for tensor in batch), strict=True))
        for turn, optimizer in zip(self._turns, self._optimizers, strict=True):
            if self.due(turn.every):
                self.play(turn, optimizer, parts)
        for scheduler in self._schedulers:
            scheduler.step()
        self.rounds += 1
        self.images_seen += self.images_this_round
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if self.rounds % every == 0 or self.rounds == self.trainer.max_steps:
            self.log_dict(self.settle(), prog_bar=True, sync_dist=self.trainer.world_size > 1)

    def play(self, turn: Turn, optimizer: Any, parts: list[Batch]) -> None:
        """One move: the player's parameters, and nobody else's, follow the gradient of the sum of its terms."""
        optimizer.zero_grad()
        for part in parts:
            terms = turn.loss(part)
            for name, term in terms.items():
                self._history.append((self.rounds, f"{turn.player}/{name}", term.detach()))
            share = len(part[0]) / sum(len(images) for images, *_ in parts)
            total = share * torch.stack(list(terms.values())).sum()
            self.manual_backward(total, inputs=self._owned[turn.player])
        if turn is self._counted:
            optimizer.step()
        else:  # the same path, but for the counter: a round counts once
            self.trainer.strategy.optimizer_step(optimizer.optimizer, lambda: None, self)
        self.moves[turn.player] += 1
        self.after_turn(turn)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        player = self._player_of[id(optimizer)]
        if player in self.clip:
            nn.utils.clip_grad_norm_(self._owned[player], self.clip[player])

    def settle(self) -> dict[str, float]:
        """The mean of each term since the last call, brought to the host in one copy.

        Raises:
            NonFinite: one of them was infinite or not a number; names the first.
        """
        history, self._history = self._history, []
        if not history:
            return {}
        values = torch.stack([value.float() for _, _, value in history]).tolist()
        found: dict[str, list[float]] = {}
        for (when, key, _), value in zip(history, values, strict=True):
            if not math.isfinite(value):
                player, _, term = key.partition("/")
                raise NonFinite(
                    f"the {player}'s turn gave {value} in its term {term} in round {when}; the last checkpoint is"
                    " from before it. Lower the learning rate, clip its gradients, or add a penalty"
                )
            found.setdefault(key, []).append(value)
        return {key: sum(values) / len(values) for key, values in found.items()}

    # How Lightning learns of it.

    def configure_optimizers(self) -> Any:
        players, turns = self.players(), self.turns()
        _same_names("optimizers", self.make_optimizers, players)
        for name, given in (("schedulers", self.make_schedulers), ("clip", self.clip)):
            if unknown := set(given) - set(players):
                raise ValueError(f"{name} names {', '.join(sorted(unknown))}, but the players are {', '.join(players)}")
        counted = [turn for turn in turns if turn.every == 1]
        if not counted:
            raise ValueError("no player moves every round: set one turn's `every` to 1")
        self._turns, self._counted = turns, counted[-1]
        self._owned = {
            name: [p for network in networks for p in network.parameters() if p.requires_grad]
            for name, networks in players.items()
        }
        by_player = {name: self.make_optimizers[name](self._owned[name]) for name in players}
        self._player_of = {id(optimizer): name for name, optimizer in by_player.items()}
        self._schedulers = [make(by_player[name]) for name, make in self.make_schedulers.items()]
        self.moves = {name: self.moves.get(name, 0) for name in players}
        return list(by_player.values()), self._schedulers

    def setup(self, stage: str) -> None:
        recipe(self)  # what can't be saved is refused before it is trained
        if self.trainer.world_size > 1 and not isinstance(self.trainer.strategy, GameStrategy):
            raise ValueError('a game needs its own strategy on several devices: Trainer(strategy="game")')
        self.arrange()

    def arrange(self) -> None:
        """Lay the convolutions out as the images are."""
        if self.channels_last:
            self.to(memory_format=torch.channels_last)

    def on_train_start(self) -> None:
        players = list(self.players())
        optimizers = self.optimizers()
        by_player = dict(zip(players, optimizers if isinstance(optimizers, list) else [optimizers], strict=True))
        self._optimizers = [by_player[turn.player] for turn in self._turns]
        if self._random is not None:
            streams.restore(self._random["by_rank"][self.trainer.global_rank])
            self._random = None
        elif self.trainer.world_size > 1:  # one seed for all would draw the same latents everywhere
            torch.manual_seed((torch.initial_seed() + 0x9E3779B9 * self.trainer.global_rank) % 2**32)

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The answer to a held-out batch: the same latents each time, and none taken from the training's stream."""
        with seeded(batch_idx * self.trainer.world_size + self.trainer.global_rank):
            return self.fakes(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The answer to a test batch, from latents that no validation has seen."""
        with seeded(1_000_000 + batch_idx * self.trainer.world_size + self.trainer.global_rank):
            return self.fakes(batch)

    def on_validation_start(self) -> None:
        self.check_finite()

    def on_train_end(self) -> None:
        self.check_finite()

    def check_finite(self) -> None:
        """Refuse what is not finite before it is scored or kept; the terms stay for the next line of the log."""
        history = list(self._history)
        self.settle()
        self._history = history

    # Checkpoints: tensors, counters and the recipe; nothing pickled.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_finite()
        weights: list[Tensor] = [p for p in self.parameters() if p.is_floating_point()]
        if weights and not bool(torch.isfinite(torch.stack(torch._foreach_norm(weights))).all()):
            raise NonFinite(f"a weight is not finite after round {self.rounds - 1}; the last checkpoint is from before")
        checkpoint["gan_lab"] = {
            "version": __version__,
            "recipe": recipe(self),
            "rounds": self.rounds,
            "images_seen": self.images_seen,
            "moves": dict(self.moves),
            "history": [(when, key, float(value)) for when, key, value in self._history],
            "random": {"by_rank": streams.of_all_processes()},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint.get("gan_lab")
        if saved is None:
            raise ValueError("not a checkpoint of gan-lab: it holds no recipe")
        self.rounds, self.images_seen = saved["rounds"], saved["images_seen"]
        self.moves = dict(saved["moves"])
        self._history = [(when, key, torch.tensor(value, device=self.device)) for when, key, value in saved["history"]]
        self._random = saved["random"]

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: Any, map_location: Any = "cpu", strict: bool = True, trust: Iterable[str] = ()
    ) -> "Game":
        """The game that a checkpoint holds, rebuilt from its recipe; nothing in the file is executed.

        Args:
            checkpoint_path: the file.
            map_location: the device to load to.
            strict: whether the weights must fit name by name.
            trust: further packages whose classes the recipe may name.

        Raises:
            RecipeError: the recipe names a class from elsewhere.
            TypeError: the game is none of this class.
        """
        checkpoint = torch.load(checkpoint_path, map_location=map_location, weights_only=True)
        if not isinstance(checkpoint, dict) or "gan_lab" not in checkpoint:
            raise ValueError(f"{checkpoint_path} is no checkpoint of gan-lab: it holds no recipe")
        game = build(checkpoint["gan_lab"]["recipe"], trust)
        if not isinstance(game, cls):
            raise TypeError(f"{checkpoint_path} holds a {type(game).__name__}, not a {cls.__name__}")
        game.load_state_dict(checkpoint["state_dict"], strict=strict)
        game.arrange()
        game.on_load_checkpoint(checkpoint)
        return game.to(map_location) if map_location is not None else game


def _same_names(what: str, given: Iterable[str], players: Iterable[str]) -> None:
    if set(given) != set(players):
        raise ValueError(f"{what} are for {', '.join(given) or 'nobody'}, but the players are {', '.join(players)}")

"""Keeps the run's last and best state; each file is written whole or not at all."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_warn
from pytorch_lightning.utilities.exceptions import SIGTERMException

from gan_lab.game import Game
from gan_lab.loggers import MetricsCSV


class Checkpoints(pl.callbacks.Checkpoint):
    """Writes ``checkpoints/last.ckpt`` after each validation, and ``checkpoints/best.ckpt`` when its score is the best.

    A run that is told to end (SIGTERM, as schedulers send it before they take a machine away) saves its last state.
    A run that ends by itself is validated once more at its last round, so that the last state is scored too.

    Args:
        keep: how many last states are kept: ``last.ckpt``, before it ``last-1.ckpt`` …, so that a file that the disk
            spoils costs only the rounds since the one before.
        every: further rounds between writes of ``last.ckpt``; None: at validations only.
        monitor: the score that chooses the best, as the loggers name it.
        mode: whether less or more of it is better.
    """

    def __init__(
        self,
        every: int | None = None,
        keep: int = 2,
        monitor: str = "val/fid",
        mode: Literal["min", "max"] = "min",
    ) -> None:
        if keep < 1:
            raise ValueError(f"--checkpoints.keep is {keep}: keep at least 1")
        self.keep = keep
        self.every = every
        self.monitor = monitor
        self.mode = mode
        self.best: float | None = None
        self.best_round: int | None = None
        self._saved: int | None = None

    def on_train_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        for logger in trainer.loggers:
            if isinstance(logger, MetricsCSV) and trainer.is_global_zero:
                logger.forget_after(trainer.global_step - 1)

    def on_train_batch_end(self, trainer: pl.Trainer, game: Game, *args: Any) -> None:  # type: ignore[override]
        if _ends_here(trainer):
            trainer.should_stop = True  # Lightning then validates before it stops
        elif trainer.received_sigterm or (self.every and game.rounds % self.every == 0):
            self.save(trainer, "last")  # a scheduler's SIGTERM (pre-emption) stops the run after this round

    def on_exception(self, trainer: pl.Trainer, game: Game, exception: BaseException) -> None:  # type: ignore[override]
        if isinstance(exception, SIGTERMException) and trainer.state.fn == "fit" and game.rounds != self._saved:
            self.save(trainer, "last")

    def on_validation_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        value = trainer.callback_metrics.get(self.monitor)
        if value is None and (scores := [key for key in trainer.callback_metrics if key.startswith("val/")]):
            rank_zero_warn(f"--checkpoints.monitor={self.monitor} is none of {', '.join(scores)}: no best.ckpt is kept")
        if value is not None and self._better(float(value)):
            self.best, self.best_round = float(value), game.rounds
            self.save(trainer, "best")
        self.save(trainer, "last")

    def save(self, trainer: pl.Trainer, name: str) -> None:
        """Write ``checkpoints/<name>.ckpt`` beside its place and move it there."""
        path = Path(trainer.default_root_dir) / "checkpoints" / f"{name}.ckpt"
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".tmp")
        trainer.save_checkpoint(half, weights_only=False)
        if trainer.is_global_zero:
            with open(half, "rb+") as file:
                os.fsync(file.fileno())
            if name == "last":
                aged = [path, *(path.with_stem(f"last-{age}") for age in range(1, self.keep))]
                for younger, older in reversed([pair for pair in pairwise(aged) if pair[0].exists()]):
                    os.replace(younger, older)
            os.replace(half, path)
        if name == "last":
            self._saved = trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_round": self.best_round}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_round = state["best"], state["best_round"]

    def _better(self, value: float) -> bool:
        return self.best is None or (value < self.best if self.mode == "min" else value > self.best)


def _ends_here(trainer: pl.Trainer) -> bool:
    if trainer.global_step == trainer.max_steps:
        return True
    return trainer.current_epoch + 1 == trainer.max_epochs and trainer.fit_loop.epoch_loop.batch_progress.is_last_batch

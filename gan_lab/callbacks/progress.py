"""One progress bar for the whole run, counted in rounds."""

import sys
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from gan_lab.game import Game


class RoundsBar(pl.callbacks.ProgressBar):
    """Rounds, time left, and what was last logged; away from a terminal, a line at each validation instead.

    Args:
        refresh: rounds between redraws.
    """

    def __init__(self, refresh: int = 10) -> None:
        super().__init__()
        self.refresh = refresh
        self.console = Console(file=sys.stderr)
        self._bar: _Bar | None = None

    def disable(self) -> None:
        self.refresh = 0

    def enable(self) -> None:
        self.refresh = self.refresh or 10

    def on_train_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        if not self.refresh or not trainer.is_global_zero or not self.console.is_terminal:
            return
        self._bar = _Bar(
            TextColumn("[bold]round"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=_total(trainer), completed=game.rounds)

    def on_train_batch_end(self, trainer: pl.Trainer, game: Game, *args: Any) -> None:  # type: ignore[override]
        if self._bar is not None and (game.rounds % self.refresh == 0 or trainer.should_stop):
            self._bar.say(self._task, game.rounds, _said(trainer))

    def on_validation_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        if self._bar is not None:
            self._bar.say(self._task, game.rounds, "scoring …")

    def on_validation_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        if self._bar is not None:
            self._bar.say(self._task, game.rounds, _said(trainer))
        elif self.refresh and trainer.is_global_zero and trainer.state.fn == "fit":
            self.console.print(
                f"round {game.rounds}/{_total(trainer)}  {_said(trainer)}", highlight=False, soft_wrap=True
            )

    def on_train_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._stop()

    def on_exception(self, trainer: pl.Trainer, game: Game, exception: BaseException) -> None:  # type: ignore[override]
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _Bar(Progress):
    """A bar with what was last logged on a line beneath it."""

    said = ""

    def say(self, task: TaskID, rounds: int, said: str) -> None:
        self.said = said
        self.update(task, completed=rounds)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        yield Text(self.said, style="dim", overflow="ellipsis", no_wrap=True)


def _total(trainer: pl.Trainer) -> int | None:
    epochs = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
    bounds = [trainer.max_steps] if trainer.max_steps > 0 else []
    if epochs and trainer.num_training_batches < float("inf"):
        bounds.append(epochs * int(trainer.num_training_batches))
    return min(bounds) if bounds else None


def _said(trainer: pl.Trainer) -> str:
    metrics = trainer.callback_metrics
    shown = [f"{key.replace('/adversarial', '')} {float(value):.3g}" for key, value in metrics.items()]
    return "  ".join(shown[:6])

"""Scores at each validation: what the averaged generator draws against real images, with floor and protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from rich.table import Table
from torch import Tensor

from gan_lab.game import Game
from gan_lab.metrics import (
    EXTRACTORS,
    ClassifierFeatures,
    Features,
    ImageScores,
    ModeScores,
    RealStatistics,
    Resize,
    Score,
    chosen,
)

Told = dict[str, dict[str, Any]]  # a score's name -> its value, floor and protocol, as summary.json has them


class Scorer(Protocol):
    """What gathers fakes over a validation and scores them all at its end."""

    def reset(self) -> None: ...
    def update(self, fakes: Tensor) -> None: ...
    def compute(self) -> dict[str, Score]: ...
    def to(self, device: torch.device) -> Any: ...


class Scores(pl.Callback):
    """Scores of images from one pass of features; for points, the modes reached.

    They are logged as ``val/fid``, ``val/kid``, ``val/isc`` (``test/…`` under test); `history` holds them by round. The
    number of fakes is the number of held-out images, or ``data.scored``, over all processes together.

    Args:
        features: what looks at the images. "classifier": a small network trained once on the labelled reals;
            "inception": torch-fidelity's Inception-v3, for photographs; "dinov2", "clip": those; "none": nothing is
            scored; "auto": the classifier where there are labels, else Inception where `weights` are given.
        weights: the file of the extractor's weights; None: its own download.
        reference: the split that fakes are compared with; floors come from the other one.
        within: for points: how many σ from its centre a mode reaches.
        scores: which; "prdc" is precision, recall, density and coverage; None: fid, kid and, where the extractor knows
            classes, isc.
        every_images: real images between scorings, in place of the trainer's ``val_check_interval`` in rounds.
        resize: how images get the size that Inception, DINOv2 or CLIP wants, see `gan_lab.metrics.resize`.
    """

    def __init__(
        self,
        features: Literal["auto", "classifier", "inception", "dinov2", "clip", "none"] = "auto",
        weights: Path | str | None = None,
        reference: Literal["train", "validation"] = "train",
        within: float = 3.0,
        scores: list[Literal["fid", "kid", "isc", "prdc", "memorisation"]] | None = None,
        resize: Resize = "tf1",
        every_images: int | None = None,
    ) -> None:
        if every_images is not None and every_images < 1:
            raise ValueError(f"--scores.every_images is {every_images}: it must be 1 or more")
        self.every_images = every_images
        self.features = features
        self.weights = weights
        self.reference = reference
        self.within = within
        self.scores = scores
        self.resize = resize
        self.history: dict[int, Told] = {}
        self._scorers: dict[str, Scorer | None] = {}

    def on_train_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        if trainer.enable_validation:  # what can't be scored is refused before it is trained
            self._start(trainer, game, "validation")

    def setup(self, trainer: pl.Trainer, game: Game, stage: str) -> None:  # type: ignore[override]
        if self.every_images and stage == "fit":
            images = trainer.datamodule.batch_size * trainer.world_size  # type: ignore[attr-defined]
            trainer.val_check_interval = -(-self.every_images // images)

    def on_validation_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._start(trainer, game, "validation")

    def on_test_start(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._start(trainer, game, "test")

    def on_validation_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, game: Game, outputs: Tensor, *args: Any
    ) -> None:
        self._add(outputs, "validation")

    def on_test_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, game: Game, outputs: Tensor, *args: Any
    ) -> None:
        self._add(outputs, "test")

    def on_validation_epoch_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._tell(trainer, game, "validation", "val")

    def on_test_epoch_end(self, trainer: pl.Trainer, game: Game) -> None:  # type: ignore[override]
        self._tell(trainer, game, "test", "test")

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.history = state["history"]

    def _start(self, trainer: pl.Trainer, game: Game, split: str) -> None:
        if split not in self._scorers:
            data = trainer.datamodule  # type: ignore[attr-defined]
            self._scorers[split] = None if data is None else self._scorer(data, split, game.device)
        if (scorer := self._scorers[split]) is not None:
            scorer.reset()

    def _add(self, fakes: Tensor, split: str) -> None:
        if (scorer := self._scorers[split]) is not None:
            scorer.update(fakes)

    def _tell(self, trainer: pl.Trainer, game: Game, split: str, prefix: str) -> None:
        if (scorer := self._scorers[split]) is None or trainer.sanity_checking:
            return
        scores = scorer.compute()
        self.history[game.rounds] = {name: score._asdict() for name, score in scores.items()}
        values = {f"{prefix}/{name}": score.value for name, score in scores.items()}
        game.log_dict(values, sync_dist=trainer.world_size > 1)  # equal everywhere already

    def _scorer(self, data: Any, split: str, device: torch.device) -> Scorer | None:
        if len(data.shape) == 1:
            return self._modes(data, split, device)
        features = self._extractor(data, device)
        if features is None:
            return None
        other = split if self.reference == "train" else "train"
        reference, unseen = (
            RealStatistics.of(_Split(data, name), features, f"{data.name}-{name}", content=data.fingerprint(name))
            for name in (self.reference, other)
        )
        names = self.scores or ["fid", "kid", "isc"]
        return ImageScores(features, reference, unseen, chosen(names, unseen)).to(device)

    def _extractor(self, data: Any, device: torch.device) -> Features | None:
        kind = self.features
        if kind == "auto":
            kind = "classifier" if data.num_classes else "inception" if self.weights else "none"
            if kind == "none":
                rank_zero_warn(
                    "nothing is scored: without labels a score needs Inception's weights, --scores.weights=FILE"
                )
        if kind == "none":
            return None
        if kind in EXTRACTORS:
            return EXTRACTORS[kind](self.weights, self.resize).to(device)
        if not data.num_classes:
            raise ValueError(f"--scores.features=classifier needs labels, which {data.name} has not: take inception")
        images, labels = (torch.cat(parts) for parts in zip(*data.reals("train"), strict=True))
        return ClassifierFeatures.trained_on(images, labels, data.num_classes).to(device)

    def _modes(self, data: Any, split: str, device: torch.device) -> Scorer | None:
        if data.centres is None:
            return None
        unseen = torch.cat([points for points, _ in data.reals(split)])
        return ModeScores(data.centres, data.sigma, data.name, self.within, unseen).to(device)


def table(columns: dict[str, Told]) -> Table:
    """A row for each score: its values under the names of `columns`, its floor and its protocol."""
    made = Table()
    first, *_ = columns.values()
    for name in ("score", *columns, "floor", "protocol"):
        made.add_column(name, justify="left" if name in ("score", "protocol") else "right", overflow="fold")
    for name, score in first.items():
        values = [_number(told.get(name, {})) for told in columns.values()]
        made.add_row(name, *values, _number({"value": score["floor"]}), score["protocol"])
    return made


def _number(told: dict[str, Any]) -> str:
    """A value and, where it is known, its standard error."""
    if told.get("value") is None:
        return "–"
    error = f" ± {told['error']:.2g}" if told.get("error") is not None else ""
    return f"{told['value']:.4g}{error}"


class _Split:
    """A split's images, as often as they are asked for."""

    def __init__(self, data: Any, split: str) -> None:
        self.data, self.split = data, split

    def __iter__(self) -> Iterator[Tensor]:
        return (images for images, _ in self.data.reals(self.split))

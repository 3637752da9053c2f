"""The face of every data set: its shape, its classes, three splits, and loaders that are exact.

A split that fits is held whole as uint8 on the training device, where a batch costs one `index_select`; a larger one is
streamed from its files. Which of the two happens changes no batch. Conversion to [−1, 1] and random flips are done on
the device, a batch at a time.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from gan_lab.data.items import CPU, Batch, DataError, Items, placed
from gan_lab.data.loaders import EvaluationLoader, Pass, Rounds, TrainingLoader, generator
from gan_lab.recipes import Recorded

__all__ = ["Data", "DataError", "Images", "held_out", "unit_range"]

SPLITS = ("train", "validation", "test")


class Data(Recorded, pl.LightningDataModule, ABC):
    """A data set in three splits: "train", "validation" and "test".

    Attributes:
        name: as protocols write it, such as "digits": no hyphen, no underscore.
        shape: one image's (channels, height, width), or (2,) for points.
        num_classes: how many classes the labels name; None: there are no labels.

    Args:
        batch_size: images a process and round.
        seed: fixes what is held out for validation, and the shuffles.
        scored: how many images a validation or test pass answers, going round where the split holds fewer;
            None: the split, each image once.

    Raises:
        DataError: an argument is out of its range.
    """

    name: str
    shape: tuple[int, ...]
    num_classes: int | None = None

    def __init__(self, batch_size: int = 64, seed: int = 0, scored: int | None = None) -> None:
        super().__init__()
        for option, value in (("batch_size", batch_size), ("scored", scored)):
            if value is not None and value < 1:
                raise DataError(f"--data.{option} is {value}: it must be 1 or more")
        self.batch_size = batch_size
        self.seed = seed
        self.scored = scored
        self._items: dict[str, Items] = {}
        self._placed: dict[tuple[str, torch.device], Items] = {}
        self._fingerprints: dict[str, str] = {}

    @abstractmethod
    def load(self, split: str) -> Items:
        """Reads a split; `items` asks for each one once."""

    def items(self, split: str) -> Items:
        """The content of a split, as it comes from its source.

        Raises:
            DataError: no such split, or it can't be read.
        """
        if split not in SPLITS:
            raise DataError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
        if split not in self._items:
            self._items[split] = self.load(split)
        return self._items[split]

    def reals(
        self, split: str, batch_size: int | None = None, rank: int = 0, world: int = 1
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Every image of a split once and in order, for metrics: (uint8 images or float32 points, labels or None).

        Args:
            split: "train", "validation" or "test".
            batch_size: the most images at a time; None: as in training.
            rank: answer only the share of this process …
            world: … of how many.
        """
        items = self._nearby(split)
        order = Pass(len(items), batch_size or self.batch_size, rank=rank, world=world)
        for image, *label in EvaluationLoader(items, order):
            yield image, label[0] if label else None

    def fingerprint(self, split: str) -> str:
        """The SHA-256 of a split's content, the same wherever and however it is held."""
        if split not in self._fingerprints:
            self._fingerprints[split] = self.items(split).fingerprint()
        return self._fingerprints[split]

    def train_dataloader(self) -> TrainingLoader:
        items = self._nearby("train")
        return TrainingLoader(items, Rounds(len(items), self.batch_size, self.seed, *self._process()))

    def val_dataloader(self) -> EvaluationLoader:
        return self._evaluation("validation")

    def test_dataloader(self) -> EvaluationLoader:
        return self._evaluation("test")

    def _evaluation(self, split: str) -> EvaluationLoader:
        items = self._nearby(split)
        return EvaluationLoader(items, Pass(len(items), self.batch_size, self.scored, *self._process()))

    def _nearby(self, split: str) -> Items:
        device = CPU if self.trainer is None else self.trainer.strategy.root_device
        if (split, device) not in self._placed:
            self._placed[split, device] = placed(self.items(split), device)
        return self._placed[split, device]

    def _process(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


class Images(Data, ABC):
    """Images: uint8 in a split and on the way to the device, float32 in [−1, 1] and channels_last in a game.

    Args:
        flip: mirror half of the images left to right, at random, in training only.
        kwargs: of `Data`.
    """

    def __init__(self, flip: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.flip = flip

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        image, *rest = batch
        if self.flip and self.trainer is not None and self.trainer.training:
            image = _mirrored(image)
        return (unit_range(image), *rest)


def unit_range(image: Tensor) -> Tensor:
    """uint8 images (N, C, H, W) as float32 in [−1, 1], channels_last: x / 127.5 − 1."""
    return image.to(torch.float32, memory_format=torch.channels_last).div_(127.5).sub_(1)


def held_out(count: int, validation: float, seed: int, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The rows to train on and the rows held out, both in ascending order; classes keep their shares in each.

    Args:
        count: items in all.
        validation: how many to hold out; below 1: which share of them.
        seed: fixes the choice.
        labels: (count,) class indices to keep the shares of; None: held out at random.

    Raises:
        DataError: one of the two would be empty.
    """
    held = round(validation * count) if validation < 1 else int(validation)
    if not 0 < held < count:
        raise DataError(
            f"--data.validation={validation} would hold out {held} of {count} images:"
            " both splits need at least one image"
        )
    shuffled = torch.randperm(count, generator=generator(seed, "split"))
    if labels is not None:
        shuffled = shuffled[_interleaved(labels[shuffled])]
    return shuffled[held:].sort().values, shuffled[:held].sort().values


def _interleaved(labels: Tensor) -> Tensor:
    """An order in which every beginning holds the classes in their overall shares, to within one of each."""
    place = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        place[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return place.argsort(stable=True)


def _mirrored(image: Tensor) -> Tensor:
    chosen = torch.rand(len(image), 1, 1, 1, device=image.device) < 0.5
    return torch.where(chosen, image.flip(3), image)

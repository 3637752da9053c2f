"""The order in which a split is gone through, and the two iterables that a Trainer is given.

They are no torch DataLoaders, so Lightning puts no sampler of its own into them. Training is an endless stream of
rounds: which images round k holds follows from the seed alone, and N processes of batch B see in it what one process
of batch N·B would. Evaluation answers each image exactly once, whatever the number of processes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from gan_lab.data.items import Batch, DataError, Items


def generator(*key: object) -> torch.Generator:
    """A random stream of its own for each key, such as (seed, epoch); the global stream stays untouched."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@dataclass(frozen=True)
class Rounds:
    """The rows of each training round: a permutation an epoch, cut into batches; what is left over is dropped.

    Args:
        count: items in the split.
        batch_size: items a process and round.
        seed: with the epoch, fixes the permutation.
        rank: this process …
        world: … of how many.

    Raises:
        DataError: the split holds less than one round.
    """

    count: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if len(self) < 1:
            each = f" on each of {self.world} processes" if self.world > 1 else ""
            raise DataError(
                f"the training split holds {self.count} images, fewer than one batch of {self.batch_size}{each}:"
                f" set --data.batch_size to {max(1, self.count // self.world)} or less"
            )

    def __len__(self) -> int:
        return self.count // (self.batch_size * self.world)

    def rows(self, epoch: int, position: int, device: torch.device) -> Iterator[Tensor]:
        """Row numbers round after round, endlessly, from round `position` of `epoch` on."""
        while True:
            order = torch.randperm(self.count, generator=generator(self.seed, epoch)).to(device)
            for k in range(position, len(self)):
                start = (k * self.world + self.rank) * self.batch_size
                yield order[start : start + self.batch_size]
            epoch, position = epoch + 1, 0


@dataclass(frozen=True)
class Pass:
    """The rows of one evaluation: 0, 1, 2, … `scored` − 1 (modulo the split's size) in batches of nearly equal size.

    The processes share each batch, so none waits long for another, and none gets an empty one.

    Args:
        count: items in the split.
        batch_size: the most items a process and step.
        scored: items to answer; None: each once.
        rank: this process …
        world: … of how many.
    """

    count: int
    batch_size: int
    scored: int | None = None
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        return len(self._cuts())

    def rows(self, device: torch.device) -> Iterator[Tensor]:
        """Row numbers step after step."""
        for start, end in self._cuts():
            yield torch.arange(start, end, device=device) % self.count

    def _cuts(self) -> list[tuple[int, int]]:
        total = self.count if self.scored is None else self.scored
        steps = -(-total // (self.batch_size * self.world))
        cuts = []
        for step in range(steps):
            first, last = step * total // steps, (step + 1) * total // steps
            start, end = (first + (last - first) * rank // self.world for rank in (self.rank, self.rank + 1))
            if end > start:
                cuts.append((start, end))
        return cuts


class TrainingLoader:
    """Batches of an endless stream; one iteration gives ``len(loader)`` of them, from where the last one stopped.

    Its state is the place in the stream (epoch, position) of the next batch to hand out, whatever workers have read
    ahead. It moves on *before* a batch is handed out, because Lightning saves while it holds the epoch's last batch
    and never asks for the one after. Given back, the stream goes on with the very next batch.
    """

    def __init__(self, items: Items, order: Rounds) -> None:
        self.items = items
        self.order = order
        self.epoch = 0
        self.position = 0
        self._iterator: Iterator[Batch] | None = None  # Lightning sets it to None when it tears down

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(len(self)):
            if self._iterator is None:
                self._iterator = self.items.batches(self.order.rows(self.epoch, self.position, self.items.device))
            batch = next(self._iterator)
            self.position += 1
            if self.position == len(self):
                self.epoch, self.position = self.epoch + 1, 0
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.epoch, self.position = state["epoch"], state["position"]
        self._iterator = None
        if self.position >= len(self):  # the batch has grown since: the epoch has fewer rounds
            self.epoch, self.position = self.epoch + 1, 0


class EvaluationLoader:
    """Batches of one pass in order; each iteration starts anew."""

    def __init__(self, items: Items, order: Pass) -> None:
        self.items = items
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        return islice(self.items.batches(self.order.rows(self.items.device)), len(self))

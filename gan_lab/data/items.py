"""What a split holds: a table in memory, or files that are decoded as they are asked for. Either answers rows.

Images are uint8 (N, C, H, W) all the way to the training device, a quarter of what floats would move.
"""

import hashlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import DataLoader

Batch = tuple[Tensor, ...]  # (image,) or (image, label)

CPU = torch.device("cpu")
CUDA_SHARE = 0.25  # of the free device memory: what a split may take and leave room for the networks
MEMORY_LIMIT = 4 * 2**30  # bytes a split may take elsewhere
DECODE_THREADS = min(16, os.cpu_count() or 1)
DECODE_CHUNK = 256  # images decoded, then moved, together
PATIENCE = 2.0  # seconds before a progress bar appears


class DataError(ValueError):
    """Data that can't be read or used as asked; the message is one line that names the mend."""


class Items(ABC):
    """The images or points of one split, in a fixed order.

    Attributes:
        shape: one image's (channels, height, width), or (2,) for points.
        labels: one int64 class index an item, or None.
        device: where the rows of `batches` must lie.
        nbytes: the bytes that the whole split takes as a table.
    """

    shape: tuple[int, ...]
    labels: Tensor | None
    device: torch.device
    nbytes: int

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def batches(self, rows: Iterable[Tensor]) -> Iterator[Batch]:
        """One batch for each tensor of row numbers, read lazily."""

    @abstractmethod
    def held(self, device: torch.device) -> "Table":
        """The same items as a table on `device`."""

    @abstractmethod
    def fingerprint(self) -> str:
        """The SHA-256 of the content: changes with any pixel, label, or the order."""


class Table(Items):
    """All items in one tensor: uint8 images (N, C, H, W) or float32 points (N, D), and int64 labels (N,) or None."""

    def __init__(self, content: Tensor, labels: Tensor | None = None) -> None:
        self.content = content
        self.labels = labels
        self.shape = tuple(content.shape[1:])
        self.device = content.device
        self.nbytes = content.nbytes

    def __len__(self) -> int:
        return len(self.content)

    def batches(self, rows: Iterable[Tensor]) -> Iterator[Batch]:
        parts = (self.content,) if self.labels is None else (self.content, self.labels)
        for some in rows:
            yield tuple(part.index_select(0, some) for part in parts)

    def held(self, device: torch.device) -> "Table":
        return Table(self.content.to(device), None if self.labels is None else self.labels.to(device))

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.content.dtype} {tuple(self.content.shape)}".encode())
        digest.update(_bytes(self.content))
        digest.update(b"" if self.labels is None else _bytes(self.labels))
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Files(Items):
    """One image a file.

    Args:
        paths: the files.
        labels: one class index a file, or None.
        read: path to uint8 image of `shape`; raises DataError; its repr names the settings that change a pixel.
        shape: what `read` answers.
        workers: processes that decode ahead when the files are streamed; 0 decodes in this one.
    """

    paths: list[str]
    labels: Tensor | None
    read: Callable[[str], Tensor]
    shape: tuple[int, ...]
    workers: int = 0
    device: torch.device = CPU

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        return len(self.paths) * prod(self.shape)

    def batches(self, rows: Iterable[Tensor]) -> Iterator[Batch]:
        loader: DataLoader[Any] = DataLoader(
            self,  # type: ignore[arg-type]
            batch_sampler=(some.tolist() for some in rows),
            collate_fn=_same,
            num_workers=min(self.workers, os.cpu_count() or 1),
            pin_memory=torch.cuda.is_initialized(),
            generator=torch.Generator(),  # the global stream stays untouched
        )
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            yield tuple(batch)

    def __getitems__(self, rows: list[int]) -> Batch | DataError:
        # A worker's exception arrives with the worker's traceback in its message: an error is handed over instead.
        try:
            images = torch.stack([self.read(self.paths[row]) for row in rows])
        except DataError as error:
            return error
        return (images,) if self.labels is None else (images, self.labels[rows])

    def held(self, device: torch.device) -> Table:
        table = torch.empty((len(self), *self.shape), dtype=torch.uint8, device=device)
        with _Progress("Decoding images", len(self)) as progress, ThreadPoolExecutor(DECODE_THREADS) as pool:
            for start in range(0, len(self), DECODE_CHUNK):
                images = list(pool.map(self.read, self.paths[start : start + DECODE_CHUNK]))
                table[start : start + len(images)] = torch.stack(images)
                progress.advance(len(images))
        return Table(table, None if self.labels is None else self.labels.to(device))

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.read!r} {len(self)}".encode())
        digest.update(b"" if self.labels is None else _bytes(self.labels))
        for path in self.paths:
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def placed(items: Items, device: torch.device) -> Items:
    """The items as a table on `device`, else in memory, whichever has room first; else as they are."""
    for place in (device, CPU):
        if items.nbytes <= room(place):
            return items.held(place)
    return items


def room(device: torch.device) -> float:
    """The bytes that a split may take on `device`."""
    if device.type == "cuda":
        return CUDA_SHARE * torch.cuda.mem_get_info(device)[0]
    return MEMORY_LIMIT


class _Progress:
    """A progress bar on standard error, once the work has taken longer than `PATIENCE`."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self.started = time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> "_Progress":
        return self

    def advance(self, some: int) -> None:
        self.done += some
        if self.bar is None and time.monotonic() - self.started > PATIENCE and self._speaks():
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True))
            self.task = self.bar.add_task(self.title, total=self.total)
            self.bar.start()
        if self.bar is not None:
            self.bar.update(self.task, completed=self.done)

    @staticmethod
    def _speaks() -> bool:
        return getattr(rank_zero_only, "rank", 0) == 0

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().view(torch.uint8).reshape(-1).numpy().data


def _same(batch: Any) -> Any:
    return batch

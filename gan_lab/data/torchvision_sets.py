"""The small classics that torchvision reads and downloads: MNIST, Fashion-MNIST, CIFAR-10.

Part of the official training images is held out as "validation"; "test" is the official test set, untouched.
"""

import pickle
import tarfile
from abc import ABC
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_lab.data.base import DataError, Images, held_out
from gan_lab.data.items import Table

IDX_FILES = ", ".join(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
UNREADABLE = (RuntimeError, OSError, EOFError, ValueError, AssertionError, pickle.UnpicklingError, tarfile.TarError)


class TorchvisionSet(Images, ABC):
    """A data set of torchvision whose class has the same name; ten classes, official training and test parts.

    Args:
        root: the folder that holds, or is to hold, the data set's own folder.
        download: fetch what is missing; false: read an existing folder only.
        validation: images of the official training part that are held out; every class keeps its share.
        size: height and width to resize to (bicubic, antialiased); None: as they are.
        kwargs: of `Images` and `Data`.

    Raises:
        DataError: the files are missing or broken and could not be fetched.
    """

    folder: ClassVar[str]
    files: ClassVar[str]
    num_classes = 10

    def __init__(
        self, root: str = "data", download: bool = True, validation: int = 5000, size: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.root = root
        self.download = download
        self.validation = validation
        self.size = size
        if size is not None:
            self.shape = (self.shape[0], size, size)
            self.name = f"{self.name}.{'x'.join(map(str, self.shape))}.bicubic"

    def prepare_data(self) -> None:
        if self.download:
            self._read(train=False)  # fetches both parts

    def load(self, split: str) -> Table:
        images, labels = self._read(train=split != "test")
        if split != "test":
            train, validation = held_out(len(images), self.validation, self.seed, labels)
            rows = train if split == "train" else validation
            images, labels = images[rows], labels[rows]
        if images.shape[1:] != self.shape:
            from torchvision.transforms.v2 import InterpolationMode
            from torchvision.transforms.v2.functional import resize

            images = resize(images, list(self.shape[1:]), InterpolationMode.BICUBIC, antialias=True)
        return Table(images, labels)

    def _read(self, train: bool) -> tuple[Tensor, Tensor]:
        import torchvision

        try:
            source = getattr(torchvision.datasets, type(self).__name__)(self.root, train, download=self.download)
        except UNREADABLE as error:
            lines = str(error).strip().splitlines()
            why = lines[-1] if lines else type(error).__name__
            fetch = f", and fetching it failed ({why})" if self.download else f" ({why})"
            mend = "" if self.download else ", or let it be fetched with --data.download=true"
            raise DataError(
                f"{type(self).__name__} is not in {self.root!r}{fetch}:"
                f" put {self.files} into {Path(self.root) / self.folder}{mend}"
            ) from error
        images = torch.as_tensor(source.data)
        images = images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)
        return images.contiguous(), torch.as_tensor(source.targets, dtype=torch.int64)


class MNIST(TorchvisionSet):
    """60,000 + 10,000 handwritten digits, 28×28 grey (LeCun et al., Proc. IEEE 86(11), 1998)."""

    name = "mnist"
    shape = (1, 28, 28)
    folder = "MNIST/raw"
    files = IDX_FILES


class FashionMNIST(TorchvisionSet):
    """60,000 + 10,000 pieces of clothing, 28×28 grey (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747)."""

    name = "fashionmnist"
    shape = (1, 28, 28)
    folder = "FashionMNIST/raw"
    files = IDX_FILES


class CIFAR10(TorchvisionSet):
    """50,000 + 10,000 photographs of ten kinds of things, 32×32 RGB (Krizhevsky, technical report, 2009)."""

    name = "cifar10"
    shape = (3, 32, 32)
    folder = "cifar-10-batches-py"
    files = "data_batch_1 … data_batch_5, test_batch, batches.meta"

"""Extractors whose weights somebody published: read from a file that is given, or downloaded once, as tensors only."""

import hashlib
import os
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from gan_lab.metrics.features import Features
from gan_lab.metrics.resize import Resize, resized


class Pretrained(Features):
    """What those have in common: a file of weights, an image size, a resizing, and a name that tells all three.

    Weights other than the published ones add the first eight digits of their file's SHA-256 to the name. Grey images
    are repeated to three channels.

    Args:
        weights: a file; None: downloaded once.
        resize: how images get the size that the network wants, see `gan_lab.metrics.resize`.

    Raises:
        ValueError: no such file, not these weights, or no network to download them from.
    """

    url: ClassVar[str]
    published: str = "none"  # how the SHA-256 of the published file begins
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __init__(self, weights: str | Path | None = None, resize: Resize = "tf1") -> None:
        super().__init__()
        self.resize = resize
        resized(torch.zeros(1, 1, 2, 2), 2, resize)  # an unknown way is refused before a download
        self.path = weights_file(weights, self.url, self.published)
        self.sha = _sha256(self.path)
        try:
            with torch.random.fork_rng(devices=[]):
                self.network = self.build(self.read())
        except (RuntimeError, TypeError, AttributeError, KeyError, IndexError, AssertionError) as error:
            raise ValueError(f"{self.path} doesn't hold the weights of {self.what}") from error
        strange = "" if self.sha.startswith(self.published) else f"-{self.sha[:8]}"
        self.name = f"{self.variant}-{resize}{strange}"
        self.requires_grad_(False).eval()

    what: ClassVar[str]  # the network in words
    variant: str  # the network in a name

    def build(self, state: dict[str, Tensor]) -> nn.Module:
        """The network with these weights."""
        raise NotImplementedError

    def read(self) -> dict[str, Tensor]:
        """The weights in the file; nothing in it is executed."""
        return read_tensors(self.path)

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of images that are resized and normalised."""
        return self.network(images), images.new_empty(len(images), 0)

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.shape[1] not in (1, 3):
            raise ValueError(f"{self.what} sees grey or colour images, not {images.shape[1]} channels")
        pixels = resized(images, self.size, self.resize).expand(-1, 3, -1, -1)
        mean, std = (pixels.new_tensor(values).view(-1, 1, 1) for values in (self.mean, self.std))
        return self.look((pixels - mean) / std)


def weights_file(path: str | Path | None, url: str, published: str = "none") -> Path:
    """The file given, or the download of `url`, which torch.hub keeps.

    Raises:
        ValueError: no such file, or no network.
    """
    if path is not None:
        if not Path(path).is_file():
            raise ValueError(f"{path} is no file: give the path of the extractor's weights")
        return Path(path)
    kept = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        prefix = None if published == "none" else published
        try:
            torch.hub.download_url_to_file(url, os.fspath(kept), prefix, progress=os.isatty(2))
        except Exception as error:  # without a network this fails in many ways
            raise ValueError(
                f"the extractor's weights can't be downloaded ({error}): fetch {url} where there is a network"
                " and give the file's path as `weights`"
            ) from error
    return kept


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a file; nothing in it is executed.

    Raises:
        ValueError: it holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file fails in many ways, all of them mean the same to its user
        raise ValueError(f"{path} holds no weights that can be read safely: download it again") from error


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

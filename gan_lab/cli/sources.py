"""Where images come from that are to be compared: a folder, a data set, a generator."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from PIL import Image
from torch import Tensor

import gan_lab.data
from gan_lab.cli import UsageError, nearest
from gan_lab.data import Data, DataError, Files
from gan_lab.data.folder import EXTENSIONS, MODES, Decoder, classes_of, images_under
from gan_lab.recipes import build
from gan_lab.sampling import CHUNK, seeded

STREAMED = 2000  # images from which on further processes decode


@dataclass(frozen=True)
class Source:
    """Images that can be read again and again.

    Attributes:
        name: as protocols write it.
        shape: (channels, height, width), or (2,) for points.
        count: how many there are; None: as many as are asked for.
        num_classes: how many classes the labels name; None: there are no labels.
        fingerprint: changes with any pixel.
        read: row numbers in ascending order to (images, labels or None), a batch at a time.
    """

    name: str
    shape: tuple[int, ...]
    count: int | None
    num_classes: int | None
    fingerprint: Callable[[], str]
    read: Callable[[Tensor], Iterator[tuple[Tensor, Tensor | None]]]

    def everything(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """All of them, in order."""
        return self.read(torch.arange(self.count or 0))


def folder(root: str) -> Source:
    """The images under a folder as they are, in the order of their paths; sub-folders are classes as in `ImageFolder`.

    Raises:
        DataError: no such folder, no image in it, images of different sizes, or one that can't be read.
    """
    paths = sorted(images_under(root), key=lambda path: Path(path).parts)
    if not paths:
        raise DataError(f"there is no image in {root!r}: give a folder with {' '.join(EXTENSIONS)} files")
    width, height, grey = _sizes([os.path.join(root, path) for path in paths])
    shape, classes = (1 if grey else 3, height, width), classes_of(paths)
    labels = torch.tensor([classes.index(Path(path).parts[0]) for path in paths]) if classes else None
    workers = 4 if len(paths) >= STREAMED else 0
    whole = [os.path.join(root, path) for path in paths]
    files = Files(whole, labels, Decoder(shape, "nearest", "none"), shape, workers)
    content = files.fingerprint()
    base = re.sub(r"[^A-Za-z0-9]+", ".", Path(root).resolve().name).strip(".") or "folder"

    def read(rows: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        for images, *label in files.batches(rows.split(CHUNK)):
            yield images, label[0] if label else None

    return Source(f"{base}-{content[:8]}", shape, len(paths), len(classes) or None, lambda: content, read)


def split(data: Data, part: str) -> Source:
    """A split of a data set."""
    count = len(data.items(part))

    def read(rows: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        wanted, start = torch.zeros(count, dtype=torch.bool), 0
        wanted[rows] = True
        for images, labels in data.reals(part, CHUNK):
            here = wanted[start : start + len(images)]
            start += len(images)
            yield images[here], None if labels is None else labels[here]

    return Source(f"{data.name}-{part}", data.shape, count, data.num_classes, lambda: data.fingerprint(part), read)


def generator(drawer: Any, seed: int) -> Source:
    """What a game or an exported generator draws for its users: the same images as ``drawer.sample(n, seed)``."""
    network = drawer.answering if hasattr(drawer, "answering") else drawer.generator
    place, labels = next(network.parameters()).device, getattr(network, "condition", None)

    def read(rows: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        with seeded(seed):
            for some in rows.split(CHUNK):
                condition = None if labels is None else some.to(place) % labels.num_classes
                yield drawer.sample(len(some), condition=condition), None

    return Source("drawn", tuple(network.shape), None, None, lambda: "", read)


def data_in(path: str, trust: list[str]) -> Data:
    """The data set that a YAML file describes under ``data:``, as the configs of ``gan-lab fit`` do.

    Raises:
        UsageError: no such file, no YAML, or no data set in it.
    """
    try:
        config = OmegaConf.load(path)
        plain = config.data if "data" in config else None
        plain = OmegaConf.to_container(plain, resolve=True) if OmegaConf.is_config(plain) else plain
    except (yaml.YAMLError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise UsageError(f"{path} is no YAML with a data section: {' '.join(str(error).split())}") from error
    plain = {"class_path": plain} if isinstance(plain, str) else plain
    if not isinstance(plain, dict) or "class_path" not in plain:
        raise UsageError(f"{path} has no data section: it needs data: {{class_path: Digits, init_args: {{…}}}}")
    name = plain["class_path"]
    if "." not in name:
        if name not in gan_lab.data.__all__:
            raise UsageError(f"{path}: there is no data set {name}{nearest(name, gan_lab.data.__all__)}")
        name = f"gan_lab.data.{name}"
    data = build({"class_path": name, "init_args": plain.get("init_args") or {}}, trust)
    if not isinstance(data, Data):
        raise UsageError(f"{path}: {name} is no data set")
    return data


def _sizes(paths: list[str]) -> tuple[int, int, bool]:
    """The one width and height of the files, as they will be seen, and whether all of them are grey."""
    first, grey = (0, 0), True
    for path in paths:
        try:
            with Image.open(path) as file:
                turned = file.getexif().get(0x0112, 1) >= 5  # lies on its side
                size = file.size[::-1] if turned else file.size
                grey &= file.mode in (MODES[1], "1", "LA") or file.mode.startswith("I")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            why = str(error).partition("\n")[0]
            raise DataError(f"{path} can't be read as an image ({why}): replace it or take it away") from error
        if path != paths[0] and size != first:
            raise DataError(
                f"{path} is {size[0]}×{size[1]}, but {paths[0]} is {first[0]}×{first[1]}:"
                " bring all images of a folder to one size first"
            )
        first = size
    return *first, grey

"""Any folder of images."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gan_lab.data.base import DataError, Images, held_out
from gan_lab.data.items import Files

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class ImageFolder(Images):
    """All images under a folder, its sub-folders included, in the order of their paths.

    Where every image lies in one of at least two sub-folders directly under the root, these are the classes, in
    alphabetical order; otherwise there are no labels. (Where they are "train" and "test", give one of them as root.)
    The "test" split is the same images as "validation". Hidden files and folders are passed over.

    Args:
        root: the folder.
        size: pixels of height and width, or [height, width].
        channels: 1 grey, 3 RGB, 4 RGB and transparency; with 1 or 3 a transparent image is laid on white.
        resize: Pillow's filter; all but "nearest" are antialiased.
        crop: "centre" takes the largest centred part of the right proportions, "none" stretches the whole image.
        validation: images held out; below 1: the share held out. Every class keeps its share.
        workers: processes that decode ahead where the images don't fit into memory.
        kwargs: of `Images` and `Data`.

    Raises:
        DataError: no such folder, no image in it, or an image that can't be read (named with its path).
    """

    def __init__(
        self,
        root: str,
        size: int | list[int] = 64,
        channels: Literal[1, 3, 4] = 3,
        resize: Literal["bicubic", "bilinear", "lanczos", "nearest"] = "lanczos",
        crop: Literal["centre", "none"] = "centre",
        validation: int | float = 0.1,
        workers: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.root = root
        self.validation = validation
        self.workers = workers
        self.shape = (channels, *_sides(size))
        self.read = Decoder(self.shape, resize, crop)
        self.paths = sorted(images_under(root), key=lambda path: Path(path).parts)
        if not self.paths:
            raise DataError(f"there is no image in {root!r}: --data.root needs {' '.join(EXTENSIONS)} files")
        self.classes = classes_of(self.paths)
        self.num_classes = len(self.classes) or None
        base = re.sub(r"[^A-Za-z0-9]+", ".", Path(root).resolve().name).strip(".")
        self.name = f"{base}.{'x'.join(map(str, self.shape))}.{resize}.{crop}"

    def load(self, split: str) -> Files:
        labels = self._labels()
        train, validation = held_out(len(self.paths), self.validation, self.seed, labels)
        rows = train if split == "train" else validation
        paths = [os.path.join(self.root, self.paths[row]) for row in rows.tolist()]
        return Files(paths, None if labels is None else labels[rows], self.read, self.shape, self.workers)

    def _labels(self) -> Tensor | None:
        if not self.classes:
            return None
        index = {name: i for i, name in enumerate(self.classes)}
        return torch.tensor([index[Path(path).parts[0]] for path in self.paths])


@dataclass(frozen=True)
class Decoder:
    """Path of an image file to a uint8 tensor of `shape`: turned upright, cropped, resized."""

    shape: tuple[int, ...]
    resize: str
    crop: str

    def __call__(self, path: str) -> Tensor:
        channels, height, width = self.shape
        try:
            with Image.open(path) as file:
                image = _converted(ImageOps.exif_transpose(file), channels)
            image = image.resize((width, height), Image.Resampling[self.resize.upper()], self._box(*image.size))
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            why = str(error).partition("\n")[0]
            raise DataError(f"{path} can't be read as an image ({why}): replace it or take it away") from error
        return torch.from_numpy(np.array(image)).view(height, width, channels).permute(2, 0, 1).contiguous()

    def _box(self, width: int, height: int) -> tuple[float, float, float, float]:
        if self.crop == "none":
            return (0, 0, width, height)
        scale = min(height / self.shape[1], width / self.shape[2])
        x, y = (width - scale * self.shape[2]) / 2, (height - scale * self.shape[1]) / 2
        return (max(0, x), max(0, y), min(width, width - x), min(height, height - y))


def _converted(image: Image.Image, channels: int) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):  # 16 bits: Pillow's own conversion would cut off all above 255
        image = Image.fromarray((np.asarray(image, dtype=np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    if channels != 4 and ("A" in image.getbands() or "transparency" in image.info):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(MODES[channels])


def images_under(root: str) -> Iterator[str]:
    """Paths relative to the root; symbolic links are followed, except into a folder that holds them."""
    if not os.path.isdir(root):
        raise DataError(f"the folder {root!r} does not exist: set --data.root to a folder of images")
    for folder, subfolders, files in os.walk(root, followlinks=True):
        here = Path(folder).resolve()
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith(".") and (here / name).resolve() not in (here, *here.parents)
        ]
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield os.path.relpath(os.path.join(folder, name), root)


def classes_of(paths: Sequence[str]) -> list[str]:
    """The names of the sub-folders, where every path lies in one of at least two; otherwise none."""
    parts = [Path(path).parts for path in paths]
    names = sorted({part[0] for part in parts})
    return names if len(names) > 1 and all(len(part) > 1 for part in parts) else []


def _sides(size: int | Sequence[int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or min(sides) < 1:
        raise DataError(f"--data.size is {size}: give one number of pixels, or [height, width]")
    return sides[0], sides[1]

"""Data sets on disk, tiny but laid out like the real ones."""

import gzip
import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image

from gan_lab.data import items

MakeFolder = Callable[..., Path]


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No split fits into memory."""
    monkeypatch.setattr(items, "MEMORY_LIMIT", 0)


@pytest.fixture
def folder(tmp_path: Path) -> MakeFolder:
    """Makes a folder of random 12×10 PNGs: `count` in each class, or in the root where there are none."""

    def make(count: int = 20, classes: tuple[str, ...] = ("",), mode: str = "RGB", root: str = "pictures") -> Path:
        random = np.random.default_rng(0)
        for name in classes:
            (tmp_path / root / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = random.integers(0, 256, (12, 10, len(mode)), dtype=np.uint8)
                Image.fromarray(pixels.squeeze(), mode).save(tmp_path / root / name / f"{i:03}.png")
        return tmp_path / root

    return make


@pytest.fixture
def mnist_root(tmp_path: Path) -> Path:
    """60 + 20 images as idx files, for MNIST and for FashionMNIST."""
    random = np.random.default_rng(0)
    for dataset in ("MNIST", "FashionMNIST"):
        raw = tmp_path / dataset / "raw"
        raw.mkdir(parents=True)
        for part, count in (("train", 60), ("t10k", 20)):
            images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8).tobytes()
            labels = (np.arange(count) % 10).astype(np.uint8).tobytes()
            (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, count, 28, 28) + images)
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, count) + labels)
    return tmp_path


@pytest.fixture
def mnist_gz_root(mnist_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the compressed files that a mirror has, nothing unpacked yet."""
    resources = []
    for path in sorted((mnist_root / "MNIST" / "raw").iterdir()):
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return mnist_root


@pytest.fixture
def cifar_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """50 + 10 images as pickled batches; torchvision is told their checksums."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    random = np.random.default_rng(0)

    def write(name: str, content: object) -> str:
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    def batch() -> dict[str, object]:
        return {"data": random.integers(0, 256, (10, 3072), dtype=np.uint8), "labels": list(range(10))}

    cifar = torchvision.datasets.CIFAR10
    names = [f"data_batch_{i}" for i in range(1, 6)]
    monkeypatch.setattr(cifar, "train_list", [[name, write(name, batch())] for name in names])
    monkeypatch.setattr(cifar, "test_list", [["test_batch", write("test_batch", batch())]])
    meta = write("batches.meta", {"label_names": [str(i) for i in range(10)]})
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": meta})
    return tmp_path

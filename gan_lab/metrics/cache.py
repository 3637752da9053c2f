"""What is costly to compute and depends on content alone is kept on disk, under a key made of that content.

Files are safetensors with a format tag, their key and a checksum, written whole or not at all. A file that is
damaged or not ours is made anew, and the user hears of it; a folder that can't be written costs time, never the run.
"""

import hashlib
import json
import os
import uuid
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

FORMAT = "gan-lab-cache-1"


def directory() -> Path:
    """Where cached files live: ``$GAN_LAB_CACHE``, else ``$XDG_CACHE_HOME/gan_lab``, else ``~/.cache/gan_lab``."""
    if chosen := os.environ.get("GAN_LAB_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_lab"


def digest(*parts: str | Tensor) -> str:
    """The sha256 of strings and of tensors' types, shapes and bytes."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            part = torch.frombuffer(bytearray(part.encode() + b"\0"), dtype=torch.uint8)
        sha.update(f"{part.dtype}{tuple(part.shape)}".encode())
        sha.update(raw(part))
    return sha.hexdigest()


def raw(tensor: Tensor) -> memoryview:
    """A tensor's bytes, row by row."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def cached(
    name: str, key: str, make: Callable[[], dict[str, Tensor]], folder: Path | str | None = None
) -> dict[str, Tensor]:
    """The tensors kept under `key`, or else those that `make` returns, which are kept from now on.

    Args:
        name: what they are, in one word: the file's name starts with it.
        key: a `digest` of all that they depend on.
        make: computes them.
        folder: `directory()` if not given.
    """
    path = Path(folder or directory()) / f"{name}-{key[:32]}.safetensors"
    found = read(path, key)
    if found is not None:
        return found
    made = {name: tensor.detach().cpu().contiguous() for name, tensor in make().items()}
    try:
        write(path, key, made)
    except OSError as error:
        warnings.warn(f"{path} can't be written ({error}): set GAN_LAB_CACHE to a folder that can", stacklevel=2)
    return made


def read(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors in `path`; None if it does not exist, or (with a warning) is damaged or not what `key` names."""
    if not path.exists():
        return None
    try:
        return _verified(path, key)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        warnings.warn(f"{path} can't be used ({error}): it is made anew", stacklevel=3)
        return None


def write(path: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Writes the file whole or not at all, so that another process never reads half of it.

    Raises:
        OSError: the folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"format": FORMAT, "key": key, "sha256": _checksum(tensors)}
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        save_file(dict(tensors), unfinished, metadata=about)
        os.replace(unfinished, path)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    return digest(*(part for name in sorted(tensors) for part in (name, tensors[name])))


def _verified(path: Path, key: str) -> dict[str, Tensor]:
    content = path.read_bytes()  # no memory map: a file that is cut short later would kill the process
    length = int.from_bytes(content[:8], "little")
    tensors = load(content)
    about = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    if about.get("format") != FORMAT or about.get("key") != key:
        raise ValueError("not written by this version of gan-lab for this content")
    if about.get("sha256") != _checksum(tensors):
        raise ValueError("its checksum is wrong")
    return tensors

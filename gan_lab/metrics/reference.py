"""What one pass of features leaves of a set of images, and the reals' part of it, which is kept on disk."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gan_lab.metrics import cache
from gan_lab.metrics.features import Features, check_finite, to_uint8
from gan_lab.metrics.frechet import Gaussian, Moments
from gan_lab.metrics.manifold import radii
from gan_lab.metrics.order import content_keys

CHUNK = 256


@dataclass(frozen=True)
class Statistics:
    """All that a score may look at; a new score is a function of two of these.

    Attributes:
        gaussian: mean and covariance of every image's features.
        features: the features, (rows, dim): of every image, or of a sample of them.
        logits: theirs, (rows, classes).
        keys: theirs, (rows,): `content_keys` of the images, which rank the rows whatever order they came in.
        count: how many images there were.
    """

    gaussian: Gaussian
    features: Tensor
    logits: Tensor
    keys: Tensor
    count: int

    def radii(self, k: int, device: torch.device) -> Tensor:
        """`manifold.radii` of the features, computed on `device` once and remembered."""
        known: dict[int, Tensor] = self.__dict__.setdefault("_radii", {})
        if k not in known:
            known[k] = radii(self.features.to(device), k)
        return known[k]


@dataclass(frozen=True)
class RealStatistics(Statistics):
    """The statistics of real images.

    Attributes:
        name: the images' name in protocols, such as "digits-train".
        extractor: the name of what took the features.
        digest: of the images and of the extractor's weights.
    """

    name: str
    extractor: str
    digest: str

    @classmethod
    @torch.random.fork_rng(devices=[])  # a DataLoader draws from the global stream whenever it starts
    def of(
        cls,
        batches: Tensor | Iterable[Tensor | Sequence[Tensor]],
        features: Features,
        name: str,
        bank: int | None = 10_000,
        cache_dir: Path | str | None = None,
        content: str | None = None,
    ) -> "RealStatistics":
        """Takes the statistics in one pass of features, or reads them from the cache.

        The key is the sha256 of every pixel, with the extractor's name and weights: the images are read each time,
        the features are taken once. Where `content` is given, no image is read either.

        Args:
            batches: images (n, channels, height, width), uint8 or floats in [−1, 1]; or what yields such batches (or
                tuples that start with one), the same ones in the same order each time it is iterated.
            features: the extractor.
            name: the images' name in protocols.
            bank: how many images' features are kept, drawn evenly; None keeps all, which floors at that count need.
            cache_dir: `cache.directory()` if not given.
            content: a digest of the images that changes with any of their pixels, such as `Data.fingerprint`; it is
                trusted. None: it is made of the pixels.

        Raises:
            ValueError: fewer than 2 images, sizes that differ, features that are not finite, or batches that can't be
                read twice the same.
        """
        if isinstance(batches, Tensor):
            batches = batches.split(CHUNK)
        seen = None
        if content is None:
            if isinstance(batches, Iterator):
                raise ValueError(f"the real images {name} are read twice: give a list or a loader, not an iterator")
            seen = _Content()
            for batch in batches:
                seen.add(_images(batch))
            content = seen.digest()
            _enough(seen.count, name)
        weights = features.fingerprint()
        key = cache.digest("statistics-2", content, weights, f"bank {bank}")

        def take() -> dict[str, Tensor]:
            again = _Content()
            moments, rows = Moments.zeros(features.dim), _Sample(bank)
            for batch in batches:
                images = _images(batch)
                again.add(images, hashed=seen is not None)
                found, logits = (part.cpu() for part in features(images))
                check_finite(found, logits)
                moments = moments.merge(Moments.of(found))
                rows.add(found, logits, content_keys(images).cpu())
            _enough(again.count, name)
            if seen is not None and again.digest() != content:
                raise ValueError(
                    f"the real images {name} change from pass to pass: turn off shuffling and augmentation"
                )
            gaussian, count = moments.gaussian(), torch.tensor(again.count)
            return {"mean": gaussian.mean, "covariance": gaussian.covariance, "count": count, **rows.taken()}

        kept = cache.cached("statistics", key, take, cache_dir)
        gaussian, digest = Gaussian(kept["mean"], kept["covariance"]), cache.digest(content, weights)
        rows, count = (kept["features"], kept["logits"], kept["keys"]), int(kept["count"])
        return cls(gaussian, *rows, count, name, features.name, digest)

    def take(self, n: int, seed: int = 0) -> Statistics | None:
        """The statistics of `n` of the images, drawn by seed; None where fewer are kept."""
        if n > len(self.features):
            return None
        chosen = torch.randperm(len(self.features), generator=torch.Generator().manual_seed(seed))[:n]
        features = self.features[chosen]
        return Statistics(Moments.of(features).gaussian(), features, self.logits[chosen], self.keys[chosen], n)


def _images(batch: Tensor | Sequence[Tensor]) -> Tensor:
    return to_uint8(batch if isinstance(batch, Tensor) else batch[0])


class _Content:
    """The digest of images, however they are cut into batches."""

    def __init__(self) -> None:
        self.count, self.shape, self._sha = 0, torch.Size(), hashlib.sha256()

    def add(self, images: Tensor, hashed: bool = True) -> None:
        if self.count and images.shape[1:] != self.shape:
            raise ValueError(f"real images of {tuple(self.shape)} and of {tuple(images.shape[1:])} can't be mixed")
        self.count, self.shape = self.count + len(images), images.shape[1:]
        if hashed:
            self._sha.update(cache.raw(images))

    def digest(self) -> str:
        return cache.digest(f"{self.count} {tuple(self.shape)}", self._sha.hexdigest())


class _Sample:
    """An even sample of a stream's rows, in their order: each row draws a number, the smallest stay."""

    def __init__(self, limit: int | None) -> None:
        self.limit, self._stream = limit, torch.Generator().manual_seed(0)
        self._kept: list[tuple[Tensor, ...]] = []

    def add(self, features: Tensor, logits: Tensor, keys: Tensor) -> None:
        drawn = torch.rand(len(features), generator=self._stream, dtype=torch.float64)
        self._kept.append((drawn, features, logits, keys))
        if self.limit is not None and sum(len(part[0]) for part in self._kept) > 2 * self.limit:
            self._kept = [self._smallest()]

    def taken(self) -> dict[str, Tensor]:
        return dict(zip(("features", "logits", "keys"), self._smallest()[1:], strict=True))

    def _smallest(self) -> tuple[Tensor, ...]:
        drawn, *rest = (torch.cat(parts) for parts in zip(*self._kept, strict=True))
        kept = drawn.argsort()[: self.limit].sort().values
        return tuple(part[kept] for part in (drawn, *rest))


def _enough(count: int, name: str) -> None:
    if count < 2:
        raise ValueError(f"{name} has {count} image(s): statistics need at least 2")

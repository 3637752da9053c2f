"""FID, KID and Inception score of generated images, from one pass of features, each with its floor and protocol.

A number alone says little. Its *protocol* says how it was taken (``fid10k_cifar10-train_inception-v1-tf1``: score,
count, reference, extractor); its *floor* is what unseen real images score against the same reference at the same
count. Below its floor a score is a leak or a mistake.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lab.metrics.features import Features, to_uint8
from gan_lab.metrics.frechet import Moments, frechet_distance
from gan_lab.metrics.inception_score import inception_score
from gan_lab.metrics.kernel import kernel_distance
from gan_lab.metrics.reference import RealStatistics, Statistics


class Score(NamedTuple):
    """A number, what unseen reals get in its place (None: too few of them), and how both were taken."""

    value: float
    floor: float | None
    protocol: str


def protocol(score: str, n: int, *where: str) -> str:
    """``fid10k_digits-train_classifier-v1``: the score and its count, then what it was taken on; thousands as k."""
    count = f"{n // 1000}k" if n and n % 1000 == 0 else str(n)
    return "_".join((f"{score}{count}", *where))


Rule = Callable[[Statistics, Statistics], float]


def fid(fake: Statistics, real: Statistics) -> float:
    """`frechet_distance` of the features."""
    return frechet_distance(fake.gaussian, real.gaussian)


def kid(fake: Statistics, real: Statistics) -> float:
    """`kernel_distance` of the features."""
    return kernel_distance(fake.features, real.features)


def isc(fake: Statistics, real: Statistics) -> float:
    """`inception_score` of the fakes; the reals don't matter."""
    return inception_score(fake.logits)


SCORES: dict[str, Rule] = {"fid": fid, "kid": kid, "isc": isc}


class FeatureScores(Metric):
    """The generated side: gathers features over batches and processes, then scores them all at once.

    Scores depend on the set of images alone, not on batches, order or number of processes. It holds no network.

    Args:
        reference: what the fakes are compared with.
        unseen: real images that neither the game nor the reference saw, for the floors.
        scores: functions of (fakes, reference); the Inception score is left out where there are no logits.
    """

    full_state_update = False
    n: Tensor
    total: Tensor
    outer: Tensor
    features: list[Tensor]
    logits: list[Tensor]

    def __init__(
        self,
        reference: RealStatistics,
        unseen: RealStatistics | None = None,
        scores: Mapping[str, Rule] = SCORES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference, self.unseen = reference, unseen
        self.dim, self.classes = reference.features.shape[1], reference.logits.shape[1]
        self.scores = {key: rule for key, rule in scores.items() if self.classes or rule is not isc}
        for state, zero in Moments.zeros(self.dim)._asdict().items():
            self.add_state(state, zero, dist_reduce_fx="sum")
        self.add_state("features", [], dist_reduce_fx="cat")
        self.add_state("logits", [], dist_reduce_fx="cat")
        self._floors: dict[int, dict[str, float]] = {}
        self._start_lists()

    def update(self, features: Tensor, logits: Tensor) -> None:
        """Adds images by their features (n, dim) and logits (n, classes)."""
        if features.shape[1:] != (self.dim,) or logits.shape != (len(features), self.classes):
            raise ValueError(
                f"features {tuple(features.shape)} and logits {tuple(logits.shape)} don't fit the reference"
                f" {self.reference.name}: (n, {self.dim}) and (n, {self.classes})"
            )
        features, logits = features.to(self.device), logits.to(self.device)
        merged = Moments(self.n, self.total, self.outer).merge(Moments.of(features))
        self.n, self.total, self.outer = merged
        self.features.append(features)
        self.logits.append(logits)

    def compute(self) -> dict[str, Score]:
        """Every score by its name.

        Raises:
            ValueError: fewer than two images.
        """
        n = int(self.n)
        if n < 2:
            raise ValueError(f"{n} generated image(s) can't be scored: give at least 2")
        fake = Statistics(
            Moments(self.n, self.total, self.outer).gaussian(), _joined(self.features), _joined(self.logits), n
        )
        floors = self.floors(n)
        where = (self.reference.name, self.reference.extractor)
        return {
            key: Score(rule(fake, self.reference), floors.get(key), protocol(key, n, *where))
            for key, rule in self.scores.items()
        }

    def floors(self, n: int) -> dict[str, float]:
        """What `n` unseen reals score against the reference; nothing where there are fewer of them."""
        if n not in self._floors:
            real = self.unseen.take(n) if self.unseen is not None else None
            rules = self.scores.items() if real is not None else ()
            self._floors[n] = {key: rule(real, self.reference) for key, rule in rules if real is not None}
        return self._floors[n]

    def reset(self) -> None:
        """Forgets the images; the floors stay."""
        super().reset()
        self._start_lists()

    def _start_lists(self) -> None:
        """A process that saw no image still gathers with the others: (0, dim), where an empty list has no shape."""
        self.features = [torch.empty(0, self.dim, device=self.device)]
        self.logits = [torch.empty(0, self.classes, device=self.device)]


class ImageScores:
    """Scores images: extractor, reference and running states in one plain object, which no checkpoint ever holds.

    Args:
        features: the extractor; the reference was taken with it.
        reference: the real images that fakes are compared with.
        unseen: further real images, for the floors.
        scores: functions of (fakes, reference).

    Raises:
        ValueError: reference or unseen were taken with another extractor.
    """

    def __init__(
        self,
        features: Features,
        reference: RealStatistics,
        unseen: RealStatistics | None = None,
        scores: Mapping[str, Rule] = SCORES,
    ) -> None:
        for real in (reference, unseen):
            if real is not None and real.extractor != features.name:
                raise ValueError(f"{real.name} was taken with {real.extractor}, the fakes with {features.name}")
        self.features = features
        self.states = FeatureScores(reference, unseen, scores)

    def to(self, device: torch.device | str) -> "ImageScores":
        """Moves extractor and states; the states stay behind where a device (MPS) knows no float64."""
        self.features.to(device)
        self.states.to("cpu" if torch.device(device).type == "mps" else device)
        return self

    def update(self, fakes: Tensor) -> None:
        """Adds images in [−1, 1], or uint8, (n, channels, height, width).

        Raises:
            ValueError: a value is NaN or infinite, or the extractor takes no such images.
        """
        self.states.update(*self.features(to_uint8(fakes)))

    def compute(self) -> dict[str, Score]:
        """ "fid", "kid" and "isc" of all images since the last reset, over all processes."""
        return self.states.compute()

    def reset(self) -> None:
        """Starts over."""
        self.states.reset()


def _joined(state: Tensor | list[Tensor]) -> Tensor:
    """A list state is one tensor already once processes were gathered."""
    return state if isinstance(state, Tensor) else torch.cat(state)

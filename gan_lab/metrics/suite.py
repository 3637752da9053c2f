"""Every score of generated images from one pass of features, each with its floor and protocol.

A number alone says little. Its *protocol* says how it was taken (``fid10k_cifar10-train_inception-v1-tf1``: score,
count, reference, extractor); its *floor* is what unseen real images score against the same reference at the same
count. A game that was trained on the reference can come out below the floor, which unseen images pay for being unseen;
far below it, look at memorisation, or for a mistake.
"""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from gan_lab.metrics.features import Features, check_finite, to_uint8
from gan_lab.metrics.frechet import Moments
from gan_lab.metrics.order import content_keys
from gan_lab.metrics.reference import RealStatistics, Statistics
from gan_lab.metrics.rules import FID, SCORES, Answer, AnyRule, Estimate, Rule


class Score(NamedTuple):
    """A number, what unseen reals get in its place (None: too few of them), how both were taken, its standard error."""

    value: float
    floor: float | None
    protocol: str
    error: float | None = None


ROWS = ("features", "logits", "keys")  # what is kept of each image where a rule needs it


def protocol(score: str, n: int, *where: str, variant: str = "") -> str:
    """``fid10k_digits-train_classifier-v1``: the score and its count, then what it was taken on; thousands as k."""
    count = f"{n // 1000}k" if n and n % 1000 == 0 else str(n)
    return "_".join((f"{score}{count}{variant}", *where))


def few(n: int, dim: int) -> str:
    """What to say where a Fréchet distance is taken of no more images than features."""
    return f"the FID of {n} images in {dim} dimensions is mostly bias: compare it with equal counts only"


class FeatureScores(Metric):
    """The generated side: gathers features over batches and processes, then scores them all at once.

    Scores depend on the set of images alone, not on batches, order or number of processes. It holds no network.

    Args:
        reference: what the fakes are compared with.
        unseen: real images that neither the game nor the reference saw, for the floors.
        scores: rules, by name; those that need logits are left out where there are none.
    """

    full_state_update = False
    n: Tensor
    total: Tensor
    outer: Tensor
    features: list[Tensor]
    logits: list[Tensor]
    keys: list[Tensor]

    def __init__(
        self,
        reference: RealStatistics,
        unseen: RealStatistics | None = None,
        scores: Mapping[str, AnyRule] = SCORES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference, self.unseen = reference, unseen
        self.dim, self.classes = reference.features.shape[1], reference.logits.shape[1]
        self.scores = {key: rule for key, rule in scores.items() if self.classes or "logits" not in _needs(rule, ())}
        self.needs = {part for rule in self.scores.values() for part in _needs(rule, ROWS)}
        self.needs |= {"keys"} if self.needs else set()
        for state, zero in Moments.zeros(self.dim)._asdict().items():
            self.add_state(state, zero, dist_reduce_fx="sum")
        for state in ROWS:
            self.add_state(state, [], dist_reduce_fx="cat")
        self._floors: dict[int, dict[str, Estimate]] = {}
        self._start_lists()

    def update(self, features: Tensor, logits: Tensor, keys: Tensor | None = None) -> None:
        """Adds images by their features (n, dim) and logits (n, classes).

        Args:
            features: what distances are taken of.
            logits: what the Inception score is taken of.
            keys: the images' `content_keys` (n,), by which rows are ranked; None: the features'.

        Raises:
            ValueError: shapes that don't fit the reference, or values that are not finite.
        """
        if features.shape[1:] != (self.dim,) or logits.shape != (len(features), self.classes):
            raise ValueError(
                f"features {tuple(features.shape)} and logits {tuple(logits.shape)} don't fit the reference"
                f" {self.reference.name}: (n, {self.dim}) and (n, {self.classes})"
            )
        check_finite(features, logits)
        features, logits = features.to(self.device), logits.to(self.device)
        merged = Moments(self.n, self.total, self.outer).merge(Moments.of(features))
        self.n, self.total, self.outer = merged
        keys = content_keys(features) if keys is None else keys.to(self.device)
        for state, part in zip(ROWS, (features, logits, keys), strict=True):
            if state in self.needs:
                getattr(self, state).append(part)

    def compute(self) -> dict[str, Score]:
        """Every score by its name.

        Raises:
            ValueError: fewer than two images.
        """
        n = int(self.n)
        if n < 2:
            raise ValueError(f"{n} generated image(s) can't be scored: give at least 2")
        if n <= self.dim and any(isinstance(rule, FID) for rule in self.scores.values()):
            warnings.warn(few(n, self.dim), stacklevel=2)
        gaussian = Moments(self.n, self.total, self.outer).gaussian()
        fake = Statistics(gaussian, _joined(self.features), _joined(self.logits), _joined(self.keys), n)
        floors, protocols = self.floors(n), self.protocols(n)
        scores = {}
        for key, rule in self.scores.items():
            for name, (value, error) in _answers(key, rule(fake, self.reference)).items():
                floor = floors[name].value if name in floors else None
                scores[name] = Score(value, floor, protocols[name], error)
        return scores

    def protocols(self, n: int) -> dict[str, str]:
        """The protocol of every score of `n` images."""
        where = self.reference.name, self.reference.extractor
        found: dict[str, str] = {}
        for key, rule in self.scores.items():
            several, variant = (rule.answers, rule.variant) if isinstance(rule, Rule) else ((), "")
            found |= {name: protocol(name, n, *where, variant=variant) for name in several or (key,)}
        return found

    def floors(self, n: int) -> dict[str, Estimate]:
        """What `n` unseen reals score against the reference; nothing where there are fewer of them."""
        if n not in self._floors:
            real = self.unseen.take(n) if self.unseen is not None else None
            rules = self.scores.items() if real is not None else ()
            found = [_answers(key, rule(real, self.reference)) for key, rule in rules if real is not None]
            self._floors[n] = {name: answer for answers in found for name, answer in answers.items()}
        return self._floors[n]

    def reset(self) -> None:
        """Forgets the images; the floors stay."""
        super().reset()
        self._start_lists()

    def _start_lists(self) -> None:
        """A process that saw no image still gathers with the others: (0, dim), where an empty list has no shape."""
        self.features = [torch.empty(0, self.dim, device=self.device)]
        self.logits = [torch.empty(0, self.classes, device=self.device)]
        self.keys = [torch.empty(0, dtype=torch.long, device=self.device)]


class ImageScores:
    """Scores images: extractor, reference and running states in one plain object, which no checkpoint ever holds.

    Args:
        features: the extractor; the reference was taken with it.
        reference: the real images that fakes are compared with.
        unseen: further real images, for the floors.
        scores: rules, by name.

    Raises:
        ValueError: reference or unseen were taken with another extractor.
    """

    def __init__(
        self,
        features: Features,
        reference: RealStatistics,
        unseen: RealStatistics | None = None,
        scores: Mapping[str, AnyRule] = SCORES,
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
        images = to_uint8(fakes)
        features, logits = self.features(images)
        self.states.update(features, logits, content_keys(images))

    def compute(self) -> dict[str, Score]:
        """Every score of all images since the last reset, over all processes."""
        return self.states.compute()

    def reset(self) -> None:
        """Starts over."""
        self.states.reset()


def _joined(state: Tensor | list[Tensor]) -> Tensor:
    """A list state is one tensor already once processes were gathered."""
    return state if isinstance(state, Tensor) else torch.cat(state)


def _needs(rule: AnyRule, unknown: tuple[str, ...]) -> tuple[str, ...]:
    return rule.needs if isinstance(rule, Rule) else unknown


def _answers(key: str, answer: Answer) -> dict[str, Estimate]:
    if isinstance(answer, Mapping):
        return {name: Estimate(value) for name, value in answer.items()}
    return {key: answer if isinstance(answer, Estimate) else Estimate(answer)}

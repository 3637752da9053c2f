"""The scores by name: each looks at what one pass of features left of fakes and reals, and answers in numbers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from gan_lab.metrics.frechet import frechet_distance
from gan_lab.metrics.inception_score import inception_score
from gan_lab.metrics.kernel import kernel_distances
from gan_lab.metrics.manifold import Manifold, manifold_scores
from gan_lab.metrics.memorisation import Memorisation
from gan_lab.metrics.order import AsTorchFidelity, ByContent, Order
from gan_lab.metrics.reference import Statistics


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float | None = None


Answer = float | Estimate | Mapping[str, float]
AnyRule = Callable[[Statistics, Statistics], Answer]


class Rule(ABC):
    """A score, or several that share their work; any function of (fakes, reals) that returns a number will do as well.

    Attributes:
        needs: what it looks at beside the moments: nothing else is kept of the fakes.
        answers: the names of its numbers, where it has several.
        variant: what protocols add to its name where its settings are not the customary ones.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    answers: ClassVar[tuple[str, ...]] = ()
    variant: str = ""

    @abstractmethod
    def __call__(self, fake: Statistics, real: Statistics) -> Answer:
        """The number, with its error where that is known, or several by name."""


class FID(Rule):
    """`frechet_distance` of the features."""

    def __call__(self, fake: Statistics, real: Statistics) -> float:
        return frechet_distance(fake.gaussian, real.gaussian)


@dataclass(frozen=True)
class KID(Rule):
    """`kernel_distances` of the features: their mean, and the standard error that drawing subsets leaves in it."""

    subset_size: int | None = None
    subsets: int = 100
    order: Order = ByContent()  # noqa: RUF009
    needs: ClassVar[tuple[str, ...]] = ("features",)

    def __call__(self, fake: Statistics, real: Statistics) -> Estimate:
        keys = fake.keys, real.keys
        found = kernel_distances(fake.features, real.features, self.subset_size, self.subsets, self.order, keys)
        error = None if len(found) < 2 else found.std().item() / len(found) ** 0.5
        return Estimate(found.mean().item(), error)

    @property
    def variant(self) -> str:  # type: ignore[override]
        drawn = "" if (self.subset_size, self.subsets) == (None, 100) else f"-{self.subset_size or 1000}x{self.subsets}"
        return drawn + _ordered(self.order)


@dataclass(frozen=True)
class InceptionScore(Rule):
    """`inception_score` of the fakes' logits; the reals don't matter."""

    splits: int = 10
    order: Order = ByContent()  # noqa: RUF009
    needs: ClassVar[tuple[str, ...]] = ("logits",)

    def __call__(self, fake: Statistics, real: Statistics) -> float:
        return inception_score(fake.logits, self.splits, self.order, fake.keys)

    @property
    def variant(self) -> str:  # type: ignore[override]
        return ("" if self.splits == 10 else f"-{self.splits}splits") + _ordered(self.order)


class PRDC(Rule):
    """`manifold_scores` of the features: precision and recall for k = 3, density and coverage for k = 5."""

    needs = ("features",)
    answers = Manifold._fields
    k, k_density = 3, 5

    def __call__(self, fake: Statistics, real: Statistics) -> dict[str, float]:
        around = real.radii(self.k_density, fake.features.device)
        return manifold_scores(fake.features, real.features, self.k, self.k_density, around)._asdict()


class Memorised(Rule):
    """`Memorisation` of the reference, judged by the held-out reals `unseen`."""

    needs = ("features",)

    def __init__(self, unseen: Statistics) -> None:
        self.judge = Memorisation(unseen.features)

    def __call__(self, fake: Statistics, real: Statistics) -> float:
        return self.judge.share(fake.features, real.features)


NAMES = ("fid", "kid", "isc", "prdc", "memorisation")
SCORES: dict[str, AnyRule] = {"fid": FID(), "kid": KID(), "isc": InceptionScore()}
TORCH_FIDELITY: dict[str, AnyRule] = {
    "fid": FID(),
    "kid": KID(1000, order=AsTorchFidelity()),
    "isc": InceptionScore(order=AsTorchFidelity()),
}


def chosen(
    names: Iterable[str], unseen: Statistics | None = None, known: Mapping[str, AnyRule] = SCORES
) -> dict[str, AnyRule]:
    """The rules that answer to `names`: fid, kid, isc, prdc (precision, recall, density, coverage), memorisation.

    Args:
        names: what to score.
        unseen: held-out reals, which memorisation needs.
        known: the rules for fid, kid and isc.

    Raises:
        ValueError: no such score, none at all, or no held-out reals.
    """
    asked = dict.fromkeys(names)
    for name in asked:
        if name not in NAMES:
            raise ValueError(
                f"there is no score {name!r}: choose from {', '.join(NAMES)}"
                " (prdc is precision, recall, density and coverage)"
            )
    if not asked:
        raise ValueError(f"no score is asked for: choose from {', '.join(NAMES)}")
    rules = {name: PRDC() if name == "prdc" else known[name] for name in asked if name != "memorisation"}
    if "memorisation" in asked:
        if unseen is None:
            raise ValueError("memorisation is judged by held-out reals, and there are none")
        rules["memorisation"] = Memorised(unseen)
    return rules


def _ordered(order: Order) -> str:
    return {"ByContent": "", "AsTorchFidelity": "-torchfidelity"}.get(type(order).__name__, f"-{type(order).__name__}")

"""``gan-lab evaluate``: how good are these images, beside real ones?"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from gan_lab.callbacks.scores import table
from gan_lab.cli import UsageError
from gan_lab.cli.against import Told, earlier, refuse_unlike
from gan_lab.cli.parsing import Parser, drawer
from gan_lab.cli.scoring import extractor, rules, scores_asked
from gan_lab.cli.sources import Source, data_in, folder, generator, split
from gan_lab.data import Data
from gan_lab.exports import ABOUT
from gan_lab.metrics import EXTRACTORS, NAMES, ImageScores, ModeScores, RealStatistics, Resize, Score, chosen

DRAWN = 10_000


def main() -> None:
    """Score fakes against reals; a table, and with ``--json`` a last line for machines."""
    arguments = _parser().parse_args(sys.argv[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda *about, **_: print(f"gan-lab: warning: {about[0]}", file=sys.stderr)
        told, before = _evaluate(arguments)
    columns = {"value": told} | ({"before": before} if before else {})
    Console().print(table(columns))
    if arguments.json:
        print(json.dumps(told, ensure_ascii=False))


def _evaluate(arguments: argparse.Namespace) -> tuple[Told, Told | None]:
    before = earlier(arguments.against) if arguments.against else None
    fakes = _fakes(arguments)
    data = _data(arguments.reals, arguments.trust)
    if data is not None and len(data.shape) == 1:
        return _modes(arguments, fakes, data, before), before
    reals, unseen = _reals(arguments, data)
    if fakes.shape[1:] != reals.shape[1:]:
        raise UsageError(
            f"the fakes are {_size(fakes)} pixels and the reals {_size(reals)}: bring them to one size, or give the"
            " config of the run as REALS, which reads them as they were trained on"
        )
    rows = _rows(arguments, fakes)
    with _bar() as bar:
        labelled = reals if data is None else split(data, "train")
        features = extractor(arguments, labelled)
        names = scores_asked(arguments, features, judged=unseen is not None)
        known = rules(arguments, len(rows), reals.count or 0)
        bank = None if arguments.like else 10_000
        reference, others = (
            None if source is None else RealStatistics.of(
                _Counted(source, bar, f"reals ({source.name})"), features, source.name, bank,
                content=source.fingerprint(),
            )
            for source in (reals, unseen)
        )  # fmt: skip
        assert reference is not None
        scores = ImageScores(features, reference, others, chosen(names, others, known)).to(features.device)
        if before:
            refuse_unlike(arguments.against, before, scores.states.protocols(len(rows)), reference.digest[:16])
        task = bar.add_task("fakes", total=len(rows))
        for images, _ in fakes.read(rows):
            for some in images.split(arguments.batch_size):
                scores.update(some)
                bar.advance(task, len(some))
        bar.add_task("scoring", total=None)
        found = scores.compute()
    return _told(found, reference.digest[:16]), before


def _modes(arguments: argparse.Namespace, fakes: Source, data: Data, before: Told | None) -> Told:
    centres, sigma = getattr(data, "centres", None), getattr(data, "sigma", None)
    if centres is None or sigma is None:
        raise UsageError(f"{data.name} has no modes to count: nothing scores it")
    if fakes.shape != data.shape:
        raise UsageError(f"the fakes are {fakes.shape} and the reals points {data.shape}: they can't be compared")
    unseen = torch.cat([points for points, _ in split(data, _other(arguments.split)).everything()])
    scores = ModeScores(centres, sigma, data.name, unseen=unseen)
    for points, _ in fakes.read(_rows(arguments, fakes)):
        scores.update(points.cpu())
    found, digest = scores.compute(), data.fingerprint(arguments.split)[:16]
    if before:
        refuse_unlike(arguments.against, before, {name: score.protocol for name, score in found.items()}, digest)
    return _told(found, digest)


def _told(found: dict[str, Score], sha256: str) -> Told:
    return {
        name: {key: value for key, value in score._asdict().items() if key != "error" or value is not None}
        | {"sha256": sha256}
        for name, score in found.items()
    }


def _fakes(arguments: argparse.Namespace) -> Source:
    path = Path(arguments.fakes)
    if not path.exists():
        raise UsageError(f"there is no {path}: give a checkpoint, a run folder, an export or a folder of images")
    if path.is_dir() and not (path / "checkpoints").is_dir() and not (path / ABOUT).is_file():
        return folder(str(path))
    return generator(drawer(str(path), arguments.device, arguments.trust), arguments.seed)


def _data(reals: str, trust: list[str]) -> Data | None:
    path = Path(reals)
    if path.is_dir() and (path / "config.yaml").is_file() and (path / "checkpoints").is_dir():
        path = path / "config.yaml"
    if not path.exists():
        raise UsageError(f"there is no {path}: give a folder of images, or a YAML file with a data section, as REALS")
    return data_in(str(path), trust) if path.is_file() else None


def _reals(arguments: argparse.Namespace, data: Data | None) -> tuple[Source, Source | None]:
    unseen = folder(arguments.unseen) if arguments.unseen else None
    if data is None:
        return folder(arguments.reals), unseen
    return split(data, arguments.split), unseen or split(data, _other(arguments.split))


def _other(part: str) -> str:
    return "validation" if part == "train" else "train"


def _rows(arguments: argparse.Namespace, fakes: Source) -> Tensor:
    """Which of the fakes are scored: all of a folder's, or as many as asked for, drawn by the seed."""
    num = arguments.num if arguments.num is not None else fakes.count or DRAWN
    if num < 1 or arguments.batch_size < 1:
        raise UsageError(f"--num {num} --batch-size {arguments.batch_size}: both must be 1 or more")
    if fakes.count is None or num == fakes.count:
        return torch.arange(num)
    if num > fakes.count:
        raise UsageError(f"{arguments.fakes} holds {fakes.count} images, fewer than --num {num}")
    stream = torch.Generator().manual_seed(arguments.seed)
    return torch.randperm(fakes.count, generator=stream)[:num].sort().values


class _Counted:
    """A source's images, as often as they are asked for, each pass told to a progress bar."""

    def __init__(self, source: Source, bar: Progress, title: str) -> None:
        self.source, self.bar, self.title = source, bar, title

    def __iter__(self) -> Iterator[Tensor]:
        task = self.bar.add_task(self.title, total=self.source.count)
        for images, _ in self.source.everything():
            for some in images.split(64):
                yield some
                self.bar.advance(task, len(some))


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
    title = TextColumn("{task.description}")
    return Progress(title, BarColumn(), *columns, console=console, transient=True, disable=not console.is_terminal)


def _size(source: Source) -> str:
    return "×".join(str(side) for side in source.shape[1:])


def _parser() -> Parser:
    parser = Parser(prog="gan-lab evaluate", description="Score images against real ones.", allow_abbrev=False)
    parser.add_source("fakes", "a .ckpt file, a run folder, an exported generator, or a folder of images")
    parser.add_argument("reals", metavar="REALS", help="a folder of images, or a YAML file with a data section")
    add = parser.add_argument
    add("--scores", help=f"which, with commas between: {', '.join(NAMES)} (default: all but memorisation)")
    add("--num", type=int, help=f"how many fakes (default: a folder's all, {DRAWN} draws)")
    add("--features", choices=("auto", "classifier", *EXTRACTORS), default="auto", help="what looks at the images: auto"
        " is a classifier trained on labelled reals, and inception where there are no labels")  # fmt: skip
    add("--weights", metavar="FILE", help="the extractor's weights (default: their download)")
    add("--resize", choices=get_args(Resize), help="how images get the extractor's size (default: tf1)")
    add("--split", choices=("train", "validation", "test"), default="train", help="of a data set (default: train)")
    add("--unseen", metavar="FOLDER", help="further reals, which floors and memorisation are taken of")
    add("--subset-size", type=int, help="images in each of kid's subsets (default: 1000, or all where there are fewer)")
    add("--subsets", type=int, help="how many subsets kid draws (default: 100)")
    add("--like", choices=("torch-fidelity",), help="draw kid's subsets and isc's splits as that program does")
    add("--against", metavar="FILE", help="earlier results (--json) to show beside, if their protocols are the same")
    add("--seed", type=int, default=0, help="of the draws (default: 0)")
    add("--batch-size", type=int, default=64, help="images that the extractor sees at once (default: 64)")
    add("--json", action="store_true", help="print one JSON object as the last line")
    return parser

"""``gan-lab export``: a trained generator as files that outlive the laboratory."""

import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan_lab import checkpoints
from gan_lab.cli import UsageError
from gan_lab.cli.parsing import Parser, drawer
from gan_lab.exports import export

FORMATS = ("safetensors", "onnx", "torch.export")


def main() -> None:
    """Write ``generator.safetensors`` and ``generator.json``, and what else was asked for."""
    arguments = _parser().parse_args(sys.argv[2:])
    path = checkpoints.find(arguments.checkpoint)
    game = drawer(str(path), arguments.device, arguments.trust)
    if not hasattr(game, "answering"):
        raise UsageError(f"{path} holds no generator that could be exported")
    generator = game.answering.eval()
    about = {"rounds": game.rounds, "images_seen": game.images_seen, "scores": _scores(path, game.rounds)}
    folder = export(generator, game.prior, arguments.out, about)
    if arguments.format != "safetensors":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's about its own names and copies
            _traced(generator, game.prior, folder, arguments.format)
    print(folder)


def _scores(path: Path, rounds: int) -> dict[str, Any]:
    """What the run's scores were at this checkpoint, with their protocols."""
    checkpoint = torch.load(path, map_location="meta", weights_only=True, mmap=True)
    history = checkpoint.get("callbacks", {}).get("Scores", {}).get("history", {})
    return history.get(rounds, {})


def _traced(generator: nn.Module, prior: nn.Module, folder: Path, form: str) -> None:
    """``generator.onnx`` or ``generator.pt2``: (z[, condition]) -> image, for any number of latents."""
    examples: tuple[torch.Tensor, ...] = (prior(2),)
    if getattr(generator, "condition", None) is not None:
        examples += (torch.zeros(2, dtype=torch.long, device=examples[0].device),)
    n = torch.export.Dim("n")
    shapes = tuple({0: n} for _ in examples)
    if form == "torch.export":
        torch.export.save(torch.export.export(generator, examples, dynamic_shapes=shapes), folder / "generator.pt2")
        return
    try:
        import onnxscript  # noqa: F401 (what torch writes ONNX with)
    except ImportError as error:
        raise UsageError("--format onnx needs an extra: pip install 'lightning-gan-lab[onnx]'") from error
    names = ["z", "condition"][: len(examples)]
    torch.onnx.export(
        generator, examples, folder / "generator.onnx", dynamo=True, dynamic_shapes=shapes, external_data=False,
        input_names=names, output_names=["image"], verbose=False,
    )  # fmt: skip


def _parser() -> Parser:
    parser = Parser(prog="gan-lab export", description="Write a trained generator as safetensors and JSON.")
    parser.add_source("checkpoint", "a .ckpt file, or a run folder (its best checkpoint)")
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write to")
    parser.add_argument("--format", choices=FORMATS, default="safetensors", help="a further file (default: none)")
    return parser

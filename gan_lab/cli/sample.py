"""``gan-lab sample``: pictures from a checkpoint or an exported generator."""

import sys
from pathlib import Path

from gan_lab.cli import UsageError
from gan_lab.cli.parsing import Parser, drawer
from gan_lab.pictures import picture


def main() -> None:
    """Draw and write a picture."""
    arguments = _parser().parse_args(sys.argv[2:])
    if arguments.num < 1:
        raise UsageError(f"--num is {arguments.num}: ask for at least one image")
    source = drawer(arguments.checkpoint, arguments.device, arguments.trust)
    out = Path(arguments.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    image = picture(source.sample(arguments.num, seed=arguments.seed))
    try:
        image.save(out)
    except ValueError as error:
        raise UsageError(f"--out {out}: {error} (.png always works)") from error
    print(out)


def _parser() -> Parser:
    parser = Parser(prog="gan-lab sample", description="Draw images from a checkpoint into one picture.")
    parser.add_source("checkpoint", "a .ckpt file, a run folder (its best checkpoint) or an exported generator")
    parser.add_argument("--num", type=int, default=64, help="how many images (default: 64)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same images (default: 0)")
    parser.add_argument("--out", default="grid.png", help="the picture's path (default: grid.png)")
    return parser

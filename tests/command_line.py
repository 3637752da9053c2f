"""The command line in this process, as a user would see it."""

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gan_lab.cli import main

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "digits" / "dcgan.yaml"
NARROW = ("--model.generator.width=8", "--model.discriminator.width=8", "--samples.num=4")
BLIND = "--scores.features=none"


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


def command(folder: Path, *arguments: object) -> Said:
    """Runs ``gan-lab …`` in `folder`; nothing that it writes or sets is hidden, and nothing of it stays."""
    with (
        warnings.catch_warnings(),
        contextlib.chdir(folder),
        _environment(),
        io.StringIO() as out,
        io.StringIO() as err,
    ):
        warnings.resetwarnings()
        for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", unseen)  # as Python itself begins
        warnings.showwarning = lambda *about, **_: print(about[0], file=sys.stderr)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _logged(err):
            sys.argv = ["gan-lab", *map(str, arguments)]
            try:
                code = main()
            except SystemExit as stop:
                code = int(stop.code or 0)
        return Said(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    before, argv = dict(os.environ), sys.argv
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.argv = argv


@contextlib.contextmanager
def _logged(err: io.StringIO) -> Iterator[None]:
    """Lightning's loggers write to the standard error of the process that first imported it."""
    handlers = [h for name in ("pytorch_lightning", "lightning_fabric") for h in logging.getLogger(name).handlers]
    streams = [(h, h.setStream(err)) for h in handlers if isinstance(h, logging.StreamHandler)]
    try:
        yield
    finally:
        for handler, before in streams:
            if before is not None:
                handler.setStream(before)

"""Where a run lives: ``runs/<config name>/<n>``, claimed before anything is built and given back if it is refused."""

import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from gan_lab.cli import UsageError, config_files

CHOSEN = "GAN_LAB_RUN_FOLDER"  # tells further processes of a run what the first has chosen
CONFIG = "config.yaml"
HERE = "."
KEPT = ("checkpoints/last.ckpt", "checkpoints/best.ckpt")


class RunFolder:
    """A run's folder and, until its first round, the way back to what there was before.

    Args:
        config: the subcommand's settings.
        subcommand: "fit" takes a new folder unless it goes on with the last run; the others read an old one.

    Raises:
        UsageError: it can't be written, or holds a run that this one does not go on with.
    """

    def __init__(self, config: Any, subcommand: str) -> None:
        self.made: list[Path] = []
        given, further = config.trainer.default_root_dir, os.environ.get("LOCAL_RANK", "0") != "0"
        if given:
            self.path = Path(given)
        elif further and CHOSEN in os.environ:
            self.path = Path(os.environ[CHOSEN])
        else:
            self.path = _chosen(config, again=subcommand != "fit" or config.ckpt_path in ("last", "best"))
        if subcommand != "fit" or further:
            return
        if given and not config.ckpt_path and any((self.path / name).exists() for name in KEPT):
            raise UsageError(
                f"{self.path} holds a run already: go on with it by --ckpt_path=last, or give another folder as"
                " --trainer.default_root_dir"
            )
        self._claim(fresh=not given and not config.ckpt_path)
        os.environ[CHOSEN] = str(self.path)

    def give_back(self) -> None:
        """Take away what was made, if no round has begun."""
        if (self.path / CONFIG).exists():
            return
        for folder in self.made:
            with suppress(OSError):
                shutil.rmtree(folder) if folder == self.path else folder.rmdir()

    def _claim(self, fresh: bool) -> None:
        while True:
            missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            try:
                self.path.mkdir(parents=True, exist_ok=not fresh)
                self.made = missing
                probe = self.path / ".writable"
                probe.touch()
                probe.unlink()
                return
            except OSError as error:
                if fresh and isinstance(error, FileExistsError) and self.path.is_dir():  # another run was quicker
                    self.path = self.path.with_name(str(int(self.path.name) + 1))
                    continue
                self.give_back()
                raise UsageError(
                    f"the run folder {self.path} can't be written ({error.strerror}):"
                    " give another as --trainer.default_root_dir"
                ) from error


def with_place(argv: list[str]) -> list[str]:
    """`argv` with a place for a logger that is named without one, which `move_loggers` then takes to the run folder."""
    if any(argument.startswith("--trainer.logger.save_dir") for argument in argv):
        return argv
    given: list[str] = []
    for argument in argv:
        given.append(argument)
        if re.fullmatch(r"--trainer\.logger\+?=[\w.]*(TensorBoard|CSV)Logger", argument):
            given.append(f"--trainer.logger.save_dir={HERE}")
    return given


def move_loggers(config: Any, before: str, after: str) -> None:
    """Let the loggers that write to one folder write to another."""
    given = config.trainer.logger
    for logger in given if isinstance(given, list) else [given]:
        if isinstance(logger, Namespace) and str(logger.init_args.get("save_dir")) == before:
            logger.init_args.save_dir = after


def _chosen(config: Any, again: bool) -> Path:
    """The next free ``runs/<config name>/<n>``, or the run that is to be gone on with or scored."""
    named = config_files(sys.argv)
    last = Path(named[-1]) if named else None
    if last is not None and last.name == CONFIG:  # a run's own
        if again:
            return last.parent
        folder = last.absolute().parent
        name = folder.parent.name if folder.name.isdigit() else folder.name
    else:
        name = last.stem if last else config.model.class_path.split(".")[-1].lower()
    runs = Path("runs") / name
    taken = [int(path.name) for path in runs.glob("*") if path.name.isdigit()]
    return runs / str(max(taken) if taken and again else max(taken, default=-1) + 1)

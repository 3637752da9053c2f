"""``gan-lab fit | validate | test``: Lightning's command line, with a run folder and shapes that follow the data."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import set_parsing_settings
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.loggers import Logger

from gan_lab import checkpoints, gans, networks  # noqa: F401 (a config's short class names are those imported)
from gan_lab.callbacks import Checkpoints, RoundsBar, SampleGrid, Scores, Summary
from gan_lab.cli import UsageError
from gan_lab.cli.explain import explain
from gan_lab.cli.flow import fill
from gan_lab.data import Data
from gan_lab.game import Game
from gan_lab.loggers import MetricsCSV

QUIET = (
    ".*does not have many workers.*",
    ".*`trainer.fit.stopped.*",
    ".*LeafSpec.*",
    ".*smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*you passed .*dataloaders.*",
    ".*call of `lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`.*",  # a player that waits for its turn
)
SAFE = {"weights_only": True}  # a checkpoint is data: nothing in it is executed
RUN_FOLDER = "GAN_LAB_RUN_FOLDER"  # tells further processes of a run what the first has chosen


def main() -> None:
    """Parse ``sys.argv`` and run the subcommand."""
    for message in QUIET:
        warnings.filterwarnings("ignore", message)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric.utilities.seed").setLevel(logging.WARNING)
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    LabCLI(
        Game,
        Data,
        subclass_mode_model=True,
        subclass_mode_data=True,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        save_config_callback=SaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        parser_class=LabParser,
        parser_kwargs={"parser_mode": "omegaconf+", "allow_abbrev": False},
        seed_everything_default=0,
        trainer_defaults={
            "check_val_every_n_epoch": None,
            "val_check_interval": 500,
            "num_sanity_val_steps": 0,
            "enable_model_summary": False,
            "use_distributed_sampler": False,
            "callbacks": [RoundsBar(), Summary()],
        },
    )


class LabParser(LightningArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UsageError(explain(message, self))


class LabCLI(LightningCLI):
    """Lightning's command line, whose checkpoint never overrides the config, and whose run lies in one folder."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        return {name: skip for name, skip in LightningCLI.subcommands().items() if name != "predict"}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--rounds", type=int | None, default=None, help="train for so many rounds (batches)")
        parser.add_argument("--images", type=int | None, default=None, help="train for so many real images")
        parser.add_argument("--traceback", action="store_true", help="show where an error came from")
        parser.add_lightning_class_args(Scores, "scores")
        parser.add_lightning_class_args(SampleGrid, "samples")
        parser.add_lightning_class_args(Checkpoints, "checkpoints")

    def _parse_ckpt_path(self) -> None:
        """The config and the command line say what the game is; a checkpoint only fills it."""

    def before_instantiate_classes(self) -> None:
        config = self.config[self.config.subcommand]
        fill(config)
        folder = config.trainer.default_root_dir or self._run_folder(config)
        config.trainer.default_root_dir = str(folder)
        if config.ckpt_path:
            config.ckpt_path = self._checkpoint(config.ckpt_path, Path(folder))

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        trainer_config = self._get(self.config_init, "trainer")
        folder = trainer_config["default_root_dir"]
        given = trainer_config["logger"]
        loggers: list[Logger] = [] if given in (None, True, False) else given if isinstance(given, list) else [given]
        if given is not False and self.subcommand == "fit":
            loggers = [MetricsCSV(folder), *loggers]
        kwargs["logger"] = loggers or False
        if self.subcommand != "fit":
            kwargs["enable_checkpointing"] = False
        return super().instantiate_trainer(**kwargs)

    def before_fit(self) -> None:
        config = self.config["fit"]
        _writable(Path(config.trainer.default_root_dir))
        loop = self.trainer.fit_loop
        rounds, images = _duration(config, sys.argv)
        if images is not None:
            rounds = -(-images // (self.datamodule.batch_size * self.trainer.world_size))
        if rounds is not None:
            loop.epoch_loop.max_steps = rounds
            if not _typed("trainer.max_epochs", sys.argv) and config.trainer.max_epochs is None:
                loop.max_epochs = -1

    def fit(self, **kwargs: Any) -> None:
        """Train, then say where the results are and what to type next."""
        self.trainer.fit(**kwargs | SAFE)
        if self.trainer.is_global_zero and self.trainer.state.finished:
            folder = Path(self.trainer.default_root_dir)
            pictures = sorted((folder / "samples").glob("*.png"))
            print(f"results: {folder}")
            if pictures:
                print(f"samples: {pictures[-1]}")
            if (folder / "checkpoints").is_dir():
                print(f"next:    gan-lab sample {checkpoints.find(folder)} --num 64 --out grid.png")

    def validate(self, **kwargs: Any) -> None:
        """Score a checkpoint on the validation split."""
        self.trainer.validate(**kwargs | SAFE)

    def test(self, **kwargs: Any) -> None:
        """Score a checkpoint on the test split."""
        self.trainer.test(**kwargs | SAFE)

    def _run_folder(self, config: Any) -> Path:
        """``runs/<config name>/<n>``: the next free n, or the latest run where one is to be resumed or scored."""
        if RUN_FOLDER in os.environ:
            return Path(os.environ[RUN_FOLDER])
        named = [str(path) for path in config.config or []]
        runs = Path("runs") / (Path(named[-1]).stem if named else config.model.class_path.split(".")[-1].lower())
        taken = [int(path.name) for path in runs.glob("*") if path.name.isdigit()]
        again = config.ckpt_path in ("last", "best") or self.config.subcommand != "fit"
        folder = runs / str(max(taken) if taken and again else max(taken, default=-1) + 1)
        os.environ[RUN_FOLDER] = str(folder)
        return folder

    def _checkpoint(self, asked: str, folder: Path) -> str | None:
        if asked in ("last", "best"):
            path = folder / "checkpoints" / f"{asked}.ckpt"
            if not path.is_file():
                if asked == "last" and self.config.subcommand == "fit":
                    print(f"no checkpoint in {folder} yet: starting from the beginning", file=sys.stderr)
                    return None
                raise UsageError(f"there is no {path}")
        else:
            path = checkpoints.find(asked)
        checkpoints.check(path)
        return str(path)


def _duration(config: Any, argv: list[str]) -> tuple[int | None, int | None]:
    """RoundsBar or images to train for: what was typed counts before what a file says."""
    for name in ("rounds", "images"):
        if (value := config.get(name)) is not None and value < 1:
            raise UsageError(f"--{name} is {value}: train for at least one")
    typed = [name for name in ("rounds", "images", "trainer.max_epochs", "trainer.max_steps") if _typed(name, argv)]
    if "rounds" in typed and "images" in typed:
        raise UsageError("--rounds and --images both say how long to train: give one")
    if "rounds" in typed or (config.rounds and not typed):
        if config.images and "rounds" not in typed:
            raise UsageError("the config gives both rounds and images: leave one out")
        return config.rounds, None
    if "images" in typed or (config.images and not typed):
        return None, config.images
    return None, None


def _typed(name: str, argv: list[str]) -> bool:
    return any(argument == f"--{name}" or argument.startswith(f"--{name}=") for argument in argv)


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"the run folder {folder} can't be written ({error.strerror}): give another as --trainer.default_root_dir"
        ) from error

"""``gan-lab fit | validate | test``: Lightning's command line, with a run folder and shapes that follow the data."""

import signal
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
from jsonargparse import set_parsing_settings
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console

from gan_lab import checkpoints, gans, networks  # noqa: F401 (a config's short class names are those imported)
from gan_lab.callbacks import Checkpoints, Health, RoundsBar, SampleGrid, Scores, Summary
from gan_lab.callbacks.scores import table
from gan_lab.cli import UsageError
from gan_lab.cli.durations import settle
from gan_lab.cli.explain import explain, refuse_unreadable
from gan_lab.cli.flow import fill
from gan_lab.cli.quiet import hush
from gan_lab.cli.run_folder import HERE, RunFolder, move_loggers, with_place
from gan_lab.data import Data
from gan_lab.game import Game
from gan_lab.loggers import MetricsCSV


def main() -> None:
    """Parse ``sys.argv`` and run the subcommand."""
    hush()
    refuse_unreadable(sys.argv)
    set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    LabCLI(
        Game,
        Data,
        subclass_mode_model=True,
        subclass_mode_data=True,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,
        save_config_callback=SavedConfig,
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


class SavedConfig(SaveConfigCallback):
    """Writes ``config.yaml`` once the first round is about to be played, so that a refused command leaves nothing.

    It says what the run is, not where it lies nor whether it was interrupted: given to fit, it makes the same run anew.
    """

    def __init__(self, parser: Any, config: Any, folder: Path, **kwargs: Any) -> None:
        config = deepcopy(config)
        move_loggers(config, str(folder), HERE)
        config.trainer.default_root_dir = None
        if config.ckpt_path in ("last", "best"):
            config.ckpt_path = None
        super().__init__(parser, config, **kwargs)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Nothing yet."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().setup(trainer, pl_module, "fit")


class LabCLI(LightningCLI):
    """Lightning's command line, whose checkpoint never overrides the config, and whose run lies in one folder."""

    folder: RunFolder

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            if "folder" in vars(self):
                self.folder.give_back()
            raise

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's, each with the arguments that are no matter of the user's."""
        return {
            "fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule", "weights_only"},
            "validate": {"model", "dataloaders", "datamodule", "verbose", "weights_only"},
            "test": {"model", "dataloaders", "datamodule", "verbose", "weights_only"},
        }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--rounds", type=int | None, default=None, help="train for so many rounds (batches)")
        parser.add_argument("--images", type=int | None, default=None, help="train for so many real images")
        parser.add_argument("--traceback", action="store_true", help="show where an error came from")
        parser.add_lightning_class_args(Scores, "scores")
        parser.add_lightning_class_args(SampleGrid, "samples")
        parser.add_lightning_class_args(Checkpoints, "checkpoints")
        parser.add_lightning_class_args(Health, "health")

    def _parse_ckpt_path(self) -> None:
        """The config and the command line say what the game is; a checkpoint only fills it."""

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_args(with_place(sys.argv[1:]))

    def before_instantiate_classes(self) -> None:
        config = self.config[self.subcommand]
        if self.subcommand == "fit":
            settle(config, sys.argv)
        elif not config.ckpt_path:
            raise UsageError(f"{self.subcommand} scores a checkpoint: give --ckpt_path=best, last or a file")
        fill(config)
        self.folder = RunFolder(config, str(self.subcommand))
        self.save_config_kwargs["folder"] = self.folder.path
        move_loggers(config, HERE, str(self.folder.path))
        self.ckpt_path = self._checkpoint(config.ckpt_path, self.folder.path) if config.ckpt_path else None

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:  # jsonargparse wraps what a part refuses into all that it tried
            if "Does not validate against" not in str(error):
                raise
            raise UsageError(explain(str(error), self.parser)) from error

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        folder = str(self.folder.path)
        given = self._get(self.config_init, "trainer")["logger"]
        loggers: list[Logger] = [] if given in (None, True, False) else given if isinstance(given, list) else [given]
        if given is not False and self.subcommand == "fit":
            loggers = [MetricsCSV(folder), *loggers]
        kwargs["strategy"] = _for_games(self._get(self.config_init, "trainer"))
        return super().instantiate_trainer(logger=loggers or False, default_root_dir=folder, **kwargs)

    def before_fit(self) -> None:
        config, loop = self.config["fit"], self.trainer.fit_loop
        rounds = config.rounds
        if config.images:
            rounds = -(-config.images // (self.datamodule.batch_size * self.trainer.world_size))
        if rounds and not config.trainer.fast_dev_run:
            loop.epoch_loop.max_steps = rounds
            loop.max_epochs = config.trainer.max_epochs or -1

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        safe = {"weights_only": True}  # a checkpoint is data: nothing in it is executed
        return super()._prepare_subcommand_kwargs(subcommand) | {"ckpt_path": self.ckpt_path} | safe

    def fit(self, **kwargs: Any) -> None:
        """Train, then say where the results are and what to type next."""
        try:
            self.trainer.fit(**kwargs)
        except SIGTERMException as stopped:
            print("gan-lab: told to stop; --ckpt_path=last goes on from here", file=sys.stderr)
            raise SystemExit(128 + signal.SIGTERM) from stopped
        except SystemExit as stopped:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from stopped
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
        self.trainer.validate(**kwargs, verbose=False)
        self._show("validation")

    def test(self, **kwargs: Any) -> None:
        """Score a checkpoint on the test split."""
        self.trainer.test(**kwargs, verbose=False)
        self._show("test")

    def _show(self, split: str) -> None:
        if not self.trainer.is_global_zero:
            return
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]
        scores = next(callback for callback in callbacks if isinstance(callback, Scores))
        told = scores.history.get(self.model.rounds)
        if not told:
            raise UsageError(f"nothing scores the {split} split: see --scores.features and --scores.weights")
        print(f"{self.ckpt_path} after {self.model.rounds} rounds, {split} split")
        Console().print(table({"value": told}))

    def _checkpoint(self, asked: str, folder: Path) -> str | None:
        if asked == "last":
            whole, broken = checkpoints.newest_whole(folder / "checkpoints")
            for path in broken:
                print(f"{path} is broken: passing it over", file=sys.stderr)
            if whole is None and not broken and self.config.subcommand == "fit":
                print(f"no checkpoint in {folder} yet: starting from the beginning", file=sys.stderr)
                return None
            if whole is None:
                raise UsageError(f"there is no whole checkpoint in {folder / 'checkpoints'}")
            path = whole
        elif asked == "best":
            path = folder / "checkpoints" / "best.ckpt"
            if not path.is_file():
                raise UsageError(f"there is no {path}")
        else:
            path = checkpoints.find(asked)
        checkpoints.check(path)
        return str(path)


def _for_games(settings: Any) -> Any:
    """The strategy that was asked for; where Lightning would take its DDP, the one for games."""
    asked = {name: settings[name] for name in ("accelerator", "devices", "num_nodes", "strategy")}
    probe = pl.Trainer(**asked, logger=False, enable_checkpointing=False, enable_progress_bar=False)
    return "game" if type(probe.strategy) is DDPStrategy else settings["strategy"]

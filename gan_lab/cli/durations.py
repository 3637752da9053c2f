"""How long to train: in rounds, images or epochs. What was typed counts before what a file says."""

from typing import Any

from gan_lab.cli import UsageError

BOUNDS = ("rounds", "images", "trainer.max_epochs", "trainer.max_steps")


def settle(config: Any, argv: list[str]) -> None:
    """Leave in `config` only the bound that counts, so that the saved config is as long as the run.

    Raises:
        UsageError: a bound is below 1, two contradict each other, or there is none.
    """
    for name in ("rounds", "images"):
        if config[name] is not None and config[name] < 1:
            raise UsageError(f"--{name} is {config[name]}: train for at least one")
    typed = [name for name in BOUNDS if _typed(name, argv) and config[name] is not None]
    if "rounds" in typed and "images" in typed:
        raise UsageError("--rounds and --images both say how long to train: give one")
    if typed:
        for name in set(BOUNDS) - set(typed):
            config[name] = -1 if name == "trainer.max_steps" else None
    if config.rounds and config.images:
        raise UsageError("the config gives both rounds and images: leave one out")
    if not any(config[name] not in (None, -1) for name in (*BOUNDS, "trainer.max_time")) and not _dry(config):
        raise UsageError("nothing says how long to train: give --rounds, --images or --trainer.max_epochs")


def _typed(name: str, argv: list[str]) -> bool:
    return any(argument == f"--{name}" or argument.startswith(f"--{name}=") for argument in argv)


def _dry(config: Any) -> bool:
    return bool(config.trainer.fast_dev_run)

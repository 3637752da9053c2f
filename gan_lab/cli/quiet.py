"""Keeps Lightning from saying what gan-lab's user has no use for."""

import logging
import warnings

QUIET = (
    ".*does not have many workers.*",
    ".*`trainer.fit.stopped.*",
    ".*LeafSpec.*",
    ".*smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*you passed .*dataloaders.*",
    ".*call of `lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`.*",  # a player that waits for its turn
)


def hush() -> None:
    """Silence those warnings and the trainer's notices; what is left is for the user."""
    for message in QUIET:
        warnings.filterwarnings("ignore", message)
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.WARNING)

"""What watches a game: callbacks read it and never change its rules."""

from gan_lab.callbacks.checkpoints import Checkpoints
from gan_lab.callbacks.health import Health
from gan_lab.callbacks.progress import RoundsBar
from gan_lab.callbacks.sample_grid import SampleGrid
from gan_lab.callbacks.scores import Scores
from gan_lab.callbacks.summary import Summary

__all__ = ["Checkpoints", "Health", "RoundsBar", "SampleGrid", "Scores", "Summary"]

"""The run's numbers as a table on disk, which a resumed run goes on with."""

import csv
import os
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter


class MetricsCSV(CSVLogger):
    """Writes ``metrics.csv`` in the run folder: a line for each round that was logged, with its terms and scores.

    Lightning's own logger starts its file anew; this one keeps the lines from before the round that a run resumes from.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder, name="", version="", flush_logs_every_n_steps=1)

    @property
    @rank_zero_experiment
    def experiment(self) -> ExperimentWriter:
        if self._experiment is None:
            self._experiment = _Appending(log_dir=self.log_dir)
        return self._experiment  # type: ignore[return-value]

    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing: the run's settings are in ``config.yaml``."""

    def save(self) -> None:
        self.experiment.save()

    def forget_after(self, step: int) -> None:
        """Drop the lines of rounds after `step`, which a resumed run plays again, and any that a kill cut short."""
        path = Path(self.log_dir) / "metrics.csv"
        if not path.exists():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            lines, columns = list(reader), list(reader.fieldnames or [])
        kept = [line for line in lines if None not in line.values() and int(line["step"] or step + 1) <= step]
        _write(path, columns, kept)
        self.experiment.metrics_keys = columns if kept else []


class _Appending(ExperimentWriter):
    def _check_log_dir_exists(self) -> None:
        path = Path(self.metrics_file_path)
        if path.is_file():
            with path.open(newline="") as file:
                self.metrics_keys = next(csv.reader(file), [])

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        path = Path(self.metrics_file_path)
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))
        _write(path, fieldnames, lines)


def _write(path: Path, columns: list[str], lines: list[dict[str, str]]) -> None:
    """The table anew, whole or not at all; none where it is empty."""
    if not lines:
        path.unlink()
        return
    half = path.with_suffix(".tmp")
    with half.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        writer.writerows(lines)
    os.replace(half, path)

"""A cache that goes away, and the command line."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from command_line import CONFIG, NARROW, Said, command


@pytest.fixture(autouse=True, scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("GAN_LAB_CACHE", str(folder))
        yield folder


@pytest.fixture
def gan_lab(tmp_path: Path) -> Callable[..., Said]:
    """Runs ``gan-lab …`` in the test's own folder."""
    return partial(command, tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """The folder of a run of 20 rounds on the digits, scored twice, and what the command said."""
    folder = tmp_path_factory.mktemp("trained")
    rounds = ("--rounds", 20, "--trainer.val_check_interval", 10, "--trainer.log_every_n_steps", 5)
    said = command(folder, "fit", "--config", CONFIG, *rounds, *NARROW)
    assert said.code == 0, said.err
    return folder / "runs" / "dcgan" / "0", said

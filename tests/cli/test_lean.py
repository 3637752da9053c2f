"""Asking for help costs nothing: torch is imported only by what needs it."""

import subprocess
import sys
import time

import pytest

import gan_lab as lab
from gan_lab.version import __version__

HEAVY = ("torch", "pytorch_lightning", "numpy", "matplotlib", "wandb", "jsonargparse")


def ran(script: str) -> tuple[str, float]:
    """What a script in a process of its own printed, then which heavy modules it imported; and its seconds."""
    script += f"\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout, time.monotonic() - start


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    said, seconds = ran(f"import sys; sys.argv = ['gan-lab', *{arguments}]; from gan_lab.cli import main; main()")
    assert said.endswith("[]\n")
    assert seconds < 3
    if arguments == ["--version"]:
        assert said.splitlines()[0] == f"gan-lab {__version__}"
    else:
        for command in ("fit", "validate", "test", "sample"):
            assert f"\n  {command} " in said


def test_the_package_imports_nothing_heavy_and_knows_its_names() -> None:
    said, _ = ran("import gan_lab; print(sorted(set(gan_lab.__all__) - set(dir(gan_lab))))")
    assert said == "[]\n[]\n"


def test_names_come_when_they_are_asked_for() -> None:
    for name in lab.__all__:
        assert getattr(lab, name) is not None
    assert lab.GAN is lab.gans.GAN
    assert lab.EMA is lab.averaging.EMA
    assert lab.load is lab.checkpoints.load
    assert lab.priors.Gaussian(3).dim == 3
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = lab.nope  # type: ignore[attr-defined]

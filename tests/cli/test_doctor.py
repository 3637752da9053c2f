"""``gan-lab doctor`` says what is well, and fails where something is not."""

import re
from pathlib import Path

import pytest
from command_line import command


def test_a_fit_machine_is_well(tmp_path: Path) -> None:
    said = command(tmp_path, "doctor")
    assert said.code == 0, said.err
    assert said.err == ""
    lines = said.out.splitlines()
    assert all(line.startswith("ok") for line in lines)
    for what in ("gan-lab", "torch", "devices", "strategy", "runs", "cache", "ten rounds"):
        assert any(re.match(rf"ok +{what} +\S", line) for line in lines), what


def test_what_is_not_well_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_lab.cli.doctor.ENOUGH", 2**70)
    said = command(tmp_path, "doctor")
    assert said.code == 2
    assert "make room" in said.out
    assert said.err == "gan-lab: error: not well: runs, cache\n"

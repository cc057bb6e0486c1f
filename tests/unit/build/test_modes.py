"""Modes of --chmod, in digits and in letters."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cowl.build.modes import BadMode, parse_mode


@pytest.mark.parametrize(
    ("text", "file", "directory"),
    [
        ("755", 0o755, 0o755),
        ("0644", 0o644, 0o644),
        ("4751", 0o4751, 0o4751),
        ("u=rwX,go=rX", 0o644, 0o755),
        ("u=rwX,g=rX,o=rX", 0o644, 0o755),
        ("+x", 0o751, 0o751),
        ("a+X", 0o640, 0o751),
        ("go-rwx", 0o600, 0o600),
        ("g=u,o=", 0o660, 0o660),
        ("u+s,g+s", 0o6640, 0o6640),
        ("+t", 0o1640, 0o1640),
        ("=", 0, 0),
        ("u+x-w", 0o540, 0o540),
        ("ug+w,o=g", 0o666, 0o666),
    ],
)
def test_what_becomes_of_0640(text: str, file: int, directory: int) -> None:
    mode = parse_mode(text)
    assert oct(mode.of(0o640, directory=False)) == oct(file)
    assert oct(mode.of(0o640, directory=True)) == oct(directory)


@pytest.mark.parametrize("text", ["a+X", "u=rwX,go=rX", "g=u-w,o=", "u-s,g+s,+t", "a=r,u+w", "o=u,u=o"])
@pytest.mark.parametrize("bits", [0o640, 0o755, 0o111, 0o4711])
def test_chmod_agrees(tmp_path: Path, text: str, bits: int) -> None:
    path = tmp_path / "f"
    path.touch()
    path.chmod(bits)
    command = ["sh", "-c", 'umask 0; exec chmod -- "$0" "$1"', text, str(path)]
    subprocess.run(command, check=True)
    assert oct(parse_mode(text).of(bits, directory=False)) == oct(os.stat(path).st_mode & 0o7777)


@pytest.mark.parametrize("text", ["", "8", "10000", "u", "u=q", "u=rw,", "rwx", "u=rw;g=r", "-1", "+ x"])
def test_what_is_no_mode(text: str) -> None:
    with pytest.raises(BadMode):
        parse_mode(text)

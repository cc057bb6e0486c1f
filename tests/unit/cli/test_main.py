"""The entry point: dispatch, help, failures and their exit codes, and what it may import."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cowl import CommandNotExecutable, CommandNotFound, CowlError, NotFound
from cowl.cli.commands.table import COMMANDS, GROUPS, index
from cowl.cli.failure import describe, exit_code
from cowl.cli.help import command_help, group_help, top_help
from cowl.cli.main import run

HEAVY = (
    "typing",
    "dataclasses",
    "pathlib",
    "subprocess",
    "tempfile",
    "logging",
    "argparse",
    "shutil",
    "socket",
    "rich",
    "urllib3",
    "http",
    "email",
    "inspect",
    "asyncio",
    "importlib.metadata",
    "contextlib",
    "cowl.cli.template",
    "cowl.build",
    "cowl.dockerfile",
    "cowl.registry",
    "cowl.transfer",
)
LISTING = "import sys; from cowl.cli.main import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"


@pytest.mark.parametrize("words", [["--version"], ["run", "--help"], ["ps"], ["images"], ["system", "df"]])
def test_commands_import_only_what_they_use(words: list[str], tmp_path: Path) -> None:
    env = {
        "COWL_ROOT": str(tmp_path / "store"),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-S", "-c", LISTING, *words], env=env, capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert loaded & set(HEAVY) == set()
    if words == ["--version"]:
        assert loaded & {"re", "json", "sqlite3", "ctypes", "cowl.engine", "cowl.cli.commands"} == set()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from cowl import __version__

    assert run(["--version"]) == 0
    assert run(["-v"]) == 0
    assert run(["--debug", "-v"]) == 0
    assert capsys.readouterr().out == f"cowl version {__version__}\n" * 3


def test_the_version_is_the_one_of_the_package() -> None:
    import tomllib

    import cowl

    project = Path(__file__).parents[3] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == cowl.__version__


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_of_cowl(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage:  cowl [OPTIONS] COMMAND\n")
    assert "\n  history" in out


@pytest.mark.parametrize("words", [["image"], ["image", "--help"], ["help", "image"]])
def test_help_of_a_group(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage:  cowl image COMMAND\n")
    assert "\n  ls       List images\n" in out


@pytest.mark.parametrize("words", [["run", "--help"], ["run", "-it", "--help", "x"], ["help", "run"]])
def test_help_of_a_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage:  cowl run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nCreate and run")
    assert "Aliases:\n  cowl container run, cowl run\n" in out
    assert re.search(r"^  -e, --env list +Set environment variables$", out, re.MULTILINE)
    assert '(default "missing")' in " ".join(out.split())


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_all_help_fits(columns: int) -> None:
    for name, command in index().items():
        for line in command_help(command, name, columns).split("Options:")[-1].splitlines():
            assert len(line) <= max(columns, 70), (name, line)
    assert all(name in top_help() for name in GROUPS if " " not in name)
    assert all(group_help(group) for group in GROUPS)
    assert len({command.help for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["foo"], 1, "cowl: 'foo' is not a cowl command."),
        (["imges"], 1, "Did you mean 'images'?"),
        (["image", "lss"], 1, "'lss' is not a cowl image command. Did you mean 'ls'?"),
        (["snapshot", "nope"], 1, "'nope' is not a cowl snapshot command.\n"),
        (["help", "nope"], 1, "'nope' is not a cowl command."),
        (["--foo", "ps"], 125, "cowl: unknown flag: --foo"),
        (["--root"], 125, "flag needs an argument: --root"),
        (["run", "--foo"], 125, "cowl: unknown flag: --foo\n\nUsage:  cowl run [OPTIONS]"),
        (["ps", "--foo"], 125, "See 'cowl ps --help'."),
        (["container", "ls", "--foo"], 125, "See 'cowl container ls --help'."),
        (["run"], 1, "'cowl run' requires at least 1 argument"),
        (["tag", "a"], 1, "'cowl tag' requires 2 arguments"),
        (["run", "--pull", "maybe", "x"], 125, "invalid --pull 'maybe'"),
        (["build", "-f", "-", "-"], 1, "can't use stdin for both build context and dockerfile"),
        (["build", "/no/such"], 1, "cowl: /no/such: the build context does not exist"),
        (["import", "https://example.org/x.tar"], 1, "can't import from https://"),
        (["import", "/no/such"], 1, "cowl: /no/such: No such file or directory"),
        (["inspect", "--type", "plugin", "x"], 1, "unknown type: 'plugin'"),
        (["ps", "--filter", "nope=1"], 1, "invalid filter 'nope'"),
        (["version", "-f", "{{"], 64, "template parsing error"),
        (["ps", "--format", "{{"], 1, "template parsing error"),
        (["version", "-f", "{{.Nope}}"], 1, "map has no entry"),
    ],
)
def test_what_users_get_wrong(
    words: list[str],
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COWL_ROOT", str(tmp_path / "store"))
    assert run(words) == status
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_an_absent_object_is_an_empty_array(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COWL_ROOT", str(tmp_path / "store"))
    assert run(["inspect", "nope"]) == 1
    assert capsys.readouterr() == ("[]\n", "cowl: No such object: nope\n")
    assert run(["inspect", "-f", "{{.Id}}", "nope"]) == 1
    assert capsys.readouterr().out == ""


def test_errors_become_words() -> None:
    assert describe(NotFound("No such image: x", hint="Pull it.")) == "cowl: No such image: x\nPull it."
    assert describe(OSError(28, "No space left on device", "/a")) == "cowl: /a: No space left on device"
    assert describe(CowlError("bad \x1b[31mname")) == "cowl: bad \\x1b[31mname"
    assert "This is a bug in cowl" in describe(KeyError("x"))


@pytest.mark.parametrize(
    ("error", "name", "expected"),
    [
        (NotFound("x"), "rmi", 1),
        (NotFound("x"), "exec", 1),
        (NotFound("x"), "run", 125),
        (KeyError("x"), "run", 125),
        (OSError(2, "x"), "run", 125),
        (CommandNotFound("x"), "run", 127),
        (CommandNotFound("x"), "exec", 127),
        (CommandNotExecutable("x"), "run", 126),
        (CommandNotFound("x"), "build", 1),
    ],
)
def test_exit_codes(error: BaseException, name: str, expected: int) -> None:
    assert exit_code(error, index()[name]) == expected


def test_a_reader_that_had_enough_ends_it_quietly() -> None:
    script = "from cowl.cli.main import main; main()"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", script, "--help"], stdout=writer, stderr=subprocess.PIPE, env=env, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


# What CPython does when Ctrl-C comes while its import machinery makes up an ImportError.
DISGUISED = """
import signal, sys
from cowl.cli.interrupts import end_cleanly
from cowl.cli.main import _Session
end_cleanly()
try:
    signal.raise_signal(getattr(signal, sys.argv[1]))
except BaseException:
    sys.exit(_Session().failed(TypeError("expected a message argument")))
"""


@pytest.mark.parametrize(
    ("name", "status", "said"), [("SIGINT", 130, "\n"), ("SIGTERM", 143, ""), ("SIGHUP", 129, "")]
)
def test_a_signal_that_surfaces_as_another_error_is_still_a_signal(name: str, status: int, said: str) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", DISGUISED, name], capture_output=True, text=True, env=env, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "", said)


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--debug", "import", "/no/such"]) == 1
    assert "Traceback" in capsys.readouterr().err

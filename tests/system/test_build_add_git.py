"""ADD of git repositories from servers on loopback, kind and hostile (threat 19)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller
from tests.repositories import DATE, Repository, Server, served

from cowl.build.remote import git_program
from cowl.build.remote.git_program import GitFailed, GitMissing, RepositoryTooBig, environment
from cowl.build.remote.git_url import BadGitUrl
from cowl.build.remote.repository import LinkInRepository, NoSuchDirectory, NoSuchRef, WrongCommit
from cowl.build.remote.url import CredentialsInUrl
from cowl.config import Config
from cowl.errors import CowlError

builder = as_fixture()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("git")) as running:
        yield running


@pytest.fixture(scope="module")
def repository(server: Server) -> Repository:
    made = Repository(server.root / "app.git")
    made.write("file", "one")
    made.write("run", "#!", 0o775)
    made.write("docs/deep/page", "page")
    made.write(".dockerignore", "file\n")
    os.symlink("docs", made.path / "link")
    made.commit()
    made.git("tag", "v1")
    made.git("tag", "-a", "-m", "x", "v1-annotated")
    made.write("file", "two")
    made.commit()
    made.git("branch", "side")
    made.git("branch", "v2")
    made.write("file", "three")
    made.commit()
    made.git("tag", "v2")  # beside a branch of that name, which wins
    return made


def test_where_a_repository_goes_and_how_it_looks(
    builder: Builder, server: Server, repository: Repository
) -> None:
    url = f"{server.http}/app.git"
    built = builder.build(f"FROM base\nADD {url} /src\n")
    assert built.text("/src/file") == "three"
    assert built.owner("/src/file") == (0, 0, 0o644)
    assert built.owner("/src/run") == (0, 0, 0o755)
    assert built.owner("/src/docs") == (0, 0, 0o755)
    assert built.node("/src/link").target == "docs"
    assert built.node("/src/file").status.st_mtime == DATE
    assert built.node("/src/docs").status.st_mtime == DATE
    assert built.text("/src/.dockerignore") == "file\n"
    assert built.view.lookup("/src/.git") is None
    assert built.told == [f"ADD {url} /src # buildkit"]
    assert builder.leftovers() == []
    again = builder.build(f"FROM scratch\nADD {url} /\n")
    other = builder.build(f"FROM scratch\nADD {url} /\n", no_cache=True)
    assert other.record.layers == again.record.layers  # fetched again, with the same times


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("#v1", "one"),
        ("#v1-annotated", "one"),
        ("#refs/tags/v1", "one"),
        ("#side", "two"),
        ("#heads/side", "two"),
        ("#v2", "two"),
        ("?tag=v2", "three"),
        ("?branch=v2", "two"),
        ("?ref=side", "two"),
    ],
)
def test_refs(builder: Builder, server: Server, repository: Repository, words: str, file: str) -> None:
    built = builder.build(f"FROM scratch\nADD {server.http}/app.git{words} /\n")
    assert built.text("/file") == file


def test_git_daemon_and_whole_commits(builder: Builder, server: Server, repository: Repository) -> None:
    commit = repository.git("rev-parse", "v1")
    built = builder.build(f"FROM scratch\nADD {server.git}/app.git#{commit} /\n")
    assert built.text("/file") == "one"
    asked = len(server.seen)
    text = f"FROM scratch\nADD {server.http}/app.git#{commit} /\n"
    assert builder.build(text).misses == []  # another address of the same commit, and nobody was asked
    assert len(server.seen) == asked


def test_a_directory_of_it(builder: Builder, server: Server, repository: Repository) -> None:
    url = f"{server.http}/app.git"
    built = builder.build(f"FROM scratch\nADD {url}#:docs/deep /x\nADD {url}?subdir=docs /y\n")
    assert built.text("/x/page") == built.text("/y/deep/page") == "page"
    with pytest.raises(NoSuchDirectory, match=r"Dockerfile:2:1: .* has no directory nope"):
        builder.build(f"FROM scratch\nADD {url}#:nope /\n")
    for path in ("link", "link/deep"):
        with pytest.raises(LinkInRepository):
            builder.build(f"FROM scratch\nADD {url}#:{path} /\n")
    assert builder.leftovers() == []


def test_the_commit_is_what_the_cache_knows(builder: Builder, server: Server) -> None:
    made = Repository(server.root / "moving.git")
    made.write("file", "one")
    made.commit()
    text = f"FROM scratch\nADD {server.http}/moving.git /\n"
    builder.build(text)
    asked = len(server.seen)
    assert builder.build(text).misses == []
    assert len(server.seen) == asked + 2  # the refs, nothing more
    made.write("file", "two")
    made.commit()
    changed = builder.build(text)
    assert changed.misses == [2]
    assert changed.text("/file") == "two"


def test_flags(builder: Builder, server: Server, repository: Repository) -> None:
    line = f"ADD --chown=5:6 --chmod=u=rwX,go= --exclude=docs --exclude=run {server.http}/app.git /x"
    built = builder.build(f"FROM scratch\n{line}\n")
    assert built.owner("/x/file") == (5, 6, 0o600)
    assert built.view.list("/x") == (".dockerignore", "file", "link")
    assert builder.build(f"FROM scratch\n{line}\n").misses == []
    less = line.replace(" --exclude=run", "")
    assert builder.build(f"FROM scratch\n{less}\n").misses == [2]


def test_keep_git_dir(builder: Builder, server: Server, repository: Repository, tmp_path: Path) -> None:
    url = f"{server.http}/app.git"
    built = builder.build(f"FROM scratch\nADD --keep-git-dir {url}#side /\nADD {url}?keep-git-dir=1 /x\n")
    assert f'url = "{url}"' in built.text("/.git/config")
    assert built.text("/.git/HEAD").strip() == repository.git("rev-parse", "side")
    assert built.node("/x/.git").is_directory
    for folder, _, names in os.walk(built.view.trees[1]):
        for name in names:
            assert b"staging" not in Path(folder, name).read_bytes(), name
    with pytest.raises(CowlError, match="contradict"):
        builder.build(f"FROM scratch\nADD --keep-git-dir=false {url}?keep-git-dir=1 /x\n")
    assert builder.build(f"FROM scratch\nADD {url}#side /\n").misses == [2]


def test_checksums(builder: Builder, server: Server, repository: Repository) -> None:
    commit, tag = repository.git("rev-parse", "v1"), repository.git("rev-parse", "v1-annotated")
    url = f"{server.http}/app.git"
    for checksum, where in (
        (commit, "#v1"),
        (commit[:7], "#v1"),
        (commit[:7], "#v1-annotated"),
        (tag[:9], "#v1-annotated"),
        (commit, ""),
    ):
        where = where or f"#{commit}"
        built = builder.build(f"FROM scratch\nADD --checksum={checksum} {url}{where} /\n")
        assert built.text("/file") == "one"
    assert builder.build(f"FROM scratch\nADD {url}?commit={commit} /\n").text("/file") == "one"
    with pytest.raises(WrongCommit) as caught:
        builder.build(f"FROM scratch\nADD --checksum={commit} {url}#side /\n")
    assert caught.value.expected == commit
    assert caught.value.found == repository.git("rev-parse", "side")
    for checksum, said in (("sha256:00", "is a commit ID"), ("0" * 7, "is at commit")):
        with pytest.raises(CowlError, match=said):
            builder.build(f"FROM scratch\nADD --checksum={checksum} {url}#v1 /\n")
    with pytest.raises(CowlError, match="is not the commit"):
        builder.build(f"FROM scratch\nADD --checksum={commit} {url}?commit=00 /\n")


def test_submodules(builder: Builder, server: Server, repository: Repository) -> None:
    made = Repository(server.root / "outer.git")
    made.write("mine", "mine")
    side = repository.git("rev-parse", "side")
    made.write(".gitmodules", '[submodule "in"]\n\tpath = in\n\turl = ../app.git\n')
    made.git("update-index", "--add", "--cacheinfo", f"160000,{side},in")
    made.git("add", ".gitmodules", "mine")
    made.git("commit", "-q", "-m", "x")
    url = f"{server.http}/outer.git"
    built = builder.build(f"FROM scratch\nADD {url} /\n")
    assert built.text("/in/file") == "two"
    assert built.view.lookup("/in/.git") is None
    without = builder.build(f"FROM scratch\nADD {url}?submodules=false /\n")
    assert without.view.lookup("/in/file") is None


def hostile(server: Server, name: str, address: str) -> str:
    """The address of a repository with a submodule there."""
    made = Repository(server.root / name)
    made.write(".gitmodules", f'[submodule "in"]\n\tpath = in\n\turl = {address}\n')
    made.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},in")
    made.git("add", ".gitmodules")
    made.git("commit", "-q", "-m", "x")
    return f"{server.http}/{name}"


def test_hostile_submodules(builder: Builder, server: Server, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    secret = Repository(tmp_path / "secret")
    secret.write("key", "canary")
    secret.commit()
    for number, address in enumerate(
        (
            f"file://{secret.path}",
            str(secret.path),
            f"ext::sh -c 'touch% {mark}'",
            f"--upload-pack=touch {mark}",
            f"ssh://-oProxyCommand=touch%20{mark}/x",
        )
    ):
        url = hostile(server, f"evil{number}.git", address)
        with pytest.raises(GitFailed) as caught:
            builder.build(f"FROM scratch\nADD {url} /\n")
        assert "Dockerfile:2" in caught.value.message
        assert not mark.exists(), address
        if number == 0:
            assert "submodules=false" in caught.value.hint
    assert builder.leftovers() == []


def test_hostile_addresses(builder: Builder, server: Server, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for address in (
        f"git@127.0.0.1:--upload-pack=touch {mark}",
        f"ssh://-oProxyCommand=touch{mark}/a",
        f"{server.http}/app.git#--upload-pack=touch{mark}",
        f"{server.http}/app.git#:../../..",
        f"{server.http}/app.git#:.git",
    ):
        with pytest.raises(BadGitUrl) as caught:
            builder.build(f'FROM scratch\nADD ["{address}", "/"]\n')
        assert "Dockerfile:2:" in caught.value.message
    for address in ("ext::sh -c date", f"file://{tmp_path}", "ftp://127.0.0.1/a.git"):
        with pytest.raises(CowlError, match="not found in the build context"):
            builder.build(f'FROM scratch\nADD ["{address}", "/"]\n')
    assert not mark.exists()


def test_the_hosts_git_settings_and_hooks_are_not_used(
    caller: Caller, tmp_path: Path, shared_dir: Path
) -> None:
    with served(shared_dir / f"git-{caller.name}") as server:
        made = Repository(server.root / "app.git")
        made.write(".gitattributes", "* filter=evil\n")
        made.write("file", "one")
        made.commit()
        mark = caller.home / "mark"
        hooks = caller.home / "hooks"
        hooks.mkdir()
        for name in ("post-checkout", "reference-transaction"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
            (hooks / name).chmod(0o755)
        (caller.home / ".gitconfig").write_text(
            f"[core]\n\thooksPath = {hooks}\n[init]\n\ttemplateDir = {hooks.parent}\n"
            f'[filter "evil"]\n\tsmudge = touch {mark}\n[credential]\n\thelper = "!touch {mark}; :"\n'
            f'[url "file:///"]\n\tinsteadOf = {server.http}\n'
        )
        context = caller.home / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(f"FROM scratch\nADD {server.http}/app.git /\n")
        caller.give(caller.home)
        environment = {"GIT_CONFIG_GLOBAL": f"{caller.home}/.gitconfig", "GIT_TEMPLATE_DIR": str(hooks)}
        caller.cowl("build", "-t", "git", str(context), env=environment)
        assert not mark.exists()
        server.anonymous = False
        done = caller.cowl("build", "--no-cache", str(context), env=environment, status=None)
        assert done.returncode == 1
        assert b"it is private, or there is no such repository" in done.stderr
        assert not mark.exists()
        assert not any("authorization" in headers for headers in server.headers)


def test_a_user_and_password_are_refused_in_a_dockerfile(builder: Builder, server: Server) -> None:
    with pytest.raises(CredentialsInUrl) as caught:
        builder.build(f"FROM scratch\nADD http://user:canary@{server.netloc}/app.git /\n")
    assert "canary" not in caught.value.url


def test_what_is_not_there(builder: Builder, server: Server, repository: Repository) -> None:
    with pytest.raises(NoSuchRef, match="has no branch or tag nope"):
        builder.build(f"FROM scratch\nADD {server.http}/app.git#nope /\n")
    with pytest.raises(GitFailed, match="not found"):
        builder.build(f"FROM scratch\nADD {server.http}/nope.git /\n")
    with pytest.raises(GitFailed):
        builder.build(f"FROM scratch\nADD {server.http}/app.git#{'1' * 40} /\n")
    Repository(server.root / "empty.git")
    with pytest.raises(NoSuchRef, match="no default branch"):
        builder.build(f"FROM scratch\nADD {server.http}/empty.git /\n")
    assert builder.leftovers() == []


def test_bounds(
    builder: Builder, server: Server, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"FROM scratch\nADD {server.http}/app.git /\n"
    monkeypatch.setattr(git_program, "MAX_FILES", 3)
    with pytest.raises(RepositoryTooBig, match="more than 3 files"):
        builder.build(text)
    monkeypatch.setattr(git_program, "MAX_OUTPUT", 10)
    with pytest.raises(RepositoryTooBig, match="bytes of answer"):
        builder.build(text)
    monkeypatch.undo()
    monkeypatch.setattr(git_program, "MAX_SECONDS", -1.0)
    with pytest.raises(GitFailed, match="takes longer"):
        builder.build(text)
    assert builder.leftovers() == []


def test_without_git(root_caller: Caller, server: Server) -> None:
    (root_caller.home / "Dockerfile").write_text(f"FROM scratch\nADD {server.http}/app.git /\n")
    done = root_caller.cowl("build", ".", env={"PATH": "/nowhere"}, status=1)
    assert b"git, which is not installed here" in done.stderr
    assert b"the package is called git" in done.stderr
    assert GitMissing().hint


def test_what_git_knows_of_this_machine() -> None:
    known = environment("/top", Config("/root", proxies=(("https", "http://p:1"),)), "/run/agent")
    assert known["GIT_ALLOW_PROTOCOL"] == "https:http:git:ssh"
    assert known["HOME"] == "/dev/null"
    assert known["https_proxy"] == "http://p:1"
    assert "IdentityAgent='/run/agent'" in known["GIT_SSH_COMMAND"]
    assert "IdentityFile='none'" in known["GIT_SSH_COMMAND"]
    with_key = environment("/top", Config("/root"), "none", ["/k 1"])["GIT_SSH_COMMAND"]
    assert "IdentityAgent='none'" in with_key
    assert "IdentityFile='/k 1'" in with_key

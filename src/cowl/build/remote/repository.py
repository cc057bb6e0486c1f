"""A git repository: which commit an address means, and its files checked out."""

from __future__ import annotations

import os

from cowl.build.remote.git_program import GitFailed
from cowl.build.remote.git_url import is_commit
from cowl.errors import Corrupt, Denied, NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.remote.git_program import GitProgram
    from cowl.build.remote.git_url import GitUrl

_ORIGIN = '[remote "origin"]\n\turl = "{}"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n'
# What servers say that can't cut a history short, or that give no commit but by a name.
_NO_DEPTH = ("--depth", "shallow")
_NOT_BY_ID = ("not our ref", "unadvertised object", "couldn't find remote ref")


class NoSuchRef(NotFound):
    """A repository has no such branch or tag. Fields: url, ref."""

    def __init__(self, url: str, ref: str) -> None:
        super().__init__(f"{url} has no branch or tag {ref}" if ref else f"{url} has no default branch")
        self.url = url
        self.ref = ref


class NoSuchDirectory(NotFound):
    """A commit has no such directory. Fields: url, subdir."""

    def __init__(self, url: str, subdir: str) -> None:
        super().__init__(f"{url} has no directory {subdir}")
        self.url = url
        self.subdir = subdir


class LinkInRepository(Denied):
    """The directory that is asked for is a symbolic link, or lies behind one. Fields: url, subdir."""

    def __init__(self, url: str, subdir: str) -> None:
        super().__init__(
            f"{url}: {subdir} leads through a symbolic link: it is not followed",
            hint="name the directory that it leads to",
        )
        self.url = url
        self.subdir = subdir


class WrongCommit(Corrupt):
    """A ref leads to another commit than the one that was asked for. Fields: url, expected, found."""

    def __init__(self, url: str, expected: str, found: str) -> None:
        super().__init__(
            f"{url} is at commit {found}, not at {expected}",
            hint="the branch or tag was moved, or the checksum is that of something else",
        )
        self.url = url
        self.expected = expected
        self.found = found


class Found(Value):
    """What an address means now: a commit, and the full name of the ref that led there ("" for none)."""

    commit: str
    ref: str


def resolve(git: GitProgram, url: GitUrl) -> Found:
    """Asks the remote, but for an address that holds the whole commit ID.

    As with BuildKit a branch wins over a tag of the same name. Raises NoSuchRef, WrongCommit, GitFailed.
    """
    if is_commit(url.ref):
        found, tag = Found(url.ref, ""), ""
    else:
        found, tag = _asked(git, url)
    if url.commit and not found.commit.startswith(url.commit) and not tag.startswith(url.commit):
        raise WrongCommit(url.shown, url.commit, found.commit)
    return found


def _asked(git: GitProgram, url: GitUrl) -> tuple[Found, str]:
    """What the ref leads to, and the ID of the tag object on the way, if it is one."""
    patterns = [url.ref, f"{url.ref}^{{}}"] if url.ref else ["HEAD"]
    doing = f"asking {url.shown} for {url.ref or 'its default branch'}"
    printed = git.run(doing, ["ls-remote", "--symref", "--", url.remote, *patterns])
    heads: dict[str, str] = {}
    for line in printed.decode("utf-8", "replace").splitlines():
        value, tab, name = line.partition("\t")
        if tab:
            heads[name if not value.startswith("ref: ") else f"ref: {name}"] = value
    if not url.ref:
        return _default(url, heads), ""
    bare = url.ref.removeprefix("refs/")
    for name in (f"refs/{bare}", f"refs/heads/{bare}", f"refs/tags/{bare}"):
        if is_commit(heads.get(name, "")):
            return Found(heads.get(f"{name}^{{}}", heads[name]), name), heads[name]
    raise NoSuchRef(url.shown, url.ref)


def _default(url: GitUrl, heads: dict[str, str]) -> Found:
    commit = heads.get("HEAD", "")
    if not is_commit(commit):
        raise NoSuchRef(url.shown, "")
    return Found(commit, heads.get("ref: HEAD", "").removeprefix("ref: "))


def check_out(git: GitProgram, url: GitUrl, found: Found, directory: str, *, keep_git_dir: bool) -> None:
    """The files of a commit, submodules included, in the empty directory, all with the commit's time.

    Modes are 0644 and 0755. With `keep_git_dir` there is a `.git` too, whose remote is the address without
    what is secret in it. Raises GitFailed, RepositoryTooBig, WrongCommit.
    """
    git.run("git init", ["init", "--quiet", "--template=", "."], directory)
    config = f"{directory}/.git/config"
    _set_origin(config, url.remote)
    _fetch(git, url, found, directory)
    doing = f"checking out {url.shown}"
    git.run(doing, ["checkout", "--quiet", "--force", "--detach", found.commit, "--"], directory)
    if url.submodules and os.path.lexists(f"{directory}/.gitmodules"):
        _submodules(git, url, directory)
    git.measure(doing)
    seconds = git.run(doing, ["show", "-s", "--format=%ct", found.commit, "--"], directory)
    if keep_git_dir:
        _set_origin(config, url.shown, instead=True)
        _forget(git, directory)
    else:
        _remove_git_files(directory)
    _set_times(directory, int(seconds) * 1_000_000_000)


def _set_origin(config: str, remote: str, *, instead: bool = False) -> None:
    """Writes the address into the repository's own file, where submodules with relative ones look for it."""
    with open(config, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    if instead:
        text = text.partition('[remote "origin"]')[0]
    escaped = remote.replace("\\", "\\\\").replace('"', '\\"')
    with open(config, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text + _ORIGIN.format(escaped))


def _fetch(git: GitProgram, url: GitUrl, found: Found, directory: str) -> None:
    """Brings the commit, alone if the server can do that."""
    doing = f"fetching {url.shown}"
    branch = found.ref.removeprefix("refs/heads/")
    local = f"refs/remotes/origin/{branch}" if branch != found.ref else found.ref
    what = f"+{found.ref}:{local}" if found.ref else found.commit
    flags = ["--depth=1", "--no-tags"]
    while True:
        try:
            git.run(doing, ["fetch", "--quiet", "--force", *flags, "origin", what], directory)
            break
        except GitFailed as problem:
            if "--depth=1" in flags and any(word in problem.why for word in _NO_DEPTH):
                flags.remove("--depth=1")
            elif what == found.commit and any(word in problem.why for word in _NOT_BY_ID):
                flags, what = ["--tags"], "+refs/heads/*:refs/remotes/origin/*"
            else:
                raise
    got = git.run(doing, ["rev-parse", "--verify", "--quiet", f"{found.commit}^{{commit}}"], directory)
    if found.ref:
        now = git.run(doing, ["rev-parse", "--verify", f"{local}^{{commit}}"], directory).decode().strip()
        if now != found.commit:
            raise WrongCommit(url.shown, found.commit, now)
    assert got.decode().strip() == found.commit


def _submodules(git: GitProgram, url: GitUrl, directory: str) -> None:
    doing = f"fetching the submodules of {url.shown}"
    command = ["submodule", "--quiet", "update", "--init", "--recursive"]
    try:
        git.run(doing, [*command, "--depth=1"], directory)
    except GitFailed as problem:
        if not any(word in problem.why for word in (*_NO_DEPTH, *_NOT_BY_ID)):
            raise
        git.run(doing, command, directory)


def _forget(git: GitProgram, directory: str) -> None:
    """Removes what tells of how it was fetched."""
    git.run("git reflog", ["reflog", "expire", "--all", "--expire=now"], directory)
    for name in ("FETCH_HEAD", "ORIG_HEAD"):
        if os.path.lexists(f"{directory}/.git/{name}"):
            os.unlink(f"{directory}/.git/{name}")


def _remove_git_files(directory: str) -> None:
    """The repository itself, and the files that submodules have instead: git checks out nothing so called."""
    from cowl.linux.files import remove_tree

    for folder, folders, names in os.walk(directory):
        if ".git" in folders or ".git" in names:
            remove_tree(f"{folder}/.git")
        folders[:] = [name for name in folders if name != ".git"]


def _set_times(directory: str, nanoseconds: int) -> None:
    """The commit's time for every file: that of the checkout would make each image another one."""
    for folder, folders, names in os.walk(directory, topdown=False):
        for name in (*folders, *names):
            os.utime(f"{folder}/{name}", ns=(nanoseconds, nanoseconds), follow_symlinks=False)


def subdirectory(url: GitUrl, directory: str) -> str:
    """The directory that an address means in a checkout. Raises NoSuchDirectory, LinkInRepository."""
    import errno

    from cowl.layer.paths import open_inside, open_tree

    if not url.subdir:
        return directory
    top = open_tree(directory)
    try:
        os.close(open_inside(top, url.subdir, os.O_PATH | os.O_DIRECTORY))
    except OSError as problem:
        if problem.errno == errno.ELOOP or _has_link(directory, url.subdir):
            raise LinkInRepository(url.shown, url.subdir) from problem
        raise NoSuchDirectory(url.shown, url.subdir) from problem
    finally:
        os.close(top)
    return f"{directory}/{url.subdir}"


def _has_link(directory: str, path: str) -> bool:
    parts = path.split("/")
    return any(os.path.islink("/".join((directory, *parts[: count + 1]))) for count in range(len(parts)))

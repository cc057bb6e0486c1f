"""Addresses of git repositories as ADD and `cowl build` take them. Pure: a text to a value, or refused.

The forms are BuildKit's: `https://host/a.git` and `http://host/a.git` (only with that ending, the rest are
files to download), `git://host/a`, `ssh://host/a`, `user@host:a`. Behind them `#ref:subdir`, or a query of
`ref`, `tag`, `branch`, `subdir`, `commit` (or `checksum`), `keep-git-dir`, `submodules`. A context may also
be `github.com/a/b`. Whatever git itself could take for an option, a program or a path of this machine is
refused (threat 19).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from cowl.errors import Invalid
from cowl.value import Value

_SCP = (
    r"(?P<user>[a-zA-Z0-9_-]+)@(?P<host>[a-zA-Z0-9.-]+):(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?(?:#(?P<ref>.*))?"
)
_HOST = r"\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]*)"
_COMMIT = r"[0-9a-f]{40}|[0-9a-f]{64}"
_BAD_IN_REF = r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|^[-./]|/$|\.$|\.lock$"  # git-check-ref-format(1)
_SCHEMES = ("http", "https", "git", "ssh")


class BadGitUrl(Invalid):
    """An address of a git repository that can't be meant, or that is dangerous. Fields: url, why."""

    def __init__(self, url: str, why: str, *, hint: str = "") -> None:
        self.url = re.sub(r"(://)[^/@]*@", r"\1", url)[:200]
        super().__init__(f"{self.url} is no usable git repository: {why}", hint=hint)
        self.why = why


class GitUrl(Value):
    """A repository, and what of it is meant.

    remote        what git is given, without fragment and query; user and password are in it
    ref           a branch, tag, other ref or whole commit ID; "" is the remote's own HEAD
    subdir        relative, no "." or ".."; "" is the whole tree
    commit        beginning of the commit ID that it must be, "" for any
    keep_git_dir  None when the address does not say
    submodules    whether they are fetched too
    """

    remote: str
    ref: str = ""
    subdir: str = ""
    commit: str = ""
    keep_git_dir: bool | None = None
    submodules: bool = True

    @property
    def shown(self) -> str:
        """The address for messages, without user and password."""
        return re.sub(r"(://)[^/@]*@", r"\1", self.remote)

    @property
    def name(self) -> str:
        """The repository's own name: `b` of `https://host/a/b.git`."""
        return re.split("[/:]", self.remote.rstrip("/"))[-1].removesuffix(".git")

    @property
    def secret(self) -> str:
        """The user (a token may stand there) and password in it, "" for none: never to be shown.

        A user of ssh without a password is no secret.
        """
        parts = urlsplit(self.remote) if "://" in self.remote else None
        if parts is None or parts.username is None or (parts.scheme == "ssh" and parts.password is None):
            return ""
        return parts.netloc.rpartition("@")[0]


def is_commit(ref: str) -> bool:
    """Whether a ref is a whole commit ID."""
    return re.fullmatch(_COMMIT, ref) is not None


def parse_git_url(text: str, *, context: bool = False) -> GitUrl | None:
    """The repository that `text` means, None if it means something else (a file, a URL to download).

    With `context` also `github.com/a/b`. Raises BadGitUrl.
    """
    if context and text.startswith("github.com/"):
        text = f"https://{text}"
        if not urlsplit(text).path.endswith(".git"):
            return _from_url(text)
    scheme, separator, _ = text.partition("://")
    if separator:
        if scheme not in _SCHEMES:
            return None
        if scheme in ("http", "https") and not _path(text).endswith(".git"):
            return None
        return _from_url(text)
    found = re.fullmatch(_SCP, text, re.DOTALL)
    if found is None:
        return None
    remote = f"{found['user']}@{found['host']}:{found['path']}"
    if found["user"].startswith("-") or found["host"].startswith("-") or found["path"].startswith("-"):
        raise BadGitUrl(remote, "a part of it begins with a dash")
    _check_plain(remote, found["path"])
    return _with_parts(remote, found["query"] or "", found["ref"] or "")


def _path(text: str) -> str:
    try:
        return urlsplit(text).path
    except ValueError:
        return ""


def _from_url(text: str) -> GitUrl:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as problem:
        raise BadGitUrl(text, "it is no URL") from problem
    bare = f"[{host}]" if ":" in host else host
    if not re.fullmatch(_HOST, bare) or (port is not None and not 0 < port < 65536):
        raise BadGitUrl(text, "its host is none")
    if (parts.username or "").startswith("-") or not parts.path.strip("/"):
        raise BadGitUrl(text, "it names no repository")
    remote = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    _check_plain(remote, remote)
    return _with_parts(remote, parts.query, parts.fragment)


def _check_plain(remote: str, text: str) -> None:
    if not text or re.search(r"[\x00-\x20\x7f]", text):
        raise BadGitUrl(remote.split("\n")[0], "it holds blanks or control characters, or nothing")


def _with_parts(remote: str, query: str, fragment: str) -> GitUrl:
    ref, _, subdir = fragment.partition(":")
    url = GitUrl(remote=remote)
    given = _query(url, query)
    found = _one(url, "ref", unquote(ref), given.get("ref", ""))
    for name, prefix in (("tag", "refs/tags/"), ("branch", "refs/heads/")):
        if name in given:
            full = given[name] if given[name].startswith(prefix) else prefix + given[name]
            found = _one(url, "ref", found, full)
    commit = _one(url, "commit", given.get("commit", ""), given.get("checksum", ""))
    if commit and not re.fullmatch(r"[0-9a-f]{1,64}", commit):
        raise BadGitUrl(remote, f"{commit[:80]!r} is no beginning of a commit ID")
    if not found and is_commit(commit):
        found = commit
    _check_ref(url, found)
    return url.replace(
        ref=found,
        subdir=_subdir(url, _one(url, "subdir", unquote(subdir), given.get("subdir", ""))),
        commit=commit,
        keep_git_dir=_switch(url, given, "keep-git-dir"),
        submodules=_switch(url, given, "submodules") is not False,
    )


def _query(url: GitUrl, query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in ("ref", "tag", "branch", "subdir", "commit", "checksum", "keep-git-dir", "submodules"):
            hint = "known are ref, tag, branch, subdir, commit, keep-git-dir and submodules"
            raise BadGitUrl(url.remote, f"unexpected query {name[:80]!r}", hint=hint)
        if name in given:
            raise BadGitUrl(url.remote, f"query {name!r} has several values")
        if not value and name not in ("keep-git-dir", "submodules"):
            raise BadGitUrl(url.remote, f"query {name!r} has no value")
        given[name] = value
    return given


def _one(url: GitUrl, what: str, first: str, second: str) -> str:
    if first and second and first != second:
        raise BadGitUrl(url.remote, f"{what} conflicts: {first[:80]!r} and {second[:80]!r}")
    return first or second


def _switch(url: GitUrl, given: dict[str, str], name: str) -> bool | None:
    """As Go's ParseBool; a name alone is true."""
    if name not in given:
        return None
    value = given[name]
    if value in ("", "1", "t", "T", "TRUE", "true", "True"):
        return True
    if value in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise BadGitUrl(url.remote, f"{value[:80]!r} is no value for {name}", hint="write true or false")


def _check_ref(url: GitUrl, ref: str) -> None:
    if ref and (re.search(_BAD_IN_REF, ref) or ref == "@" or len(ref) > 1024):
        raise BadGitUrl(url.remote, f"{ref[:80]!r} can be no branch, tag or commit")


def _subdir(url: GitUrl, text: str) -> str:
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in text:
        raise BadGitUrl(url.remote, f"the directory {text[:80]!r} leads out of the repository")
    if any(part.lower() == ".git" for part in parts):
        raise BadGitUrl(url.remote, f"the directory {text[:80]!r} is git's own")
    return "/".join(parts)

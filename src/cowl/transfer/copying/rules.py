"""The rules of `docker cp`: what a slash or a dot at the end of a path means, and what a copy is called.

Pure. A path's end is kept when it is made plain: "/a/" asserts a directory, "/a/." means what is in it.
"""

from __future__ import annotations

import posixpath

from cowl.transfer.copying.failures import CannotCopy
from cowl.value import Value


class Place(Value):
    """One end of a copy.

    path       absolute, plain but for its end
    exists     whether there is anything
    directory  whether that is a directory
    name       what the source is to be called, where its path says something else; ""
    """

    path: str
    exists: bool = True
    directory: bool = False
    name: str = ""


def plain(path: str) -> str:
    """An absolute path without "..", ".", double slashes, but for its end. "a" is "/a"."""
    return keep_end(posixpath.normpath("/" + path.lstrip("/")), path)


def keep_end(clean: str, asked: str) -> str:
    """`clean` with the "/" or "/." that `asked` has at its end."""
    if _means_content(asked) and not _means_content(clean):
        return clean.rstrip("/") + "/."
    return clean + "/" if asked.endswith("/") and not clean.endswith("/") else clean


def split(path: str) -> tuple[str, str]:
    """Directory and last name; of "/a/." these are "/a" and ".", of "/a/" "/" and "a"."""
    clean = posixpath.normpath(path)
    if _means_content(path):
        return clean, "."
    parent, name = posixpath.split(clean)
    return parent, name or "/"


def asserts_directory(path: str) -> bool:
    """Whether it can only be that of a directory."""
    return path.endswith("/") or _means_content(path)


def _means_content(path: str) -> bool:
    return path.rpartition("/")[2] == "."


def rename(asked: str, found: str) -> tuple[str, str]:
    """Where links led from `asked`: that path with the end of what was asked, and the name to keep, or ""."""
    found = keep_end(found, asked)
    name = _base(asked)
    return found, name if name != _base(found) else ""


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or "/"


def source_name(source: Place) -> str:
    """What the copy is called in a directory: "." for the content of one."""
    name = source.name or split(source.path)[1]
    return "." if name == "/" else name


def arrange(source: Place, target: Place) -> tuple[str, str]:
    """The directory that is written to, and what the copy is called there. Raises CannotCopy."""
    parent, base = split(target.path)
    if target.exists and target.directory:
        return target.path, source_name(source)
    if target.exists and source.directory:
        raise CannotCopy("cannot copy directory", hint=f"{target.path} is a file: name a directory")
    if not target.exists and not source.directory and asserts_directory(target.path):
        raise CannotCopy(
            "no such directory",
            hint=f"{target.path} does not exist: make it first, or leave out the / at its end",
        )
    return parent, base

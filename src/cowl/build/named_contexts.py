"""Named contexts: what a caller puts in the place of an image or stage name, as `--build-context NAME=...`.

A value is the path of a directory, a URL of an archive, a git repository, `docker-image://REFERENCE` or
`oci-layout://DIRECTORY[:TAG|@DIGEST]`.
"""

from __future__ import annotations

import os

from cowl.build.addresses import is_remote
from cowl.errors import Invalid
from cowl.oci.reference import InvalidReference, Reference
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from cowl.build.context import Context
    from cowl.build.remote.remotes import Remotes
    from cowl.oci.platform import Platform
    from cowl.store.images import ImageRecord

    ResolveLayout = Callable[[str, str, Platform | None], ImageRecord]

DIRECTORY, IMAGE, LAYOUT = "directory", "image", "layout"
_SCHEMES = {"docker-image://": IMAGE, "oci-layout://": LAYOUT}


class BadContext(Invalid):
    """A named context that makes no sense or can't be read. Fields: name, value."""

    def __init__(self, name: str, value: str, why: str, hint: str = "") -> None:
        super().__init__(f"build context {name}={value}: {why}", hint=hint)
        self.name = name
        self.value = value


class NamedContext(Value):
    """One named context.

    key     its name as FROM and --from are compared with it
    kind    DIRECTORY, IMAGE or LAYOUT
    target  an absolute path, an address (see `cowl.build.addresses`), or the reference of an image
    within  of a LAYOUT: the tag or digest of the image in it, "" for the only one
    """

    key: str
    kind: str
    target: str
    within: str = ""


class NamedContexts:
    """The named contexts of a build. A `with` block: at its end the directories are closed.

    `epoch` is that of the directories, see `Context`; `remotes` gets those that are not on this machine.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], resolve_layout: ResolveLayout | None = None) -> None:
        self._found = {each.key: each for each in (parse_context(*pair) for pair in pairs)}
        self._resolve_layout = resolve_layout
        self._open: dict[str, Context] = {}
        self._check: Callable[[], object] = bool
        self.epoch: int | None = None
        self.remotes: Remotes | None = None

    def again(self, check: Callable[[], object]) -> NamedContexts:
        """The same contexts for another thread, see `Context.again`."""
        again = NamedContexts((), self._resolve_layout)
        again._found = self._found
        again._check = check
        again.epoch, again.remotes = self.epoch, self.remotes
        return again

    def find(self, name: str) -> NamedContext | None:
        """The context that stands for an image or stage of this name, or None."""
        if not self._found:
            return None
        try:
            return self._found.get(_key(name))
        except InvalidReference:
            return None

    def image(self, context: NamedContext, platform: Platform | None) -> ImageRecord:
        """The image of a LAYOUT. Raises BadContext and what reading it raises."""
        if self._resolve_layout is None:
            raise BadContext(context.key, context.target, "nothing here can read OCI layouts")
        return self._resolve_layout(context.target, context.within, platform)

    def tree(self, context: NamedContext) -> Context:
        """The files of a DIRECTORY, seen through its own .dockerignore. Raises NoContext."""
        found = self._open.get(context.key)
        if found is None:
            if self.remotes is not None and is_remote(context.target):
                found = self._open[context.key] = self.remotes.context(context.target, check=self._check)
                found.epoch = self.epoch
                return found
            from cowl.build.context import Context, read_own_ignore
            from cowl.dockerfile.ignore import parse_ignore

            found = self._open[context.key] = Context(context.target, self._check)
            found.epoch = self.epoch
            ignore = read_own_ignore(found)
            if ignore is not None:
                found.ignore = parse_ignore(ignore[1], os.path.join(context.target, ignore[0]))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        for context in self._open.values():
            context.close()
        self._open.clear()


def parse_context(name: str, value: str) -> NamedContext:
    """The context of one NAME=VALUE. Raises BadContext."""
    try:
        key = _key(name)
    except InvalidReference as problem:
        raise BadContext(name, value, f"the name must be that of an image or stage: {problem}") from None
    if not value:
        raise BadContext(name, value, "it has no value", hint="Write NAME=DIRECTORY.")
    for scheme, kind in _SCHEMES.items():
        if value.startswith(scheme):
            rest = value[len(scheme) :]
            return NamedContext(key, kind, *((rest,) if kind == IMAGE else _layout(rest)))
    if is_remote(value):
        return NamedContext(key, DIRECTORY, value)
    return NamedContext(key, DIRECTORY, os.path.abspath(value))


def absolute_context(value: str) -> str:
    """A value with its path made absolute, for whoever knows the current directory."""
    if value.startswith("oci-layout://"):
        return "oci-layout://" + os.path.abspath(value.removeprefix("oci-layout://"))
    plain = value and not value.startswith(tuple(_SCHEMES)) and not is_remote(value)
    return os.path.abspath(value) if plain else value


def _layout(text: str) -> tuple[str, str]:
    """(directory, tag or digest)"""
    directory, at, digest = text.partition("@")
    if at:
        return os.path.abspath(directory), digest
    directory, colon, tag = text.rpartition(":")
    if colon and "/" not in tag:
        return os.path.abspath(directory), tag
    return os.path.abspath(text), ""


def _key(name: str) -> str:
    """As BuildKit compares them: lower case, short form, without the tag latest."""
    return Reference.parse(name.lower()).familiar.removesuffix(":latest")

"""Remedies: what to write in a Dockerfile instead, where bytes are paid for in vain. Pure."""

from __future__ import annotations

from cowl.value import Value

# Below a home directory, then from the root: what package managers keep for the next time.
_HOME_CACHES = (
    ".npm", ".cache/pip", ".cache/uv", ".cache/yarn", ".cache/go-build", ".cargo/registry", ".m2/repository",
    ".gradle/caches", ".composer/cache", ".nuget/packages",
)  # fmt: skip
_CACHES = (
    "var/cache/apt", "var/lib/apt/lists", "var/cache/apk", "var/cache/dnf", "var/cache/yum",
    "var/cache/pacman/pkg", "usr/local/share/.cache",
)  # fmt: skip
_COPIES = ("COPY", "ADD")
ARCHIVES = (
    ".tar",
    ".gz",
    ".tgz",
    ".bz2",
    ".tbz2",
    ".xz",
    ".txz",
    ".zst",
    ".tzst",
    ".lzma",
)  # what ADD unpacks


class Maker(Value):
    """Who made a layer: an instruction, by its line in the Dockerfile; 0 where that is unknown.

    place  how it is called where it has no line: "layer 3", "the base image"
    """

    line: int
    keyword: str
    text: str
    place: str = ""

    @property
    def name(self) -> str:
        """ "line 3"."""
        return f"line {self.line}" if self.line else self.place


BASE = Maker(0, "FROM", "the base image", "the base image")


def shadow_remedy(path: str, lower: Maker, upper: Maker, *, removed: bool, next_to: bool = True) -> str:
    """Against a file of `lower` that `upper` hides; "" when none is known.

    `next_to`: there is no other layer in between, so nobody can have used the file.
    """
    if lower.keyword == "RUN" and upper.keyword == "RUN":
        cache = cache_of(path)
        if cache and removed:
            return f"RUN --mount=type=cache,target={cache} in {lower.name}"
        return f"merge {upper.name} into {lower.name}"
    if lower.keyword in _COPIES and removed:
        if next_to:
            return f"do not copy it in {lower.name}: .dockerignore or {lower.keyword} --exclude"
        return f"{lower.keyword} it in a stage of its own, and COPY --from that what is to stay"
    return ""


def copy_up_remedy(
    cause: str, lower: Maker, upper: Maker, owner: tuple[int, int], mode: int, *, also: bool
) -> str:
    """Against a file that `upper` stores again, with another owner or mode at most; "" when none is known."""
    if cause == "same" and upper.keyword in _COPIES:
        return f"leave it out in {upper.name}"
    if lower.keyword in _COPIES and cause in ("chown", "chmod") and not _may_unpack(lower):
        flags = [f"--chown={owner[0]}:{owner[1]}"] if cause == "chown" else []
        flags += [f"--chmod={mode:o}"] if cause == "chmod" or also else []
        return f"{lower.keyword} {' '.join(flags)} in {lower.name}"
    if lower.keyword == "RUN" and upper.keyword == "RUN":
        return f"merge {upper.name} into {lower.name}"
    return ""


def _may_unpack(maker: Maker) -> bool:
    """Whether it may be an ADD of an archive, whose members keep their own modes and owners."""
    words = maker.text.lower().split()
    archived = any(word.endswith(ARCHIVES) or word.startswith("file:") for word in words)
    return maker.keyword == "ADD" and archived


def cache_remedy(cache: str, maker: Maker) -> str:
    """Against a package manager's cache that stays in the image."""
    return f"RUN --mount=type=cache,target={cache} in {maker.name}"


def cache_of(path: str) -> str:
    """The package manager's cache that a path of the image is in, as an absolute path; "" for none."""
    parts = path.split("/", 3)
    homes = 1 if parts[0] == "root" else 2 if parts[0] == "home" and len(parts) > 2 else 0
    if not homes and parts[0] not in ("var", "usr"):
        return ""
    places = [*_CACHES, *("/".join((*parts[:homes], each)) for each in _HOME_CACHES if homes)]
    return next((f"/{place}" for place in places if path.startswith(f"{place}/")), "")

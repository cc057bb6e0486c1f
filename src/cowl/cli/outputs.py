"""--output, --cache-from and --cache-to: their short and long forms to values. Paths become absolute here."""

from __future__ import annotations

import os
import sys

from cowl.caches import (
    DEFAULT_TAG,
    MAX,
    MIN,
    InlineCacheTarget,
    LocalCacheSource,
    LocalCacheTarget,
    RegistryCacheSource,
    RegistryCacheTarget,
)
from cowl.cli.csv_fields import Fields, split
from cowl.outputs import (
    GZIP,
    UNCOMPRESSED,
    ZSTD,
    BlobForm,
    CacheOnlyOutput,
    DockerOutput,
    ImageOutput,
    LocalOutput,
    OciOutput,
    TarOutput,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.caches import CacheSource, CacheTarget
    from cowl.outputs import Destination, Output

_TYPES = ("local", "tar", "oci", "docker", "image", "registry", "cacheonly")
# what BuildKit's exporters know beside ours
_NOT_HERE = (
    "attestation-inline",
    "dangling-name-prefix",
    "name-canonical",
    "platform-split",
    "prefer-nondist-layers",
    "push-by-digest",
    "registry.insecure",
    "rewrite-timestamp",
    "store",
    "unpack",
)
_CACHE_NOT_HERE = ("image-manifest", "registry.insecure", "oci-mediatypes")
_OTHER_CACHES = ("gha", "s3", "azblob")
_ANNOTATIONS = ("annotation.", "annotation-manifest.")


def outputs(words: tuple[str, ...], *, load: bool, push: bool) -> tuple[Output, ...]:
    """The values of all --output flags, and of --load and --push. Raises InvalidFields."""
    found = [output(word) for word in words]
    if push:
        images = [index for index, each in enumerate(found) if isinstance(each, ImageOutput)]
        for index in images:
            found[index] = found[index].replace(push=True)
        if not images:
            found.append(ImageOutput(push=True))
    if load and not any(isinstance(each, ImageOutput) for each in found):
        found.append(ImageOutput())
    return tuple(found)


def output(word: str) -> Output:
    """One --output: `DIRECTORY`, `-` for a tar on standard output, or `type=...,key=value,...`."""
    fields = split("output", word)
    if fields == [word] and "=" not in word:
        if word == "-":
            return TarOutput(_stdout(Fields("output", word, ())))
        return LocalOutput(os.path.abspath(word))
    given = Fields("output", word, fields)
    if not any(field.strip().lower().startswith("type=") for field in fields):
        raise given.wrong("type is missing", "Add type=local, or name just a directory.")
    kind = given.one_of("type", _TYPES, "")
    made = _make(given, kind)
    given.close(f"type={kind}", _NOT_HERE)
    return made


def _make(given: Fields, kind: str) -> Output:
    if kind == "local":
        return LocalOutput(os.path.abspath(given.needed("dest", "DIRECTORY")))
    if kind == "tar":
        return TarOutput(_dest(given))
    if kind == "cacheonly":
        return CacheOnlyOutput()
    if kind == "oci":
        tar = given.on("tar", True)
        dest = _dest(given) if tar else os.path.abspath(given.needed("dest", "DIRECTORY"))
        return OciOutput(dest, tar, _names(given), _form(given, OciOutput.blobs), _annotations(given))
    if kind == "docker":
        dest = given.text_of("dest")
        if dest:
            form = _form(given, DockerOutput.blobs)
            return DockerOutput(_place(given, dest), _names(given), form, _annotations(given))
        return ImageOutput(_names(given))
    push = given.on("push", kind == "registry")
    return ImageOutput(_names(given), push, _form(given, ImageOutput.blobs), _annotations(given))


def _names(given: Fields) -> tuple[str, ...]:
    return tuple(name.strip() for names in given.many("name") for name in names.split(",") if name.strip())


def _annotations(given: Fields) -> tuple[tuple[str, str], ...]:
    return given.prefixed(*_ANNOTATIONS)


def _form(given: Fields, default: BlobForm) -> BlobForm:
    return BlobForm(
        compression=given.one_of("compression", (GZIP, ZSTD, UNCOMPRESSED), default.compression),
        level=given.number("compression-level"),
        forced=given.on("force-compression", False),
        oci_types=given.on("oci-mediatypes", default.oci_types),
    )


def _dest(given: Fields) -> Destination:
    return _place(given, given.text_of("dest", "-"))


def _place(given: Fields, dest: str) -> Destination:
    return _stdout(given) if dest == "-" else os.path.abspath(dest)


def _stdout(given: Fields) -> Destination:
    """Standard output, unless somebody reads it with his eyes."""
    if sys.stdout.isatty():
        raise given.wrong("an archive is not written to a terminal", "Redirect it, or add dest=FILE.")
    return sys.stdout.buffer


def to_stdout(made: tuple[Output, ...]) -> bool:
    """Whether one of the outputs takes standard output, which then is nobody else's."""
    return any(getattr(each, "dest", "") is sys.stdout.buffer for each in made)


def cache_source(word: str) -> CacheSource:
    """One --cache-from: `REFERENCE`, or `type=registry,ref=` or `type=local,src=`. Raises InvalidFields."""
    fields = split("cache-from", word)
    if fields == [word] and "=" not in word:
        return RegistryCacheSource(word)
    given = Fields("cache-from", word, fields)
    kind = _cache_type(given, ("local", "registry"))
    if kind == "registry":
        made: CacheSource = RegistryCacheSource(given.needed("ref", "REFERENCE"))
    else:
        src = os.path.abspath(given.needed("src", "DIRECTORY"))
        made = LocalCacheSource(src, given.text_of("tag", DEFAULT_TAG), given.text_of("digest"))
    given.close(f"type={kind}", _CACHE_NOT_HERE)
    return made


def cache_target(word: str) -> CacheTarget:
    """One --cache-to: `REFERENCE`, or `type=registry,ref=`, `type=local,dest=` or `type=inline`."""
    fields = split("cache-to", word)
    if fields == [word] and "=" not in word:
        if word == "inline":
            return InlineCacheTarget()
        return RegistryCacheTarget(word)
    given = Fields("cache-to", word, fields)
    kind = _cache_type(given, ("local", "registry", "inline"))
    if kind == "inline":
        made: CacheTarget = InlineCacheTarget()
        given.one_of("mode", (MIN,), MIN)
    else:
        made = _exported(given, kind)
    given.close(f"type={kind}", _CACHE_NOT_HERE)
    return made


def _exported(given: Fields, kind: str) -> CacheTarget:
    mode = given.one_of("mode", (MIN, MAX), MIN)
    ignore = given.on("ignore-error", False)
    form = BlobForm(
        compression=given.one_of("compression", (GZIP, ZSTD, UNCOMPRESSED), GZIP),
        level=given.number("compression-level"),
        forced=given.on("force-compression", False),
    )
    if kind == "registry":
        return RegistryCacheTarget(given.needed("ref", "REFERENCE"), mode, form, ignore)
    dest = os.path.abspath(given.needed("dest", "DIRECTORY"))
    return LocalCacheTarget(dest, mode, given.text_of("tag", DEFAULT_TAG), form, ignore)


def _cache_type(given: Fields, kinds: tuple[str, ...]) -> str:
    kind = given.needed("type", "registry")
    if kind in _OTHER_CACHES:
        hint = f"There are {', '.join(kinds)}."
        raise given.wrong(f"caches of type={kind} are not supported by this version of cowl", hint)
    if kind == "inline" and kind not in kinds:
        hint = "Name the image that has it: type=registry,ref=IMAGE."
        raise given.wrong("an inline cache is in an image, which is read from its registry", hint)
    if kind not in kinds:
        raise given.wrong(f"unknown type {kind!r}", f"There are {', '.join(kinds)}.")
    return kind

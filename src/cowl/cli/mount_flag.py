"""--mount: its fields to the word that -v takes."""

from __future__ import annotations

from cowl.cli.csv_fields import Fields, split

_BARE = ("readonly", "ro", "volume-nocopy")  # may stand without a value
_TYPES = ("volume", "bind", "tmpfs", "npipe", "cluster", "image")
_UNSUPPORTED = (
    "bind-nonrecursive",
    "bind-propagation",
    "bind-recursive",
    "consistency",
    "tmpfs-mode",
    "tmpfs-size",
    "volume-label",
    "volume-opt",
    "volume-subpath",
)


def mount_word(text: str) -> str:
    """ "source:target[:options]" for one --mount. Raises InvalidFields."""
    fields = Fields(
        "mount", text, (f"{each}=true" if each in _BARE else each for each in split("mount", text))
    )
    kind = fields.one_of("type", _TYPES, "volume")
    if kind not in ("volume", "bind"):
        raise fields.wrong(f"mounts of type {kind} are not supported by this version of cowl")
    source = fields.text_of("source") or fields.text_of("src")
    target = fields.text_of("target") or fields.text_of("dst") or fields.text_of("destination")
    read_only = fields.on("readonly", default=False) or fields.on("ro", default=False)
    copy = kind == "bind" or not fields.on("volume-nocopy", default=False)
    if kind == "volume" and fields.text_of("volume-driver", "local") != "local":
        raise fields.wrong("there is no volume driver but local")
    fields.close(f"a mount of type {kind}", _UNSUPPORTED)
    _check(fields, kind, source, target)
    modes = [*(["ro"] if read_only else []), *([] if copy else ["nocopy"])]
    if source:
        return ":".join((source, target, *([",".join(modes)] if modes else [])))
    if modes:
        raise fields.wrong(f"a volume without a name can't be {modes[0]}", "Give it one: src=NAME.")
    return target


def _check(fields: Fields, kind: str, source: str, target: str) -> None:
    if not target:
        raise fields.wrong("target is missing", "Add dst=/path/in/the/container.")
    if kind == "bind" and not source:
        raise fields.wrong("source is missing", "Add src=/path/on/the/host.")
    if kind == "bind" and not source.startswith(("/", "./", "../")) and source not in (".", ".."):
        raise fields.wrong(f"the source {source} is no path", "Write ./ before a path below this directory.")
    if kind == "volume" and source.startswith(("/", ".")):
        raise fields.wrong(f"{source} can't be the name of a volume", "For a path of the host say type=bind.")
    if ":" in source + target:
        raise fields.wrong("paths with ':' are not supported by this version of cowl")

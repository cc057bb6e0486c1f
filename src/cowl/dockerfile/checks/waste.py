"""cowl's own rules: bytes that are paid for twice, bases that move, secrets in layers. Each has a fix."""

from __future__ import annotations

import posixpath

from cowl.dockerfile import nodes
from cowl.dockerfile.checks.commands import simple_commands
from cowl.dockerfile.checks.subject import SCRATCH
from cowl.dockerfile.diagnostics import quoted
from cowl.dockerfile.remedies import ARCHIVES
from cowl.dockerfile.rescue import comment_rescue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.dockerfile.checks.subject import Found, Subject

_SECRET_NAMES = frozenset(
    (
        *(".env", ".netrc", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd", "id_rsa", "id_dsa"),
        *("id_ecdsa", "id_ed25519", "credentials.json", ".dockerconfigjson", ".pgpass"),
    )
)
_SECRET_ENDINGS = (".pem", ".key", ".p12", ".pfx", ".jks", ".keystore")
_SECRET_FOLDERS = (".ssh", ".aws", ".gnupg", ".docker", ".kube")


def chmod_after_copy(subject: Subject) -> Iterator[Found]:
    """A chmod or chown copies every file whole into a second layer."""
    for stage in subject.stages:
        copied: list[tuple[nodes.Transfer, str]] = []
        folder = "/"
        for node in stage.instructions:
            if isinstance(node, nodes.Workdir):
                folder = posixpath.join(folder, node.path)
            elif isinstance(node, nodes.Copy | nodes.Add):
                copied.append((node, posixpath.normpath(posixpath.join(folder, node.dest))))
            elif isinstance(node, nodes.Run):
                yield from _changes(subject, node, folder, copied)


def _changes(
    subject: Subject, node: nodes.Run, folder: str, copied: list[tuple[nodes.Transfer, str]]
) -> Iterator[Found]:
    for name, *arguments in simple_commands(node):
        paths = [word for word in arguments if not word.startswith("-")]
        if name not in ("chmod", "chown") or len(paths) < 2:
            continue
        for path in paths[1:]:
            whole = posixpath.normpath(posixpath.join(folder, path))
            source = next((each for each, dest in reversed(copied) if _touches(each, dest, whole)), None)
            if source is not None and "$" not in paths[0]:
                line = source.source.first_line
                message = f"{name} {path} stores a second copy of what line {line} brought"
                fix = f"Write {source.keyword} --{name}={paths[0]} in line {line}, and leave this out."
                yield subject.found(node, message, fix)
                return


def _touches(node: nodes.Transfer, dest: str, path: str) -> bool:
    """Whether a file or folder `path` came with `node`: its destination, or a source by its name in there."""
    if path == dest:
        return True
    names = [posixpath.basename(source.rstrip("/")) for source in node.sources]
    return (dest != "/" and path.startswith(f"{dest}/")) or path in [
        posixpath.join(dest, each) for each in names
    ]


def update_alone(subject: Subject) -> Iterator[Found]:
    """A package index in a layer of its own is taken from the cache for as long as its line stays."""
    for _, node, commands in _runs(subject):
        tool = next(
            (name for name, *words in commands if name in ("apt-get", "apt") and "update" in words), ""
        )
        installs = any(
            {"install", "upgrade", "dist-upgrade", "build-dep"} & set(words) for _, *words in commands
        )
        if tool and not installs and not node.mounts:
            message = f"{tool} update in a RUN of its own is cached: later installs use a stale index"
            fix = f"Join it with the install: RUN {tool} update && {tool} install -y ..."
            yield subject.found(node, message, fix)


def package_cache_kept(subject: Subject) -> Iterator[Found]:
    """Package managers keep what only the next install needs; in the image it is dead weight."""
    result = _result_stages(subject)
    for stage, node, commands in _runs(subject):
        if stage.index not in result:
            continue
        words = {word for command in commands for word in command}
        for tools, verbs, kept, excuses, fix in _CACHES:
            used = any(name in tools and verbs & set(rest) for name, *rest in commands)
            mounted = any(
                kept.startswith(mount.option("target", "dst", "destination") or "\0") for mount in node.mounts
            )
            if used and not mounted and not any(excuse in word for excuse in excuses for word in words):
                message = f"{tools[0]} leaves its cache in {kept}, which stays in the layer"
                yield subject.found(node, message, fix)
                break


# tools, their verbs, where the cache lies, words that show it was thought of, the fix
_CACHES: tuple[tuple[tuple[str, ...], frozenset[str], str, tuple[str, ...], str], ...] = (
    (
        ("apt-get", "apt"),
        frozenset(("install",)),
        "/var/lib/apt/lists",
        ("/var/lib/apt", "distclean"),
        "End the RUN with && rm -rf /var/lib/apt/lists/*, or add --mount=type=cache,target=/var/lib/apt.",
    ),
    (
        ("apk",),
        frozenset(("add",)),
        "/var/cache/apk",
        ("--no-cache", "/var/cache/apk"),
        "Write apk add --no-cache, or add --mount=type=cache,target=/var/cache/apk.",
    ),
    (
        ("dnf", "yum", "microdnf"),
        frozenset(("install",)),
        "/var/cache/dnf",
        ("clean", "/var/cache"),
        "End the RUN with && dnf clean all, or add --mount=type=cache,target=/var/cache/dnf.",
    ),
    (
        ("pip", "pip3"),
        frozenset(("install",)),
        "/root/.cache/pip",
        ("--no-cache-dir", ".cache", "PIP_NO_CACHE_DIR"),
        "Write pip install --no-cache-dir, or add --mount=type=cache,target=/root/.cache/pip.",
    ),
)


def add_where_copy_does(subject: Subject) -> Iterator[Found]:
    """ADD guesses by content and address what to do; COPY only copies."""
    for stage in subject.stages:
        for node in stage.instructions:
            if isinstance(node, nodes.Add) and _only_copies(node):
                message = "ADD does nothing here that COPY does not do more plainly"
                yield subject.found(node, message, "Write COPY.")


def _only_copies(node: nodes.Add) -> bool:
    flags = node.checksum or node.keep_git_dir is not None or node.unpack is not None
    return bool(node.sources) and not flags and all(map(_plain_file, node.sources))


def _plain_file(word: str) -> bool:
    remote = "://" in word or word.startswith("git@") or "$" in word
    return not remote and not set("*?[") & set(word) and not word.lower().endswith(ARCHIVES)


def comment_after_copy(subject: Subject) -> Iterator[Found]:
    """Docker takes the words of such a comment for files to copy."""
    for stage in subject.stages:
        for node in stage.instructions:
            rescue = comment_rescue(subject.file, node) if isinstance(node, nodes.Copy | nodes.Add) else None
            if rescue is not None:
                place = nodes.Word("#", rescue.warning.line, rescue.warning.column)
                message = "'#' starts no comment here: Docker would look for files of these names"
                yield subject.found(node, message, "Move the comment to a line of its own.", word=place)


def secret_in_layer(subject: Subject) -> Iterator[Found]:
    """What a layer holds, everybody who has the image can read, even if a later line deletes it."""
    for stage in subject.stages:
        for node in stage.instructions:
            if not isinstance(node, nodes.Copy | nodes.Add) or getattr(node, "from_", None):
                continue
            for word in node.sources:
                if _is_secret(word):
                    message = f"{quoted(word)} looks like a secret, and would be in the image for good"
                    name = posixpath.basename(word.rstrip("/")).lstrip(".")
                    fix = f"Mount it where it is needed: RUN --mount=type=secret,id={name} ..."
                    yield subject.found(node, message, fix, word=word)


def _is_secret(path: str) -> bool:
    parts = path.rstrip("/").lower().split("/")
    return (
        parts[-1] in _SECRET_NAMES
        or parts[-1].endswith(_SECRET_ENDINGS)
        or any(part in _SECRET_FOLDERS for part in parts)
    ) and not parts[-1].endswith(".pub.pem")


def unpinned_base(subject: Subject) -> Iterator[Found]:
    """`latest` is another image tomorrow, and the same Dockerfile builds something else."""
    for stage in subject.stages:
        image, index = subject.base(stage)
        name = image.rpartition("/")[2]
        if index >= 0 or image in ("", SCRATCH) or "@" in name or "$" in stage.base.image:
            continue
        if ":" not in name or name.endswith(":latest"):
            message = f"{image} is whatever is the latest when somebody builds"
            fix = f"Name a version: {image.removesuffix(':latest')}:TAG, or a digest."
            yield subject.found(stage.base, message, fix, word=stage.base.image)


def cd_alone(subject: Subject) -> Iterator[Found]:
    """Each RUN starts in the WORKDIR: a directory changed in one is forgotten in the next."""
    for _, node, commands in _runs(subject):
        if len(commands) == 1 and commands[0][0] == "cd" and len(commands[0]) == 2:
            yield subject.found(
                node, "cd has no effect after its own RUN", f"Write WORKDIR {commands[0][1]}."
            )


def sudo(subject: Subject) -> Iterator[Found]:
    """A build runs as USER says, root unless told otherwise."""
    for _, node, commands in _runs(subject):
        if any(name == "sudo" for name, *_ in commands):
            fix = "Leave it out where the build is root; else put USER root above, and USER name below."
            yield subject.found(node, "sudo needs a set-uid program that the image then carries", fix)


def _runs(
    subject: Subject,
) -> Iterator[tuple[nodes.Stage, nodes.Run, tuple[tuple[str, ...], ...]]]:
    for stage in subject.stages:
        for node in stage.instructions:
            if isinstance(node, nodes.Run):
                yield stage, node, simple_commands(node)


def _result_stages(subject: Subject) -> set[int]:
    """The last stage and those that it is built on: only their layers are in the image."""
    found: set[int] = set()
    stages = list(subject.stages)
    index = stages[-1].index if stages else -1
    while index >= 0 and index not in found:
        found.add(index)
        index = subject.base(subject.file.stages[index])[1]
    return found

"""The client: from a reference to a verified manifest and verified blob streams."""

from __future__ import annotations

import time
from functools import partial

from cowl.errors import Corrupt, CowlError, Denied, Invalid, NotFound, Unavailable
from cowl.events import Warned, silent
from cowl.http.transport import Transport
from cowl.oci.digest import Digest
from cowl.oci.manifest import (
    MAX_MANIFEST_BYTES,
    Index,
    InvalidManifest,
    Manifest,
    PlatformNotFound,
    parse_manifest,
)
from cowl.registry.auth import Authorizer
from cowl.registry.blob import BlobStream, DigestMismatch, SizeMismatch
from cowl.registry.credentials import Credentials
from cowl.registry.failures import RegistryUnavailable, UntrustedRegistry
from cowl.registry.places import places_for
from cowl.registry.repository import Repository
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Self

    from cowl.config import Config
    from cowl.events import Emit
    from cowl.oci.descriptor import Descriptor
    from cowl.oci.platform import Platform
    from cowl.oci.reference import Reference
    from cowl.registry.upload import PushRepository

MAX_INDEX_DEPTH = 3
MAX_INDEX_TRIES = 4
MAX_CONFIG_BYTES = 8 << 20


class Resolved(Value):
    """What a reference leads to, verified.

    digest    of the document that the reference names: an index, or the manifest itself
    manifest  the image's manifest for the platform
    """

    reference: Reference
    digest: Digest
    manifest: Manifest


class Client:
    """Pulls from and pushes to registries with the mirrors, credentials and proxies of `config`.

    Mirrors are tried in order and then the registry itself. Safe to use from several threads after
    `resolve`. A context manager; `close` ends its connections. `tls` replaces the system's trust.
    """

    def __init__(
        self,
        config: Config,
        *,
        emit: Emit = silent,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._transport = Transport(
            proxies=config.proxies,
            tls=tls,
            sleep=sleep,
            clock=clock,
            unavailable=RegistryUnavailable,
            untrusted=UntrustedRegistry,
        )
        credentials = Credentials(config.auth_file, lambda text: emit(Warned(text)))
        self._authorizer = Authorizer(self._transport, credentials)
        self._repositories: dict[str, list[Repository]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections. Idempotent."""
        self._transport.close()

    def resolve(self, reference: Reference, platform: Platform) -> Resolved:
        """The image that `reference` names, for `platform`; without tag and digest, `latest`.

        A digest wins over a tag and is checked. Raises NotFound, Denied, Unavailable, Invalid or
        Corrupt kinds; PlatformNotFound when an index has nothing for `platform`.
        """
        reference = reference.with_default_tag()
        tried: list[str] = []
        repositories = self._places(reference)
        for number, repository in enumerate(repositories, 1):
            try:
                resolved = self._resolve_at(repository, reference, platform)
            except (NotFound, Denied, Unavailable, Invalid, Corrupt) as problem:
                if number == len(repositories):
                    _tell(problem, tried)
                    raise
                tried.append(f"mirror {repository.place.netloc}: {problem.message}")
                continue
            # Its blobs are asked for where its manifest was found, first.
            repositories.remove(repository)
            repositories.insert(0, repository)
            return resolved
        raise AssertionError("unreachable: there is always one place")

    def open_blob(self, reference: Reference, descriptor: Descriptor) -> BlobStream:
        """A verified stream of the blob. Raises what the stream's `read` does, NotFound and Denied.

        The `urls` of a descriptor are never followed: they may lead anywhere (CVE-2020-15157).
        """
        tried: list[str] = []
        repositories = self._places(reference)
        for number, repository in enumerate(repositories, 1):
            try:
                return BlobStream(descriptor, partial(repository.blob, descriptor.digest))
            except CowlError as problem:
                if number == len(repositories):
                    _tell(problem, tried)
                    raise
                tried.append(f"{repository.place.netloc}: {problem.message}")
        raise AssertionError("unreachable: there is always one place")

    def to_push(self, reference: Reference) -> PushRepository:
        """The repository of `reference` at its registry itself, to write to. Mirrors are never written to."""
        from cowl.registry.upload import PushRepository

        place = places_for(reference, self._config)[-1]
        return PushRepository(reference.familiar_repository, place, self._transport, self._authorizer)

    def fetch_config(self, resolved: Resolved) -> bytes:
        """The image's config document, verified. Raises as `open_blob` does, and Invalid if it is huge."""
        descriptor = resolved.manifest.config
        if descriptor.size > MAX_CONFIG_BYTES:
            raise InvalidManifest(f"image config of {descriptor.size} bytes: refused")
        with self.open_blob(resolved.reference, descriptor) as stream:
            return stream.read()

    def _places(self, reference: Reference) -> list[Repository]:
        name = str(reference)
        if name not in self._repositories:
            self._repositories[name] = [
                Repository(reference.familiar_repository, place, self._transport, self._authorizer)
                for place in places_for(reference, self._config)
            ]
        return self._repositories[name]

    def _resolve_at(self, repository: Repository, reference: Reference, platform: Platform) -> Resolved:
        target = reference.digest or reference.tag
        document = self._document(repository, target, reference.digest, None)
        manifest = self._choose(repository, document, platform, MAX_INDEX_DEPTH)
        return Resolved(reference, document.digest, manifest)

    def _choose(
        self, repository: Repository, document: Manifest | Index, platform: Platform, depth: int
    ) -> Manifest:
        """The manifest for `platform`; indexes may be nested, `depth` deep."""
        if isinstance(document, Manifest):
            return document
        if depth == 0:
            raise InvalidManifest(f"indexes are nested more than {MAX_INDEX_DEPTH} deep: refused")
        missing: PlatformNotFound | None = None
        for entry in document.candidates(platform)[:MAX_INDEX_TRIES]:
            child = self._document(repository, entry.digest, entry.digest, entry)
            try:
                return self._choose(repository, child, platform, depth - 1)
            except PlatformNotFound as problem:
                missing = missing or problem
        assert missing is not None  # candidates are never empty
        raise missing

    def _document(
        self, repository: Repository, target: str, digest: Digest | None, entry: Descriptor | None
    ) -> Manifest | Index:
        """Fetch and verify one manifest or index. `entry` is what an index says about it."""
        what = f"manifest {target} of {repository.name}"
        reply = repository.manifest(target)
        announced = reply.header("Content-Length")
        limit = MAX_MANIFEST_BYTES if entry is None else min(entry.size, MAX_MANIFEST_BYTES)
        if announced.isdecimal() and int(announced[:19]) > MAX_MANIFEST_BYTES:
            reply.close()
            raise InvalidManifest(f"{what}: {announced[:19]} bytes, more than {MAX_MANIFEST_BYTES}: refused")
        raw = reply.read_at_most(limit + 1)
        if len(raw) > MAX_MANIFEST_BYTES:
            raise InvalidManifest(f"{what}: more than {MAX_MANIFEST_BYTES} bytes: refused")
        if entry is not None and len(raw) != entry.size:
            raise SizeMismatch(what, entry.size, len(raw))
        _verify(what, raw, digest, reply.header("Docker-Content-Digest"))
        document = parse_manifest(raw, reply.header("Content-Type"))
        if entry is not None and document.media_type != entry.media_type:
            raise InvalidManifest(f"{what}: it is {document.media_type}, its index says {entry.media_type}")
        return document


def _verify(what: str, raw: bytes, digest: Digest | None, announced: str) -> None:
    """Compare with the digest that was asked for, or else the one that the registry announces."""
    actual = Digest.of(raw)
    expected = digest or (Digest.parse(announced) if announced.startswith("sha256:") else actual)
    if actual != expected:
        raise DigestMismatch(what, expected, actual)


def _tell(problem: CowlError, tried: list[str]) -> None:
    """Add to the last error what went wrong at the places before."""
    problem.hint = "\n".join((*([problem.hint] if problem.hint else []), *tried))

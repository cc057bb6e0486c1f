"""The engine's calls about builds and what they keep."""

from __future__ import annotations

import os
import time

from cowl.engine.view import view
from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Unpack

    from cowl.build.build_cache import BuildCache
    from cowl.build.delivery import Delivery
    from cowl.build.keywords import BuildKeywords
    from cowl.build.request import BuildRequest
    from cowl.dockerfile.checks.finding import Finding
    from cowl.image.view import Image
    from cowl.oci.platform import Platform
    from cowl.store.images import ImageRecord


class BuildCalls(Wiring):
    """See Engine."""

    def build(
        self,
        context: str | os.PathLike[str] | BinaryIO | None,
        **options: Unpack[BuildKeywords],
    ) -> Image:
        """Builds a Dockerfile and tags the image; `options` are the fields of BuildRequest.

        context     a directory; a URL of a tar (also compressed) or of a Dockerfile; a git repository as
                    "https://host/a.git#ref:directory" or "git@host:a.git"; a binary stream of a tar or of
                    a Dockerfile; None for no files at all. .dockerignore holds in directories only
        dockerfile  its path, relative to the context or absolute; bytes or a binary stream: its text
        With `outputs` of which none is an ImageOutput the image is not in the store; its layers stay as
        cached steps.
        Raises DockerfileError with file, line and column; RunFailed of a RUN step; NotFound for a
        base that nobody has. A failed build publishes nothing but the cached steps that succeeded.
        """
        from cowl.build.build import build
        from cowl.build.request import build_request

        request = build_request(context, options)
        record = build(
            request,
            store=self.store,
            runtime=self._running_runtime,
            resolve_base=lambda name, wanted, emit: self._resolve(
                name, wanted, always=request.pull, emit=emit
            ),
            emit=self._emit,
            clock=time.time,
            config=self.config,
            resolve_layout=self._read_layout,
            delivery=self._delivery(request),
        )
        return view(record)

    def check_dockerfile(
        self, context: str | os.PathLike[str] | BinaryIO | None, **options: Unpack[BuildKeywords]
    ) -> tuple[Finding, ...]:
        """What BuildKit's checks and cowl's own have to say about a Dockerfile; nothing is built or pulled.

        `options` are those of `build`. In the order of the places. What would make the build fail before
        its first step is a finding too, of severity "error". Raises NoContext, NoDockerfile and the like.
        """
        from cowl.build.check import check_dockerfile
        from cowl.build.request import build_request

        return check_dockerfile(build_request(context, options), self.store, config=self.config)

    @property
    def build_cache(self) -> BuildCache:
        """What RUN --mount=type=cache keeps: listed, exported, imported; see also `plan_removal`."""
        from cowl.build.build_cache import BuildCache

        return BuildCache(self.store)

    def _read_layout(self, directory: str, within: str, platform: Platform | None) -> ImageRecord:
        from cowl.transfer.read_layout import read_layout

        return read_layout(directory, within, platform, store=self.store, emit=self._emit)

    def _delivery(self, request: BuildRequest) -> Delivery:
        if not (request.outputs or request.cache_from or request.cache_to):
            from cowl.build.delivery import IntoStore

            return IntoStore()
        from cowl.transfer.build_delivery import BuildDelivery

        return BuildDelivery(
            request.outputs,
            request.tags,
            cache_from=request.cache_from,
            cache_to=request.cache_to,
            store=self.store,
            config=self.config,
            emit=self._emit,
        )

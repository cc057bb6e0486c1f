"""The definition of a build: the text of its Dockerfile, how messages call it, and its .dockerignore."""

from __future__ import annotations

from cowl.build.context import read_dockerfile, read_ignore, read_own_ignore, shown_name
from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.context import Context

_NAME = "Dockerfile"


class AmbiguousDockerfile(Invalid):
    """What stands for the context is itself a Dockerfile, and another one is named."""

    def __init__(self) -> None:
        super().__init__(
            "there are two Dockerfiles: the one that came instead of a context, and the one that -f names",
            hint="leave one of them out",
        )


class Definition(Value):
    """What to build by. `ignored`: path as shown and content of the .dockerignore in force, None for none."""

    text: bytes
    name: str
    ignored: tuple[str, bytes] | None


def read_definition(context: Context, dockerfile: str | bytes) -> Definition:
    """The definition of a build in a context.

    `dockerfile` is a path (see BuildRequest), or the text itself. As with BuildKit, .dockerignore holds in
    directories of this machine only: whoever made an archive or a repository chose what is in it.
    Raises NoDockerfile, LinkLeavesContext, AmbiguousDockerfile, Invalid.
    """
    if context.text is not None:
        if dockerfile:
            raise AmbiguousDockerfile()
        return Definition(context.text, _NAME, None)
    if isinstance(dockerfile, bytes):
        return Definition(dockerfile, _NAME, None if context.shown else read_own_ignore(context))
    text, name = read_dockerfile(context, dockerfile), shown_name(context, dockerfile)
    return Definition(text, name, None if context.shown else read_ignore(context, dockerfile))

"""Parsing: a realistic Dockerfile of 100,000 lines, in this process and as a whole one.

`python -m benchmarks.parsing` prints lines a second inside one process, for the parser and for all checks.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

LINES = 100_000
ROUNDS = 5
_STAGE = """\
# build stage {number}
FROM node:20-alpine AS build{number}
ARG VERSION=1.{number}
ENV NODE_ENV=production PATH=/app/bin:$PATH \\
    CACHE_DIR="/var/cache/app {number}"
LABEL org.opencontainers.image.title="app {number}" version=$VERSION
WORKDIR /app

COPY --chown=node:node package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci \\
    && npm run build \\
    # what the build leaves behind
    && rm -rf /tmp/*

COPY src/ ./src/
COPY ["a file", "b", "/a directory/"]
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d \\
    https://example.com/x /opt/
RUN <<EOF
set -e
echo stage {number}
make install
EOF
EXPOSE 8080 9090/udp
VOLUME /data
USER node
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=3s CMD curl -f http://localhost/ || exit 1
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["node", "server.js"]

"""
PARSE = "import sys; from cowl.dockerfile.parser import parse; parse(open(sys.argv[1], 'rb').read())"


def long_dockerfile(lines: int = LINES) -> str:
    """At least that many lines: stages with every instruction in its usual forms."""
    stages = -(-lines // _STAGE.count("\n"))
    return "".join(_STAGE.format(number=number) for number in range(stages))


def write(home: str) -> str:
    """The path of the file, made where it is missing."""
    path = os.path.join(home, "Dockerfile.long")
    if not os.path.exists(path):
        with open(path, "w") as out:
            out.write(long_dockerfile())
    return path


def main() -> None:
    from cowl.dockerfile.checks.check import check
    from cowl.dockerfile.checks.subject import Surroundings
    from cowl.dockerfile.parser import parse
    from cowl.oci.platform import Platform

    text = long_dockerfile()
    lines = text.count("\n")
    _report("parse", lines, lambda: parse(text))
    file = parse(text)
    around = Surroundings({}, {}, dict, Platform.host(), lambda _name: None)
    _report("check", lines, lambda: check(file, around))
    _report("check with advice", lines, lambda: check(file, around, advice=True))


def _report(name: str, lines: int, work: Callable[[], object]) -> None:
    seconds = statistics.median(_seconds(work) for _ in range(ROUNDS))
    print(f"{name}: {lines} lines in {seconds:.2f} s, {lines / seconds:,.0f} lines a second")


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()

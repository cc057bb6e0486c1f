"""created_by texts of BuildKit, Docker's old builder, buildah and others."""

from __future__ import annotations

import pytest

from cowl.oci.created_by import CreatedBy, parse_created_by


@pytest.mark.parametrize(
    ("text", "keyword", "shown"),
    [
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN", "RUN apt-get update"),
        ("RUN |2 A=b C=d /bin/sh -c make all # buildkit", "RUN", "RUN make all"),
        ("RUN |1 A=b make # buildkit", "RUN", "RUN |1 A=b make"),
        ("RUN /app/run # buildkit", "RUN", "RUN /app/run"),
        ("RUN sh -x /bin/sh -c y", "RUN", "RUN sh -x /bin/sh -c y"),
        ("/bin/sh -c echo hi", "RUN", "RUN echo hi"),
        ("|1 A=b /bin/sh -c echo hi", "RUN", "RUN echo hi"),
        ('/bin/sh -c #(nop)  CMD ["bash"]', "CMD", 'CMD ["bash"]'),
        ("/bin/sh -c #(nop) ADD file:ab in / ", "ADD", "ADD file:ab in /"),
        ("COPY a /b # buildkit", "COPY", "COPY a /b"),
        ("WORKDIR /app", "WORKDIR", "WORKDIR /app"),
        ("ENV A=# buildkit", "ENV", "ENV A=# buildkit".removesuffix(" # buildkit")),
        ("bazel build //x", "", "bazel build //x"),
        ("", "", ""),
    ],
)
def test_instructions(text: str, keyword: str, shown: str) -> None:
    assert parse_created_by(text) == CreatedBy(keyword, shown)

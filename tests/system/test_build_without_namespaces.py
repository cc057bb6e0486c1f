"""On the rung `none`, where no namespace can be made: builds without a RUN work, stages side by side too."""

from __future__ import annotations

import json
import subprocess

from tests.caller import Caller

# In a user namespace of our own its limit of further ones is ours to set (namespaces(7)).
NO_MORE = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'

DOCKERFILE = """\
FROM base AS one
WORKDIR /made/deep
COPY --chmod=751 a .
FROM base AS two
COPY . /all/
FROM scratch
ENV A=b
COPY --from=one /made /made
COPY --from=two /all /made/all/
WORKDIR /w
CMD ["/init"]
"""


def confined(caller: Caller, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", NO_MORE, "sh", *words],
        env=caller.env,
        cwd=caller.home,
        capture_output=True,
        check=False,
        timeout=120,
    )


def test_copy_needs_no_namespace_and_no_mount(root_caller: Caller, busybox_tar: object) -> None:
    caller = root_caller
    context = caller.home / "context"
    (context / "d").mkdir(parents=True)
    (context / "a").write_text("a")
    (context / "d" / "b").write_text("b")
    (context / "Dockerfile").write_text(DOCKERFILE)
    probe = confined(caller, *caller.python_argv("from cowl.linux.probe import rung; print(rung())"))
    assert probe.stdout == b"none\n", probe.stderr
    for words in (
        ("import", str(busybox_tar), "base"),
        ("build", "-t", "made", str(context)),
        ("build", "-t", "made", "--squash", str(context)),
    ):
        done = confined(caller, *caller.argv(*words))
        assert done.returncode == 0, done.stderr.decode()
    (image,) = json.loads(confined(caller, *caller.argv("inspect", "made")).stdout)
    assert len(image["RootFS"]["Layers"]) == 1
    assert image["Config"]["Cmd"] == ["/init"]
    (context / "Dockerfile").write_text("FROM base\nCOPY a /\nRUN true\n")
    refused = confined(caller, *caller.argv("build", str(context)))
    assert refused.returncode == 1
    assert b"user namespaces are switched off" in refused.stderr
    assert b"Traceback" not in refused.stderr
    assert confined(caller, *caller.argv("system", "check")).stdout == b"0 problems\n"

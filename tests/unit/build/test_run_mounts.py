"""The options of RUN --mount: defaults, order, and what is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.build.run_mounts import RunMount, run_mounts
from cowl.build.sizes import parse_size
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse


def mounts(*texts: str, working_dir: str = "/w") -> tuple[RunMount, ...]:
    flags = " ".join(f"--mount={text}" for text in texts)
    file = parse(f"FROM x\nRUN {flags} true\n")
    (node,) = file.stages[0].instructions
    assert isinstance(node, nodes.Run)
    return run_mounts(file, node, working_dir)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("target=/a", {"kind": "bind", "target": "/a", "source": "/", "read_only": True}),
        ("target=a/../b,source=../../x,rw", {"target": "/w/b", "source": "/x", "read_only": False}),
        ("dst=/a,src=x,from=s,ro=false", {"source": "/x", "from_": "s", "read_only": False}),
        ("destination=/a,rw,readonly", {"read_only": True}),
        ("source=x", {"target": "/w"}),
        ("type=cache,target=/a/", {"kind": "cache", "target": "/a", "id": "/a", "sharing": "shared"}),
        ("type=CACHE,target=/a,sharing=Locked,id=../..", {"id": "../..", "sharing": "locked"}),
        ("type=cache,target=/a,mode=1777,uid=1,gid=2,ro", {"mode": 0o1777, "uid": 1, "gid": 2}),
        ("type=tmpfs,target=/a,size=1.5k", {"kind": "tmpfs", "size_bytes": 1536, "read_only": False}),
        ("type=secret,id=a/b", {"target": "/run/secrets/b", "id": "a/b", "required": False, "mode": None}),
        ("type=secret,target=/x/tok", {"target": "/x/tok", "id": "tok"}),
        ("type=secret,source=tok", {"target": "/run/secrets/tok", "id": "tok"}),
        ("type=secret,id=a,env=A", {"target": "", "env": "A"}),
        ("type=secret,id=a,env=A,target=/x,required", {"target": "/x", "env": "A", "required": True}),
        ("type=ssh", {"target": "/run/buildkit/ssh_agent.0", "id": "default", "env": "SSH_AUTH_SOCK"}),
        ("type=ssh,id=a,required=false,mode=0666,uid=3", {"id": "a", "mode": 0o666, "uid": 3}),
    ],
)
def test_options_and_defaults(text: str, fields: dict[str, Any]) -> None:
    (mount,) = mounts(text)
    assert {name: getattr(mount, name) for name in fields} == fields


def test_parents_come_first_and_the_last_of_one_target_counts() -> None:
    found = mounts("target=/b/c,source=1", "type=tmpfs,target=/b", "type=cache,target=/b/c")
    assert [(mount.kind, mount.target) for mount in found] == [("tmpfs", "/b"), ("cache", "/b/c")]


def test_agents_are_counted_as_written() -> None:
    found = mounts("type=ssh,target=/z", "type=ssh,id=two")
    assert [(mount.target, mount.env) for mount in found] == [
        ("/run/buildkit/ssh_agent.1", ""),
        ("/z", "SSH_AUTH_SOCK"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target=/", "nothing can be mounted on /"),
        ("target=/a,sharing=locked", 'no option "sharing"'),
        ("target=/a,size=1", 'no option "size"'),
        ("target=/a,mode=1", 'no option "mode"'),
        ("target=/a,required", 'no option "required"'),
        ("type=cache,target=/a,env=X", 'no option "env"'),
        ("type=cache,target=/a,sharing=lock", 'unknown sharing "lock"'),
        ("type=cache,target=/a,source=x", "needs from="),
        ("type=cache,target=/a,mode=8", "mode is an octal number"),
        ("type=cache,target=/a,mode=17777", "mode is an octal number"),
        ("type=cache,target=/a,uid=-1", "uid is a number"),
        ("type=cache,target=/a,gid=4294967296", "gid is a number"),
        ("type=tmpfs,target=/a,size=much", "is no size"),
        ("target=/a,ro=perhaps", "ro is true or false"),
        ("type=secret", "needs an id or a target"),
        ("type=secret,id=a,source=b", "an id or a source, not both"),
        ("type=secret,id=a,from=b", "has no from"),
        ("type=secret,id=../..", "gives no file name"),
        ("type=secret,id=a,env=A=B", "can't be the name of a variable"),
        ("type=ssh,source=x", "has no source"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(text: str, said: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        mounts("type=tmpfs,target=/first", text)
    assert said in caught.value.reason
    assert (caught.value.line, caught.value.column) == (2, 13 + len("type=tmpfs,target=/first --mount="))


@given(st.text(max_size=30))
def test_a_size_is_a_number_or_an_error(text: str) -> None:
    try:
        assert parse_size(text) >= 0
    except ValueError as problem:
        assert "size" in str(problem) or "more than" in str(problem)


def test_sizes() -> None:
    assert [parse_size(text) for text in ("0", "10b", "64m", "1 KiB", "2G", "1.5kb")] == [
        *(0, 10, 64 << 20, 1024, 2 << 30, 1536)
    ]

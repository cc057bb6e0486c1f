"""Changes: what `import --change` does to a config."""

from __future__ import annotations

import json

import pytest

from cowl.oci.image_config import ContainerConfig
from cowl.transfer.changes import InvalidChange, apply_changes


def changed(*changes: str) -> ContainerConfig:
    return apply_changes(ContainerConfig(), changes)


def test_commands_in_both_forms() -> None:
    assert changed('CMD ["node", "a b"]').cmd == ("node", "a b")
    assert changed("cmd node app.js").cmd == ("/bin/sh", "-c", "node app.js")
    assert changed("CMD [not json").cmd == ("/bin/sh", "-c", "[not json")
    assert changed("CMD [1]").cmd == ("/bin/sh", "-c", "[1]")
    assert changed('ENTRYPOINT ["/init"]', "CMD []").cmd == ()
    assert changed("ENTRYPOINT exec top").entrypoint == ("/bin/sh", "-c", "exec top")


def test_variables() -> None:
    assert changed("ENV A=1 B='2 3' C=\"=\" D=e\\ f").env == ("A=1", "B=2 3", "C==", "D=e f")
    assert changed("ENV A some words").env == ("A=some words",)
    assert changed("ENV A=1 B=2", "ENV A=3").env == ("A=3", "B=2")
    assert changed("ENV A=").env == ("A=",)


def test_the_rest() -> None:
    made = changed(
        "LABEL b=2 a='x y'",
        "LABEL b=3",
        "EXPOSE 80 53/UDP 8000-8002",
        "VOLUME /b /a",
        'VOLUME ["/c d"]',
        "USER 1000:1000",
        "WORKDIR /srv",
        "WORKDIR app/../x",
    )
    assert made == ContainerConfig(
        labels=(("a", "x y"), ("b", "3")),
        exposed_ports=("53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"),
        volumes=("/a", "/b", "/c d"),
        user="1000:1000",
        working_dir="/srv/x",
    )


def test_what_containers_do_not_start_with() -> None:
    made = changed(
        "HEALTHCHECK --interval=5s --retries=3 CMD curl -f http://localhost/ || exit 1",
        "ONBUILD COPY . /srv",
        "ONBUILD RUN make",
        "STOPSIGNAL SIGINT",
    )
    check = '{"Test":["CMD-SHELL","curl -f http://localhost/ || exit 1"],"Interval":5000000000,"Retries":3}'
    assert json.loads(made.healthcheck) == json.loads(check)
    assert made.onbuild == ("COPY . /srv", "RUN make")
    assert made.stop_signal == "SIGINT"
    assert json.loads(changed('HEALTHCHECK CMD ["ok"]').healthcheck) == {"Test": ["CMD", "ok"]}
    assert json.loads(changed("HEALTHCHECK NONE").healthcheck) == {"Test": ["NONE"]}


def test_a_working_directory_stays_inside() -> None:
    assert changed("WORKDIR ../../etc").working_dir == "/etc"
    assert changed("WORKDIR //x").working_dir == "/x"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("RUN rm -rf /", "RUN is not a valid change command"),
        ("COPY a b", "COPY is not a valid change command"),
        ("", "nothing is not a valid change command"),
        ("CMD", "CMD requires an argument"),
        ("ENV", "ENV requires an argument"),
        ("ENV A", "A must have a value"),
        ("ENV A=1 B", "must be of the form name=value"),
        ("ENV A=1 =2", "must be of the form name=value"),
        ("ENV A='1", "quotation"),
        ("EXPOSE http", "not a port"),
        ("EXPOSE 0", "not a port"),
        ("EXPOSE 65536", "not a port"),
        ("EXPOSE 9-8", "not a port"),
        ("EXPOSE 80/icmp", "not a port"),
        ("HEALTHCHECK curl", "knows CMD and NONE"),
        ("HEALTHCHECK --interval=x CMD true", "interval"),
        ("ONBUILD FROM x", "FROM can't stand here"),
        ("ONBUILD ONBUILD RUN x", "can't stand"),
        ("ONBUILD FLY", "unknown instruction"),
        ("STOPSIGNAL SIGSTOPP", "no signal"),
        ("STOPSIGNAL 65", "no signal"),
        ('VOLUME [""]', "empty string"),
        ("USER a\0b", "NUL"),
    ],
)
def test_what_is_refused(change: str, why: str) -> None:
    with pytest.raises(InvalidChange) as caught:
        changed(change)
    assert why.lower() in caught.value.message.lower()
    assert caught.value.text == change

"""The Config value. Frontends fill it; nothing below a frontend reads the environment."""

from __future__ import annotations

import os

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_STORE = "/var/lib/cowl"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Config(Value):
    """Everything ambient that the library needs, as one frozen value.

    root            absolute path of the store
    auth_file       Docker's config.json with credentials, which may be missing, or "" for none
    registries_file containers-registries.conf(5) with mirrors and insecure registries, or "" for none
    mirrors         ("docker.io", "127.0.0.1:5000") pairs, tried in order before the registry itself
    insecure        registries (host or host:port) that may be spoken to in plain HTTP
    proxies         ("http"|"https"|"no", value) pairs, as in the usual environment variables
    path            PATH: where programs such as git are looked for
    runtime         "embedded", "crun" or "runc", or an absolute path of one of the latter: what containers
                    get that ask for none, and what carries out the RUNs of a build
    term            TERM for containers with a terminal
    """

    root: str
    auth_file: str = ""
    registries_file: str = ""
    mirrors: tuple[tuple[str, str], ...] = ()
    insecure: tuple[str, ...] = ()
    proxies: tuple[tuple[str, str], ...] = ()
    path: str = DEFAULT_PATH
    runtime: str = "embedded"
    term: str = "xterm"


def default_root(environ: Mapping[str, str], euid: int) -> str:
    """COWL_ROOT, else /var/lib/cowl for root, else $XDG_DATA_HOME/cowl (~/.local/share/cowl)."""
    if environ.get("COWL_ROOT"):
        return os.path.abspath(environ["COWL_ROOT"])
    if euid == 0:
        return ROOT_STORE
    data = environ.get("XDG_DATA_HOME") or os.path.join(
        environ.get("HOME") or os.path.expanduser("~"), ".local/share"
    )
    return os.path.abspath(os.path.join(data, "cowl"))


def from_environ(environ: Mapping[str, str], root: str | None = None) -> Config:
    """The Config of a process: `root` wins over COWL_ROOT; files that do not exist are left out.

    COWL_MIRRORS is "docker.io=127.0.0.1:5000,..."; COWL_INSECURE is "host:port,...".
    """
    docker_home = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME", "/"), ".docker")
    config_home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/"), ".config")
    registries = (
        environ.get("CONTAINERS_REGISTRIES_CONF", ""),
        os.path.join(config_home, "containers/registries.conf"),
        "/etc/containers/registries.conf",
    )
    return Config(
        root=os.path.abspath(root) if root else default_root(environ, os.geteuid()),
        auth_file=os.path.join(docker_home, "config.json"),
        registries_file=next((path for path in registries if _existing(path)), ""),
        mirrors=tuple(
            (upstream, mirror)
            for upstream, _, mirror in (
                pair.partition("=") for pair in _words(environ.get("COWL_MIRRORS", ""))
            )
        ),
        insecure=tuple(_words(environ.get("COWL_INSECURE", ""))),
        proxies=tuple(
            (kind, environ.get(f"{kind}_proxy") or environ.get(f"{kind}_proxy".upper()) or "")
            for kind in ("http", "https", "no")
            if environ.get(f"{kind}_proxy") or environ.get(f"{kind}_proxy".upper())
        ),
        path=environ.get("PATH", DEFAULT_PATH),
        runtime=environ.get("COWL_RUNTIME") or "embedded",
        term=environ.get("TERM", "xterm"),
    )


def _existing(path: str) -> str:
    return path if path and os.path.isfile(path) else ""


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]

"""`make demo`: the seed's Dockerfile from base image to answers, on a store of its own below .demo/."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import cowl
from answers import answers, human, say
from standin import make_context

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
HOME = os.environ.get("COWL_DEMO", os.path.join(TOP, ".demo"))
ROOT = os.path.join(HOME, "store")
BASE = "node:14.16.1-alpine3.13"
BOXES = [f"box{number}" for number in range(10)]
WRITE = "head -c 10000 /dev/zero > /app/mine"


def main() -> None:
    os.makedirs(HOME, mode=0o755, exist_ok=True)
    title("The base image")
    with cowl.Engine(ROOT) as engine:
        clean(engine)
        base(engine)
    title("The seed's Dockerfile, byte for byte")
    with open(os.path.join(HERE, "seed", "Dockerfile")) as dockerfile:
        say(dockerfile.read().rstrip())
    sh("build", "-t", "seed", "examples/seed")
    sh("build", "-t", "seed", "-q", "examples/seed", note="again: nothing runs, every step is cached")
    title("A container from it")
    sh("run", "--rm", "seed", "cat", "hello.txt")
    sh(
        "run",
        "--name",
        "writer",
        "seed",
        "sh",
        "-c",
        "echo one more line >> hello.txt; rm /etc/group; date > /tmp/now",
    )
    sh("diff", "writer", note="what the container changed: A(dded), C(hanged), D(eleted)")
    sh("history", "seed")
    title("A second image and ten containers from the same base")
    second_image()
    ten_containers()
    sh("ps", "-a", "-s", "--format", "table {{.Names}}\\t{{.Image}}\\t{{.Status}}\\t{{.Size}}")
    sh("system", "df", "-v")
    title("The seed's questions, answered from these images")
    with cowl.Engine(ROOT) as engine:
        answers(engine, BASE, BOXES)


def clean(engine: cowl.Engine) -> None:
    """What an earlier demo left: its containers and images, not the base."""
    for container in engine.containers(all=True):
        container.remove(force=True)
    for image in engine.images():
        for tag in image.tags:
            if tag != BASE:
                engine.remove_image(tag, force=True)
    engine.prune_build_cache()


def base(engine: cowl.Engine) -> None:
    """The real base image where a registry answers, else a stand-in that says so."""
    try:
        image = engine.image(BASE)
    except cowl.NotFound:
        pull_or_stand_in()
        return
    kind = (
        "a STAND-IN from an earlier demo"
        if "cowl.stand-in" in dict(image.config.config.labels)
        else "the real one"
    )
    say(f"{BASE} is here already: {image.id[7:19]}, {human(image.size_bytes)}, {kind}")


def pull_or_stand_in() -> None:
    say(f"$ cowl pull {BASE}")
    if subprocess.run([*cli(), "pull", BASE], env=environment(), check=False).returncode == 0:
        return
    context, has_node = make_context(HOME)
    with_node = "the real Node.js 14.16.1 from npm" if has_node else "no Node.js (npm is not to be had)"
    say(
        "\nThe base can't be pulled here, so a STAND-IN is made under its name. It is NOT the real image, but"
    )
    say(f"Debian's busybox-static, libc6, libstdc++6 and libgcc-s1 packages and {with_node}.")
    sh("build", "-q", "-t", BASE, os.path.relpath(context, TOP))
    if has_node:
        sh("run", "--rm", BASE, "node", "--version")


def second_image() -> None:
    context = os.path.join(HOME, "second")
    os.makedirs(context, exist_ok=True)
    with open(os.path.join(context, "Dockerfile"), "w") as out:
        out.write(f"FROM {BASE}\nRUN head -c 300000 /dev/zero > /second\n")
    path = os.path.relpath(context, TOP)
    say(f"$ cat {path}/Dockerfile")
    with open(os.path.join(context, "Dockerfile")) as dockerfile:
        say(dockerfile.read().rstrip())
    sh("build", "-q", "-t", "second", path)


def ten_containers() -> None:
    say(f"\n$ for n in $(seq 0 {len(BOXES) - 1}); do cowl run --name box$n seed sh -c '{WRITE}'; done")
    for name in BOXES:
        call("run", "--name", name, "seed", "sh", "-c", WRITE)


def sh(*words: str, note: str = "") -> None:
    """Shows and runs a command line as a user would type it."""
    say(f"\n$ cowl {shlex.join(words)}" + (f"    # {note}" if note else ""))
    call(*words)


def call(*words: str) -> None:
    subprocess.run([*cli(), *words], env=environment(), cwd=TOP, check=True)


def environment() -> dict[str, str]:
    return {**os.environ, "COWL_ROOT": ROOT}


def cli() -> list[str]:
    return [sys.executable, "-c", "from cowl.cli.main import main; main()"]


def title(text: str) -> None:
    say(f"\n=== {text} " + "=" * max(0, 72 - len(text)))


if __name__ == "__main__":
    main()

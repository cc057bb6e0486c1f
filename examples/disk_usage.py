"""The seed's last question as an experiment: what do images and containers take of the disk?

Two images on one base and three containers, one of which writes to a file of the base. `python
examples/disk_usage.py` makes them in a store of its own and prints the table of docs/disk.md, every number
computed by cowl and none of it from a formula.
"""

from __future__ import annotations

import os
import shutil
import tempfile

import cowl

BUSYBOX = "/bin/busybox"
SHELL = ["/bin/busybox", "sh", "-c"]
WORDS = 1_000_000  # bytes of the base's file
LETTERS = 40_000  # bytes that the first image adds
DOCKERFILES = {
    "base": "FROM scratch\nCOPY busybox /bin/\nCOPY words /data/\n",
    "letters": "FROM base\nCOPY letters /data/\nENV READER=yes\n",
    "more": 'FROM base\nRUN ["/bin/busybox", "sh", "-c", "echo more >> /data/words"]\n',
}
CONTAINERS = (
    ("idle", "letters", "true"),
    ("writer", "letters", "echo x >> /data/words"),
    ("noter", "more", "echo note > /data/note"),
)


def make(engine: cowl.Engine, directory: str) -> None:
    """Builds the images and runs the containers."""
    shutil.copyfile(BUSYBOX, f"{directory}/busybox")
    os.chmod(f"{directory}/busybox", 0o755)
    for name, size in (("words", WORDS), ("letters", LETTERS)):
        with open(f"{directory}/{name}", "wb") as file:
            file.write(b"w" * size)
    for name, text in DOCKERFILES.items():
        engine.build(directory, dockerfile=text.encode(), tags=[name])
    for name, image, script in CONTAINERS:
        engine.run(image, [*SHELL, script], name=name, remove=False, check=True)


def sizes(engine: cowl.Engine) -> dict[str, int]:
    """What cowl says of each, in apparent bytes: the rows of the table, in its order."""
    usage = engine.usage()
    images = {image.repository: image for image in usage.images}
    boxes = {box.names[0]: box for box in usage.containers}
    found = {}
    for name in DOCKERFILES:
        image = images[name]
        found[f"{name}: SIZE"] = image.size_bytes
        found[f"{name}: SHARED SIZE"] = image.shared_bytes
        found[f"{name}: UNIQUE SIZE"] = image.unique_bytes
    for name, _, _ in CONTAINERS:
        found[f"{name}: SIZE"] = boxes[name].size_bytes
        found[f"{name}: virtual"] = boxes[name].virtual_bytes
    summary = {row.kind: row for row in usage.rows}
    found["Images"] = summary["Images"].size_bytes
    found["Containers"] = summary["Containers"].size_bytes
    return found


def frees(engine: cowl.Engine) -> dict[str, int]:
    """What removing would free, in bytes on disk: a question about a set, asked without removing anything."""
    names = [name for name, _, _ in CONTAINERS]
    steps = [step.key for step in engine.usage().cache]
    plans = {
        "container idle": engine.plan_removal(containers=["idle"]),
        "container writer": engine.plan_removal(containers=["writer"]),
        "image base": engine.plan_removal(images=["base"]),
        "image letters, with idle and writer": engine.plan_removal(
            images=["letters"], containers=["idle", "writer"]
        ),
        "the same, with the build cache": engine.plan_removal(
            images=["letters"], containers=["idle", "writer"], steps=steps
        ),
        "all": engine.plan_removal(images=list(DOCKERFILES), containers=names, steps=steps),
    }
    return {name: plan.frees for name, plan in plans.items()}


def main() -> None:
    """Prints the table in a temporary store, which goes again."""
    with tempfile.TemporaryDirectory() as directory, cowl.Engine(f"{directory}/store") as engine:
        context = f"{directory}/context"
        os.mkdir(context)
        make(engine, context)
        for name, size in sizes(engine).items():
            print(f"{name:32} {size:>12,}")
        usage = engine.usage()
        print("\non disk, by owner")
        for owner, size in usage.owners.items():
            print(f"{owner:32} {size:>12,}")
        print(f"{'total':32} {usage.total_allocated_bytes:>12,}")
        print("\nremoving would free, on disk")
        for name, size in frees(engine).items():
            print(f"{name:36} {size:>8,}")


if __name__ == "__main__":
    main()

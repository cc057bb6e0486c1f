"""The study text's questions, answered from the real images of the demo."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import ExitStack

import cowl


def answers(engine: cowl.Engine, base: str, containers: list[str]) -> None:
    """Prints question and answer; ends the demo with an error if the ledger is not the disk."""
    images = {"base": engine.image(base), "seed": engine.image("seed"), "second": engine.image("second")}
    which_instructions_add_a_layer(images["seed"], images["base"])
    how_layers_relate(images["seed"])
    what_two_images_share(images["seed"], images["second"])
    why_sizes_do_not_add_up(images)
    what_containers_cost([engine.container(name) for name in containers])
    what_the_disk_says(engine)


def which_instructions_add_a_layer(seed: cowl.Image, base: cowl.Image) -> None:
    say("\nWhich instructions add a layer?")
    added = seed.history()[: -len(base.history())][::-1]
    for row in added:
        verdict = "history only, no layer" if row.empty_layer else f"a layer of {human(row.size_bytes)}"
        say(f"  {row.created_by.removesuffix(' # buildkit'):<56} {verdict}")
    layers = sum(not row.empty_layer for row in added)
    say(f"  So {layers} layers and {len(added) - layers} history entries on top of the base.")


def how_layers_relate(seed: cowl.Image) -> None:
    say("\nHow do layers relate?")
    copied, ran = seed.layers[-2], seed.layers[-1]
    appended = ran.size_bytes - copied.size_bytes
    say("  Each layer is a diff of what lies below it. COPY wrote hello.txt:")
    say(f"    {copied.size_bytes} bytes in layer {copied.key[:12]}")
    say(f"  RUN appended {appended} bytes, and copy-on-write copied the whole file up first:")
    say(f"    {ran.size_bytes} = {copied.size_bytes} + {appended} bytes in layer {ran.key[:12]}")
    say(f"  The COPY's {copied.size_bytes} bytes are still there: paid for, never seen again.")


def what_two_images_share(seed: cowl.Image, second: cowl.Image) -> None:
    say("\nWhat do two images share?")
    keys = {layer.key for layer in second.layers}
    shared = [layer.size_bytes for layer in seed.layers if layer.key in keys]
    say(f"  seed and second share {len(shared)} layers of {human(sum(shared))} in all,")
    say("  each stored once, as a directory that nobody writes to.")


def why_sizes_do_not_add_up(images: dict[str, cowl.Image]) -> None:
    say("\nHow big are images, and why do the sizes not add up?")
    for name, image in images.items():
        say(f"  {name:<8}{human(image.size_bytes):>10}")
    total = sum(image.size_bytes for image in images.values())
    union = {layer.key: layer.size_bytes for image in images.values() for layer in image.layers}
    say(f"  {'sum':<8}{human(total):>10}")
    say(f"  but together they hold {human(sum(union.values()))}: a shared layer is there once.")


def what_containers_cost(containers: list[cowl.Container]) -> None:
    sizes = [container.size()[0] for container in containers]
    say(f"\nWhat do {len(containers)} containers of one image cost?")
    say(
        f"  {human(sum(sizes))} in all: the {human(sizes[0])} that each wrote, and not one byte of the image."
    )


def what_the_disk_says(engine: cowl.Engine) -> None:
    say("\nAnd on the disk, all in all?")
    counted, walked = engine.usage().total_allocated_bytes, walk(engine.config.root)
    say(f"  cowl's ledger says {counted} bytes allocated; an independent walk finds {walked}.")
    if walked != counted:
        sys.exit("the ledger and the disk differ: that is a bug, please report it")


def walk(root: str) -> int:
    """Allocated bytes below `root`, each inode once: a count that shares nothing with cowl's."""
    sizes: dict[tuple[int, int], int] = {}
    with ExitStack() as closed:
        pending = [root]
        while pending:
            path = pending.pop()
            status = os.lstat(path)
            sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
            if stat.S_ISDIR(status.st_mode):
                if not os.access(path, os.R_OK | os.X_OK):  # overlayfs closes its work directories
                    os.chmod(path, 0o700)
                    closed.callback(os.chmod, path, stat.S_IMODE(status.st_mode))
                pending.extend(entry.path for entry in os.scandir(path))
    return sum(sizes.values())


def human(size: int) -> str:
    """Docker's decimal units, three digits."""
    value, unit = float(size), "B"
    for bigger in ("kB", "MB", "GB"):
        if value < 1000:
            break
        value, unit = value / 1000, bigger
    return f"{value:.3g}{unit}"


def say(text: str) -> None:
    print(text, flush=True)

"""Exactness: whatever tar a layer came from, it is given back bit for bit."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.layer.tars import as_user, entry, folder, hardlink, symlink, tar

from cowl.layer.limits import LayerTooBig, Limits
from cowl.layer.ownership import for_euid
from cowl.layer.packed import Packed
from cowl.layer.recipe import BadRecipe, assemble
from cowl.layer.tar_fields import BadLayer
from cowl.layer.unpack import unpack
from cowl.layer.view import MergedView
from cowl.linux.files import remove_tree


def keep(layer: Path, data: bytes, below: MergedView | None = None, limits: Limits | None = None) -> None:
    """Unpacks into a layer directory with a recipe."""
    (layer / "diff").mkdir(parents=True)
    with open(layer / "recipe", "wb") as recipe:
        unpack(
            io.BytesIO(data),
            str(layer / "diff"),
            owners=for_euid(os.geteuid()),
            below=below,
            recipe=recipe,
            limits=limits,
        )


def give_back(layer: Path) -> bytes:
    parts: list[bytes] = []
    done = assemble(str(layer), parts.append, for_euid(os.geteuid()))
    data = b"".join(parts)
    assert assemble(str(layer), None, for_euid(os.geteuid())) == done
    assert done == Packed(done.diff_id.of(data), len(data))
    return data


NAMES = st.sampled_from(
    ["a", "b", "d", "d/a", "d/b", "d/e/f", "./d/a", "/b", "caf\udce9", "l" * 150, "x" * 90 + "/" + "y" * 90]
)
CONTENT = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"x" * 511, b"y" * 512, b"z" * 513, b"", bytes(3000)])
)
FIELDS = st.fixed_dictionaries(
    {
        "mode": st.integers(0, 0o7777),
        "uid": st.sampled_from([0, 1000, 3_000_000]),
        "gid": st.sampled_from([0, 50]),
        "mtime": st.sampled_from([0, 1, 1_700_000_000, 9_000_000_000]),
        "uname": st.sampled_from(["", "root", "j\xf6rg"]),
    }
)
ENTRY = st.one_of(
    st.builds(lambda name, data, fields: entry(name, data, **fields), NAMES, CONTENT, FIELDS),
    st.builds(lambda name, fields: folder(name, **fields), NAMES, FIELDS),
    st.builds(lambda name, target: symlink(name, target), NAMES, st.sampled_from(["a", "../x", "y" * 120])),
    st.builds(lambda name, target: hardlink(name, target), NAMES, NAMES),
    st.builds(lambda name: entry(os.path.join(os.path.dirname(name), ".wh.b")), NAMES),
    st.builds(lambda name: entry(os.path.join(os.path.dirname(name), ".wh..wh..opq"), b"odd"), NAMES),
    st.builds(
        lambda name, kind: entry(name, kind=kind, devmajor=1, devminor=3),
        NAMES,
        st.sampled_from([tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]),
    ),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    entries=st.lists(ENTRY, max_size=12),
    kind=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    trailer=st.sampled_from([b"", b"garbage", bytes(700), bytes(20_000)]),
    stacked=st.booleans(),
)
def test_any_tar_comes_back(entries: list[object], kind: int, trailer: bytes, stacked: bool) -> None:
    data = tar(*entries, kind=kind) + trailer  # type: ignore[arg-type]
    place = Path(tempfile.mkdtemp(prefix="cowl-recipe-"))
    try:
        base = place / "base"
        (base / "d/e").mkdir(parents=True)
        (base / "d/a").write_bytes(b"lower")
        (base / "b").write_bytes(b"lower")
        try:
            keep(place / "layer", data, MergedView((str(base),)) if stacked else None)
        except BadLayer:
            return  # hostile by chance: hard links to nothing, files below files
        assert give_back(place / "layer") == data
    finally:
        remove_tree(str(place))


def test_overwritten_data_is_kept(place: Path) -> None:
    data = tar(
        entry("a", b"one"),
        entry("a", b""),
        entry("a", b"three"),
        hardlink("b", "a"),
        entry("b", b"four"),
        entry("a", b"five"),
        entry("d/a/b", b"six"),
        entry("d/a/c", b"seven"),
        entry("d", b"eight"),
        entry("d/../d", b"nine"),
        symlink("d", "x"),
        entry("e", b"ten"),
        entry("e", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
    )
    keep(place / "layer", data)
    assert give_back(place / "layer") == data
    assert (place / "layer/diff/a").read_bytes() == b"five"
    assert os.stat(place / "layer/diff/a").st_nlink == 1


def test_a_link_keeps_its_count_when_another_name_is_overwritten(place: Path) -> None:
    data = tar(entry("a", b"one"), hardlink("b", "a"), entry("a", b"two"))
    keep(place / "layer", data)
    assert os.stat(place / "layer/diff/b").st_nlink == 1
    assert give_back(place / "layer") == data


def test_there_is_an_end_to_overwriting(place: Path) -> None:
    data = tar(*(entry("a", b"x") for _ in range(12)))
    with pytest.raises(LayerTooBig):
        keep(place / "layer", data, limits=Limits(shadowed=10))


@pytest.mark.parametrize("command", [["tar"], ["bsdtar"]])
@pytest.mark.parametrize(
    "flags", [["--format=pax"], ["--format=ustar"], ["--format=gnutar"], ["--format=v7"]]
)
def test_tars_of_real_programs(place: Path, command: list[str], flags: list[str]) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]}")
    if command == ["tar"] and flags == ["--format=gnutar"]:
        flags = ["--format=gnu", "--sparse"]
    source = place / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub/f").write_bytes(os.urandom(3000))
    os.link(source / "sub/f", source / "hard")
    os.symlink("sub", source / "link")
    os.mkfifo(source / "pipe")
    with open(source / "holes", "wb") as sink:
        sink.truncate(3_000_000)
        sink.seek(1_000_000)
        sink.write(b"x" * 100_000)
    if "v7" not in flags[0]:
        (source / ("n" * 120)).write_bytes(b"long")
        (source / os.fsdecode(b"caf\xe9")).write_bytes(b"latin")
    made = subprocess.run([*command, "-c", *flags, "-C", str(source), "."], capture_output=True, check=False)
    assert made.stdout
    keep(place / "layer", made.stdout)
    assert give_back(place / "layer") == made.stdout
    assert (place / "layer/diff/holes").read_bytes() == (source / "holes").read_bytes()


def test_as_an_ordinary_user(place: Path) -> None:
    data = tar(
        folder("d", mode=0o000, uid=3),
        entry("d/f", b"secret" * 1000, mode=0, uid=1000),
        entry("d/dev", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
        symlink("l", "x", uid=9),
    )

    def work() -> bytes:
        keep(place / "layer", data)
        return give_back(place / "layer")

    assert as_user("ordinary", work) == data


@pytest.mark.parametrize("damage", ["shorter", "longer", "changed", "gone", "recipe cut", "recipe changed"])
def test_damage_is_seen(place: Path, damage: str) -> None:
    keep(place / "layer", tar(folder("d"), entry("d/f", b"x" * 3000), entry("d/g", b"y")))
    file, recipe = place / "layer/diff/d/f", place / "layer/recipe"
    if damage == "shorter":
        os.truncate(file, 2999)
    elif damage == "changed":
        file.write_bytes(b"x" * 2999 + b"y")
    elif damage == "gone":
        file.unlink()
    elif damage == "recipe cut":
        os.truncate(recipe, recipe.stat().st_size - 5)
    elif damage == "recipe changed":
        recipe.write_bytes(b"not a recipe")
    else:
        file.write_bytes(b"x" * 3001)
        assert give_back(place / "layer")  # what the tar holds of it is there still
        return
    from cowl.layer.compression import BadCompression

    with pytest.raises((BadRecipe, BadCompression)):
        give_back(place / "layer")


def test_a_recipe_never_leaves_its_layer(place: Path, canary: Path) -> None:
    """Someone who can write into a layer's tree still can't make its tar show a file outside."""
    keep(place / "layer", tar(entry("d/f", b"canary"), entry("g", b"canary")))
    shutil.rmtree(place / "layer/diff/d")
    os.symlink(canary, place / "layer/diff/d")
    (canary / "f").unlink(missing_ok=True)
    with pytest.raises(BadRecipe):
        give_back(place / "layer")

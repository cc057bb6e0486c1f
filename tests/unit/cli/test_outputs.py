"""--output, --cache-from and --cache-to: the forms that buildx takes, and what is said of others."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest

from cowl import outputs as forms
from cowl.caches import (
    InlineCacheTarget,
    LocalCacheSource,
    LocalCacheTarget,
    RegistryCacheSource,
    RegistryCacheTarget,
)
from cowl.cli import outputs
from cowl.cli.csv_fields import InvalidFields, split
from cowl.outputs import (
    BlobForm,
    CacheOnlyOutput,
    DockerOutput,
    ImageOutput,
    LocalOutput,
    OciOutput,
    TarOutput,
)


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)


def here(name: str) -> str:
    return os.path.join(os.getcwd(), name)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a=b,c=d", ["a=b", "c=d"]),
        ('type=local,"dest=a,b"', ["type=local", "dest=a,b"]),
        ('"a=""x"",y",b=', ['a="x",y', "b="]),
        ("a=,,b=1", ["a=", "", "b=1"]),
        ("", [""]),
    ],
)
def test_one_record_of_csv_as_go_reads_it(text: str, fields: list[str]) -> None:
    assert split("output", text) == fields


@pytest.mark.parametrize(
    ("text", "why"), [('dest="a"', 'a " inside'), ('"dest=a', "has no end"), ('"a=b"c,d=e', "no comma")]
)
def test_csv_that_go_refuses(text: str, why: str) -> None:
    with pytest.raises(InvalidFields, match=why):
        split("output", text)


def test_short_and_long_forms() -> None:
    assert outputs.output("out") == LocalOutput(here("out"))
    assert outputs.output("type=local,dest=out/x") == LocalOutput(here("out/x"))
    assert outputs.output('type=local,"dest=a,b"') == LocalOutput(here("a,b"))
    assert outputs.output("type=tar,dest=x.tar") == TarOutput(here("x.tar"))
    assert outputs.output("Type=cacheonly") == CacheOnlyOutput()
    assert outputs.output("type=oci,dest=x,tar=false,name=a:1") == OciOutput(here("x"), False, ("a:1",))
    docker = outputs.output("type=docker,dest=x.tar")
    assert docker == DockerOutput(here("x.tar"))
    assert isinstance(docker, DockerOutput)
    assert docker.blobs == BlobForm(forms.UNCOMPRESSED, oci_types=False)
    assert outputs.output("type=docker") == ImageOutput()
    assert outputs.output('type=image,name=a,name=b,"name=c,d"') == ImageOutput(("a", "b", "c", "d"))
    assert outputs.output("type=registry,name=h.test/a") == ImageOutput(("h.test/a",), True)
    assert outputs.output("type=image,push=true") == ImageOutput(push=True)


def test_blobs_and_annotations() -> None:
    made = outputs.output(
        "type=oci,dest=x,compression=zstd,compression-level=9,force-compression=1,oci-mediatypes=true,"
        "annotation.org.Opencontainers.image.title=T,annotation-manifest.a=b"
    )
    assert isinstance(made, OciOutput)
    assert made.blobs == BlobForm("zstd", 9, True, True)
    assert made.annotations == (("a", "b"), ("org.Opencontainers.image.title", "T"))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("type=oci,dst=x", "unknown key 'dst' of type=oci|Did you mean dest?"),
        ("type=oci,dest=x,compresion=gzip", "unknown key 'compresion'|Did you mean compression?"),
        ("type=oci,dest=x,compression=gzp", "compression=gzp|Did you mean gzip?"),
        ("type=oci,dest=x,compression=estargz", "there are gzip, zstd, uncompressed|"),
        ("type=oci,dest=x,compression-level=high", "must be a number|"),
        ("type=image,push=maybe", "must be true or false|"),
        ("type=locl,dest=x", "there are local, tar|Did you mean local?"),
        ("type=local", "dest is missing|Add dest=DIRECTORY."),
        ("type=oci,tar=false", "dest is missing|Add dest=DIRECTORY."),
        ("dest=x", "type is missing|"),
        ("type=local,dest=x,tar=true", "unknown key 'tar' of type=local|There are type, dest."),
        ("type=image,push-by-digest=true", "not supported by this version of cowl|"),
        ("type=local,x", "must be key=value|"),
    ],
)
def test_what_is_refused_and_what_is_meant(word: str, said: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        outputs.output(word)
    why, _, hint = said.partition("|")
    assert why in caught.value.message
    assert hint in caught.value.hint
    assert word in caught.value.message


class Screen(io.TextIOWrapper):
    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO())
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize("word", ["-", "type=tar", "type=oci", "type=docker,dest=-", "type=tar,dest=-"])
def test_archives_go_to_standard_output_unless_it_is_a_terminal(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(False)
    monkeypatch.setattr("sys.stdout", screen)
    made = outputs.outputs((word,), load=False, push=False)
    assert getattr(made[0], "dest", None) is screen.buffer
    assert outputs.to_stdout(made)
    monkeypatch.setattr("sys.stdout", Screen(True))
    with pytest.raises(InvalidFields, match="terminal"):
        outputs.output(word)


def test_push_and_load() -> None:
    assert outputs.outputs((), load=False, push=True) == (ImageOutput(push=True),)
    assert outputs.outputs((), load=True, push=False) == (ImageOutput(),)
    assert outputs.outputs(("out",), load=True, push=False) == (LocalOutput(here("out")), ImageOutput())
    named = outputs.outputs(("type=image,name=a",), load=True, push=True)
    assert named == (ImageOutput(("a",), True),)


def test_caches() -> None:
    assert outputs.cache_source("h.test/app:cache") == RegistryCacheSource("h.test/app:cache")
    assert outputs.cache_source("type=registry,ref=a") == RegistryCacheSource("a")
    assert outputs.cache_source("type=local,src=c,tag=t") == LocalCacheSource(here("c"), "t")
    assert outputs.cache_target("a:cache") == RegistryCacheTarget("a:cache")
    assert outputs.cache_target("type=inline") == InlineCacheTarget()
    made = outputs.cache_target("type=local,dest=c,mode=max,ignore-error=true,compression=zstd")
    assert made == LocalCacheTarget(here("c"), "max", blobs=BlobForm("zstd"), ignore_error=True)
    for word, why in (
        ("type=gha", "not supported"),
        ("type=inline", "type=registry,ref=IMAGE"),
        ("type=local,dest=c", "src is missing"),
    ):
        with pytest.raises(InvalidFields) as caught:
            outputs.cache_source(word)
        assert why in caught.value.message + caught.value.hint
    with pytest.raises(InvalidFields, match="there are min, max"):
        outputs.cache_target("type=local,dest=c,mode=all")
    with pytest.raises(InvalidFields, match="there are min"):
        outputs.cache_target("type=inline,mode=max")

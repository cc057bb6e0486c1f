"""ADD of URLs from servers on loopback: names, modes, times, checksums, the cache, what is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller
from tests.unit.registry.fake_registry import Answer, FakeRegistry, Seen, fake_registry, self_signed

from cowl.build.remote import download as downloads
from cowl.build.remote.download import DownloadFailed, DownloadRefused
from cowl.build.remote.remotes import ChecksumMismatch
from cowl.build.remote.url import CredentialsInUrl
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.errors import CowlError, Invalid

builder = as_fixture()
HELLO = sha256(b"hello").hexdigest()
DATE = "Thu, 01 Jan 2015 00:00:00 GMT"


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        running.answers["/dir/hello%20you.txt"] = Answer(body=b"hello", headers=(("Last-Modified", DATE),))
        running.answers["/hello"] = Answer(body=b"hello")
        yield running


@pytest.fixture
def other() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


def tagged(etag: str, body: bytes) -> Callable[[Seen], Answer]:
    """An answer with an ETag, which understands If-None-Match."""

    def answer(seen: Seen) -> Answer:
        if etag in seen.headers.get("if-none-match", ""):
            return Answer(status=304, headers=(("ETag", etag),))
        return Answer(body=body, headers=(("ETag", etag),))

    return answer


def _small_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("inside")
        info.size, info.uid = 6, 7
        archive.addfile(info, io.BytesIO(b"inside"))
    return out.getvalue()


SMALL_TAR = _small_tar()


def test_where_a_file_goes_and_how_it_looks(builder: Builder, server: FakeRegistry) -> None:
    url = f"{server.url}/dir/hello%20you.txt?token=x#part"
    built = builder.build(f"FROM base\nADD {url} /new/\nADD {url} /as/this\nADD {url} /tmp\n")
    assert built.text("/new/hello you.txt") == built.text("/as/this") == "hello"
    assert built.text("/tmp/hello you.txt") == "hello"
    assert built.owner("/as/this") == (0, 0, 0o600)
    assert built.node("/as/this").status.st_mtime == 1420070400
    assert built.told[0] == f"ADD {url} /new/ # buildkit"
    assert server.paths() == ["/dir/hello%20you.txt"]  # once for a build
    assert server.seen[0].query == "token=x"


def test_flags(builder: Builder, server: FakeRegistry) -> None:
    line = f"ADD --chmod=755 --chown=node:extra {server.url}/hello /x/"
    built = builder.build(f"FROM base\n{line}\n")
    assert built.owner("/x/hello") == (1000, 2000, 0o755)
    assert built.owner("/x") == (1000, 2000, 0o755)
    assert built.node("/x/hello").status.st_mtime == 0


def test_a_url_without_a_name(builder: Builder, server: FakeRegistry) -> None:
    server.answers["/"] = Answer(body=b"root")
    built = builder.build(f"FROM base\nADD {server.url}/ /x/\nADD {server.url}/ /y\n")
    assert built.text("/x/__unnamed__") == "root"
    assert built.text("/y") == "root"


def test_variables_and_a_comment(builder: Builder, server: FakeRegistry) -> None:
    lines = f"ARG FROM={server.url}\nADD $FROM/hello /x # a comment\n"
    built = builder.build(f"FROM base\n{lines}")
    assert built.text("/x") == "hello"
    assert "'#' starts no comment" in built.warnings[0]


def test_sources_of_all_kinds_go_in_order(builder: Builder, server: FakeRegistry) -> None:
    server.answers["/a.tgz"] = Answer(body=SMALL_TAR)
    builder.file("hello", "mine")
    (builder.context / "l.tgz").write_bytes(SMALL_TAR)
    line = f"ADD {server.url}/a.tgz hello l.tgz {server.url}/hello <<EOF /x/\ndoc\nEOF"
    built = builder.build(f"FROM base\n{line}\n")
    assert built.view.read_file("/x/a.tgz") == SMALL_TAR  # a remote one is not unpacked
    assert built.text("/x/inside") == "inside"
    assert built.text("/x/hello") == "hello"
    assert built.text("/x/EOF") == "doc\n"
    assert builder.build(f"FROM base\n{line}\n").misses == []
    builder.file("hello", "changed")
    assert builder.build(f"FROM base\n{line}\n").misses == [2]


def test_unpack(builder: Builder, server: FakeRegistry) -> None:
    server.answers["/a"] = Answer(body=SMALL_TAR)
    built = builder.build(f"FROM base\nADD --unpack {server.url}/a /x\n")
    assert built.text("/x/inside") == "inside"
    assert built.owner("/x/inside")[0] == 7
    assert builder.build(f"FROM base\nADD --unpack=true {server.url}/hello /y\n").text("/y") == "hello"


def test_the_digest_is_what_the_cache_knows(builder: Builder, server: FakeRegistry) -> None:
    text = f"FROM base\nADD {server.url}/hello /x\n"
    first = builder.build(text)
    server.answers["/hello"] = Answer(body=b"hello", headers=(("Last-Modified", DATE), ("ETag", '"new"')))
    again = builder.build(text)
    assert again.misses == []  # neither a time nor a name is in the key
    assert again.record == first.record
    server.answers["/hello"] = Answer(body=b"other")
    changed = builder.build(text)
    assert changed.misses == [2]
    assert changed.text("/x") == "other"


def test_an_etag_saves_the_download(builder: Builder, server: FakeRegistry) -> None:
    sent: list[int] = []

    def body(seen: Seen) -> Answer:
        answer = tagged('"1"', b"x" * 100_000)(seen)
        sent.append(answer.status)
        return answer

    server.answers["/big"] = body
    text = f"FROM base\nADD {server.url}/big /x\n"
    builder.build(text)
    assert builder.build(text).misses == []
    assert sent == [200, 304]
    # another base: the bytes are needed again, and fetched again
    assert builder.build(text.replace("base", "scratch")).text("/x") == "x" * 100_000
    assert sent == [200, 304, 304, 200]
    assert builder.leftovers() == []


def test_a_server_that_ignores_if_none_match(builder: Builder, server: FakeRegistry) -> None:
    server.answers["/hello"] = Answer(body=b"hello", headers=(("ETag", 'W/"1"'),))
    text = f"FROM base\nADD {server.url}/hello /x\n"
    builder.build(text)
    assert builder.build(text).misses == []
    server.answers["/hello"] = Answer(body=b"other", headers=(("ETag", 'W/"2"'),))
    assert builder.build(text).text("/x") == "other"


def test_a_server_whose_etag_lies_poisons_no_step(builder: Builder, server: FakeRegistry) -> None:
    server.answers["/hello"] = tagged('"1"', b"hello")
    builder.build(f"FROM base\nADD {server.url}/hello /x\n")
    server.answers["/hello"] = tagged('"1"', b"other")
    text = f"FROM scratch\nADD {server.url}/hello /x\n"
    built = builder.build(text)
    assert built.text("/x") == "other"
    assert "the step is not cached" in built.warnings[0]
    assert builder.build(text).misses == [2]


def test_no_url_is_written_down(builder: Builder, server: FakeRegistry) -> None:
    server.answers["/hello"] = tagged('"1"', b"hello")
    builder.build(f"FROM base\nADD {server.url}/hello?canary /x\n")
    assert builder.store.downloads.find(f"{server.url}/hello?canary") is not None
    rows = builder.store._database.rows("SELECT * FROM downloads")
    assert len(rows) == 1
    assert "canary" not in str(rows)


def test_a_checksum(builder: Builder, server: FakeRegistry) -> None:
    text = f"FROM base\nARG SUM=sha256:{HELLO}\nADD --checksum=$SUM {server.url}/hello /x\n"
    assert builder.build(text).text("/x") == "hello"
    server.answers["/hello"] = Answer(status=500)
    assert builder.build(text).misses == []  # nothing is asked for
    assert server.paths() == ["/hello"]


def test_a_wrong_checksum_names_both_and_is_never_cached(builder: Builder, server: FakeRegistry) -> None:
    wrong = "sha256:" + "0" * 64
    text = f"FROM base\nADD --checksum={wrong} {server.url}/hello?canary /x\n"
    for _ in range(2):
        with pytest.raises(ChecksumMismatch) as caught:
            builder.build(text)
        assert wrong in caught.value.message
        assert HELLO in caught.value.message
        assert "Dockerfile:2:" in caught.value.message
        assert caught.value.source == f"{server.url}/hello"
    assert server.paths() == ["/hello", "/hello"]
    assert builder.leftovers() == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ADD --checksum=md5:00 http://127.0.0.1/x /x", "invalid digest"),
        ("ADD --checksum=sha256:00 http://127.0.0.1/x /x", "invalid digest"),
        (f"ADD --checksum=sha256:{HELLO} a.txt /x", "needs a source that is"),
        (f"ADD --checksum=sha256:{HELLO} http://127.0.0.1/x http://127.0.0.1/y /x/", "one source only"),
        ("COPY http://127.0.0.1/x /x", "COPY fetches no URL"),
    ],
)
def test_what_makes_no_sense(builder: Builder, line: str, said: str) -> None:
    builder.file("a.txt")
    with pytest.raises(DockerfileError, match=said) as caught:
        builder.build(f"FROM base\n{line}\n")
    assert caught.value.line == 2
    assert caught.value.column > 4


def test_answers_that_are_no_file(builder: Builder, server: FakeRegistry) -> None:
    server.answers["/denied"] = Answer(status=403)
    for path, said in (("/none?canary", "the server answers 404"), ("/denied", "the server answers 403")):
        with pytest.raises(DownloadFailed) as caught:
            builder.build(f"FROM base\nADD {server.url}{path} /x\n")
        assert f"Dockerfile:2:5: can't download {server.url}{path.partition('?')[0]}: {said}" in (
            caught.value.message
        )
        assert caught.value.hint
    assert builder.leftovers() == []


def test_a_server_that_is_not_there(builder: Builder) -> None:
    with pytest.raises(DownloadFailed, match="connection refused"):
        builder.build("FROM base\nADD http://127.0.0.1:9/x /x\n")


def test_a_body_that_breaks_off_is_asked_for_again(builder: Builder, server: FakeRegistry) -> None:
    times: list[int] = []

    def flaky(_seen: Seen) -> Answer:
        times.append(1)
        return Answer(body=b"hello", length=5 if len(times) > 2 else 50)

    server.answers["/hello"] = flaky
    assert builder.build(f"FROM base\nADD {server.url}/hello /x\n").text("/x") == "hello"
    server.answers["/hello"] = Answer(body=b"hello", length=50)
    with pytest.raises(DownloadFailed, match="breaks off"):
        builder.build(f"FROM base\nADD {server.url}/hello /y\n")
    assert builder.leftovers() == []


def test_gzip_as_an_encoding_is_undone(builder: Builder, server: FakeRegistry) -> None:
    headers = (("Content-Encoding", "gzip"),)
    server.answers["/hello"] = Answer(body=gzip.compress(b"hello"), headers=headers)
    assert builder.build(f"FROM base\nADD {server.url}/hello /x\n").text("/x") == "hello"
    server.answers["/hello"] = Answer(body=gzip.compress(b"hello")[:-4], headers=headers)
    with pytest.raises(DownloadFailed, match="encoding is damaged"):
        builder.build(f"FROM base\nADD {server.url}/hello /x\n")


def test_bounds(builder: Builder, server: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MAX_BYTES", 1 << 20)
    bomb = gzip.compress(bytes(4 << 20))
    server.answers["/bomb"] = Answer(body=bomb, headers=(("Content-Encoding", "gzip"),))
    with pytest.raises(DownloadFailed, match="more than 1048576 bytes"):
        builder.build(f"FROM base\nADD {server.url}/bomb /x\n")
    monkeypatch.setattr(downloads, "MAX_SECONDS", -1.0)
    with pytest.raises(DownloadFailed, match="takes longer"):
        builder.build(f"FROM base\nADD {server.url}/hello /x\n")
    assert builder.leftovers() == []


def test_redirects(builder: Builder, server: FakeRegistry, other: FakeRegistry) -> None:
    other.answers["/there"] = Answer(body=b"there")
    server.answers["/moved"] = Answer(status=302, headers=(("Location", f"{other.url}/there"),))
    built = builder.build(f"FROM base\nADD {server.url}/moved /x/\n")
    assert built.text("/x/moved") == "there"  # the name is that of the URL that was written
    server.answers["/round"] = Answer(status=302, headers=(("Location", "/round"),))
    with pytest.raises(DownloadFailed, match="more than 5 redirects"):
        builder.build(f"FROM base\nADD {server.url}/round /x/\n")
    for target, said in (
        ("ftp://127.0.0.1/x", "no http or https URL"),
        ("file:///etc/passwd", "no http or https URL"),
        ("http://169.254.169.254/latest/meta-data", "a link-local address"),
    ):
        server.answers["/evil"] = Answer(status=302, headers=(("Location", target),))
        with pytest.raises(DownloadRefused, match=said):
            builder.build(f"FROM base\nADD {server.url}/evil /x/\n")


def test_no_credentials_go_anywhere(builder: Builder, server: FakeRegistry) -> None:
    for url in (f"http://alice:canary@{server.netloc}/hello", f"http://alice@{server.netloc}/hello"):
        with pytest.raises(CredentialsInUrl) as caught:
            builder.build(f"FROM base\nADD {url} /x\n")
        assert "canary" not in caught.value.url
    assert server.seen == []
    builder.build(f"FROM base\nADD {server.url}/hello /x\n")
    assert "authorization" not in server.seen[0].headers
    assert "cookie" not in server.seen[0].headers


def test_what_is_no_url(builder: Builder) -> None:
    for url in ("http://", "https:///x", "http://[::1/x"):
        with pytest.raises((Invalid, CowlError)) as caught:
            builder.build(f"FROM base\nADD {url} /x\n")
        assert "Dockerfile:2" in caught.value.message


def test_tls_must_be_trusted(builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = self_signed(tmp_path, "localhost")
    with fake_registry(context) as secure:
        secure.answers["/hello"] = Answer(body=b"hello")
        with pytest.raises(DownloadRefused, match="TLS failed") as caught:
            builder.build(f"FROM base\nADD {secure.url}/hello /x\n")
        assert "certificate authority" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        assert builder.build(f"FROM base\nADD {secure.url}/hello /x\n").text("/x") == "hello"
        secure.answers["/down"] = Answer(status=302, headers=(("Location", "http://127.0.0.1:9/x"),))
        with pytest.raises(DownloadRefused, match="leave TLS"):
            builder.build(f"FROM base\nADD {secure.url}/down /x\n")


def test_both_users_and_a_proxy(caller: Caller, server: FakeRegistry) -> None:
    server.answers["/x"] = Answer(body=b"far")
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nADD http://far.test/x /x/\n")
    caller.give(context)
    done = caller.cowl("build", "-q", str(context), env={"http_proxy": server.url, "no_proxy": ""})
    image = done.stdout.decode().strip()
    code = "import sys, cowl; s = cowl.Engine().store; k = s.images.find(sys.argv[1]).layer_keys"
    code += "; print(s.view(k).list('/x'))"
    assert caller.python(code, image).stdout.decode().strip() == "('x',)"
    assert [seen.headers["host"] for seen in server.seen] == ["far.test"]

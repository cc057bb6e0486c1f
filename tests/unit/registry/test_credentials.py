"""Who gets to see a credential: threat 12, logins, and where credentials come from."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from tests.unit.registry.fake_registry import SECRET, Answer, FakeRegistry, Seen, write_auth

from cowl.errors import CowlError
from cowl.http.origin import ForbiddenTarget, Origin
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.registry.auth import Unauthorized, _may_know
from cowl.registry.client import Client
from cowl.registry.credentials import Credential, Credentials, InvalidAuthFile
from cowl.registry.failures import RegistryUnavailable
from cowl.registry.repository import AccessDenied, BlobUnknown

HOST = Platform.host()
LAYER = b"layer" * 1000
Make = Callable[..., Client]


def ref(registry: FakeRegistry, rest: str = "app:1") -> Reference:
    return Reference.parse(f"{registry.netloc}/{rest}")


def challenge(kind: str, realm: str = "") -> Answer:
    value = f'{kind} realm="{realm}",service="here",scope="repository:app:pull"' if realm else kind
    return Answer(401, (("WWW-Authenticate", value),), b'{"errors":[{"message":"authentication required"}]}')


def guard(registry: FakeRegistry, answer: Answer, wanted: str) -> None:
    """Every answer needs the Authorization header `wanted`."""
    for path, good in list(registry.answers.items()):
        if isinstance(good, Answer) and path.startswith("/v2/"):
            registry.answers[path] = _guarded(good, answer, wanted)


def _guarded(good: Answer, refusal: Answer, wanted: str) -> Callable[[Seen], Answer]:
    return lambda seen: good if seen.headers.get("authorization") == wanted else refusal


def tokens(registry: FakeRegistry, token: str = "t0ken", path: str = "/token") -> str:
    registry.answers[path] = Answer(body=json.dumps({"token": token}).encode())
    return f"{registry.url}{path}"


def pull(client: Client, reference: Reference) -> None:
    resolved = client.resolve(reference, HOST)
    client.fetch_config(resolved)
    for layer in resolved.manifest.layers:
        with client.open_blob(resolved.reference, layer) as stream:
            stream.read()


class TestLogins:
    def test_an_anonymous_token_is_fetched_once(self, registry: FakeRegistry, client: Make) -> None:
        registry.add_image("app", "1", [LAYER])
        guard(registry, challenge("Bearer", tokens(registry)), "Bearer t0ken")
        pull(client(), ref(registry))
        asked = [seen for seen in registry.seen if seen.path == "/token"]
        assert len(asked) == 1
        assert parse_qs(asked[0].query) == {"service": ["here"], "scope": ["repository:app:pull"]}
        assert "authorization" not in asked[0].headers

    def test_a_token_for_a_name_and_password(
        self, registry: FakeRegistry, client: Make, tmp_path: Path
    ) -> None:
        registry.add_image("app", "1", [LAYER])
        guard(registry, challenge("Bearer", tokens(registry)), "Bearer t0ken")
        auth_file = write_auth(tmp_path / "config.json", registry.netloc)
        pull(client(auth_file=auth_file), ref(registry))
        asked = next(seen for seen in registry.seen if seen.path == "/token")
        assert asked.headers["authorization"] == f"Basic {SECRET}"
        assert all(
            seen.headers["authorization"] == "Bearer t0ken"
            for seen in registry.seen
            if "authorization" in seen.headers and seen.path != "/token"
        )

    def test_basic(self, registry: FakeRegistry, client: Make, tmp_path: Path) -> None:
        registry.add_image("app", "1", [LAYER])
        guard(registry, challenge('Basic realm="x"'), f"Basic {SECRET}")
        with pytest.raises(Unauthorized, match="no basic auth credentials"):
            pull(client(), ref(registry))
        pull(client(auth_file=write_auth(tmp_path / "c.json", registry.netloc)), ref(registry))

    def test_an_identity_token_is_refreshed_and_a_redirect_of_it_refused(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make, tmp_path: Path
    ) -> None:
        registry.add_image("app", "1", [LAYER])
        guard(registry, challenge("Bearer", tokens(registry)), "Bearer t0ken")
        auth_file = tmp_path / "c.json"
        auth_file.write_text(json.dumps({"auths": {registry.netloc: {"identitytoken": "canary"}}}))
        pull(client(auth_file=str(auth_file)), ref(registry))
        asked = next(seen for seen in registry.seen if seen.path == "/token")
        assert asked.method == "POST"
        assert parse_qs(asked.body.decode())["refresh_token"] == ["canary"]
        registry.answers["/token"] = Answer(307, (("Location", tokens(other)),))
        with pytest.raises(RegistryUnavailable, match="asked for a token"):
            pull(client(auth_file=str(auth_file)), ref(registry))
        assert other.seen == []

    def test_401_for_ever_ends(self, registry: FakeRegistry, client: Make, tmp_path: Path) -> None:
        auth_file = write_auth(tmp_path / "c.json", registry.netloc)
        for answer in (challenge("Bearer", tokens(registry)), challenge("Basic")):
            registry.answers["/v2/app/manifests/1"] = answer
            registry.seen.clear()
            with pytest.raises(AccessDenied, match="authentication required"):
                pull(client(auth_file=auth_file), ref(registry))
            assert len(registry.seen) <= 3

    def test_a_token_that_has_expired_is_renewed(self, registry: FakeRegistry, client: Make) -> None:
        registry.add_image("app", "1", [LAYER])
        made = client()
        for token in ("first", "second"):
            registry.answers = {}
            registry.add_image("app", "1", [LAYER])
            guard(registry, challenge("Bearer", tokens(registry, token)), f"Bearer {token}")
            pull(made, ref(registry))

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_a_refused_login(self, registry: FakeRegistry, client: Make, tmp_path: Path, status: int) -> None:
        registry.answers["/v2/app/manifests/1"] = challenge("Bearer", f"{registry.url}/token")
        registry.answers["/token"] = Answer(status)
        with pytest.raises(Unauthorized, match="incorrect username or password") as caught:
            pull(client(auth_file=write_auth(tmp_path / "c", registry.netloc)), ref(registry))
        assert "canary" not in f"{caught.value.message}{caught.value.hint}"

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{}", b'{"token":5}', b'{"token":"a\\r\\nHost: b"}', b'{"token":""}', b"[" * 9999],
    )
    def test_a_token_that_is_none(self, registry: FakeRegistry, client: Make, body: bytes) -> None:
        registry.answers["/v2/app/manifests/1"] = challenge("Bearer", f"{registry.url}/token")
        registry.answers["/token"] = Answer(body=body)
        with pytest.raises(RegistryUnavailable, match="no usable token"):
            pull(client(), ref(registry))

    @pytest.mark.parametrize(
        "value", ["", "Negotiate", "Bearer", 'Bearer service="x"', ",,,", '"', "\x7f=\\"]
    )
    def test_a_challenge_that_cannot_be_answered(
        self, registry: FakeRegistry, client: Make, value: str
    ) -> None:
        registry.answers["/v2/app/manifests/1"] = Answer(401, (("WWW-Authenticate", value),))
        with pytest.raises(Unauthorized):
            pull(client(), ref(registry))


class TestLeaks:
    """Threat 12: no other scheme, host or port ever sees the canary."""

    @pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_takes_no_credential_along(
        self,
        registry: FakeRegistry,
        other: FakeRegistry,
        client: Make,
        tmp_path: Path,
        scheme: str,
        status: int,
    ) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        other.answers.update(registry.answers)
        for layer in manifest.layers:
            path = f"/v2/app/blobs/{layer.digest}"
            registry.answers[path] = Answer(status, (("Location", f"{other.url}{path}?signed=1"),))
        wanted = f"Basic {SECRET}" if scheme == "Basic" else "Bearer canary"
        guard(registry, challenge(scheme, tokens(registry, "canary")), wanted)
        pull(client(auth_file=write_auth(tmp_path / "c", registry.netloc)), ref(registry))
        assert other.seen
        assert other.secrets_seen() == []
        assert registry.secrets_seen()

    def test_a_redirect_back_takes_none_either(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make, tmp_path: Path
    ) -> None:
        registry.add_image("app", "1", [LAYER])
        good = registry.answers["/v2/app/manifests/1"]
        registry.answers["/v2/app/manifests/1"] = Answer(307, (("Location", f"{other.url}/there"),))
        other.answers["/there"] = Answer(307, (("Location", f"{registry.url}/back"),))
        guard(registry, challenge("Basic"), f"Basic {SECRET}")
        registry.answers["/back"] = good
        client(auth_file=write_auth(tmp_path / "c", registry.netloc)).resolve(ref(registry), HOST)
        assert "/back" not in registry.secrets_seen()
        assert other.secrets_seen() == []

    def test_a_realm_elsewhere_gets_no_credential(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make, tmp_path: Path
    ) -> None:
        registry.add_image("app", "1", [LAYER])
        guard(registry, challenge("Bearer", tokens(other)), "Bearer t0ken")
        auth_file = write_auth(tmp_path / "c", registry.netloc)
        pull(client(auth_file=auth_file), ref(registry))
        assert other.paths() == ["/token"]
        assert other.secrets_seen() == []
        other.answers["/token"] = Answer(401)
        with pytest.raises(Unauthorized) as caught:
            pull(client(auth_file=auth_file), ref(registry))
        assert "another host" in caught.value.message
        assert other.netloc in caught.value.hint
        assert other.secrets_seen() == []

    def test_a_realm_elsewhere_gets_the_credential_that_belongs_to_it(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make, tmp_path: Path
    ) -> None:
        registry.add_image("app", "1", [LAYER])
        guard(registry, challenge("Bearer", tokens(other)), "Bearer t0ken")
        pull(client(auth_file=write_auth(tmp_path / "c", other.netloc)), ref(registry))
        assert other.secrets_seen() == ["/token"]
        assert not any("canary" in str(seen.headers) or SECRET in str(seen.headers) for seen in registry.seen)

    def test_a_401_after_a_redirect_is_not_answered(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make, tmp_path: Path
    ) -> None:
        registry.answers["/v2/app/manifests/1"] = Answer(307, (("Location", f"{other.url}/x"),))
        other.answers["/x"] = challenge("Basic")
        auth_file = write_auth(tmp_path / "c", registry.netloc, other.netloc)
        with pytest.raises(AccessDenied):
            pull(client(auth_file=auth_file), ref(registry))
        assert other.secrets_seen() == []

    def test_foreign_urls_are_never_followed(
        self, registry: FakeRegistry, other: FakeRegistry, client: Make, tmp_path: Path
    ) -> None:
        manifest, _ = registry.add_image("app", "1", [LAYER])
        layer = manifest.layers[0].replace(urls=(f"{other.url}/layer",))
        del registry.answers[f"/v2/app/blobs/{layer.digest}"]
        with pytest.raises(BlobUnknown):
            client().open_blob(ref(registry), layer)
        assert other.seen == []

    @pytest.mark.parametrize(
        "target",
        [
            "http://169.254.169.254/latest/meta-data",
            "http://[fe80::1]/x",
            "http://2852039166/x",
            "http://0xa9fea9fe/x",
            "http://[::ffff:169.254.169.254]/x",
        ],
    )
    @pytest.mark.parametrize("how", ["redirect", "realm"])
    def test_a_link_local_address_is_never_asked(
        self, registry: FakeRegistry, client: Make, target: str, how: str
    ) -> None:
        registry.answers["/v2/app/manifests/1"] = (
            Answer(307, (("Location", target),)) if how == "redirect" else challenge("Bearer", target)
        )
        with pytest.raises(ForbiddenTarget, match="link-local"):
            pull(client(), ref(registry))

    @pytest.mark.parametrize(
        "target",
        ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://user:pw@127.0.0.1/", "http://", "http://a b/"],
    )
    @pytest.mark.parametrize("how", ["redirect", "realm"])
    def test_a_target_that_is_no_plain_url(
        self, registry: FakeRegistry, client: Make, target: str, how: str
    ) -> None:
        registry.answers["/v2/app/manifests/1"] = (
            Answer(307, (("Location", target),)) if how == "redirect" else challenge("Bearer", target)
        )
        with pytest.raises(CowlError):
            pull(client(), ref(registry))

    def test_a_redirect_loop_ends(self, registry: FakeRegistry, client: Make) -> None:
        registry.answers["/v2/app/manifests/1"] = Answer(307, (("Location", "/v2/app/manifests/1"),))
        with pytest.raises(RegistryUnavailable, match="redirects"):
            pull(client(), ref(registry))
        assert len(registry.seen) < 10


@pytest.mark.parametrize(
    ("registry", "realm", "may"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://ghcr.io", "https://ghcr.io/token", True),
        ("https://quay.io", "https://auth.quay.io/x", True),
        ("https://registry.a.co.uk", "https://auth.a.co.uk", True),
        ("https://a.co.uk", "https://evil.co.uk", False),
        ("https://ghcr.io", "https://evil.io", False),
        ("https://registry-1.docker.io", "https://auth.docker.io.evil.net", False),
        ("https://registry-1.docker.io", "https://evildocker.io", False),
        ("https://registry-1.docker.io", "https://auth.docker.io:8443", False),
        ("https://registry-1.docker.io", "http://auth.docker.io", False),
        ("https://r.example.org:5000", "https://r.example.org", False),
        ("https://r.example.org:5000", "https://r.example.org:5000/token", True),
        ("https://10.0.0.1", "https://9.0.0.1", False),
        ("http://localhost:5000", "http://localhost:5001", False),
        ("http://localhost:5000", "https://localhost:5000", False),
    ],
)
def test_who_may_know_a_registrys_credentials(registry: str, realm: str, may: bool) -> None:
    assert _may_know(Origin.of(registry), Origin.of(realm)) is may


class TestAuthFile:
    def find(self, path: Path, document: object, netloc: str, repository: str = "") -> Credential | None:
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        self.warnings: list[str] = []
        return Credentials(str(path), self.warnings.append).find(netloc, repository)

    @pytest.mark.parametrize(
        ("key", "netloc", "found"),
        [
            ("https://index.docker.io/v1/", "docker.io", True),
            ("docker.io", "registry-1.docker.io", True),
            ("index.docker.io", "docker.io", True),
            ("https://index.docker.io/v1/", "evil.io", False),
            ("r.example.org", "r.example.org", True),
            ("https://r.example.org", "r.example.org:443", True),
            ("https://r.example.org/v2/", "R.example.org", True),
            ("r.example.org", "r.example.org:5000", False),
            ("r.example.org:5000", "r.example.org", False),
            ("r.example.org:5000", "r.example.org:5000", True),
            ("example.org", "r.example.org", False),
            ("r.example.org/team", "r.example.org", False),
            ("[::1]:5000", "[::1]:5000", True),
        ],
    )
    def test_a_key_fits_its_host_and_port_only(
        self, tmp_path: Path, key: str, netloc: str, found: bool
    ) -> None:
        credential = self.find(tmp_path / "c", {"auths": {key: {"auth": SECRET}}}, netloc)
        assert (credential is not None) is found

    def test_the_most_specific_path_wins(self, tmp_path: Path) -> None:
        def entry(user: str) -> dict[str, str]:
            return {"auth": base64.b64encode(f"{user}:p:w".encode()).decode()}

        document = {"auths": {"q.io": entry("host"), "q.io/a": entry("team"), "q.io/a/b": entry("app")}}
        names = {
            path: self.find(tmp_path / "c", document, "q.io", path) for path in ("a/b", "a/c", "ab", "a", "")
        }
        assert {path: found.username for path, found in names.items() if found} == {
            "a/b": "app",
            "a/c": "team",
            "ab": "host",
            "a": "team",
            "": "host",
        }
        assert names[""] == Credential("host", "p:w")

    @pytest.mark.parametrize(
        "document", [{}, {"auths": None}, {"auths": {"q.io": {}}}, {"auths": {"q.io": {"auth": "%%%"}}}, []]
    )
    def test_nothing_to_be_found(self, tmp_path: Path, document: object) -> None:
        assert self.find(tmp_path / "c", document, "q.io") is None

    @pytest.mark.parametrize("text", ['{"auths": canary', "", "[" * 50_000])
    def test_a_broken_file_is_an_error_that_does_not_quote_it(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(InvalidAuthFile) as caught:
            self.find(tmp_path / "c", text, "q.io")
        assert "canary" not in caught.value.message

    def test_a_credential_is_not_shown(self) -> None:
        assert "canary" not in repr(Credential("alice", "canary", "canary", "canary"))

    def helper(self, directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
        program = directory / "docker-credential-test"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")

    def test_a_helper_is_asked_for_the_very_host(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.helper(
            tmp_path, monkeypatch, 'read server; echo "{\\"Username\\":\\"$server\\",\\"Secret\\":\\"s\\"}"'
        )
        store = {"credsStore": "test"}
        assert self.find(tmp_path / "c", store, "q.io:5000") == Credential("q.io:5000", "s")
        assert self.find(tmp_path / "c", store, "docker.io") == Credential("https://index.docker.io/v1/", "s")
        only = {"credHelpers": {"q.io": "test"}}
        assert self.find(tmp_path / "c", only, "q.io") == Credential("q.io", "s")
        assert self.find(tmp_path / "c", only, "r.io") is None

    def test_a_helpers_token(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.helper(tmp_path, monkeypatch, """echo '{"Username":"<token>","Secret":"s"}'""")
        assert self.find(tmp_path / "c", {"credsStore": "test"}, "q.io") == Credential(identity_token="s")

    def test_a_helper_that_knows_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.helper(tmp_path, monkeypatch, "echo credentials not found in native keychain; exit 1")
        document = {"credsStore": "test", "auths": {"q.io": {"auth": SECRET}}}
        assert self.find(tmp_path / "c", document, "q.io") == Credential("alice", "canary-secret")

    def test_a_helper_that_is_missing_or_babbles_is_a_warning(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.find(tmp_path / "c", {"credsStore": "missing-one"}, "q.io") is None
        assert "docker-credential-missing-one" in self.warnings[0]
        self.helper(tmp_path, monkeypatch, "echo canary")
        assert self.find(tmp_path / "c", {"credsStore": "test"}, "q.io") is None
        assert "canary" not in self.warnings[0]

    @pytest.mark.parametrize("name", ["../../bin/sh", "a/b", "", " ", "-x"])
    def test_a_helpers_name_is_never_a_path(self, tmp_path: Path, name: str) -> None:
        if not name:
            assert self.find(tmp_path / "c", {"credsStore": name}, "q.io") is None
            return
        with pytest.raises(InvalidAuthFile):
            self.find(tmp_path / "c", {"credsStore": name}, "q.io")


def test_the_guard_of_these_tests_holds(registry: FakeRegistry) -> None:
    registry.answers["/v2/x"] = Answer()
    guard(registry, Answer(401), "Basic x")
    found = registry.answers["/v2/x"]
    assert callable(found)
    assert found(Seen("GET", "/v2/x", "", {})).status == 401

"""The transport: pools, TLS, proxies, retries, and redirects that carry no credentials away."""

from __future__ import annotations

import ssl
import threading
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, ProxyError, ReadTimeoutError, SSLError

from cowl.errors import Denied, Unavailable
from cowl.http.origin import InvalidUrl, Origin, check_target
from cowl.http.proxy import proxy_for
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from urllib3 import BaseHTTPResponse

ATTEMPTS = 4
CONNECT_ATTEMPTS = 3
MAX_REDIRECTS = 5
MAX_WAIT_SECONDS = 60
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
_FIRST_DELAY = 0.4
_REDIRECTS = (301, 302, 303, 307, 308)
_AGAIN = (408, 429, 500, 502, 503, 504)


class HostUnavailable(Unavailable):
    """A host can't be reached or does not answer sensibly. Fields: netloc, why."""

    what = ""  # what messages call such hosts, with a blank behind it
    advice = ""  # what else a user can do when one can't be reached

    def __init__(self, netloc: str, why: str, *, hint: str = "") -> None:
        hint = "; ".join(filter(None, (hint, self.advice))) if hint else ""
        super().__init__(f"can't reach {self.what}{netloc}: {why}", hint=hint)
        self.netloc = netloc
        self.why = why


class UntrustedCertificate(Denied):
    """TLS failed; there is no falling back to plain text. Fields: netloc, why."""

    what = ""

    def __init__(self, netloc: str, why: str) -> None:
        super().__init__(
            f"{self.what}{netloc}: TLS failed: {why}",
            hint="add its certificate authority to the system's",
        )
        self.netloc = netloc
        self.why = why


class Request(Value):
    """One exchange. `verify`: the certificate must be trusted; `attempts`: how often to try in all.

    A `body` that is a function gives, each time it is called, a stream of the whole body; its length is
    in the headers.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes | Callable[[], IO[bytes]] | None = None
    verify: bool = True
    attempts: int = ATTEMPTS


class Reply:
    """An answer whose body has not been read, and the origin that it came from."""

    def __init__(
        self,
        response: BaseHTTPResponse,
        origin: Origin,
        unavailable: type[HostUnavailable] = HostUnavailable,
    ) -> None:
        self.response = response
        self.origin = origin
        self.status = response.status
        self._unavailable = unavailable

    def header(self, name: str) -> str:
        """The header's value, or ""."""
        return self.response.headers.get(name) or ""

    def read_at_most(self, limit: int) -> bytes:
        """The first `limit` bytes of the body at most; the connection ends if there are more."""
        try:
            body = b""
            while len(body) < limit and (chunk := self.response.read(limit - len(body))):
                body += chunk
            return body
        except HTTPError as problem:
            raise self._unavailable(self.origin.netloc, reason(problem)) from problem
        finally:
            self.response.close()

    def close(self) -> None:
        """Give the connection up."""
        self.response.close()


class Transport:
    """Exchanges with any host. Safe to use from several threads; `close` ends every connection.

    unavailable, untrusted  how failures are raised
    """

    def __init__(
        self,
        *,
        proxies: tuple[tuple[str, str], ...] = (),
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        unavailable: type[HostUnavailable] = HostUnavailable,
        untrusted: type[UntrustedCertificate] = UntrustedCertificate,
    ) -> None:
        self._unavailable = unavailable
        self._untrusted = untrusted
        self._proxies = dict(proxies)
        self._tls = tls
        self._sleep = sleep
        self._clock = clock
        self._pools: dict[tuple[bool, str], urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Drop all pooled connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.clear()

    def send(self, request: Request) -> BaseHTTPResponse:
        """One exchange without redirects; tries again after connection errors, 429 and 5xx.

        The answer may still be such a status, when the attempts are used up. Raises
        HostUnavailable or UntrustedCertificate.
        """
        for attempt in range(request.attempts):
            last = attempt == request.attempts - 1
            try:
                response = self._exchange(request)
            except HostUnavailable:
                if last or attempt == CONNECT_ATTEMPTS - 1:
                    raise
                self._sleep(_FIRST_DELAY * 2**attempt)
                continue
            wait = self._wait_seconds(response, attempt)
            if last or response.status not in _AGAIN or wait > MAX_WAIT_SECONDS:
                return response
            response.close()
            self._sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def follow(self, request: Request, authorization: str = "") -> Reply:
        """Exchange, following redirects. `authorization` goes to the first origin alone.

        Raises what `send` does, InvalidUrl and ForbiddenTarget.
        """
        first = origin = Origin.of(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            headers = request.headers
            if authorization and origin == first:
                headers = (*headers, ("Authorization", authorization))
            else:
                authorization = ""
            response = self.send(request.replace(headers=headers, verify=request.verify or origin != first))
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return Reply(response, origin, self._unavailable)
            response.close()
            request = request.replace(url=_joined(request.url, location))
            origin = Origin.of(request.url)
            check_target(first, origin)
        raise self._unavailable(first.netloc, f"more than {MAX_REDIRECTS} redirects")

    def _exchange(self, request: Request) -> BaseHTTPResponse:
        origin = Origin.of(request.url)
        pool = self._pool(request.verify, proxy_for(origin, self._proxies))
        headers = {"User-Agent": "cowl", "Accept-Encoding": "identity", **dict(request.headers)}
        try:
            return pool.request(
                request.method,
                request.url,
                body=request.body() if callable(request.body) else request.body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except SSLError as problem:
            raise self._untrusted(origin.netloc, reason(problem)) from problem
        except HTTPError as problem:
            raise self._unavailable(origin.netloc, reason(problem), hint=_hint(problem)) from problem

    def _pool(self, verify: bool, proxy: str) -> urllib3.PoolManager:
        with self._lock:
            if (verify, proxy) not in self._pools:
                self._pools[verify, proxy] = self._new_pool(verify, proxy)
            return self._pools[verify, proxy]

    def _new_pool(self, verify: bool, proxy: str) -> urllib3.PoolManager:
        context = (self._tls or ssl.create_default_context()) if verify else _unverified()
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        if proxy:
            user = urllib3.util.parse_url(proxy).auth
            headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
            pool: urllib3.PoolManager = urllib3.ProxyManager(
                proxy, maxsize=4, ssl_context=context, timeout=timeout, proxy_headers=headers
            )
        else:
            pool = urllib3.PoolManager(maxsize=4, ssl_context=context, timeout=timeout)
        if not verify:
            pool.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": _UnverifiedPool}
        return pool

    def _wait_seconds(self, response: BaseHTTPResponse, attempt: int) -> float:
        """How long to wait before the next attempt: what Retry-After says, else twice as long each time."""
        asked = response.headers.get("Retry-After", "").strip()
        if asked.isdecimal():
            return float(asked[:9])
        if asked:
            try:
                return max(0.0, parsedate_to_datetime(asked).timestamp() - self._clock())
            except (ValueError, OverflowError):
                pass
        return float(_FIRST_DELAY * 2**attempt)


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError as problem:  # half an IPv6 address
        raise InvalidUrl(location) from problem


def reason(problem: BaseException) -> str:
    """Why an exchange failed, in a few words, from the innermost error that says so."""
    if isinstance(problem, NameResolutionError):
        return "its host name can't be resolved"
    if isinstance(problem, ReadTimeoutError):
        return "it does not answer in time"
    seen: BaseException | None = problem
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen.verify_message
        if isinstance(seen, ssl.SSLError) and seen.reason:
            return seen.reason.lower().replace("_", " ")
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        seen = seen.__cause__ or seen.__context__
    return str(problem)[:200]


def _hint(problem: HTTPError) -> str:
    if isinstance(problem, ProxyError):
        return "check the proxy settings (http_proxy, https_proxy, no_proxy)"
    if isinstance(problem, NameResolutionError):
        return "check the name and the network"
    return "check the name, and that the server runs"


class _UnverifiedConnection(HTTPSConnection):
    """TLS with a host that the user called insecure: urllib3 need not warn of it each time."""

    def connect(self) -> None:
        super().connect()
        self.is_verified = True


class _UnverifiedPool(HTTPSConnectionPool):
    ConnectionCls = _UnverifiedConnection


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

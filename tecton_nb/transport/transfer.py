"""One libcurl handle: a request goes in, an answer or an error comes out; then it serves the next."""

from __future__ import annotations

import os
import re
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import certifi
import pycurl

from ..exceptions import InputError, SettingsError, TectonError, quoted
from .address import is_loopback
from .failures import CUT_OFF, Failure, error_for
from .messages import HttpAnswer, HttpRequest, Timing
from .reply import Reply
from .secret import Secret, authorization
from .watch import Peek

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_LONGEST_MILLISECONDS: Final = 2**31 - 1
# An answer too many shifts the next answers by one, and hardly ever as many as these before it shows.
_MOST_SHIFTED: Final = 8
# Longest time that an answer is in doubt for whoever waits; a slower server than that is seldom asked in a hurry.
_DOUBTFUL_SECONDS: Final = 0.25
# No answer is so small. Less, on TLS, is the end of the connection, and so is an alert, by its first byte.
_LEAST_ANSWER_BYTES: Final = 64
_TLS_DATA: Final = 23
# What some proxies say before they end a connection that nobody uses.
_UNUSED: Final = (b"HTTP/1.1 408", b"HTTP/1.0 408")
_REQUEST_TIMEOUT: Final = 408
_CA_VARIABLES: Final = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
# Of what libcurl adds to a head, roughly.
_OWN_HEADER_BYTES: Final = 60
# pycurl has no name for it.
_SUPPRESS_CONNECT_HEADERS: Final = 265
_OPTIONS: Final = (
    (pycurl.NOSIGNAL, 1),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.TCP_NODELAY, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    # Not to be taken, but to be seen: bytes without a head are refused by the reply, which knows what they are.
    (pycurl.HTTP09_ALLOWED, 1),
    # One exchange at a time on a connection: nothing can be mixed up, and it costs less than HTTP/2 here.
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2),
    (pycurl.USERAGENT, "tecton_nb"),
    # Else the proxy's answer to CONNECT is taken for the server's where that has no head.
    (_SUPPRESS_CONNECT_HEADERS, 1),
)


def trusted_authorities() -> str:
    """Return the file of certificate authorities to trust: the environment's, else certifi's."""
    named = (os.environ.get(variable) for variable in _CA_VARIABLES)
    return next((path for path in named if path), None) or certifi.where()


class Transfer:
    """A libcurl easy handle that is used again and again; only the engine's thread touches it.

    Parameters
    ----------
    max_body_bytes
        Largest body read.
    ca_bundle
        File of the certificate authorities to trust.
    """

    __slots__ = (
        "_body_bytes",
        "_connections",
        "_doubtful_until",
        "_header_bytes",
        "_headers",
        "_is_in_clear",
        "_key",
        "_limits",
        "_listeners",
        "_max_body_bytes",
        "_method",
        "_peek",
        "_reply",
        "_started_at_ns",
        "_total_seconds",
        "_url",
        "curl",
        "forsaken",
        "is_new_connection",
        "rests_since",
        "socket",
    )

    def __init__(self, max_body_bytes: int, ca_bundle: str) -> None:
        self._max_body_bytes = max_body_bytes
        self._reply = Reply(max_body_bytes)
        self._url = self._method = ""
        self._is_in_clear = True
        self._headers: tuple[tuple[str, str], ...] | None = None
        self._key: Secret | None = None
        self._limits = (0.0, 0.0)
        self._started_at_ns = time.time_ns()
        self.rests_since = self._total_seconds = self._doubtful_until = 0.0
        self.is_new_connection = False
        self._peek = Peek()
        self._listeners: deque[Callable[[], None]] = deque(maxlen=_MOST_SHIFTED)
        # Of the kept connection while the handle is idle, -1 where there is none.
        self.socket = -1
        # Who may have got a wrong answer on a connection that libcurl left without a word.
        self.forsaken: list[Callable[[], None]] = []
        self._header_bytes = self._body_bytes = 0
        self.curl = pycurl.Curl()
        # A connection of its own, so that whoever uses the handles decides how long each connection rests.
        self._connections = pycurl.CurlShare()
        self._connections.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_CONNECT)
        self.curl.setopt(pycurl.SHARE, self._connections)
        for option, value in _OPTIONS:
            self.curl.setopt(option, value)
        self.curl.setopt(pycurl.CAINFO, ca_bundle)
        self.curl.setopt(pycurl.PROXY_CAINFO, ca_bundle)
        self.curl.setopt(pycurl.MAXFILESIZE_LARGE, max_body_bytes)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._reply.lines.append)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._reply.take_body)

    def prepare(self, request: HttpRequest, deadline_seconds: float, connect_seconds: float) -> None:
        """Make the handle ready to send the request.

        Raises
        ------
        InputError
            If the method, a header or the URL cannot be sent.
        SettingsError
            If the key cannot be sent, or would travel in clear.
        """
        self._reply.clear()
        self._aim(request)
        self._set_body(request)
        self._set_headers(request)
        self._limit(deadline_seconds, connect_seconds)
        self._started_at_ns = time.time_ns()

    def answer(self) -> HttpAnswer:
        """Return what came.

        Raises
        ------
        DecodeError
            If the body cannot be unpacked, or is too large unpacked.
        ProtocolError
            If what came has no head.
        """
        if self._reply.head is None:
            self._reply.read_head()
        head, body = self._reply.head, self._reply.body()
        if head is None:
            # libcurl takes a head that is cut off for a whole one.
            raise self._reply.headless() or self.error(CUT_OFF, "the head is cut off")
        timing = self._timing()
        return HttpAnswer(head.status, head.reason, head.headers, body, timing, self._doubtful_seconds(timing))

    def error(self, code: int, message: str) -> TectonError:
        """Return the exception for a transfer that libcurl gave up with this code."""
        get, reply = self.curl.getinfo, self._reply
        if reply.head is None and not reply.refusal:
            # What is wrong with a head says more than how the connection ended behind it.
            reply.read_head()
        return reply.refusal or error_for(
            Failure(
                code=code,
                message=message,
                url=self._url,
                seconds=get(pycurl.TOTAL_TIME),
                phase=self._phase(),
                os_errno=get(pycurl.OS_ERRNO),
                max_body_bytes=self._max_body_bytes,
            )
        )

    def rest(self, now: float) -> None:
        """Note that the handle has nothing to do from now on."""
        get = self.curl.getinfo
        self.rests_since = self._doubtful_until = now
        self._total_seconds, self.is_new_connection = get(pycurl.TOTAL_TIME), get(pycurl.NUM_CONNECTS) > 0
        if self.is_new_connection:
            self.forsaken = [*self._listeners] if self.socket >= 0 and self._was_sent_once() else []
            self._listeners.clear()
        self.socket = get(pycurl.ACTIVESOCKET)
        self._peek.follow(self.socket)

    def answered(self, listener: Callable[[], None] | None, deadline_seconds: float) -> None:
        """Note who got the answer, and how long it may take until the right one comes if that was another one's."""
        if listener is not None:
            self._listeners.append(listener)
        self._doubtful_until += deadline_seconds

    def doubted(self, now: float) -> list[Callable[[], None]]:
        """Return who may have got a wrong answer: nobody if the connection has merely ended, or was long silent."""
        return [*self._listeners] if now < self._doubtful_until and self._has_answer() else []

    def doubted_at_once(self) -> list[Callable[[], None]]:
        """Return who may have got a wrong answer: libcurl has closed the connection because more than one came."""
        return [*self._listeners] if self._is_cut and self._is_connection_kept() else []

    def is_proven(self, now: float) -> bool:
        """Return whether its connection was silent for so long that what came on it is not in doubt any more."""
        return self.socket < 0 or now >= self.rests_since + self._total_seconds + _DOUBTFUL_SECONDS

    def has_rested(self, now: float) -> bool:
        """Return whether its connection was left alone for as long as its last request took, or there is none."""
        return self.socket < 0 or now >= self.rests_since + self._total_seconds

    @property
    def host(self) -> str:
        """Whom it asked last."""
        return urlsplit(self._url).hostname or ""

    @property
    def is_disturbed(self) -> bool:
        """Whether its connection has something to say though nobody asked: its end, or an answer too many."""
        return self._peek.is_readable()

    @property
    def is_connection_dead(self) -> bool:
        """Whether a kept connection took the request and gave not one byte of an answer."""
        return self._reply.is_untouched and self._is_connection_kept()

    @property
    def came_too_late(self) -> bool:
        """Whether the server had given up a kept connection, with status 408, before the request was there.

        Source: RFC 9110, section 15.5.9 (the request may be repeated on a new connection).
        """
        head = self._reply.head
        return head is not None and head.status == _REQUEST_TIMEOUT and self._is_connection_kept()

    def close(self) -> None:
        """Free the handle and close its connection."""
        self.curl.close()
        self._connections.close()

    def _was_sent_once(self) -> bool:
        """Return whether libcurl left the kept connection before it sent the request there.

        It does that where something came on it, also an answer too many. A connection that dies under the request says
        nothing: that is sent twice then, and its size counts twice.
        """
        once = len(self._url) + self._header_bytes + self._body_bytes + _OWN_HEADER_BYTES
        return bool(self.curl.getinfo(pycurl.REQUEST_SIZE) < 1.5 * once)

    @property
    def _is_cut(self) -> bool:
        # libcurl closes a connection with bytes behind the answer, and one whose request was refused half sent.
        head = self._reply.head
        return self.socket < 0 and head is not None and head.keeps_connection and head.status < 400

    def _doubtful_seconds(self, timing: Timing) -> float:
        if timing.is_new_connection:
            return 0.0
        if self.socket >= 0:
            return min(timing.total_seconds, _DOUBTFUL_SECONDS)
        return _DOUBTFUL_SECONDS if self._is_cut else 0.0

    def _has_answer(self) -> bool:
        if self.socket < 0:
            return False
        # The engine's thread closes it next: nobody misses what is read here.
        try:
            here = socket.socket(fileno=self.socket)
        except OSError:
            return False
        try:
            here.setblocking(False)
            came = here.recv(_LEAST_ANSWER_BYTES)
        except OSError:
            return False
        finally:
            here.detach()
        if self._url.startswith("https:"):
            return len(came) == _LEAST_ANSWER_BYTES and came[0] == _TLS_DATA
        return bool(came) and not came.startswith(_UNUSED)

    def _aim(self, request: HttpRequest) -> None:
        if request.url != self._url:
            self._aim_at(request.url)
        if request.key is not None and self._is_in_clear:
            raise SettingsError(
                f"The API key is not sent in clear to {quoted(urlsplit(self._url).hostname)}. Use https."
            )

    def _aim_at(self, url: str) -> None:
        parts = urlsplit(url)
        is_here = is_loopback(parts.hostname or "")
        self._url, self._is_in_clear = "", parts.scheme != "https" and not is_here
        self.curl.setopt(pycurl.URL, url.encode("ascii", "replace"))
        if is_here:
            # An empty proxy also keeps libcurl from reading HTTP_PROXY.
            self.curl.setopt(pycurl.PROXY, "")
        else:
            self.curl.unsetopt(pycurl.PROXY)
        self._url = url

    def _set_body(self, request: HttpRequest) -> None:
        if request.method == "POST":
            if self._method != "POST":
                self.curl.setopt(pycurl.POST, 1)
            self.curl.setopt(pycurl.POSTFIELDS, request.body or b"")
            self._body_bytes = len(request.body or b"")
        elif request.method == "GET" and not request.body:
            self.curl.setopt(pycurl.HTTPGET, 1)
            self._body_bytes = 0
        else:
            raise InputError(
                f"Cannot send {quoted(request.method)}: a feature server takes POST, or GET without a body."
            )
        self._method = request.method

    def _set_headers(self, request: HttpRequest) -> None:
        if request.headers == self._headers and request.key is self._key:
            return
        self._headers = None
        lines = [*_header_lines(request.headers), *_key_line(request.key)]
        self.curl.setopt(pycurl.HTTPHEADER, lines)
        self._header_bytes = sum(map(len, lines))
        self._headers, self._key = request.headers, request.key

    def _limit(self, deadline_seconds: float, connect_seconds: float) -> None:
        limits = (deadline_seconds, connect_seconds)
        if limits != self._limits:
            self.curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(deadline_seconds))
            self.curl.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(connect_seconds))
            self._limits = limits

    def _timing(self) -> Timing:
        get = self.curl.getinfo
        ready, total = get(pycurl.PRETRANSFER_TIME), self._total_seconds
        first = max(0.0, get(pycurl.STARTTRANSFER_TIME) - ready)
        if not self.is_new_connection:
            return Timing(self._started_at_ns, 0.0, 0.0, 0.0, first, total, False)
        looked_up, connected = get(pycurl.NAMELOOKUP_TIME), get(pycurl.CONNECT_TIME)
        tls = max(0.0, get(pycurl.APPCONNECT_TIME) - connected)
        return Timing(self._started_at_ns, looked_up, max(0.0, connected - looked_up), tls, first, total, True)

    def _phase(self) -> str:
        # libcurl fills PRETRANSFER_TIME even where it gives up before.
        get = self.curl.getinfo
        if not self._reply.is_untouched:
            return "reading the answer"
        if self._is_connection_kept():
            return "waiting for the answer"
        if not get(pycurl.CONNECT_TIME):
            return "connecting" if get(pycurl.NAMELOOKUP_TIME) else "looking up the name"
        is_ready = get(pycurl.APPCONNECT_TIME) or not self._url.lower().startswith("https:")
        return "waiting for the answer" if is_ready else "setting up TLS"

    def _is_connection_kept(self) -> bool:
        # Without an address no connection was reached at all, old or new.
        return not self.curl.getinfo(pycurl.NUM_CONNECTS) and bool(self.curl.getinfo(pycurl.PRIMARY_IP))


def _header_lines(headers: tuple[tuple[str, str], ...]) -> list[bytes]:
    # libcurl would ask for leave to send a large body, and call every body a form.
    lines = (
        [b"Expect:"] if any(name.lower() == "content-type" for name, _ in headers) else [b"Expect:", b"Content-Type:"]
    )
    return [*lines, *(_header_line(name, value) for name, value in headers)]


def _header_line(name: str, value: str) -> bytes:
    if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise InputError(f"The header {quoted(name)} holds characters that cannot be sent.")
    # libcurl reads "Name:" as "leave it out" and "Name;" as "send it empty".
    return f"{name}: {value}".encode("latin-1") if value else f"{name};".encode("ascii")


def _key_line(key: Secret | None) -> list[bytes]:
    return [] if key is None else [b"Authorization: " + authorization(key)]


def _milliseconds(seconds: float) -> int:
    # To libcurl 0 means no limit.
    return max(1, int(min(seconds * 1_000, _LONGEST_MILLISECONDS)))

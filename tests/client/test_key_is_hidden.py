"""The API key is in no repr, attribute, pickle, traceback, log record or client header."""

from __future__ import annotations

import asyncio
import logging
import pickle
import pprint
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, MethodType

import httpx
import pytest
from canned import KEY, Reply, typed, vector
from fault_server import answer

import tecton_nb as tnb
from tecton_nb.connect import settings_path
from tecton_nb.exceptions import DecodeError, TectonError

CANARY = KEY
TESTS = str(Path(__file__).parent.parent)
KEYS = [typed("k", "string")]
ECHO = [typed("v.text", "string")]
PADDING = "x" * 70


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and everything it was raised from or during."""
    if error is not None:
        yield error
        yield from _chain(error.__cause__)
        yield from _chain(error.__context__)


def _frames(error: BaseException):
    """Yield the frames of the error that are not those of the tests, which know the key."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(TESTS):
            yield frame, line


def _all_that_tools_show(error: BaseException) -> str:
    """What verbose tracebacks, debuggers and error reporters print of an error."""
    parts: list[str] = []
    for each in _chain(error):
        stack = traceback.StackSummary.extract(_frames(each), capture_locals=True)
        parts += ["".join(stack.format()), str(each), repr(each), repr(vars(each)), repr(each.args)]
        parts += [repr(getattr(each, "__notes__", ""))]
        request = getattr(each, "_request", None)
        parts += [repr(request and request.headers.raw)]
    return "\n".join(parts)


def _walk(found: object, depth: int, seen: set[int]) -> Iterator[object]:
    """Yield an object and what its attributes, items and slots hold, `depth` levels down."""
    if id(found) in seen or depth < 0 or isinstance(found, type | FunctionType | MethodType):
        return
    seen.add(id(found))
    yield found
    slots = [name for kind in type(found).__mro__ for name in getattr(kind, "__slots__", ())]
    inside = [*vars(found).values()] if hasattr(found, "__dict__") else []
    inside += [getattr(found, name) for name in slots if isinstance(name, str) and hasattr(found, name)]
    inside += [*found.keys(), *found.values()] if isinstance(found, dict) else []
    inside += list(found) if isinstance(found, list | tuple | set | frozenset) else []
    for item in inside:
        yield from _walk(item, depth - 1, seen)


@pytest.fixture
def held(service):
    """Everything a user may hold after a call: client, service, batch, frames, response."""
    found = service(lambda asked: vector([asked.join_keys["k"]], *ECHO), ECHO, KEYS)
    batch = found.get_features_batch([{"k": "a"}, {"k": 7}])
    response = found.client.get_features(feature_service_name="s", join_key_map={"k": "a"})
    twin = tnb.AsyncTectonClient(found.client.server.url, KEY, "prod")
    plain = {name: value for name, value in vars(found.client).items() if name != "server"}
    return [plain, found._core, found.metadata, found.features(), batch, response, twin, twin._core, twin._driver]


def test_objects_do_not_hold_the_key_in_sight(held):
    """No repr, str, attribute, slot or item of what a user holds shows the key, five levels down."""
    for found in _walk(held, 6, set()):
        for text in (repr(found), str(found), pprint.pformat(found)):
            assert CANARY not in text
        bundle = getattr(found, "_repr_mimebundle_", None)
        assert bundle is None or CANARY not in repr(bundle())


def test_objects_do_not_hold_the_key_in_a_pickle(held):
    """What can be pickled holds no key; a client cannot, and says why."""
    for found in held:
        try:
            pickled = pickle.dumps(found)
        except TypeError as error:
            assert CANARY not in str(error)  # noqa: PT017  # most of them can be pickled
        else:
            assert CANARY.encode() not in pickled

    with pytest.raises(TypeError, match="A Secret cannot be pickled, so that no API key lands in a file"):
        pickle.dumps(tnb.TectonClient("https://x.tecton.ai", KEY, "prod"))


def test_client_of_the_embedded_server_does_not_show_its_key(demo):
    """connect() to an embedded server keeps that server's key out of sight too."""
    with tnb.connect(demo) as client:
        shown = [repr(found) for found in _walk(client, 4, set())]

    assert not any(demo.api_key in text for text in shown)


def test_httpx_clients_do_not_hold_the_key_in_their_headers(ours):
    """The key is put on as a request is sent, so no client's headers hold it, and no request keeps it."""
    client = ours(vector([]))
    client.get_features(feature_service_name="s")

    assert "authorization" not in client._driver._http.headers


def test_request_of_the_user_s_client_does_not_keep_the_key():
    """After a call the request that the user's httpx client may have remembered has no key on it."""
    kept: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        kept.append(request)
        assert request.headers["Authorization"].endswith(CANARY)
        return httpx.Response(200, json=vector([]))

    with httpx.Client(transport=httpx.MockTransport(answer)) as own:
        tnb.TectonClient("https://x.tecton.ai", KEY, "prod", own).get_features(feature_service_name="s")

    assert "Authorization" not in kept[0].headers


def test_logs_do_not_hold_the_key(service, caplog):
    """At DEBUG, no logger of any library writes the key down."""
    caplog.set_level(logging.DEBUG)
    found = service(lambda asked: vector([asked.join_keys["k"]], *ECHO), ECHO, KEYS)

    found.get_features([{"k": "a"}, {"k": "b"}])
    with httpx.Client() as own:
        tnb.TectonClient(found.client.server.url, KEY, "prod", own).feature_service("s").get_features({"k": "a"})

    assert any(record.name.startswith("httpcore") for record in caplog.records)
    for record in caplog.records:
        assert CANARY not in record.getMessage()
        assert CANARY not in repr(vars(record))


@pytest.mark.parametrize("is_async", [False, True])
def test_logs_do_not_hold_what_a_status_line_repeats(canned, caplog, is_async):
    """httpx logs the words of every status line: a key repeated there is struck, controls are escaped."""
    caplog.set_level(logging.INFO)
    server = canned(Reply({"inputJoinKeys": KEYS, "featureValues": ECHO}, reason=f"OK {KEY}\x1b[31m"))

    async def ask():
        async with tnb.AsyncTectonClient(server.url, KEY, "prod") as client:
            await client.get_feature_service_metadata(feature_service_name="s")

    if is_async:
        asyncio.run(ask())
    else:
        with tnb.TectonClient(server.url, KEY, "prod") as client:
            client.get_feature_service_metadata(feature_service_name="s")

    assert "200 OK ****" in caplog.text
    assert CANARY not in caplog.text
    assert "\x1b" not in caplog.text


ECHOES = {
    "401 with JSON": Reply({"message": f"invalid key {KEY}", "code": 16}, 401),
    "401 with HTML": Reply(f"<html><title>No {KEY}</title></html>".encode(), 401),
    "503 with text": Reply(f"{PADDING}{KEY}".encode(), 503),
    "200 with HTML": Reply(f"<html><title>Sign in {KEY}</title></html>".encode()),
    "200 with half a page": Reply(f"<html>{PADDING} {KEY}".encode()),
    "200 with bad JSON": Reply(f'{{"result": {KEY}'.encode()),
    "200 with an error body": Reply({"error": f"bad {KEY}", "code": 2}),
    "200 with another list": Reply([KEY]),
    "200 with a name": Reply({KEY: 1}),
    "redirect": Reply(b"", 307, {"Location": f"https://evil.example/?key={KEY}"}),
    "status line": Reply(b"", 418, reason=f"No {KEY}"),
}


@pytest.mark.parametrize("reply", ECHOES.values(), ids=ECHOES.keys())
def test_key_that_the_server_echoes_is_struck_out(ours, reply):
    """A server that repeats the key does not bring it into an error, its pickle or its traceback."""
    client = ours(reply)

    with pytest.raises(TectonError) as caught:
        client.get_features(feature_service_name="s")

    assert CANARY not in _all_that_tools_show(caught.value)
    assert CANARY.encode() not in pickle.dumps(caught.value)
    assert KEY[:20] not in str(caught.value)


def _refused_connection():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tnb.TectonClient(f"http://127.0.0.1:{port}", KEY, "prod").get_features(feature_service_name="s")


def _own_client(error):
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("no", request=request)

    own = httpx.Client(transport=httpx.MockTransport(fail))
    with own:
        tnb.TectonClient("https://x.tecton.ai", KEY, "prod", own).get_features(feature_service_name="s")


def _bad_value():
    tnb.TectonClient("https://x.tecton.ai", KEY, "prod").get_features(
        feature_service_name="s", join_key_map={"k": object()}
    )


def _closed():
    client = tnb.TectonClient("https://x.tecton.ai", KEY, "prod")
    client.close()
    client.get_features(feature_service_name="s")


PROVOKED = {
    "key with a control character": lambda: tnb.TectonClient("https://x.tecton.ai", f"{KEY}\x00", "prod"),
    "key with a space": lambda: tnb.TectonClient("https://x.tecton.ai", f"{KEY} {KEY}", "prod"),
    "key in quotes": lambda: tnb.AsyncTectonClient("https://x.tecton.ai", f"'{KEY}'", "prod"),
    "bad address": lambda: tnb.TectonClient("x.tecton.ai", KEY, "prod"),
    "bad deadline": lambda: tnb.TectonClient("https://x.tecton.ai", KEY, "prod", deadline_seconds=0),
    "no workspace": lambda: tnb.TectonClient("https://x.tecton.ai", KEY).get_features(feature_service_name="s"),
    "connection refused": _refused_connection,
    "httpx.ConnectError": lambda: _own_client(httpx.ConnectError),
    "httpx.ReadTimeout": lambda: _own_client(httpx.ReadTimeout),
    "httpx.LocalProtocolError": lambda: _own_client(httpx.LocalProtocolError),
    "value that cannot be sent": _bad_value,
    "closed client": _closed,
}


@pytest.mark.parametrize("provoke", PROVOKED.values(), ids=PROVOKED.keys())
def test_traceback_does_not_hold_the_key(provoke):
    """Whatever fails, no frame of ours holds the key in a local variable, and the error does not hold it."""
    with pytest.raises(TectonError) as caught:
        provoke()

    assert CANARY not in _all_that_tools_show(caught.value)
    assert CANARY.encode() not in pickle.dumps(caught.value)


def test_traceback_of_a_batch_does_not_hold_the_key(service):
    """An error from the engine's thread is as clean as one from the caller's."""
    found = service(ECHOES["401 with JSON"], ECHO, KEYS)

    with pytest.raises(TectonError) as caught:
        found.get_features([{"k": "a"}])

    assert CANARY not in _all_that_tools_show(caught.value)
    assert CANARY not in repr(found.get_features_batch([{"k": "a"}]).errors().to_dict())


def test_traceback_of_a_metrics_page_does_not_hold_the_key(ours):
    """A login page in place of the metrics is struck out as well."""
    client = ours(Reply(f"<html>{KEY}".encode(), headers={"Content-Type": "text/html"}))

    with pytest.raises(TectonError) as caught:
        client.get_metrics()

    assert CANARY not in _all_that_tools_show(caught.value)


@pytest.mark.parametrize("how", ["in the file", "in a file that is no text"])
def test_traceback_of_settings_does_not_hold_the_key(monkeypatch, tmp_path, how):
    """A key found where it should not be, or half readable, is in no traceback."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings_path().parent.mkdir(parents=True, exist_ok=True)
    if how == "in the file":
        settings_path().write_text(f'[profiles.work]\nurl = "https://x.tecton.ai"\napikey = "{KEY}"\n')
    else:
        (tmp_path / "key").write_bytes(KEY.encode() + b"\xff")
        settings_path().write_text('[profiles.work]\nurl = "https://x.tecton.ai"\napi_key_file = "~/key"\n')

    with pytest.raises(TectonError) as caught:
        tnb.connect("work")

    assert CANARY not in _all_that_tools_show(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        Reply(b"x" * 47 + KEY.encode()),
        Reply({"error": "y" * 290 + KEY}),
        Reply({"result": {"features": []}, "metadata": {"features": "z" * 70 + KEY}}),
    ],
    ids=["no JSON", "error body", "wrong type"],
)
def test_key_that_a_sentence_would_cut_in_two_is_struck_out(ours, body):
    """Also where a sentence shows only the beginning of an answer, no piece of the key is in it."""
    client = ours(body)

    with pytest.raises(DecodeError) as caught:
        client.get_features(feature_service_name="s", join_key_map={"k": "a"})

    assert CANARY[:8] not in str(caught.value)


CUT = {
    "int64 far into its text": ("x" * 60 + KEY, "int64"),
    "list for a string": (["x" * 52 + KEY], "string"),
    "list that ends in the key": (["x" * 40, KEY], "int64"),
}


@pytest.mark.parametrize(("value", "data_type"), CUT.values(), ids=CUT.keys())
def test_piece_of_the_key_in_place_of_a_value_is_struck_from_the_row_s_error(service, value, data_type):
    """However a sentence cuts a value that holds the key, no more than 3 characters of the key are in it."""
    found = service(vector([value], typed("v.n", data_type)), [typed("v.n", data_type)], KEYS)

    message = found.get_features_batch([{"k": "a"}]).errors()["message"].iloc[0]

    assert "****" in message
    assert KEY[:4] not in message


RAW = {
    "greeting": f"SSH-2.0-{KEY}\r\n".encode(),
    "greeting cut by us": f"{PADDING}{KEY}\r\n".encode(),
    "header that is none": f"HTTP/1.1 200 OK\r\n{KEY} x\r\n\r\n".encode(),
    "transfer encoding": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {KEY}\r\n\r\n".encode(),
    "content encoding": f"HTTP/1.1 200 OK\r\nContent-Encoding: {KEY}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "length": f"HTTP/1.1 200 OK\r\nContent-Length: {KEY}\r\n\r\n{{}}".encode(),
}


def _shows_no_key(error: BaseException) -> bool:
    shown = _all_that_tools_show(error).lower()
    return KEY[:4].lower() not in shown and KEY.encode() not in pickle.dumps(error)


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
@pytest.mark.parametrize("is_own", [False, True], ids=["engine", "httpx"])
def test_answer_that_is_not_http_brings_no_key_into_an_error(serve, raw, is_own):
    """Whatever answers in place of the server and repeats the key, no error and no cause of one shows it."""
    server = serve([{"send": raw}, {"close": True}])

    with httpx.Client() as own:
        client = tnb.TectonClient(server.url, KEY, "prod", client=own if is_own else None)
        with client, pytest.raises(TectonError) as caught:
            client.get_features(feature_service_name="s", join_key_map={"k": "a"})

    assert _shows_no_key(caught.value)


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
@pytest.mark.parametrize("is_own", [False, True], ids=["engine", "httpx"])
def test_answer_that_is_not_http_brings_no_key_into_the_table_of_errors(serve, raw, is_own):
    """The same holds for the rows of a batch."""
    metadata = Reply({"inputJoinKeys": KEYS, "featureValues": ECHO}).content()
    refusal = [{"send": raw}, {"close": True}]
    server = serve(lambda asked: [answer(metadata)] if asked.operation == "metadata" else refusal)

    with httpx.Client() as own, tnb.TectonClient(server.url, KEY, "prod", client=own if is_own else None) as client:
        batch = client.feature_service("s").get_features_batch([{"k": "a"}])

    assert len(batch.errors()) == 1
    assert KEY[:4].lower() not in str(batch.errors().to_dict()).lower()


def test_key_in_place_of_a_value_is_struck_from_the_row_s_error(service):
    """A server that answers the key where a number belongs does not bring it into the table of errors."""
    found = service(vector([f"bad {KEY}"], typed("v.n", "int64")), [typed("v.n", "int64")], KEYS)

    message = found.get_features_batch([{"k": "a"}]).errors()["message"].iloc[0]

    assert "****" in message
    assert CANARY not in message

"""A bulk call can be interrupted: the caller is free at once, and nothing is sent any more."""

from __future__ import annotations

import signal
import threading
from time import monotonic

import httpx
import pytest
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb

ECHO = [typed("v.text", "string")]
KEYS = [typed("k", "string")]


@pytest.fixture(autouse=True)
def _interrupts_raise():
    """Let Ctrl-C raise, which it does not in a process that a shell has put into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _interrupt_when(asked_for: threading.Event) -> threading.Thread:
    """Send the main thread the signal of Ctrl-C as soon as the event is set."""
    main = threading.main_thread().ident

    def wait() -> None:
        asked_for.wait(20)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_interrupted_batch_frees_the_caller_at_once(service):
    """Ctrl-C while every request hangs returns in well under a second, and the next call works."""
    hanging = threading.Event()

    def answer(asked):
        if asked.join_keys["k"] == "never":
            hanging.set()
            return found.client.server.silence()
        return vector(["fine"], *ECHO)

    found = service(answer, ECHO, KEYS)
    thread = _interrupt_when(hanging)

    began = monotonic()
    with pytest.raises(KeyboardInterrupt):
        found.get_features_batch([{"k": "never"}] * 200, deadline_seconds=60)
    seconds = monotonic() - began
    thread.join()
    frame = found.get_features({"k": "fine"})

    assert seconds < 5
    assert frame["v.text"].tolist() == ["fine"]
    assert sum(asked.operation == "get-features" for asked in found.client.server.asked) <= 9


def test_interrupted_batch_through_the_user_s_client_does_not_wait_for_it():
    """With a client of the user's own, whose threads cannot be cut off, the caller is freed all the same."""
    hanging, over = threading.Event(), threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("metadata"):
            return httpx.Response(200, json={"inputJoinKeys": KEYS, "featureValues": ECHO})
        hanging.set()
        over.wait(20)
        return httpx.Response(200, json=vector(["late"], *ECHO))

    with httpx.Client(transport=httpx.MockTransport(answer)) as own:
        service = tnb.TectonClient("https://x.tecton.ai", KEY, "prod", own).feature_service("s")
        thread = _interrupt_when(hanging)
        began = monotonic()
        with pytest.raises(KeyboardInterrupt):
            service.get_features_batch([{"k": "never"}] * 50)
        seconds = monotonic() - began
        over.set()
        thread.join()

    assert seconds < 5


def test_reply_of_the_server_is_awaited_on_any_thread(service):
    """Batches of several threads over one client do not mix their rows."""
    found = service(lambda asked: Reply(vector([asked.join_keys["k"]], *ECHO)), ECHO, KEYS)
    frames: dict[int, list[str]] = {}

    def fetch(n: int) -> None:
        frames[n] = found.get_features([{"k": f"{n}-{i}"} for i in range(30)])["v.text"].tolist()

    threads = [threading.Thread(target=fetch, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert frames == {n: [f"{n}-{i}" for i in range(30)] for n in range(6)}

"""The exception tree, the sentences it speaks, and how foreign text is shown in them."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import time
from typing import Any

import pytest

from tecton_nb import exceptions
from tecton_nb.exceptions import (
    HTTP_ERRORS,
    MESSAGE_LIMIT,
    BadRequestError,
    DecodeError,
    InternalServerError,
    NotFoundError,
    RedirectRefusedError,
    ResourceExhaustedError,
    ScrapeFormatError,
    TectonError,
    TectonHttpException,
    UnauthorizedError,
    did_you_mean,
    full_stop,
    listed,
    quoted,
    shown,
)

CLASSES = {
    name: kind
    for name, kind in vars(exceptions).items()
    if inspect.isclass(kind) and issubclass(kind, Exception) and kind.__module__ == exceptions.__name__
}
# The reference document's exceptions; every other one is ours.
DOCUMENTED = {
    "TectonHttpException",
    "BadRequestError",
    "UnauthorizedError",
    "ForbiddenError",
    "NotFoundError",
    "ResourceExhaustedError",
    "ServiceUnavailableError",
    "GatewayTimeoutError",
}


def _drawn_parents() -> dict[str, str]:
    """Return each class's parent as the module's docstring draws it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (exceptions.__doc__ or "").splitlines():
        found = re.match(r"    ([│├└─ ]*)(\w+)", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            if depth:
                parents[found[2]] = path[depth - 1]
    return parents


def _pickled(error: Any) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes


def test_exception_tree_is_as_drawn() -> None:
    """The tree at the top of the module shows every exception under its real parent."""
    parents = _drawn_parents()

    assert set(parents) | {"TectonError"} == set(CLASSES)
    assert parents == {name: kind.__bases__[0].__name__ for name, kind in CLASSES.items() if name != "TectonError"}


def test_hint_does_not_repeat_what_the_server_says() -> None:
    """How long a new key takes is told only where the server does not explain its refusal itself."""
    explained = UnauthorizedError(401, "Unauthorized", "Unknown key.")

    assert str(explained) == "The server answered 401 Unauthorized: Unknown key. Check the API key."
    assert str(UnauthorizedError(401, "Unauthorized", "")) == (
        "The server answered 401 Unauthorized. Check the API key. A new key can take up to 60 seconds until it works."
    )


def test_every_exception_has_one_root() -> None:
    """Whoever catches TectonError catches everything the package raises on purpose."""
    assert all(issubclass(kind, TectonError) for kind in CLASSES.values())


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_documented_exception_takes_the_documented_arguments(name: str) -> None:
    """The reference document's exceptions exist, under one base, and are made of status, reason and message."""
    kind: Any = CLASSES[name]

    parameters = list(inspect.signature(kind).parameters.values())
    assert issubclass(kind, TectonHttpException)
    assert [p.name for p in parameters[:3]] == ["status_code", "reason_phrase", "message"]
    assert all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in parameters[:3])
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[3:])
    error = kind(status_code=418, reason_phrase="Teapot", message="short")
    assert (error.status_code, error.reason_phrase, error.message) == (418, "Teapot", "short")
    assert error.args == (418, "Teapot", "short")


def test_each_error_status_has_its_class() -> None:
    """The documented statuses and 500 raise a class of their own."""
    assert {status: kind.__name__ for status, kind in HTTP_ERRORS.items()} == {
        400: "BadRequestError",
        401: "UnauthorizedError",
        403: "ForbiddenError",
        404: "NotFoundError",
        429: "ResourceExhaustedError",
        500: "InternalServerError",
        503: "ServiceUnavailableError",
        504: "GatewayTimeoutError",
    }


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            NotFoundError(404, "Not Found", "Unknown feature_service_name: x for workspace: prod"),
            "The server answered 404 Not Found: Unknown feature_service_name: x for workspace: prod. "
            "Check the names of the feature service and of the workspace.",
        ),
        (
            BadRequestError(400, "Bad Request", "Batch size 11 exceeds maximum of 10."),
            "The server answered 400 Bad Request: Batch size 11 exceeds maximum of 10. "
            "Compare the keys and values sent with the service's metadata.",
        ),
        (
            ResourceExhaustedError(429, "", ""),
            "The server answered 429. Send fewer requests at once, or try again later.",
        ),
        (TectonHttpException(418, "I'm a teapot", ""), "The server answered 418 I'm a teapot."),
        (
            InternalServerError(500, "Internal Server Error", " boom!\n"),
            "The server answered 500 Internal Server Error: boom!",
        ),
        (
            TectonHttpException(502, "Bad\r\nGateway", "a\x1b[2Jb"),
            "The server answered 502 Bad\\r\\nGateway: a\\x1b[2Jb.",
        ),
        (RedirectRefusedError(302, "Found", "", sentence="Elsewhere."), "Elsewhere."),
    ],
    ids=["message", "full-stop", "bare", "other-status", "exclamation", "control-characters", "own-sentence"],
)
def test_http_exception_speaks_in_sentences(error: TectonHttpException, sentence: str) -> None:
    """An error status is shown with what the server said and what to do, each sentence ended once."""
    assert str(error) == sentence


@pytest.mark.parametrize("character", ["x", "\x00", "\u202e", "\U000e0001", "é", "\ud800"], ids=ascii)
def test_http_exception_message_is_cut_when_shown(character: str) -> None:
    """A message of a megabyte is kept whole and shown in about 2,000 characters, however it must be escaped."""
    error = NotFoundError(404, "Not Found", character * 1_000_000)

    assert len(error.message) == 1_000_000
    assert len(str(error)) < MESSAGE_LIMIT + 150
    assert str(error).encode()


@pytest.mark.parametrize("kind", [kind for kind in CLASSES.values() if issubclass(kind, TectonHttpException)])
@pytest.mark.parametrize("copied", [_pickled, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_http_exception_survives_the_way_to_another_process(kind: Any, copied: Any) -> None:
    """An exception sent through a process pool keeps its class, its attributes and its text."""
    error = kind(429, "Too Many", "slow down", code=8, retry_after_seconds=1.5, sentence="Wait.")
    error.add_note("row 7")

    twin = copied(error)

    assert type(twin) is kind
    assert vars(twin) == vars(error)
    assert (twin.code, twin.retry_after_seconds, twin.sentence, twin.args) == (8, 1.5, "Wait.", error.args)
    assert str(twin) == str(error)


@pytest.mark.parametrize("kind", [kind for kind in CLASSES.values() if not issubclass(kind, TectonHttpException)])
def test_other_exception_survives_the_way_to_another_process(kind: Any) -> None:
    """Every other exception can be pickled too, a place in the body included."""
    error = kind("What happened.", "result.features[3]") if issubclass(kind, DecodeError) else kind("What happened.")

    twin = _pickled(error)

    assert type(twin) is kind
    assert str(twin) == str(error) == "What happened."
    assert vars(twin) == vars(error)


def test_decode_error_is_a_value_error_with_a_place() -> None:
    """Code that catches ValueError for a bad value keeps working; the place is an attribute."""
    error = ScrapeFormatError("The text is no metrics page.", "line 7")

    assert isinstance(error, DecodeError)
    assert isinstance(error, ValueError)
    assert error.where == "line 7"
    assert DecodeError("x").where == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, é, 漢字, 😀", "plain text, é, 漢字, 😀"),
        ("a\tb\r\nc", "a\\tb\\r\\nc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("abc\u202edcba\u2066", "abc\\u202edcba\\u2066"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("half \ud800 pair", "half \\ud800 pair"),
        ("private \ue000 tag \U000e0041", "private \\ue000 tag \\U000e0041"),
        ("c1 \x85\x9b", "c1 \\x85\\x9b"),
        (None, "None"),
        (7.5, "7.5"),
        ("", ""),
    ],
    ids=ascii,
)
def test_foreign_text_is_shown_without_controls(text: object, expected: str) -> None:
    """Controls of terminal and direction, invisible characters and broken pairs are escaped; letters stay."""
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "abcd…"),
        ("\x00\x00", 5, "\\x00…"),
        ("\x00" * 100, 9, "\\x00\\x00…"),
    ],
)
def test_long_text_is_cut_after_it_is_escaped(text: str, limit: int, expected: str) -> None:
    """The limit holds for what is shown, not for what was said."""
    assert shown(text, limit) == expected


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class _Silent:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(10**5000, "'<int>'"), (_nested(100_000), "'<list>'"), (_Silent(), "'<_Silent>'")],
    ids=["digits", "depth", "failing-str"],
)
def test_value_without_a_text_is_shown_as_its_type(value: object, expected: str) -> None:
    """A value whose text cannot be made never breaks the sentence about it."""
    assert quoted(value) == expected
    assert did_you_mean(value, ["a"]) == ""


def test_quoted_value_is_cut_to_its_limit() -> None:
    """A value in a sentence takes at most 80 characters and its quotes."""
    assert quoted("x" * 100) == "'" + "x" * 79 + "…'"
    assert quoted("C1") == "'C1'"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "none"),
        (["a"], "'a'"),
        (["a", 7], "'a', '7'"),
        ([str(i) for i in range(12)], ", ".join(f"'{i}'" for i in range(12))),
        ((str(i) for i in range(15)), ", ".join(f"'{i}'" for i in range(12)) + " and 3 more"),
    ],
    ids=["none", "one", "two", "limit", "more"],
)
def test_names_are_listed_and_the_rest_counted(names: Any, expected: str) -> None:
    """A list of names shows twelve and counts the others."""
    assert listed(names) == expected


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("user_id", ["userid", "amount"], " Did you mean 'userid'?"),
        ("fraud", ["rider"], ""),
        ("x", [], ""),
        (7, [71, 5], " Did you mean '71'?"),
        ("a\n", ["a\t"], ""),
    ],
    ids=repr,
)
def test_closest_known_name_is_offered(name: object, known: list[object], expected: str) -> None:
    """A slip of the pen gets the name that was meant; nothing close gets nothing."""
    assert did_you_mean(name, known) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("a", "a."), ("a.", "a."), ("a?", "a?"), ("a!", "a!"), ("a…", "a…"), ("", ".")]
)
def test_sentence_ends_once(text: str, expected: str) -> None:
    """A full stop is added where a sentence has no end."""
    assert full_stop(text) == expected


def test_names_as_long_as_books_are_not_compared() -> None:
    """A server that names things in megabytes cannot keep the client busy looking for the likeliest one."""
    letters = [chr(0x4E00 + i % 300) for i in range(100_000)]
    started = time.monotonic()

    hint = did_you_mean("".join(letters), ["".join(reversed(letters))])

    assert hint == ""
    assert time.monotonic() - started < 2

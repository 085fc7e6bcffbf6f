"""What is left of an API key in a sentence: nothing that anybody could use."""

from __future__ import annotations

import copy
import copyreg
from types import TracebackType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tecton_nb.exceptions import DecodeError, NotFoundError, ProtocolError, quoted, shown
from tecton_nb.transport.scrub import scrubbed, without_key
from tecton_nb.transport.secret import Secret

KEY = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
SECRET = Secret(KEY)
# Letters that are in no piece of the key.
FOREIGN = st.text(st.sampled_from("xyzXYZ -:"), max_size=90)


@given(
    FOREIGN, FOREIGN, st.sampled_from([str, str.upper]), st.sampled_from([quoted, shown, lambda t, n: quoted([t], n)])
)
def test_value_that_is_cut_anywhere_shows_no_piece_of_the_key(before, after, case, show):
    """Wherever a sentence cuts a value with the key in it, at most 3 characters of the key are left."""
    sentence = f"Cannot read {show(before + case(KEY) + after, 80)}. Try again."

    found = scrubbed(sentence, SECRET)

    assert KEY[:4] not in found.lower()
    assert KEY[-4:] not in found.lower()
    assert found.startswith("Cannot read ")
    assert found.endswith(". Try again.")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("it said '0a1b2c'.", "it said '****'."),
        ("it said '0a1b2c...", "it said '****..."),
        ("it said (0a1b2c). Go", "it said (****). Go"),
        ("it said 'd7e8f9 and more'", "it said '**** and more'"),
        ("it ends in 0a1b2c", "it ends in ****"),
        ("the words 0a1b2c and d7e8f9 stay", "the words 0a1b2c and d7e8f9 stay"),
        ("'0a1' is too short", "'0a1' is too short"),
    ],
)
def test_piece_is_struck_where_a_value_is_cut(text, left):
    """Pieces count at the ends of a value only: elsewhere they are words like others."""
    assert scrubbed(text, SECRET) == left


def test_key_with_quotes_and_backslashes_is_struck_as_it_is_shown():
    """Python and JSON write such a key in another way, which is struck too."""
    key = "ab\\cd'ef\"gh1234"

    assert scrubbed(f"got {[key]!r} and {key}", Secret(key)) == "got ['****'] and ****"


def test_key_of_a_letter_leaves_words_alone():
    """Examples have keys like k; our own sentences stay readable with them."""
    assert scrubbed("know k.", Secret("k")) == "know ****."


def test_error_without_the_key_is_the_same_error_otherwise():
    """Class and attributes stay, only text that repeats the key changes, and no frame is kept."""
    refused = NotFoundError(404, f"No {KEY}", f"none: {KEY}", code=5, retry_after_seconds=2.0, sentence=f"No {KEY}.")
    greeting = ProtocolError(f"It said '{KEY}'.")
    greeting.is_noise = True
    greeting.__cause__ = ValueError(f"line {KEY}")
    try:
        raise DecodeError(f"Bad {KEY}.", "result[3]")
    except DecodeError as error:
        unreadable = without_key(error, SECRET)

    found = without_key(refused, SECRET)
    said = without_key(greeting, SECRET)

    assert type(found) is NotFoundError
    assert vars(found) == {**vars(refused), "reason_phrase": "No ****", "message": "none: ****", "sentence": "No ****."}
    assert (found.code, found.retry_after_seconds, found.args) == (5, 2.0, (404, "No ****", "none: ****"))
    assert (str(said), said.is_noise, str(said.__cause__)) == ("It said '****'.", True, "line ****")
    assert (str(unreadable), unreadable.where, unreadable.__traceback__) == ("Bad ****.", "result[3]", None)


def test_error_keeps_no_frame_where_copies_of_errors_do(monkeypatch):
    """Dask brings a package with which copied errors keep their traceback; the frames are gone all the same."""

    def again(message: str, trace: TracebackType) -> DecodeError:
        return DecodeError(message).with_traceback(trace)

    monkeypatch.setitem(copyreg.dispatch_table, DecodeError, lambda error: (again, (str(error), error.__traceback__)))

    with pytest.raises(DecodeError) as caught:
        raise DecodeError(f"Bad {KEY}.")

    assert copy.copy(caught.value).__traceback__ is not None
    assert without_key(caught.value, SECRET).__traceback__ is None


def test_nothing_is_struck_where_no_key_was_sent():
    """Without a key a text stays as it is."""
    assert scrubbed("any text…", None) == "any text…"

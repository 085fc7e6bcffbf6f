from __future__ import annotations

import copy
import json
import pickle
import pprint
from pathlib import Path

import pytest

from tecton_nb.exceptions import SettingsError
from tecton_nb.transport.secret import MAX_KEY_LENGTH, Secret, api_key, authorization, hidden

CANARY = "CANARY-API-KEY-0123456789"
CORPUS = Path(__file__).parents[1] / "corpora" / "api-keys.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text().splitlines()]
STRIPPED = {f"{CANARY}\n", f" {CANARY}"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["key"][:30]))
def test_api_key_of_the_corpus_is_accepted_or_refused_as_stated(case):
    """Every key of the corpus is taken, cleaned or refused as the corpus says, and never printed."""
    if case["expect"] == "accept" or case["key"] in STRIPPED:
        assert api_key(case["key"]).reveal() == CANARY
        return

    with pytest.raises(SettingsError) as caught:
        api_key(case["key"])

    assert "CANARY" not in str(caught.value)
    assert case["key"] not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "my_key",
        "1234",
        "a",
        "k" * MAX_KEY_LENGTH,
        "f1e2d3c4b5a6978812345678",
        "eyJhbGciOi.JIUzI1.NiJ9==",
        "abc/def+ghi=",
        "!#$%&'*+-.^_`|~",
        "yourself",
        "secretapikey1",
    ],
)
def test_api_key_that_could_be_one_is_accepted(text):
    """A key that could be real is taken as it is, among them the one the reference document passes."""
    assert api_key(text).reveal() == text


@pytest.mark.parametrize(
    "text", [f"\r\n{CANARY}\t", f"Tecton-key {CANARY}", f"tecton-KEY   {CANARY}\n", f"  Tecton-key\t{CANARY} "]
)
def test_api_key_with_whitespace_or_prefix_around_is_cleaned(text):
    """Whitespace around a key and a `Tecton-key` in front of it are dropped."""
    assert api_key(text).reveal() == CANARY


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "Tecton-key ",
        "tecton-key",
        f"{CANARY[:9]} {CANARY[9:]}",
        f"Bearer {CANARY}",
        f"Authorization: Tecton-key {CANARY}",
        f"{CANARY}\x00",
        f"{CANARY[:9]}\n{CANARY[9:]}",
        f"{CANARY}\x7f",
        f"\u201c{CANARY}\u201d",
        f"{CANARY}\u200b",
        f"\ufeff{CANARY}",
        f"{CANARY}\udce9",
        f"{CANARY}é",
        f"'{CANARY}'",
        f"`{CANARY}`",
        f'{CANARY}"',
        "k" * (MAX_KEY_LENGTH + 1),
        "<TOKEN>",
        "${TECTON_API_KEY}",
        "%TECTON_API_KEY%",
        "{TECTON_API_KEY}",
        "TECTON_API_KEY",
        "your-api-key",
        "YOUR_TECTON_API_KEY",
        "my_api_key_here",
        "insert-your-api-key-here",
        "xxxxxxxx",
        "****",
        "...",
        "None",
    ],
)
def test_api_key_that_cannot_be_one_is_refused_without_a_part_of_it(text):
    """A key that cannot work is refused before anything is sent, and no part of it is in the sentence."""
    with pytest.raises(SettingsError) as caught:
        api_key(text)

    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "CANARY" not in sentence
    assert "6789" not in sentence


def test_api_key_with_a_bad_character_names_its_position():
    """The sentence for a bad key says how long it is and which character is wrong."""
    with pytest.raises(SettingsError, match=r"^Character 7 of the 12 characters of the API key is a space\."):
        api_key("abcdef ghijk")


@pytest.mark.parametrize("value", [b"CANARY", 5, ["CANARY"]])
def test_api_key_of_another_type_is_refused(value):
    """Anything but text is refused with the name of its type only."""
    with pytest.raises(SettingsError, match=f"must be text, not {type(value).__name__}"):
        api_key(value)


def test_api_key_none_stays_none():
    """Without a key there is none, so that the user's own authentication can add it."""
    assert api_key(None) is None


@pytest.mark.parametrize("text", [f"{CANARY}\n{CANARY}", f'"{CANARY}"', CANARY.encode(), f"{CANARY}é"])
def test_api_key_refused_leaves_no_plain_text_in_the_traceback(text):
    """No frame of ours holds the plain key while the error about it travels."""
    with pytest.raises(SettingsError) as caught:
        api_key(hidden(text))

    frames = [entry.frame for entry in caught.traceback[1:]]
    assert frames
    assert not any("CANARY" in repr(value) for frame in frames for value in frame.f_locals.values())


def test_secret_in_any_print_shows_no_character():
    """However a secret is printed, no character of it is seen."""
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        pprint.pformat({"key": secret}),
        repr([getattr(secret, name) for name in dir(secret) if not name.startswith("__")]),
    ]

    assert not any("CANARY" in text for text in shown)
    assert not hasattr(secret, "__dict__")
    assert shown[0] == "Secret(****)"


def test_secret_pickled_raises_a_sentence_without_it():
    """A secret cannot be written to a file by pickling it."""
    with pytest.raises(TypeError, match="cannot be pickled") as caught:
        pickle.dumps({"key": Secret(CANARY)})

    assert "CANARY" not in str(caught.value)


def test_secret_copied_is_itself():
    """Copying an object that holds a secret makes no second one."""
    secret = Secret(CANARY)

    assert copy.copy(secret) is secret
    assert copy.deepcopy({"key": secret})["key"] is secret


def test_secrets_of_equal_text_are_equal_and_no_text_is():
    """Two secrets are equal when their text is; a secret equals no text, so nothing can be guessed by comparing."""
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret(CANARY + "0")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY), Secret("other")}) == 2
    assert hash(Secret(CANARY)) != hash(CANARY)
    assert Secret("\udce9é") == Secret("\udce9é")


def test_authorization_is_the_header_the_server_expects():
    """The header is `Tecton-key`, a space and the key."""
    assert authorization(Secret(CANARY)) == b"Tecton-key " + CANARY.encode()


@pytest.mark.parametrize("text", [f"{CANARY}\r\nX: 1", f"{CANARY}é", ""])
def test_authorization_of_an_unchecked_key_is_refused(text):
    """A key that was never checked cannot bring further headers along."""
    with pytest.raises(SettingsError) as caught:
        authorization(Secret(text))

    assert "CANARY" not in str(caught.value)

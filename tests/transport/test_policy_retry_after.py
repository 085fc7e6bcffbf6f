"""What ``Retry-After`` asks for, in every form a server may write it."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import BEGAN, answer_of, http_error

from tecton_nb.transport.policy import (
    RETRY_AFTER_CAP_SECONDS,
    GiveUp,
    Governor,
    Retry,
    Stop,
    retry_after_seconds,
    wait_asked_for,
)

CORPUS = Path(__file__).parents[1] / "corpora" / "retry-after.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
LATER = BEGAN + timedelta(seconds=42)
DAY_AHEAD = BEGAN + timedelta(days=1)


def _verdict(value: str, *headers: tuple[str, str]):
    governor = Governor(random.Random(1))
    answer = answer_of(429, ("Retry-After", value), *headers)
    return governor.failed(0.0, governor.started(0.0), http_error(429), answer)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["value"] or "empty")
def test_header_of_the_corpus_is_read_as_it_says(case):
    """Numbers are seconds, what nobody can read is ignored, and what is too long makes the row give up."""
    seconds = retry_after_seconds(case["value"], None, BEGAN)

    if isinstance(case["expect"], int):
        assert seconds == case["expect"]
    elif case["expect"] == "ignore":
        assert seconds is None
    elif case["expect"] == "give_up":
        assert seconds is not None
        assert seconds > RETRY_AFTER_CAP_SECONDS


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 5\t", 5),
        ("1.5", 1.5),
        ("0060", 60),
        ("9" * 5_000, 1e9),
        ("Fri, 20 Nov 2026 00:00:42 GMT", 42),
        ("Friday, 20-Nov-26 00:00:42 GMT", 42),
        ("Fri Nov 20 00:00:42 2026", 42),
        ("Fri, 20 Nov 2026 00:00:42 +0000", None),
        ("Thu, 19 Nov 2026 23:59:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Sun, 06 Nov 9994 08:49:37 GMT", 1e9),
        *(
            (junk, None)
            for junk in (
                "-5", "+5", "5s", "5,", "5, 10", "1,5", ".5", "5.", "1_000", "0x10", "inf", "Infinity", "-1e3",
                "\u0665", "\uff15", "5\n", "null", "{}", "tomorrow", "Fri", "20 Nov 2026", "00:00:42",
                "2026-11-20T00:00:42Z",
                "Tue, 31 Feb 2026 00:00:00 GMT", "Fri, 20 Nov 2026 25:00:00 GMT", "Fri, 20 Xyz 2026 00:00:00 GMT",
            )
        ),
    ],
)  # fmt: skip
def test_every_form_of_the_header_is_read_and_no_other(value, seconds):
    """Seconds, the three forms of a date, and nothing that only looks like them."""
    assert retry_after_seconds(value, None, BEGAN) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_makes_the_run_fail(value, date):
    """Whatever stands in the two headers, the wait is a number from 0 up, or nothing."""
    seconds = retry_after_seconds(value, date, BEGAN)

    assert seconds is None or 0 <= seconds <= 1e9


@given(st.integers(0, 10**9 - 1), st.integers(-(10**8), 10**8))
def test_date_is_read_by_the_servers_own_clock(seconds, skew):
    """However wrong the server's clock is, a date in so many seconds is a wait of so many seconds."""
    sent = BEGAN + timedelta(seconds=skew)
    until = sent + timedelta(seconds=seconds)

    assert retry_after_seconds(format_datetime(until, True), format_datetime(sent, True), BEGAN) == seconds


@pytest.mark.parametrize("date", [None, "", "junk", "Fri, 20 Nov 100000 00:00:00 GMT"])
def test_date_without_a_clock_of_the_server_is_read_by_ours(date):
    """Where the answer does not say when it was sent, it was sent when it came."""
    assert retry_after_seconds(format_datetime(LATER, True), date, BEGAN) == 42


def test_wait_of_an_answer_counts_from_when_it_had_come():
    """The answer's own times and headers are all that is needed."""
    until = ("Retry-After", format_datetime(LATER, True))

    assert wait_asked_for(answer_of(503, until, at=40)) == 2
    assert wait_asked_for(answer_of(503, until, ("date", format_datetime(BEGAN, True)), at=40)) == 42
    assert wait_asked_for(answer_of(503, ("date", "x"))) is None


def test_received_time_includes_the_transfer():
    """An answer that took long came later than it was asked for."""
    answer = answer_of(503, ("Retry-After", format_datetime(LATER, True)))
    late = answer._replace(timing=answer.timing._replace(total_seconds=12.0))

    assert wait_asked_for(late) == 30


def test_wait_up_to_the_cap_is_kept_and_a_longer_one_fails_the_row():
    """Sixty seconds are waited; a second more is not."""
    kept, over = _verdict("60"), _verdict("61")

    assert isinstance(kept, Retry)
    assert 60 <= kept.after_seconds <= 60.1
    assert isinstance(over, GiveUp)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("61", "It asks to come back in 61 s, longer than the 60 s that a run waits."),
        ("120", "in 120 s (2 min),"),
        ("3600", "in 3,600 s (60 min),"),
        ("9000", "in 9,000 s (2.5 h),"),
        ("864000", "in 864,000 s (10 days),"),
        ("9" * 30, "in more than 30 years,"),
    ],
)
def test_error_of_a_wait_over_the_cap_says_when_to_come_back(value, words):
    """A row fails at once with the server's error; so does the next one, the run with it, and both tell the time."""
    governor, error = Governor(random.Random(1)), http_error(429)
    far_off = answer_of(429, ("Retry-After", value))
    assert isinstance(governor.failed(0.0, governor.started(0.0), error, far_off), GiveUp)

    verdict = governor.failed(0.0, governor.started(0.0), error, answer_of(429, ("Retry-After", value)))

    assert isinstance(verdict, Stop)
    assert type(verdict.error) is type(error)
    assert error.sentence is None
    assert str(verdict.error).startswith("The server answered 429 X. ")
    assert words in str(verdict.error)
    assert words.removeprefix("It ") in str(verdict.rest)
    assert str(verdict.error).endswith("Run again then for the rows that are missing.")
    assert verdict.error.retry_after_seconds == float(min(float(value), 1e9))


def test_header_of_an_error_that_is_never_retried_changes_nothing():
    """A 404 that asks to come back stays a 404."""
    governor, error = Governor(random.Random(1)), http_error(404)

    verdict = governor.failed(0.0, governor.started(0.0), error, answer_of(404, ("Retry-After", "3600")))

    assert verdict.error is error


def test_wait_known_to_the_error_alone_is_kept_too():
    """Without the answer the error's own number counts."""
    governor = Governor(random.Random(1))

    verdict = governor.failed(0.0, governor.started(0.0), http_error(503, retry_after_seconds=7.0))

    assert 7 <= verdict.after_seconds <= 7.1

"""What the explorer shows of an answer: the words, signs and ages that the answer's own card has."""

import pandas as pd
import pytest
from canned import Reply, typed, vector
from explorers import WAIT, explorer_of

FEATURES = [
    typed("v.stored", "int64", status="PRESENT", effectiveTime="2024-04-30T12:00:00Z"),
    typed("v.null", "int64", status="PRESENT"),
    typed("v.gone", "int64", status="MISSING_DATA"),
    typed("v.late", "int64", status="TIME_OUT"),
]
SLO = {"sloEligible": False, "sloIneligibilityReasons": ["SIZE_LIMIT"], "serverTimeSeconds": 0.0123}
# The server's clock, which is not the one of this computer.
DATE = {"Date": "Wed, 01 May 2024 12:00:00 GMT"}


@pytest.fixture
def explorer(ours):
    """An explorer that has fetched a value, a null, one that is missing and one that came too late."""
    body = vector(["1", None, None, None], *FEATURES, sloInfo=SLO)
    return explorer_of(ours, lambda _: Reply(body, headers=DATE), features=FEATURES).fetch().wait(WAIT)


def test_null_missing_and_late_are_told_apart(explorer):
    """A null that was stored, a value that is missing and one that timed out have words and signs of their own."""
    html = explorer._results._table.value

    assert [word in html for word in ("∅ null", "∅ missing", "✗ timed out")] == [True] * 3


def test_ages_count_to_the_server_s_clock(explorer):
    """A value of the day before the answer is a day old, whatever this computer's clock says."""
    html = explorer._results._table.value

    assert "1 day ago" in html
    assert html.index(">age<") < html.index(">effective time<")


def test_what_stands_there_without_widgets_is_the_same(explorer):
    """The plain table in place of the panel has the same statuses, times and ages."""
    assert {"∅ null", "✗ timed out", "1 day ago", "2024-04-30 12:00:00 UTC"} <= words_of(repr(explorer))


def test_service_objective_is_told_as_the_answer_s_card_tells_it(explorer):
    """The line has the words and signs of the card, reasons included."""
    facts = dict(explorer.batch.slo_info().iloc[0])

    assert pd.notna(facts["slo_ineligibility_reasons"])
    assert "✗ does not count: SIZE_LIMIT; server time 12 ms" in explorer._results._slo.value


def words_of(text):
    """Return the cells of a text table."""
    return {cell.strip() for line in text.splitlines() for cell in line.split("  ") if cell.strip()}

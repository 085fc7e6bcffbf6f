"""What the explorer keeps and what it refuses: cancelled batches, options that cannot be used, values that are none."""

import pandas as pd
import pytest
from canned import Reply, vector
from explorers import ECHO, WAIT, explorer_of, held_batch

from tecton_nb.exceptions import InputError


@pytest.fixture
def explorer(ours):
    """An explorer of a server that echoes its key."""
    return explorer_of(ours, lambda asked: Reply(vector([asked.join_keys["k"]], *ECHO)))


def test_cancel_pressed_twice_keeps_what_has_come(ours):
    """A second press on Cancel, while the batch ends, does not throw away the rows that the first one kept."""
    explorer, hold = held_batch(ours)

    explorer.cancel().cancel().wait(WAIT)
    hold.set()

    assert explorer.frame["v.k"].tolist() == ["a", pd.NA, pd.NA]
    assert "1 of 3 rows have their values" in explorer._said.value


def test_cancel_with_nothing_under_way_leaves_the_answer(explorer):
    """Cancel, pressed when the answer is there, takes nothing away: neither from the panel nor from code."""
    explorer.fetch().wait(WAIT)
    shown = explorer._results._table.value

    explorer.cancel().wait(WAIT)

    assert "v.k" in shown
    assert explorer._results._table.value == shown
    assert explorer.frame["v.k"].tolist() == ["1"]
    assert "1 feature in" in explorer._said.value


@pytest.mark.parametrize("fetch", ["fetch", "fetch_batch"])
def test_option_that_cannot_be_used_is_refused_by_both_buttons(explorer, fetch):
    """With a latency budget that is no number neither Fetch nor Fetch batch sends anything, and no code is offered."""
    explorer._options._budget.value = "soon"
    asked = len(explorer._client.server.asked)

    explorer.fetch() if fetch == "fetch" else explorer.fetch_batch(pd.DataFrame({"k": ["a"]}))
    explorer.wait(WAIT)

    assert isinstance(explorer.error, InputError)
    assert "'soon'" in str(explorer.error)
    assert explorer.code == ""
    assert len(explorer._client.server.asked) == asked


def test_options_that_are_set_take_the_place_of_one_that_cannot_be_used(explorer):
    """After a budget that was no number, options set from code are used, and nothing more is said of the old one."""
    explorer._options._budget.value = "soon"

    explorer.value = explorer.value | {"request_options": {"latency_budget_ms": 500}}
    explorer.fetch().wait(WAIT)

    assert explorer._options._message.value == ""
    assert explorer.error is None
    assert explorer.frame["v.k"].tolist() == ["1"]


@pytest.mark.parametrize("wrong", [{"servise": "s"}, {"service": 7}, {"request_options": {"latency_budget_ms": 1}}])
def test_value_that_is_no_selection_is_refused_and_the_one_before_stays(explorer, wrong):
    """Setting a dict that is no selection raises, and `value` still says what is chosen."""
    before = dict(explorer.value)

    with pytest.raises(InputError):
        explorer.value = wrong

    assert explorer.value == before


def test_batch_whose_rows_cannot_be_read_leaves_no_table_of_the_fetch_before(explorer):
    """After a batch that could not begin nothing of the earlier fetch is shown, as `frame` has nothing of it."""
    explorer.fetch().wait(WAIT)
    explorer._batch_box.source = "no_such_file.csv"

    explorer.fetch_batch().wait(WAIT)

    assert explorer.frame is None
    assert explorer._results._table.value == ""

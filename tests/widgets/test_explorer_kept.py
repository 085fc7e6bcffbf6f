"""What the explorer keeps and what it refuses: cancelled batches, options that cannot be used, values that are none."""

import pandas as pd
import pytest
from canned import Reply, vector
from explorers import ECHO, WAIT, explorer_of, held_batch

from tecton_nb.exceptions import InputError
from tecton_nb.widgets.answers import read_rows
from tecton_nb.widgets.entries import Entry
from tecton_nb.wire.types import INT64


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


def test_examples_that_come_late_take_nothing_away(explorer):
    """Who has entered a key before the examples come keeps it; the button offers the examples all the same."""
    explorer._form._fields["k"]._control.value = "mine"

    explorer._examples_found(pd.DataFrame({"k": ["example"]}), is_filled=True)
    kept = explorer.value["values"]
    explorer.fill_example()

    assert kept == {"k": "mine"}
    assert explorer.value["values"] == {"k": "example"}


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


def test_cell_of_a_file_that_cannot_be_read_is_told_with_its_row(tmp_path):
    """Of a CSV file with many rows the sentence names the file and the row, counted without the header."""
    path = tmp_path / "rows.csv"
    path.write_text("n\n1\n2\nx\n")
    entry = Entry("n", INT64)

    with pytest.raises(InputError, match=r"In 'rows\.csv', row 3: Cannot send 'x' \(str\) as int64 for join key 'n'"):
        read_rows(path, (entry,))

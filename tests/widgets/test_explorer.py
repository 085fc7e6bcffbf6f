"""The explorer from code: what it fetches, what it tells, what it holds, and what is left without widgets."""

import json
import os
import threading
from pathlib import Path

import ipywidgets
import pandas as pd
import pytest
from canned import KEY, Reply, typed, vector
from explorers import ECHO, WAIT, explorer_of

import tecton_nb as tnb
from tecton_nb.exceptions import BadRequestError, InputError, NotFoundError
from tecton_nb.reprs import Kind, Status
from tecton_nb.widgets import ComparePanel, JoinKeyForm, MetricsPanel, ServicePicker

CORPUS = Path(__file__).parents[1] / "corpora" / "html-js.jsonl"
HOSTILE = [json.loads(line)["text"] for line in CORPUS.read_text("utf-8").splitlines()]
SERVICE = "fraud_detection_feature_service"


@pytest.fixture
def explorer(client):
    """An explorer of the demo server, with a service chosen."""
    found = tnb.explore(client)
    found.picker.choose(SERVICE)
    return found.wait(WAIT)


def state_of(*panels):
    """Return everything that goes to the browser, of a panel and all it holds."""
    seen = []
    for panel in panels:
        seen += [panel.get_state(), *(state_of(child) for child in getattr(panel, "children", ()))]
    return repr(seen)


def test_services_are_offered(client):
    """The services that discovery finds stand in the list."""
    picker = ServicePicker(client)

    picker.wait(WAIT)

    assert SERVICE in picker.children[0].children[0].options
    assert picker.services["name"].tolist() == client.feature_services()["name"].tolist()


def test_example_is_filled_in_and_the_next_one_offered(explorer):
    """The first example row stands in the form at once; the button fills in the next."""
    first = explorer.value["values"]

    second = explorer.fill_example().value["values"]

    assert set(first) == {"user_id", "amount"}
    assert first != second


def test_fetch_gives_the_frame_of_the_service(explorer, client):
    """frame, details and batch hold what the service answers for the row of the form."""
    row = explorer._form.row

    explorer.fetch().wait(WAIT)

    pd.testing.assert_frame_equal(explorer.frame, client.feature_service(SERVICE).get_features(row))
    assert explorer.details["name"].tolist() == list(explorer.frame)
    assert explorer.batch.statuses().shape == explorer.frame.shape
    assert explorer.calls["status"].tolist() == [200]


def test_value_can_be_set_and_observed(client):
    """A selection that is set is chosen and filled in, int64 exact; observers are told."""
    explorer = tnb.explore(client)
    seen = []
    explorer.observe(lambda change: seen.append(change["new"]["service"]), "value")

    explorer.value = {
        "service": "flight_delay_service",
        "values": {"scheduled_minute_of_day": "9007199254740993", "carrier": None},
        "request_options": {"coerce_null_counts_to_zero": True},
    }
    explorer.wait(WAIT)

    assert explorer.value["values"]["scheduled_minute_of_day"] == "9007199254740993"
    assert explorer.value["values"]["carrier"] is None
    assert explorer.value["request_options"] == {"coerce_null_counts_to_zero": True}
    assert seen[-1] == "flight_delay_service"


def test_ages_count_to_the_demo_s_own_clock(explorer):
    """How old a value is is told in words, by the clock of the embedded server that stands still."""
    explorer.fetch().wait(WAIT)

    assert "984 days ago" in explorer._results._table.value
    assert "service objective ✓ counts; server time " in explorer._results._slo.value


def test_descriptions_come_when_they_are_asked_for(explorer):
    """With the switches on, descriptions stand in details; without, they are missing."""
    explorer.fetch().wait(WAIT)
    before = explorer.details["description"].notna().any()

    explorer.value = explorer.value | {"metadata_options": {"include_feature_descriptions": True}}
    explorer.fetch().wait(WAIT)

    assert not before
    assert explorer.details["description"].notna().any()


def test_errors_are_told_in_the_panel(explorer):
    """What the server refuses is shown in the words of the exception; the next fetch works again."""
    explorer.picker.choose("fraud_detection_feature_servise")
    explorer.wait(WAIT)
    refused = explorer.picker.error
    explorer.fetch()
    unchosen = str(explorer.error)

    explorer.picker.choose(SERVICE)
    explorer.wait(WAIT).fetch().wait(WAIT)

    assert isinstance(refused, NotFoundError)
    assert f"Did you mean '{SERVICE}'?" in str(refused) or SERVICE in str(refused)
    assert unchosen == "Choose a feature service first."
    assert explorer.error is None
    assert explorer.frame is not None


def test_server_s_refusal_is_shown(ours):
    """A 400 stands in the panel with what the server said."""
    explorer = explorer_of(ours, lambda _: Reply({"message": "no such user", "code": 3}, 400))

    explorer.fetch().wait(WAIT)

    assert isinstance(explorer.error, BadRequestError)
    assert "no such user" in explorer._refused.value
    assert explorer.frame is None


def test_failed_fetch_leaves_no_frame_of_the_one_before(ours):
    """After a fetch that failed there is no frame: what stands there is never that of other keys."""
    answers = [Reply(vector(["v"], *ECHO)), Reply({"message": "no"}, 400)]
    explorer = explorer_of(ours, lambda _: answers[0])
    explorer.fetch().wait(WAIT)
    had_one = explorer.frame is not None

    answers.reverse()
    explorer.fetch().wait(WAIT)

    assert had_one
    assert (explorer.frame, explorer.batch, explorer.details) == (None, None, None)


def test_the_last_wish_counts(ours):
    """A fetch that is pressed while a batch hangs ends the batch; only its own frame is shown."""
    hold = threading.Event()

    def answer(asked):
        if asked.join_keys["k"] != "1":
            hold.wait(WAIT)
        return Reply(vector([asked.join_keys["k"]], *ECHO))

    explorer = explorer_of(ours, answer)

    explorer.fetch_batch(pd.DataFrame({"k": ["x", "y"]}))
    explorer.fetch().wait(WAIT)
    hold.set()

    assert explorer.frame["v.k"].tolist() == ["1"]


def test_cancel_ends_a_fetch_that_hangs(ours):
    """Cancel returns at once while the server says nothing; a late answer changes nothing."""
    hold = threading.Event()
    explorer = explorer_of(ours, lambda _: hold.wait(WAIT) and Reply(vector(["late"], *ECHO)))

    explorer.fetch()
    explorer.cancel().wait(WAIT)
    hold.set()

    assert "Cancelled." in explorer._said.value
    assert explorer.frame is None
    assert explorer._results._table.value == ""


def test_batch_of_a_frame_keeps_index_and_tells_failures(ours):
    """A batch of a DataFrame has its index; rows that fail are counted and told."""

    def answer(asked):
        key = asked.join_keys["k"]
        return Reply({"message": "bad"}, 400) if key == "b" else Reply(vector([key], *ECHO))

    explorer = explorer_of(ours, answer)

    explorer.fetch_batch(pd.DataFrame({"k": ["a", "b", "c"]}, index=[7, 8, 9])).wait(WAIT)

    assert explorer.frame.index.tolist() == [7, 8, 9]
    assert "2 of 3 rows have their values; 1 do not." in explorer._said.value
    assert "Rows that failed" in explorer._results._failures.value


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_batch_of_a_file_reads_keys_exactly(ours, tmp_path, suffix):
    """Keys in a file reach the server digit for digit, empty cells as null."""
    asked_for = []

    def answer(asked):
        asked_for.append(asked.join_keys["n"])
        return Reply(vector([asked.join_keys["n"]], typed("v.n", "int64")))

    explorer = explorer_of(ours, answer, [typed("n", "int64")], [typed("v.n", "int64")])
    rows = pd.DataFrame({"n": pd.array([2**53 + 1, None], "Int64")})
    path = tmp_path / f"rows.{suffix}"
    rows.to_csv(path, index=False) if suffix == "csv" else tnb.write_parquet(rows, path)

    explorer._batch_box.source = str(path)
    explorer.fetch_batch().wait(WAIT)

    assert explorer.error is None
    assert explorer.frame["v.n"].tolist() == [2**53 + 1, pd.NA]
    assert sorted(asked_for, key=str) == ["9007199254740993", None]


@pytest.mark.parametrize("source", ["", "no_such_frame", "no_such_file.csv", "rows.txt"])
def test_batch_without_rows_is_told(explorer, source):
    """A name that is no frame and no file is told in the panel."""
    explorer._batch_box.source = source

    explorer.fetch_batch().wait(WAIT)

    assert isinstance(explorer.error, InputError)


def test_error_of_any_kind_is_told_and_nothing_is_raised(explorer, monkeypatch):
    """An error nobody thought of is shown in the panel too: a notebook would keep it to itself."""
    monkeypatch.setattr(explorer, "_chosen", lambda: 1 / 0)

    explorer.fetch()

    assert "ZeroDivisionError" in explorer._refused.value


def test_without_widgets_there_is_a_plain_frame_and_a_sentence(explorer):
    """Text and HTML beside the widget hold the keys, and say what is needed for more."""
    explorer.fetch().wait(WAIT)

    bundle = explorer._repr_mimebundle_()

    assert "application/vnd.jupyter.widget-view+json" in bundle
    for kind in ("text/plain", "text/html"):
        assert "user_id" in bundle[kind]
        assert "needs a running notebook that shows widgets" in bundle[kind]
    assert "VBox" not in repr(explorer)


def test_first_view_tells_where_it_is(client):
    """An explorer of which nothing is chosen shows the address, and the services once they are known."""
    explorer = tnb.explore(client)
    explorer.wait(WAIT)

    assert client.url in repr(explorer)
    assert "none chosen" in repr(explorer)
    assert SERVICE in repr(explorer)


def test_key_is_in_no_state_repr_code_or_error(ours):
    """Nothing that the panel sends to a browser, shows or copies holds the API key, even if the server echoes it."""
    explorer = explorer_of(ours, lambda _: Reply({"message": f"bad key {KEY}"}, 401))

    explorer.fetch().wait(WAIT)
    texts = [state_of(explorer), repr(explorer), str(explorer._repr_mimebundle_()), str(explorer.snippets.__dict__)]

    assert type(explorer.error).__name__ == "UnauthorizedError"
    assert [KEY in text for text in texts] == [False] * 4
    assert KEY not in json.dumps(explorer.value)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_escaped_on_every_surface(ours, text):
    """As key name, value, feature, description, tag, change and error, markup is text in all HTML of a panel."""
    keys, features = [typed(text, "string")], [typed(f"v.{text}", "string", description=text, tags={text: text})]
    said = [*(Reply(vector([value], *features)) for value in ("", text)), Reply({"message": text, "code": 3}, 400)]
    explorer = explorer_of(ours, lambda _: said.pop(0), keys, features)
    surfaces = []

    explorer.fetch().wait(WAIT)
    explorer.value = {"service": "s", "values": {text: text}, "metadata_options": {"include_feature_tags": True}}
    explorer.wait(WAIT).fetch().wait(WAIT)
    values, changed = explorer.details["value"].tolist(), explorer.comparison.differing
    surfaces += html_of(explorer)
    explorer.fetch().wait(WAIT)
    form = JoinKeyForm(explorer.picker.service.metadata)
    surfaces += [*html_of(explorer), *html_of(form), form._repr_mimebundle_()["text/html"]]

    assert values == [text]
    assert changed == [f"v.{text}"]
    for html in surfaces:
        assert not any(mark in html for mark in ("<img", "<script", "<svg", "<input", "<object", "<form", "<math"))


def html_of(panel):
    """Yield every text of a panel that a browser reads as HTML."""
    for child in getattr(panel, "children", ()):
        yield from html_of(child)
        if type(child).__name__ == "HTML":
            yield child.value.replace("<style>", "")
        if getattr(child, "description_allow_html", False):
            yield child.description


class Different:
    """A comparison in which two cells of one feature differ."""

    verdict = Status("1 of 2 features differ", Kind.BAD)

    def left_only(self):
        """Return no rows."""
        return pd.DataFrame()

    right_only = left_only

    def summary(self):
        """Return one row per feature."""
        return pd.DataFrame({"feature": ["v.a", "v.b"], "mismatches": [0, 2]})

    def mismatches(self):
        """Return the cells that differ."""
        cells = {"feature": ["v.b", "v.b"], "left": [2**53 + 1, 1], "right": [2**53, 2]}
        return pd.DataFrame(cells, index=pd.Index(["x", "y"], name="user_id"))


def test_compare_panel_opens_on_what_differs_most():
    """The summary, then the cells of the feature with most differences, digits kept and keys beside them."""
    panel = ComparePanel("left", "right", compare=lambda *_: Different())

    panel.wait(WAIT)

    assert panel._feature.value == "v.b"
    assert "2 cells differ in 1 of 2 features." in panel._said.value
    assert "9007199254740993" in panel._cells.value
    assert "user_id" in panel._cells.value


def test_compare_panel_shows_the_worst_feature_first_and_nothing_that_says_nothing():
    """The summary begins with what differs most, tells shares in percent, and has no column of zeros or gaps."""
    left = pd.DataFrame({"v.a": [1.5, 2.0, 3.0], "v.b": [1, 2, 3]})

    panel = ComparePanel(left, left.assign(**{"v.b": [1, 5, 6]}))
    panel.wait(WAIT)
    section = panel._card().sections[0]

    assert [row[0] for row in section.rows] == ["v.b", "v.a"]
    assert dict(zip(section.header, section.rows[0], strict=True))["match_ratio"] == "33.3 %"
    assert not {"no_answer", "only_left", "left_null_ratio"} & set(section.header)
    assert "left_status" not in panel._cells.value


def test_compare_panel_tells_what_it_cannot_show():
    """A comparison whose summary lacks its columns is told in the panel, not lost in a thread."""

    class Bare(Different):
        def summary(self):
            return pd.DataFrame({"feature": ["v.a"]})

    panel = ComparePanel("left", "right", compare=lambda *_: Bare())
    panel.wait(WAIT)

    assert "KeyError" in panel._refused.value


def test_compare_panel_tells_an_error():
    """What cannot be compared is told in the panel."""

    def refuse(left, right):
        raise InputError("The keys differ.")

    panel = ComparePanel("left", "right", compare=refuse)
    panel.wait(WAIT)

    assert "The keys differ." in panel._refused.value


def test_panels_work_with_the_real_comparison_and_the_real_history(client, tmp_path):
    """Two frames are compared as compare_features does; scrapes that were recorded are drawn."""
    left = pd.DataFrame({"v.a": [1, 2], "v.b": [2**53 + 1, 1]})
    right = left.assign(**{"v.b": [2**53, 1]})

    with tnb.metrics.MetricsHistory(tmp_path / "history.db") as history:
        history.record(client.get_metrics())
        metrics = MetricsPanel(history)
        metrics.wait(WAIT)
    compared = ComparePanel(left, right)
    compared.wait(WAIT)

    assert metrics.error is None
    assert len(metrics.frame) > 0
    # Of the many labels there are, those that no sample of this metric has.
    assert "aws_region" in metrics._table.value
    assert "feature_view_name" not in metrics._table.value + repr(metrics)
    assert (compared.error, compared._feature.value) == (None, "v.b")
    assert compared.comparison.mismatches().shape[0] == 1


def test_code_of_an_embedded_server_reads_a_variable_that_ends_with_the_server(demo, client):
    """The key of an embedded server stands in a variable of its own until the server that connect started is closed."""
    with tnb.connect("local") as own:
        name = own.api_key_variable
        kept = (os.environ[name], own.server.api_key)
    with tnb.connect(demo) as other:
        borrowed = other.api_key_variable

    assert kept[0] == kept[1]
    assert name not in os.environ
    assert os.environ[borrowed] == demo.api_key


def test_budget_of_thousands_of_digits_is_refused_in_words(explorer):
    """A latency budget longer than Python reads as a number is told like any other wrong one, and nothing is sent."""
    explorer._options._budget.value = "1" * 5_000

    explorer.fetch()

    assert isinstance(explorer.error, InputError)
    assert "latency_budget_ms" in str(explorer.error)
    assert explorer.frame is None


def test_forms_of_services_left_behind_are_not_kept(explorer):
    """However often the service is changed, the browser and a saved notebook hold the widgets of one form."""

    def widgets_after_choosing(*names):
        for name in names:
            explorer.picker.choose(name)
            explorer.wait(WAIT)
        return len(ipywidgets.Widget.get_manager_state()["state"])

    before = widgets_after_choosing("ctr_prediction_service", SERVICE)

    assert widgets_after_choosing(*["ctr_prediction_service", SERVICE] * 5) == before


def test_service_found_while_a_fetch_is_told_blocks_nothing(explorer):
    """An observer that goes on to another service meets one that was chosen meanwhile: the kernel stays free."""
    inside, met = threading.Event(), threading.Event()
    explorer.picker.observe(lambda _: met.set(), "service")

    def go_on(change):
        if change["new"] is not None:
            inside.set()
            # Until the other service is found; told is it only when this observer is done.
            met.wait(1)
            explorer.value = {"service": "flight_delay_service"}

    explorer.observe(go_on, "frame")
    explorer.fetch()
    assert inside.wait(WAIT)
    chosen = threading.Thread(target=explorer.picker.choose, args=("ctr_prediction_service",), daemon=True)
    chosen.start()

    met.wait(WAIT)
    cancelled = threading.Thread(target=explorer.cancel, daemon=True)
    cancelled.start()
    cancelled.join(WAIT)

    assert not cancelled.is_alive()
    explorer.wait(WAIT)
    assert explorer.error is None


def test_rows_in_the_home_folder_of_nobody_are_refused_in_words(explorer):
    """A path that begins with the home folder of a user there is not is told like any other wrong one."""
    explorer._batch_box.source = "~no-such-user/rows.csv"

    explorer.fetch_batch().wait(WAIT)

    assert isinstance(explorer.error, InputError)
    assert "~no-such-user" in str(explorer.error)

"""The run itself, with a lane and a clock in the test's hand: what is sent, when, and where the answers go."""

from __future__ import annotations

import gc

import pytest
from by_hand import answer_of, run_of, values_for

from tecton_nb import FeatureBatch
from tecton_nb.batch.drive import wait_for
from tecton_nb.batch.ledger import KeptAnswer
from tecton_nb.exceptions import ConnectionFailedError, LedgerError
from tecton_nb.transport.doubt import nobody_asks_again

UNAVAILABLE = ({"message": "down"}, 503)


def test_equal_rows_are_asked_for_once_and_all_get_the_answer():
    """Six rows of two kinds cost two requests, and each row has its values."""
    run, lane, _ = run_of(["a", "b", "a", "a", "b", "a"])
    run.tick()

    for sent in lane.take():
        sent.answer()

    batch = run.batch()
    assert run.is_over
    assert batch.to_pandas()["v.text"].tolist() == ["a", "b", "a", "a", "b", "a"]
    assert (batch.report.rows, batch.report.unique, batch.report.calls) == (6, 2, 2)


def test_no_more_are_in_flight_than_the_concurrency():
    """With a concurrency of 3 the fourth row is sent when one of the first three has ended."""
    run, lane, _ = run_of(list("abcdef"), concurrency=3)
    run.tick()
    first = lane.take()

    first[1].answer()

    assert [sent.keys for sent in first] == [["a"], ["b"], ["c"]]
    assert [sent.keys for sent in lane.take()] == [["d"]]


def test_rows_that_cannot_be_sent_cost_no_request_and_keep_their_place():
    """A value of the wrong type fails its own row only."""
    run, lane, _ = run_of(["a", 7, "b"])
    run.tick()

    for sent in lane.take():
        sent.answer()

    batch = run.batch()
    assert batch.to_pandas()["v.text"].fillna("-").tolist() == ["a", "-", "b"]
    assert batch.statuses()["v.n"].iloc[1] == "FAILED"
    assert batch.errors()[["exception", "attempts"]].to_dict("index") == {1: {"exception": "InputError", "attempts": 0}}


def test_failure_that_may_pass_is_tried_again_when_its_wait_is_over():
    """A 503 is asked for again after its backoff, not before, and the log tells the attempt and the wait."""
    run, lane, clock = run_of(["a"])
    run.tick()
    lane.take()[0].answer(*UNAVAILABLE)
    assert lane.take() == []

    clock.now += 0.1
    run.tick()
    lane.take()[0].answer()

    calls = run.batch().calls()
    assert calls["attempts"].tolist() == [1, 2]
    assert calls["status"].tolist() == [503, 200]
    assert calls["wait_seconds"].tolist() == [0.0, pytest.approx(0.1)]
    assert run.batch().report.retries == {"unavailable": 1}


def test_row_that_fails_to_the_end_has_its_error_and_its_attempts():
    """Four 503s are the end of a row; the error says how often it was asked for."""
    run, lane, clock = run_of(["a"])
    run.tick()

    while not run.is_over:
        for sent in lane.take():
            sent.answer(*UNAVAILABLE)
        clock.now += 1
        run.tick()

    assert run.batch().errors()[["exception", "status", "attempts"]].to_dict("list") == {
        "exception": ["ServiceUnavailableError"],
        "status": [503],
        "attempts": [4],
    }


def test_refused_key_ends_the_run_and_what_was_never_sent_says_so():
    """After a 401 no request starts; rows never sent are NOT_FETCHED, with the reason."""
    run, lane, _ = run_of(list("abcdefgh"), concurrency=2)
    run.tick()
    first, second = lane.take()

    first.answer({"message": "who are you"}, 401)
    second.answer()

    batch = run.batch()
    assert lane.take() == []
    assert run.is_over
    assert batch.statuses()["v.n"].fillna("").tolist() == ["FAILED", ""] + ["NOT_FETCHED"] * 6
    assert batch.errors()["exception"].tolist() == ["UnauthorizedError"] + ["BatchStoppedError"] * 6
    assert batch.report.not_fetched == 6


def test_cancelled_run_sends_nothing_more_and_keeps_what_came():
    """Cancelling ends what is under way; a late answer to it changes nothing."""
    run, lane, _ = run_of(list("abcd"), concurrency=2)
    run.tick()
    first, second = lane.take()
    first.answer()
    third = lane.take()[0]

    run.cancel()
    second.answer(values_for(["wrong"]))

    batch = run.batch()
    assert second.is_cancelled
    assert third.is_cancelled
    assert lane.take() == []
    assert batch.to_pandas()["v.text"].fillna("-").tolist() == ["a", "-", "-", "-"]
    assert batch.statuses()["v.text"].fillna("").tolist() == ["", "NOT_FETCHED", "NOT_FETCHED", "NOT_FETCHED"]


def test_batch_of_a_run_that_goes_on_does_not_change():
    """What `partial` shows is that moment; the run goes on without it."""
    run, lane, _ = run_of(["a", "b"], concurrency=1)
    run.tick()
    lane.take()[0].answer()

    partial = run.batch()
    lane.take()[0].answer()

    assert partial.to_pandas()["v.text"].fillna("-").tolist() == ["a", "-"]
    assert partial.statuses()["v.text"].fillna("").tolist() == ["", "NOT_FETCHED"]
    assert run.batch().to_pandas()["v.text"].tolist() == ["a", "b"]


def test_mistake_in_a_lane_is_raised_and_nothing_goes_on():
    """An error that is no error of a request is raised to the caller and not lost in a thread."""
    run, lane, _ = run_of(["a", "b"])
    run.tick()
    first, second = lane.take()

    first.fail(RuntimeError("broken lane"))

    with pytest.raises(RuntimeError, match="broken lane"):
        run.batch()
    assert second.is_cancelled
    assert run.is_over


def test_several_rows_a_call_go_to_the_batch_endpoint():
    """With three rows a call seven rows are three requests, the last for one row alone."""
    run, lane, _ = run_of(list("abcdefg"), rows_per_call=3)
    run.tick()
    sent = []

    while not run.is_over:
        for each in lane.take():
            sent.append(each)
            each.answer()

    assert [each.keys for each in sent] == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert [each.request.url.rpartition("/")[2] for each in sent] == ["get-features-batch"] * 2 + ["get-features"]
    assert run.batch().to_pandas()["v.text"].tolist() == list("abcdefg")
    assert run.batch().calls()["rows"].tolist() == [3, 3, 1]


@pytest.mark.parametrize("status", [400, 404, 501])
def test_service_that_refuses_several_rows_is_asked_row_by_row(status):
    """After three refused calls for several rows the rest is asked for one by one, and every row has its values."""
    run, lane, _ = run_of([f"r{i}" for i in range(40)], rows_per_call=5, concurrency=3)
    run.tick()
    refused, singles = 0, 0

    while not run.is_over:
        for sent in lane.take():
            if len(sent.keys) > 1:
                refused += 1
                sent.answer({"message": "no"}, status)
            else:
                singles += 1
                sent.answer()

    assert (refused, singles) == (3, 40)
    assert run.batch().to_pandas()["v.text"].tolist() == [f"r{i}" for i in range(40)]
    assert run.batch().errors().empty


def test_one_bad_row_costs_the_others_of_its_call_a_request_and_no_values():
    """Where calls for several rows work, one that is refused is split, and only the bad row fails."""
    run, lane, _ = run_of([f"r{i}" for i in range(9)], rows_per_call=3, concurrency=1)
    run.tick()

    while not run.is_over:
        for sent in lane.take():
            sent.answer(*(({"message": "bad"}, 400) if "r4" in sent.keys else ()))

    assert run.batch().errors().index.tolist() == [4]
    assert run.batch().to_pandas()["v.text"].notna().sum() == 8
    assert run.batch().report.calls == 3 + 3


def test_answer_with_one_value_of_the_wrong_type_is_split_too():
    """A call for several rows whose answer cannot be read is asked again row by row."""
    run, lane, _ = run_of(["a", "b"], rows_per_call=2)
    run.tick()
    body = values_for(["a", "b"])
    body["result"][1]["features"][1] = [1]

    lane.take()[0].answer(body)
    for sent in lane.take():
        sent.answer()

    assert run.batch().to_pandas()["v.n"].tolist() == [1, 1]


def test_text_that_is_no_whole_number_fails_its_row_only():
    """A wrong text among the int64s of an answer costs its own row, also when many rows are read together."""
    run, lane, _ = run_of(["a", "b"], rows_per_call=2)
    run.tick()
    body = values_for(["a", "b"])
    body["result"][1]["features"][1] = "many"

    lane.take()[0].answer(body)

    batch = run.batch()
    assert batch.to_pandas()["v.text"].fillna("-").tolist() == ["a", "-"]
    assert batch.errors()["message"].tolist() == [
        "Cannot read feature 'v.n' as int64: got 'many' at `result[1].features[1]`."
    ]
    assert batch.statuses()["v.n"].iloc[1] == "FAILED"


def test_cancel_while_a_call_of_several_waits_ends_every_row():
    """Cancelling ends a run at once, also while a call for several rows waits for its retry."""
    run, lane, _ = run_of([f"k{i}" for i in range(20)], rows_per_call=5)
    run.tick()
    lane.take()[0].answer({}, 503)

    run.cancel()

    assert run.is_over
    assert lane.take() == []
    assert run.batch().statuses()["v.n"].value_counts().to_dict() == {"FAILED": 5, "NOT_FETCHED": 15}


def test_outage_in_calls_of_several_rows_ends_every_row_with_a_typed_error():
    """A server that is down gives each row an error, however many rows share a call, and is not asked much."""
    run, lane, clock = run_of([f"k{i}" for i in range(2_000)], rows_per_call=5, concurrency=64)
    run.tick()

    while not run.is_over:
        clock.now += 0.02
        for sent in lane.take():
            sent.answer({}, 503)
        run.tick()

    assert len(run.batch().errors()) == 2_000
    assert run.batch().report.calls <= 64 + 35 + 50


def test_first_call_of_several_rows_is_a_question():
    """Until one call for several rows was answered no other one is under way; then as many as the concurrency."""
    run, lane, _ = run_of([f"k{i}" for i in range(30)], rows_per_call=5, concurrency=4)
    run.tick()
    first = lane.take()

    first[0].answer()

    assert len(first) == 1
    assert len(lane.take()) == 4


def test_a_hiccup_of_the_first_call_does_not_turn_a_run_single():
    """A 503 on a call for several rows is tried again as it was."""
    run, lane, clock = run_of([f"k{i}" for i in range(10)], rows_per_call=5)
    run.tick()
    first = lane.take()[0]
    first.answer({}, 503)

    clock.now += 1
    run.tick()

    assert [sent.keys for sent in lane.take()] == [first.keys]


def test_attempts_are_told_of_rows_whose_values_are_refused_late():
    """A row that was asked for twice says so, also where its text turned out wrong only at the end."""
    run, lane, clock = run_of(["a"])
    run.tick()
    lane.take()[0].answer({}, 503)
    clock.now += 1
    run.tick()
    body = values_for(["a"])
    body["result"]["features"][1] = "many"

    lane.take()[0].answer(body)

    assert run.batch().errors()["attempts"].tolist() == [2]


def test_many_rows_go_five_a_call_and_few_go_alone():
    """Left to itself a run of 100 rows asks for five at a time, one of 99 for one."""
    runs = [run_of([f"r{i}" for i in range(n)]) for n in (99, 100)]

    for run, _, _ in runs:
        run.tick()

    assert [len(lane.take()[0].keys) for _, lane, _ in runs] == [1, 5]


def test_rate_limit_spreads_requests_over_time():
    """At ten a second the next request starts a tenth of a second after the first, and its wait is told."""
    run, lane, clock = run_of(list("abcdefgh"), requests_per_second=10)
    starts = []

    while not run.is_over:
        run.tick()
        for sent in lane.take():
            starts.append(clock.now)
            sent.answer()
        clock.now += 0.001

    assert starts[-1] - starts[0] >= 0.65
    assert run.batch().calls()["wait_seconds"].sum() == pytest.approx(run.batch().report.rate_wait_seconds)


def test_driver_is_woken_for_a_retry_that_comes_before_it_looks_again():
    """A driver that sleeps is told when something is due earlier than it meant to wake."""
    run, lane, _ = run_of(["a", "b"], concurrency=2)
    woken = []
    run.wake_driver = lambda: woken.append(True)
    slept = run.tick()
    first, _second = lane.take()

    first.fail(ConnectionFailedError("cut off"))

    assert slept > 0.05
    assert woken


class _Kept:
    """A resume file in memory, with one answer in it."""

    def __init__(self, known=(), breaks=False):
        self.known, self.breaks, self.kept, self.forgotten, self.is_closed = known, breaks, [], [], False

    def answer(self, key):
        return answer_of(values_for([key])).body

    def key_of(self, row):
        return row.join_key_map["k"].encode()

    def finished(self, keys):
        for key in self.known:
            yield KeptAnswer(self.answer(key), (keys.index(key.encode()),), is_batch=False)

    def keep(self, body, keys, *, is_batch):
        self.kept.extend(keys)

    def forget(self, keys):
        self.forgotten.extend(keys)

    def commit(self):
        if self.breaks:
            raise LedgerError("The disk is full.")

    def close(self):
        self.is_closed = True
        self.commit()


def _answer_all(run, lane, clock):
    while not run.is_over:
        clock.now += 10
        run.tick()
        for sent in lane.take():
            sent.answer()


def test_rows_of_the_resume_file_are_not_asked_for():
    """What an earlier run finished is there before anything is sent, and new answers are kept."""
    ledger = _Kept(known=["b"])
    run, lane, _ = run_of(["a", "b"], ledger=ledger)
    run.tick()

    lane.take()[0].answer()

    assert ledger.kept == [b"a"]
    assert run.batch().to_pandas()["v.text"].tolist() == ["a", "b"]
    assert (run.batch().report.resumed, run.batch().report.calls) == (1, 1)


def test_kept_answer_that_cannot_be_read_is_asked_for_again():
    """What an older version kept, or somebody damaged, costs a request and no run."""
    ledger = _Kept(known=["a"])
    ledger.answer = lambda _: b'{"result":{}}'
    run, lane, _ = run_of(["a"], ledger=ledger)
    run.tick()

    lane.take()[0].answer()

    assert run.batch().to_pandas()["v.text"].tolist() == ["a"]


def test_answer_found_wrong_late_is_not_kept():
    """A row whose text is no number is taken out of the resume file, so that the next run asks for it."""
    ledger = _Kept()
    run, lane, _ = run_of(["a"], ledger=ledger)
    run.tick()
    body = values_for(["a"])
    body["result"]["features"][1] = "many"

    lane.take()[0].answer(body)

    assert ledger.forgotten == [b"a"]


def test_row_whose_answer_is_in_doubt_is_asked_for_again():
    """What a connection gave too much may be another row's: its values go, from the resume file too, and come anew."""
    ledger = _Kept()
    run, lane, clock = run_of(["a", "b"], ledger=ledger, concurrency=1)
    run.tick()
    first = lane.take()[0]
    first.answer(values_for(["b"]))

    first.doubted()

    assert run.progress().done == 0
    assert ledger.forgotten == [b"a"]
    _answer_all(run, lane, clock)
    assert run.batch().to_pandas()["v.text"].tolist() == ["a", "b"]
    assert run.batch().report.retries == {"doubted": 1}


def test_row_whose_answers_are_all_in_doubt_ends_with_an_error_and_no_value():
    """A server that always says more than it is asked costs a row its values, never another row's."""
    run, lane, clock = run_of(["a", "b"])
    run.tick()
    for _ in range(3):
        for sent in lane.take():
            sent.ended(answer_of(values_for(["z"] if sent.keys == ["a"] else ["b"]))._replace(doubtful_seconds=0.02))
            if sent.keys == ["a"]:
                sent.doubted()
        clock.now += 10
        run.tick()

    batch = run.batch()

    assert run.is_over
    assert batch.to_pandas()["v.text"].fillna("-").tolist() == ["-", "b"]
    assert batch.statuses()["v.text"].iloc[0] == "FAILED"
    assert batch.slo_info().iloc[0].isna().all()
    assert batch.errors()[["exception", "attempts"]].to_dict("index") == {
        0: {"exception": "ProtocolError", "attempts": 3}
    }
    assert "more answers than it was asked for" in batch.errors()["message"].item()


def test_run_is_over_when_its_last_answer_is_out_of_doubt():
    """The last answers on kept connections wait for as long as the engine says; a doubt meanwhile is heard."""
    run, lane, clock = run_of(["a", "b"])
    run.tick()
    first, other = lane.take()
    other.answer()
    first.ended(answer_of(values_for(["z"]))._replace(doubtful_seconds=0.02))
    assert not run.is_over
    first.doubted()
    clock.now += 10
    run.tick()

    lane.take()[0].ended(answer_of(values_for(["a"]))._replace(doubtful_seconds=0.02))
    assert not run.is_over
    clock.now += 0.02
    run.tick()

    assert run.is_over
    assert run.batch().to_pandas()["v.text"].tolist() == ["a", "b"]


def test_run_of_one_row_is_over_with_its_answer():
    """The wait would double the time of a call; that the answer is in doubt is left to the engine's warning."""
    run, lane, _ = run_of(["a", "a"])
    run.tick()
    sent = lane.take()[0]

    sent.ended(answer_of(values_for(["a"]))._replace(doubtful_seconds=0.02))

    assert run.is_over
    assert sent.doubted is nobody_asks_again


def test_doubts_that_come_too_late_change_nothing():
    """A batch that was handed out stays as it is, and who was forgotten is not told."""
    run, lane, _ = run_of(["a"])
    run.tick()
    sent = lane.take()[0]
    sent.answer()
    batch = run.batch()

    sent.doubted()
    assert batch.to_pandas()["v.text"].tolist() == run.batch().to_pandas()["v.text"].tolist() == ["a"]

    del run, batch
    gc.collect()
    sent.doubted()


def test_full_disk_is_an_error_at_the_end_and_costs_no_row():
    """A resume file that cannot be written does not stop the run; the error tells where every row is."""
    ledger = _Kept(breaks=True)
    run, lane, _ = run_of(["a"], ledger=ledger)
    run.tick()
    lane.take()[0].answer()

    with pytest.raises(LedgerError, match="disk is full") as caught:
        wait_for(run, progress=False)

    assert "FeatureBatch.last()" in caught.value.__notes__[0]
    assert FeatureBatch.last().to_pandas()["v.text"].tolist() == ["a"]
    assert ledger.is_closed

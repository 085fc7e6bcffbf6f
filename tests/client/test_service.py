"""A feature service in hand: rows in, typed frames out."""

from __future__ import annotations

import pandas as pd
import pytest
from canned import INT_ARRAY, KEY, Reply, typed, vector

import tecton_nb as tnb
from tecton_nb import columns
from tecton_nb.exceptions import (
    BadRequestError,
    DecodeError,
    ForbiddenError,
    InputError,
    InternalServerError,
    NotFoundError,
    UnauthorizedError,
)

FRAUD = "fraud_detection_feature_service"
KEYS = [typed("k", "string")]
ECHO = [typed("v.text", "string"), typed("v.length", "int64")]


def _echo(asked):
    """Answer with what was asked, so that a row can be told from another."""
    key = asked.join_keys["k"]
    return vector([key, None if key is None else str(len(key))], *ECHO)


def _dtypes(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


@pytest.fixture
def fraud(client):
    """The document's service on the demo server."""
    return client.feature_service(FRAUD)


# Rows in.


def test_dict_gives_one_row(fraud):
    """A dict of keys becomes one typed row with index 0."""
    frame = fraud.get_features({"user_id": "C1000262126", "amount": 100})

    assert frame.index.tolist() == [0]
    assert frame.iloc[0].tolist() == [0, 1, 216409.0]
    assert [str(t) for t in frame.dtypes] == ["Int64", "Int64", "Float64"]


def test_list_of_dicts_gives_a_row_each_in_order(service):
    """Every dict of a list is one row, in the order of the list."""
    frame = service(_echo, ECHO, KEYS).get_features([{"k": text} for text in ("ccc", "a", "bb")])

    assert frame["v.text"].tolist() == ["ccc", "a", "bb"]
    assert frame["v.length"].tolist() == [3, 1, 2]


INDEXES = {
    "string": pd.Index(["x", "y", "z"], name="id"),
    "duplicates": pd.Index([7, 7, 8]),
    "unsorted": pd.Index([3, 1, 2]),
    "multi": pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)], names=["u", "v"]),
    "time": pd.DatetimeIndex(["2024-05-02", "2024-05-01", "2024-05-02"], name="at"),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES.keys())
def test_frame_keeps_its_index_and_order(service, index):
    """A frame of features lines up with the frame of keys, whatever its index."""
    rows = pd.DataFrame({"k": ["ccc", "a", "bb"]}, index=index)

    batch = service(_echo, ECHO, KEYS).get_features_batch(rows)

    for frame in (batch.to_pandas(), batch.statuses(), batch.effective_times(), batch.slo_info()):
        pd.testing.assert_index_equal(frame.index, index)
    assert batch.to_pandas()["v.text"].tolist() == ["ccc", "a", "bb"]


@pytest.mark.parametrize(
    "rows", [[], pd.DataFrame(), pd.DataFrame({"k": []}), pd.DataFrame({"k": []}, index=pd.Index([], name="i"))]
)
def test_no_rows_give_an_empty_typed_frame(service, rows):
    """Without rows there is a frame with all columns and dtypes, and nothing is sent."""
    found = service(_echo, ECHO, KEYS)

    frame = found.get_features(rows)

    assert _dtypes(frame) == {"v.text": "string", "v.length": "Int64"}
    assert len(frame) == 0
    assert [asked.operation for asked in found.client.server.asked] == ["metadata"]


def test_column_order_does_not_matter(fraud):
    """Columns are found by name."""
    rows = fraud.example_rows(3)

    pd.testing.assert_frame_equal(fraud.get_features(rows), fraud.get_features(rows[rows.columns[::-1]]))


def test_whole_numbers_of_a_mixed_frame_stay_exact(service):
    """A row of a frame with floats beside does not turn its int64 key into a float."""
    found = service(
        lambda asked: vector([asked.join_keys["n"]], typed("v.n", "int64")),
        [typed("v.n", "int64")],
        [typed("n", "int64")],
        [typed("x", "float64")],
    )

    frame = found.get_features(pd.DataFrame({"n": [2**53 + 1, 2**53 + 3], "x": [0.5, float("nan")]}))

    assert frame["v.n"].tolist() == [2**53 + 1, 2**53 + 3]


def test_missing_values_are_sent_as_null(service):
    """None, NA and NaN in a text column are a null key, which is legal."""
    found = service(_echo, ECHO, KEYS)

    frame = found.get_features(pd.DataFrame({"k": pd.Series(["a", None, pd.NA, float("nan")], dtype=object)}))

    assert frame["v.text"].isna().tolist() == [False, True, True, True]


# Bad input: one sentence each.


SENTENCES = {
    "missing join key": (
        {"userid": "x", "amount": 1},
        "The rows lack the join key 'user_id' that 'fraud_detection_feature_service' needs. "
        "Columns found: 'userid', 'amount'. Is 'userid' meant?",
    ),
    "missing request context": (
        pd.DataFrame({"user_id": ["x"]}),
        "The rows lack the request context 'amount' that 'fraud_detection_feature_service' needs. "
        "Columns found: 'user_id'.",
    ),
    "unknown key": (
        {"user_id": "x", "amount": 1, "amout": 2},
        "'fraud_detection_feature_service' takes no 'amout'. It takes: 'user_id', 'amount'. Did you mean 'amount'?",
    ),
    "key missing in one dict": (
        [{"user_id": "x", "amount": 1}, {"user_id": "y"}],
        "Row 1 lacks the request context 'amount' that 'fraud_detection_feature_service' needs. "
        "Pass None to send null.",
    ),
    "wrong type of join key": (
        {"user_id": 7, "amount": 1},
        "Row 0: Cannot send '7' (int) as string for join key 'user_id'. Pass text.",
    ),
    "wrong type of request context": (
        pd.DataFrame({"user_id": ["x"], "amount": ["much"]}, index=["first"]),
        "Row 'first': Cannot send 'much' (str) as float64 for request context 'amount'. "
        "Pass a number that a float64 holds.",
    ),
    "column twice": (
        pd.DataFrame([["x", "y", 1]], columns=["user_id", "user_id", "amount"]),
        "The rows have the column 'user_id' twice; keep one of them.",
    ),
    "no rows at all": (
        "C1000262126",
        "Cannot read rows from 'C1000262126' (str). Pass a dict, a list of dicts or a DataFrame.",
    ),
    "list of no dicts": (["x"], "Cannot read rows from '['x']' (list). Pass a dict, a list of dicts or a DataFrame."),
}


@pytest.mark.parametrize(("rows", "sentence"), SENTENCES.values(), ids=SENTENCES.keys())
def test_rows_that_cannot_be_sent_are_refused_in_a_sentence(fraud, rows, sentence):
    """What is wrong, where, and what the service takes instead: before anything is sent."""
    with pytest.raises(InputError) as caught:
        fraud.get_features(rows)

    assert str(caught.value) == sentence


def test_unknown_service_is_told_with_the_closest_name(client):
    """A misspelt service name leads to the right one."""
    with pytest.raises(NotFoundError) as caught:
        client.feature_service("fraud_detection")

    assert str(caught.value) == (
        "The server knows no feature service 'fraud_detection' in workspace 'prod' (404). "
        "Did you mean 'fraud_detection_feature_service'? "
        "It says: Unknown feature_service_name: fraud_detection for workspace: prod."
    )


def test_service_unlike_any_other_is_told_with_the_known_ones(client):
    """A name like no other gets the list of names instead."""
    with pytest.raises(NotFoundError, match=r"Known services: 'ctr_prediction_service', 'flight_delay_service'"):
        client.feature_service("zzz")


def test_wrong_workspace_is_told_as_such(client):
    """A service that exists, asked for in another workspace, is not offered as its own correction."""
    with pytest.raises(NotFoundError) as caught:
        client.feature_service(FRAUD, workspace_name="staging")

    assert str(caught.value) == (
        f"The server knows no feature service '{FRAUD}' in workspace 'staging' (404). "
        "There is one of this name; check the workspace. "
        f"It says: Unknown feature_service_name: {FRAUD} for workspace: staging."
    )


def test_workspace_the_key_may_not_read_is_told(client):
    """A closed workspace is a ForbiddenError that names the role to ask for."""
    with pytest.raises(ForbiddenError) as caught:
        client.feature_service(FRAUD, workspace_name="dev")

    assert str(caught.value) == (
        "The server answered 403 Forbidden: Not Authorized. The Service Account must have the Consumer role on "
        "workspace `dev`. It may take up to 60 seconds for a new role to take effect. "
        "Check the workspace and the roles of the key's service account."
    )


def test_wrong_key_is_told(demo):
    """An unknown API key is an UnauthorizedError that says to check the key."""
    with tnb.TectonClient(demo.url, KEY, "prod") as client, pytest.raises(UnauthorizedError) as caught:
        client.feature_service(FRAUD)

    assert str(caught.value) == (
        "The server answered 401 Unauthorized: Missing or invalid 'Tecton-key' authorization header. "
        "It may take up to 60 seconds for a newly created API key to be usable. "
        "Check the API key."
    )


def test_malformed_json_is_told(service):
    """A body cut in the middle is a DecodeError that shows where it begins."""
    found = service(Reply(b'{"result": {"features": ["1"'), ECHO, KEYS)

    with pytest.raises(DecodeError) as caught:
        found.get_features({"k": "a"})

    assert str(caught.value).startswith("The text is not JSON (")
    assert str(caught.value).endswith("""first characters: '{"result": {"features": ["1"').""")


# Bulk.


def test_batch_has_one_typed_error_per_failed_row(service):
    """A bad value, a 500, garbage and a wrong type each spoil their own row only."""

    def answer(asked):
        match asked.join_keys["k"]:
            case "500":
                return Reply({"message": "disk on fire", "code": 13}, 500)
            case "html":
                return Reply(b"<html><title>Busy</title></html>", 503)
            case "garbage":
                return Reply(b"\x00\x01")
            case "wrong":
                return vector(["x", "y"], *ECHO)
        return _echo(asked)

    labels = list("abcdefg")
    keys = ["fine", 7, "500", "html", "garbage", "wrong", "also fine"]
    batch = service(answer, ECHO, KEYS).get_features_batch(pd.DataFrame({"k": keys}, index=labels))
    errors = batch.errors()

    assert batch.to_pandas()["v.text"].dropna().to_dict() == {"a": "fine", "g": "also fine"}
    assert errors["exception"].to_dict() == {
        "b": "InputError",
        "c": "InternalServerError",
        "d": "ServiceUnavailableError",
        "e": "DecodeError",
        "f": "DecodeError",
    }
    assert errors["status"].dropna().to_dict() == {"c": 500, "d": 503}
    assert errors.loc["b", "message"] == "Row 'b': Cannot send '7' (int) as string for join key 'k'. Pass text."
    assert errors.loc["f", "message"] == "Cannot read feature 'v.length' as int64: got 'y' at `result.features[1]`."
    assert (batch.statuses().fillna("") == "FAILED").all(axis=1).tolist() == [
        False,
        True,
        True,
        True,
        True,
        True,
        False,
    ]
    assert _dtypes(errors) == columns.by_name(columns.ERRORS)
    assert len(batch.calls()) == 12


def test_get_features_raises_for_the_first_failed_row(service):
    """The strict form raises the typed error of the first row that failed, in the order of the rows."""

    def answer(asked):
        statuses = {"b": 500, "c": 400}
        status = statuses.get(asked.join_keys["k"])
        return Reply({"message": "no"}, status) if status else _echo(asked)

    found = service(answer, ECHO, KEYS)

    with pytest.raises(InternalServerError):
        found.get_features([{"k": text} for text in "abc"])
    with pytest.raises(BadRequestError):
        found.get_features([{"k": text} for text in "acb"])


LABELS = {
    "text": ("b", "'b'"),
    "number": (7, "7"),
    "tuple": (("b", 2), "('b', 2)"),
    "hostile": ("\x1b[2J", "'\\x1b[2J'"),
}


@pytest.mark.parametrize(("label", "shown"), LABELS.values(), ids=LABELS.keys())
def test_failed_row_is_told_by_its_label(service, label, shown):
    """An error names the row as the index does: text between quotes, everything else as Python shows it."""
    index = pd.Index([label], tupleize_cols=False)

    batch = service(_echo, ECHO, KEYS).get_features_batch(pd.DataFrame({"k": [7]}, index=index))

    assert batch.errors()["message"].tolist() == [
        f"Row {shown}: Cannot send '7' (int) as string for join key 'k'. Pass text."
    ]


def test_get_features_sends_nothing_if_a_value_cannot_be_sent(service):
    """A value of the wrong type in any row is refused before the first request."""
    found = service(_echo, ECHO, KEYS)

    with pytest.raises(InputError, match="Row 1"):
        found.get_features([{"k": "a"}, {"k": 7}])

    assert [asked.operation for asked in found.client.server.asked] == ["metadata"]


def test_batch_s_frames_are_as_documented(fraud):
    """Calls, errors and SLO information have the columns and dtypes of columns.py."""
    batch = fraud.get_features_batch(fraud.example_rows(4))

    assert _dtypes(batch.calls()) == columns.by_name(columns.CALLS)
    assert _dtypes(batch.errors()) == columns.by_name(columns.ERRORS)
    assert _dtypes(batch.slo_info()) == columns.by_name(columns.SLO_INFO)
    assert batch.calls()["status"].tolist() == [200] * 4
    assert (batch.calls()["client_time_seconds"] > 0).all()
    assert batch.calls()["server_time_seconds"].notna().all()
    assert len(batch.errors()) == 0
    assert batch.slo_info()["slo_eligible"].all()
    assert set(batch.statuses().to_numpy().ravel()) == {"PRESENT"}


def test_effective_times_are_there_for_stored_features_only(fraud):
    """Features of stored views have an effective time, realtime ones are NaT."""
    times = fraud.get_features_batch(fraud.example_rows(2)).effective_times()

    assert times.notna().all().to_dict() == {
        "transaction_amount_is_high.transaction_amount_is_high": False,
        "transaction_amount_is_higher_than_average.transaction_amount_is_higher_than_average": False,
        "last_transaction_amount_sql.amount": True,
    }


def test_include_adds_columns_beside_the_values(fraud):
    """One frame may hold values, statuses, times and SLO columns, each under a name of its own."""
    batch = fraud.get_features_batch(fraud.example_rows(2))

    wide = batch.to_pandas(include=["statuses", "effective_times", "slo_info"])

    assert wide.shape == (2, 3 * 3 + len(columns.SLO_INFO))
    assert wide.columns.is_unique
    assert wide["last_transaction_amount_sql.amount.status"].tolist() == ["PRESENT", "PRESENT"]
    pd.testing.assert_frame_equal(batch.to_pandas("slo_info"), batch.to_pandas(["slo_info", "slo_info"]))


def test_include_of_something_else_is_refused(fraud):
    """An unknown part is refused with the parts there are and the closest of them."""
    batch = fraud.get_features_batch(fraud.example_rows(1))

    with pytest.raises(InputError) as caught:
        batch.to_pandas(include=["status"])

    assert str(caught.value) == (
        "Cannot include 'status'. Known: 'statuses', 'effective_times', 'slo_info'. Did you mean 'statuses'?"
    )


def test_many_rows_keep_their_order(service):
    """Each of 500 rows, sent many at a time, gets its own answer."""
    found = service(_echo, ECHO, KEYS)
    texts = [f"row {i}" for i in range(500)]

    frame = found.get_features(pd.DataFrame({"k": texts}))

    assert frame["v.text"].tolist() == texts


@pytest.mark.parametrize("deadline", [0, -1, float("inf"), float("nan"), "5", True], ids=repr)
def test_deadline_of_a_batch_is_checked(fraud, deadline):
    """A deadline that is no number of seconds is refused before anything is sent."""
    with pytest.raises(InputError, match="deadline_seconds takes a number of seconds above 0"):
        fraud.get_features_batch(fraud.example_rows(1), deadline_seconds=deadline)


def test_deadline_holds_for_each_row(service):
    """A row whose answer never comes fails alone, with the deadline of the call."""

    def answer(asked):
        return found.client.server.silence() if asked.join_keys["k"] == "never" else _echo(asked)

    found = service(answer, ECHO, KEYS)

    batch = found.get_features_batch([{"k": "a"}, {"k": "never"}, {"k": "b"}], deadline_seconds=0.3)

    assert batch.errors()["exception"].to_dict() == {1: "DeadlineExceededError"}
    assert batch.to_pandas()["v.text"].tolist() == ["a", pd.NA, "b"]


def test_client_s_batch_is_the_service_s(client, fraud):
    """The client's own method takes the service by name and does the same."""
    rows = fraud.example_rows(3)

    batch = client.get_features_batch(feature_service_name=FRAUD, rows=rows)

    pd.testing.assert_frame_equal(batch.to_pandas(), fraud.get_features(rows))


# One row in detail.


def test_details_have_a_row_per_feature(fraud):
    """Value, type, status, effective time and description of each feature, in the documented columns."""
    details = fraud.details({"user_id": "C1000262126", "amount": 100}, metadata_options=tnb.MetadataOptions.all())

    assert _dtypes(details) == columns.by_name(columns.DETAILS)
    assert details["value"].tolist() == [0, 1, 216409.0]
    assert set(details["status"]) == {"PRESENT"}
    assert details["effective_time"].isna().tolist() == [True, True, False]
    assert details["description"].notna().all()


@pytest.mark.parametrize("raw", [["1", "2"], None], ids=["array", "null"])
def test_details_of_any_answer_have_the_documented_dtypes(service, raw):
    """Arrays, nulls and answers that say nothing but values keep the frame's dtypes."""
    item = typed("v.a", INT_ARRAY)
    found = service(vector([raw, raw], item, {**item, "name": "v.b"}), [item, {**item, "name": "v.b"}], KEYS)

    details = found.details({"k": "a"})

    assert _dtypes(details) == columns.by_name(columns.DETAILS)
    assert details["value"].tolist() == [[1, 2]] * 2 if raw else details["value"].isna().all()


SEVERAL = {
    "dicts": ([{"k": "a"}, {"k": "b"}], "'[{'k': 'a'}, {'k': 'b'}]' (list)"),
    "none": ([], "'[]' (list)"),
    "frame": (pd.DataFrame({"k": ["a", "b"]}), "a frame of 2 rows"),
}


@pytest.mark.parametrize(("rows", "got"), SEVERAL.values(), ids=SEVERAL.keys())
def test_details_take_one_row(service, rows, got):
    """Several rows are refused instead of answered for the first alone."""
    with pytest.raises(InputError) as caught:
        service(_echo, ECHO, KEYS).details(rows)

    assert str(caught.value) == (f"details takes the keys of one request, a dict or a frame of one row; got {got}.")


def test_details_of_a_frame_of_one_row_are_those_of_its_dict(fraud):
    """One example row can be looked at as it comes."""
    rows = fraud.example_rows(1)

    pd.testing.assert_frame_equal(fraud.details(rows), fraud.details(rows.iloc[0].to_dict()))


# What a service says of itself.


def test_features_come_with_descriptions_and_tags(fraud):
    """Every feature of the demo is described and tagged, in the order of the vector."""
    features = fraud.features()

    assert _dtypes(features) == columns.by_name(columns.FEATURES)
    assert features["description"].notna().all()
    assert features["tags"].tolist() == ['{"owner":"fraud-team"}'] * 3
    assert features["name"].tolist() == list(fraud.get_features(fraud.example_rows(1)).columns)


@pytest.mark.parametrize("status", [400, 403, 500])
def test_features_go_without_descriptions_where_the_server_refuses(service, status):
    """A server that refuses null keys costs the descriptions only."""
    found = service(Reply({"message": "no"}, status), ECHO, KEYS)

    features = found.features()

    assert features["name"].tolist() == ["v.text", "v.length"]
    assert features["description"].isna().all()


def test_features_refused_once_are_asked_for_again_and_then_kept(service):
    """A server that was busy for a moment does not cost the descriptions for good."""
    described = vector([None, None], *({**item, "description": "d"} for item in ECHO))
    answers = iter([Reply({"message": "busy"}, 503), Reply(described)])
    found = service(lambda _: next(answers), ECHO, KEYS)

    busy, then, later = (found.features()["description"] for _ in range(3))

    assert busy.isna().all()
    assert then.tolist() == later.tolist() == ["d", "d"]


def test_inputs_and_metadata_are_those_of_the_server(fraud):
    """Join keys and request context are listed with their types."""
    assert fraud.inputs().to_dict("records") == [
        {"name": "user_id", "kind": "join_key", "data_type": "string"},
        {"name": "amount", "kind": "request_context", "data_type": "float64"},
    ]
    assert (fraud.name, fraud.workspace_name, fraud.is_wildcard) == (FRAUD, "prod", False)
    assert fraud.metadata.feature_service_type == "DEFAULT"


def test_repr_names_service_inputs_and_features(fraud):
    """What a notebook shows has the service's name, its keys and its features, in text and in HTML."""
    bundle = fraud._repr_mimebundle_()

    for text in (str(fraud), bundle["text/html"]):
        assert all(word in text for word in (FRAUD, "user_id", "amount", "last_transaction_amount_sql.amount"))


def test_repr_of_a_wildcard_service_names_the_keys_it_returns(client, fraud):
    """The key that is left out of a query is on the card, as a column of the answer; other services have none."""
    carriers = client.feature_service("origin_carriers_service")

    assert "Wildcard keys (1)\n  name     data type\n  carrier  string\n" in str(carriers)
    assert "Wildcard keys" not in str(fraud)


def test_repr_of_a_batch_counts_in_thousands(service):
    """Large counts on a card are readable."""
    batch = service(_echo, ECHO, KEYS).get_features_batch([{"k": 7}] * 2_000)

    assert "  rows            2,000\n  different rows  0\n  failed          ✗ 2,000\n" in str(batch)


def test_repr_of_a_batch_shows_what_failed(service):
    """The card of a batch counts rows and failures and shows the first sentences."""
    found = service(_echo, ECHO, KEYS)
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])

    batch = found.get_features_batch(pd.DataFrame({"k": ["x", 7]}, index=index))

    assert "('b', 2)" in str(batch)
    assert "✗ InputError" in str(batch)
    assert "InputError" in batch._repr_mimebundle_()["text/html"]


# Example rows.


@pytest.mark.parametrize("n", [1, 3])
def test_example_rows_of_the_demo_can_be_sent(client, n):
    """Every demo service has rows that it takes."""
    for name in client.feature_services()["name"]:
        service = client.feature_service(name)
        rows = service.example_rows(n)

        assert len(rows) == n
        if not service.is_wildcard:
            assert len(service.get_features(rows)) == n


def test_example_rows_are_known_by_id_too(client, demo):
    """A service asked for by its id has the same example rows."""
    found = next(s for s in demo.services if s.name == FRAUD and s.workspace == "prod")

    by_id = client.feature_service(feature_service_id=found.id)

    pd.testing.assert_frame_equal(by_id.example_rows(2), client.feature_service(FRAUD).example_rows(2))


@pytest.mark.parametrize("n", [-1, 1.5, "all", None, True])
def test_example_rows_in_no_number_are_refused(fraud, n):
    """A number below nothing does not hand out everything."""
    with pytest.raises(InputError) as caught:
        fraud.example_rows(n)

    assert str(caught.value) == (f"example_rows takes a number of rows, 0 or more; got '{n}' ({type(n).__name__}).")


def test_example_rows_elsewhere_are_those_given_or_sent(service):
    """Without a server that knows rows, those given or last sent are handed out; before that a sentence says how."""
    found = service(_echo, ECHO, KEYS)

    with pytest.raises(InputError) as caught:
        found.example_rows()
    given = found.client.feature_service("s", example_rows=pd.DataFrame({"k": ["x", "y"]}, index=[5, 6]))
    found.get_features([{"k": "sent"}])

    assert str(caught.value) == (
        "No example rows are known for 's'. Send a row first, or pass example_rows=frame to client.feature_service."
    )
    assert given.example_rows(1).to_dict() == {"k": {0: "x"}}
    assert found.example_rows().to_dict() == {"k": {0: "sent"}}


# Wildcard services.


def test_query_features_gives_a_row_per_wildcard_key(client):
    """All carriers of an origin: the key given, the wildcard key, the features, typed."""
    frame = client.feature_service("origin_carriers_service").query_features({"origin": "EWR"})

    assert list(frame.columns[:2]) == ["origin", "carrier"]
    assert set(frame["origin"]) == {"EWR"}
    assert frame["carrier"].is_unique
    assert len(frame) > 5
    assert set(_dtypes(frame).values()) == {"string", "Int64", "Float64"}


def test_query_features_of_an_unknown_key_is_empty_and_typed(client):
    """A key nobody knows gives no rows, with the same columns and dtypes."""
    service = client.feature_service("origin_carriers_service")

    none, some = service.query_features({"origin": "???"}), service.query_features({"origin": "EWR"})

    assert len(none) == 0
    assert _dtypes(none) == _dtypes(some)


@pytest.mark.parametrize("name", ["k", "w"], ids=["key given", "wildcard key"])
def test_query_features_with_a_feature_named_as_a_key_is_refused(service, name):
    """Two columns of one name would hide each other, so the answer is refused."""
    wildcard, feature = typed("w", "string"), typed(name, "string")
    answer = {
        "results": [{"features": ["x"], "joinKeys": ["y"]}],
        "metadata": {"features": [feature], "joinKeys": [wildcard]},
    }
    found = service(answer, [feature], KEYS, outputJoinKeys=[wildcard], featureServiceType="WILDCARD")

    with pytest.raises(DecodeError) as caught:
        found.query_features({"k": "a"})

    assert str(caught.value) == f"'{name}' is the name of a join key and of another column."


@pytest.mark.parametrize("keys", [[{"origin": "EWR"}], pd.DataFrame({"origin": ["EWR", "JFK"]}), [], "EWR"])
def test_query_features_takes_one_request(client, keys):
    """Several rows are refused instead of answered for the first alone."""
    with pytest.raises(InputError, match="query_features takes the keys of one request, a dict or a frame of one row"):
        client.feature_service("origin_carriers_service").query_features(keys)


def test_query_features_takes_an_example_row(client):
    """A frame of one row asks for what its dict asks for."""
    carriers = client.feature_service("origin_carriers_service")

    found = carriers.query_features(carriers.example_rows(1))

    pd.testing.assert_frame_equal(found, carriers.query_features({"origin": "EWR"}))


def test_wildcard_service_refuses_get_features_and_says_what_to_use(client):
    """The wrong operation is told in words."""
    service = client.feature_service("origin_carriers_service")

    for operation in (service.get_features, service.get_features_batch):
        with pytest.raises(InputError) as caught:
            operation({"origin": "EWR"})
        assert str(caught.value) == "'origin_carriers_service' is a WILDCARD service; use query_features(keys)."


def test_default_service_refuses_query_features(fraud):
    """The other way round the server refuses, and names the right operation."""
    with pytest.raises(BadRequestError, match="is DEFAULT; use get-features"):
        fraud.query_features({"user_id": "x", "amount": 1})


# Which services there are.


def test_feature_services_are_listed_from_metrics_profile_and_use(service):
    """Names come from the metrics page, from the user and from use; each says where it was found."""
    found = service(lambda _: Reply(b'feature_service_requests_rate{feature_service_name="m"} 0.5\n'), ECHO, KEYS)
    client = found.client
    with tnb.TectonClient(client.server.url, KEY, "prod", feature_service_names=["p"]) as other:
        other.feature_service("s")
        frame = other.feature_services()

    assert frame[["name", "source"]].to_numpy().tolist() == [["m", "metrics"], ["p", "profile"], ["s", "given"]]
    assert frame["requests_per_second"].tolist() == [0.5, pd.NA, pd.NA]
    assert _dtypes(frame) == columns.by_name(columns.SERVICES)


@pytest.mark.parametrize("status", [403, 404])
def test_feature_services_go_without_metrics_where_names_are_known(ours, status):
    """A key that may not read metrics still lists what the user named; with nothing known it is an error."""
    named = ours(Reply(b"", status), feature_service_names=["p"])
    nameless = ours(Reply(b"", status))

    assert named.feature_services()["name"].tolist() == ["p"]
    with pytest.raises((ForbiddenError, NotFoundError)):
        nameless.feature_services()


def test_id_that_is_empty_is_refused(client):
    """A name or an id that is no text, or empty, is refused before anything is sent."""
    for name in ("", 7):
        with pytest.raises(InputError) as caught:
            client.feature_service(name)
        assert str(caught.value) == f"A feature service is named by text that is not empty; got '{name}'."

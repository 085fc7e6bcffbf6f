"""What clients and answers show of themselves."""

import asyncio
import math
import re
from datetime import UTC, datetime

import httpx
import pytest
from canned import KEY, Reply, typed, vector

import tecton_nb as tnb
from tecton_nb.batch.batch_card import MOST_COUNTED
from tecton_nb.transport.messages import http_date

DATE = "Wed, 01 May 2024 12:00:00 GMT"
SAID = {"status": "PRESENT", "effectiveTime": "2024-04-28T06:00:00Z"}
SLO = {"sloEligible": True, "serverTimeSeconds": 0.0081, "storeResponseSizeBytes": 2048}


def rows_of(text):
    """Return the rows of cells of a text twin."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


@pytest.fixture
def answer(ours):
    """Return a function that gets an answer whose body is canned, dated like the server's clock."""

    def get(body, headers=None):
        client = ours(Reply(body, headers={"Date": DATE} if headers is None else headers))
        return client.get_features(feature_service_name="s", join_key_map={"k": "a"})

    return get


def test_four_ways_of_having_no_number_are_told_apart(answer):
    """Null, NaN, missing and timed out differ in words and signs, beside their statuses."""
    names = ("null", "nan", "missing", "late", "cached")
    statuses = ("PRESENT", "PRESENT", "MISSING_DATA", "TIME_OUT", "CACHED_MISSING_DATA")
    items = [typed(f"v.{name}", "float64", status=status) for name, status in zip(names, statuses, strict=True)]

    rows = rows_of(str(answer(vector([None, "NaN", None, None, None], *items))))

    assert ["v.null", "float64", "∅ null", "✓ PRESENT"] in rows
    assert ["v.nan", "float64", "NaN", "✓ PRESENT"] in rows
    assert ["v.missing", "float64", "∅ missing", "∅ MISSING_DATA"] in rows
    assert ["v.late", "float64", "✗ timed out", "✗ TIME_OUT"] in rows
    assert ["v.cached", "float64", "∅ missing", "∅ CACHED_MISSING_DATA"] in rows
    assert ["not present", "? 'v.missing', 'v.late', 'v.cached'"] in rows


def test_text_of_null_is_no_null(answer):
    """A string feature that says "null" or "missing" is not taken for one that is."""
    items = [typed("v.word", "string", status="PRESENT"), typed("v.gone", "string", status="MISSING_DATA")]

    rows = rows_of(str(answer(vector(["missing", None], *items))))

    assert ["v.word", "string", "missing", "✓ PRESENT"] in rows
    assert ["v.gone", "string", "∅ missing", "∅ MISSING_DATA"] in rows


def test_details_of_texts_keep_null_as_none(answer):
    """Where every value is text a null one is None all the same, not NaN."""
    items = [typed("v.a", "string"), typed("v.b", "string")]

    details = answer(vector(["x", None], *items)).details()

    assert details["value"].dtype == object
    assert details["value"].tolist() == ["x", None]


def test_ages_count_to_the_server_s_own_clock(answer):
    """How old a value is follows from the answer alone: its date and the value's effective time."""
    response = answer(vector([1.5], typed("v.a", "float64", **SAID)))

    assert response.answered_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
    rows = rows_of(str(response))
    assert ["answered", "2024-05-01 12:00:00 UTC"] in rows
    assert ["v.a", "float64", "1.5", "✓ PRESENT", "3 days ago", "2024-04-28 06:00:00 UTC"] in rows


def test_answer_made_by_hand_shows_times_without_ages():
    """A response that knows no time of its own tells effective times, and compares equal to one that does."""
    metadata = {"features": [typed("v.a", "float64", **SAID)]}
    result = tnb.GetFeaturesResult([1.5])
    plain = tnb.GetFeaturesResponse(result, metadata, None)
    dated = tnb.GetFeaturesResponse(result, metadata, None, answered_at=datetime(2024, 5, 1, tzinfo=UTC))

    assert ["v.a", "float64", "1.5", "✓ PRESENT", "2024-04-28 06:00:00 UTC"] in rows_of(str(plain))
    assert "ago" not in str(plain)
    assert plain == dated


def test_service_objective_is_told_with_reasons_times_and_sizes(answer):
    """Whether the request counts, why not, how long it took and how much was read stand at the top."""
    reasons = {**SLO, "sloEligible": False, "sloIneligibilityReasons": ["TOO_LARGE"]}

    rows = rows_of(str(answer(vector([1.5], typed("v.a", "float64"), sloInfo=reasons))))
    good = rows_of(str(answer(vector([1.5], typed("v.a", "float64"), sloInfo=SLO))))

    assert ["service objective", "✗ does not count: TOO_LARGE"] in rows
    assert ["service objective", "✓ counts"] in good
    assert ["server time", "8.1 ms"] in rows
    assert ["read from the store", "2.0 KiB"] in rows


def test_answer_with_values_only_says_how_to_ask_for_more(answer):
    """Without statuses and times the card names the option that brings them, and has no empty columns."""
    text = str(answer(vector([1.5], typed("v.a", "float64"))))

    assert "MetadataOptions.all()" in text
    assert "  name  data type  value\n" in text


def test_answer_without_names_shows_raw_values():
    """A response that cannot be read says why and shows what the server sent, by place."""
    rows = rows_of(str(tnb.GetFeaturesResponse(tnb.GetFeaturesResult(["7", None]), None, None)))

    assert ["0", "7"] in rows
    assert ["1", "∅ null"] in rows
    assert any(row[0] == "readable" and row[1].startswith("✗ no: The response has no names") for row in rows)


def test_partial_answer_says_so(answer):
    """A vector that is not whole is marked, not only shorter."""
    text = str(answer(vector([1.5], typed("v.a", "float64"), partialResults=True)))

    assert "✗ partial" in text


def test_nested_values_keep_null_and_nan_apart(answer):
    """Within arrays, null, NaN and a text that says null can be told apart."""
    kinds = ({"type": "array", "elementType": {"type": name}} for name in ("float64", "string"))
    items = [typed(f"v.{i}", kind) for i, kind in enumerate(kinds)]

    rows = rows_of(str(answer(vector([[1.5, None, "NaN"], ["null", None]], *items))))

    assert ["v.0", "array<float64>", "[1.5, null, NaN]"] in rows
    assert ["v.1", "array<string>", "['null', null]"] in rows


@pytest.mark.parametrize("text", ["", "yesterday", "Wed, 99 May 2024 12:00:00 GMT", "x" * 10_000])
def test_date_that_is_none_is_no_time(text):
    """An answer with a broken Date header has no time of its own; nothing fails."""
    assert http_date(text) is None


def test_answer_of_a_server_without_a_clock_is_shown(answer):
    """Where the Date header cannot be read the card has no ages and is a card all the same."""
    response = answer(vector([1.5], typed("v.a", "float64", **SAID)), {"Date": "soon"})

    assert response.answered_at is None
    assert "2024-04-28 06:00:00 UTC" in str(response)


def test_wildcard_answer_shows_rows_and_says_what_it_leaves_out(client):
    """The rows behind a key stand on the card with their keys, the types of their columns below."""
    found = client.query_features(feature_service_name="origin_carriers_service", join_key_map={"origin": "LGA"})

    rows = rows_of(str(found))

    assert rows[0] == ["QueryFeaturesResponse", f"{len(found.results)} rows"]
    assert ["carrier", "string", "join key"] in rows
    counts = found.to_pandas().set_index("carrier").iloc[:, 0]
    assert next(row for row in rows if row[0] == "UA")[1] == str(counts["UA"])


def test_metadata_answer_names_the_wildcard_keys(client):
    """What the low-level client returns shows the same sections as the service in hand."""
    service = client.feature_service("origin_carriers_service")

    assert str(service.metadata).partition("\n\n")[2] == str(service).partition("\n\n")[2]
    assert "Wildcard keys (1)" in str(service.metadata)


def test_client_says_where_its_key_is_from(monkeypatch, tmp_path):
    """The card tells the place of the key, never the key, wherever it was found."""
    monkeypatch.setenv("TECTON_URL", "https://x.tecton.ai")
    monkeypatch.setenv("TECTON_API_KEY", KEY)
    with tnb.connect() as found, tnb.TectonClient("https://x.tecton.ai", KEY) as given:
        texts = [str(found), str(given)]

    assert ["API key", "from the environment variable TECTON_API_KEY"] in rows_of(texts[0])
    assert ["API key", "given by you"] in rows_of(texts[1])
    assert KEY not in "".join(texts)


def test_client_knows_its_services_without_asking(ours):
    """Services that were named or used stand on the card; the others are not asked for."""
    body = {"featureServiceType": "DEFAULT", "inputJoinKeys": [typed("k", "string")], "featureValues": []}
    client = ours(body, feature_service_names=["named"])

    before = str(client)
    client.feature_service("used")

    assert ["named", "prod", "not read yet", "—", "—", "profile"] in rows_of(before)
    assert ["used", "prod", "DEFAULT", "1", "0", "use"] in rows_of(str(client))
    assert len(client.server.asked) == 1


def test_client_says_whether_it_is_open():
    """A closed client is told from an open one, also when its connections are the user's own."""
    client = tnb.TectonClient("https://x.tecton.ai", KEY)
    own = httpx.Client()
    borrowed = tnb.TectonClient("https://x.tecton.ai", None, client=own)
    states = [["state", "✓ open"] in rows_of(str(one)) for one in (client, borrowed)]

    client.close()
    own.close()

    assert states == [True, True]
    assert ["state", "✗ closed"] in rows_of(str(client))
    assert ["state", "✗ closed"] in rows_of(str(borrowed))
    assert ["API key", "none; your httpx client authenticates"] in rows_of(str(borrowed))


def test_closed_asynchronous_client_says_so():
    """The asynchronous client tells its state as the other one does."""
    client = tnb.AsyncTectonClient("https://x.tecton.ai", KEY)
    before = str(client)

    asyncio.run(client.close())

    assert "✓ open" in before
    assert "✗ closed" in str(client)


def test_client_that_could_not_be_made_can_be_shown():
    """A traceback may show a client whose address was refused."""
    client = tnb.TectonClient.__new__(tnb.TectonClient)

    assert str(client) == "TectonClient  ✗ that could not be made"


def test_batch_tells_statuses_ages_and_objective(service):
    """The card of a batch counts statuses with signs, and tells ages by the server's clock."""
    item = typed("v.a", "float64", status="PRESENT", effectiveTime="2024-04-28T06:00:00Z")

    def reply(asked):
        value, status = (None, "MISSING_DATA") if asked.join_keys == {"k": "gone"} else (1.5, "PRESENT")
        return Reply(vector([value], {**item, "status": status}, sloInfo=SLO), headers={"Date": DATE})

    found = service(reply, [typed("v.a", "float64")], [typed("k", "string")])
    rows = rows_of(str(found.get_features_batch([{"k": "a"}, {"k": "gone"}, {"k": 7}], rows_per_call=1)))

    assert ["✓ PRESENT", "1", "33.3 %"] in rows
    assert ["∅ MISSING_DATA", "1", "33.3 %"] in rows
    assert ["✗ FAILED", "1", "33.3 %"] in rows
    assert ["oldest value", "3 days ago"] in rows
    assert ["service objective", "✓ 2 of 2 rows count (100 %)"] in rows
    assert ["v.a", "float64", "3 days ago", "3 days ago"] in rows


def test_saved_batch_keeps_the_moment_that_ages_count_to(service, tmp_path):
    """A recording shows the same ages as the batch did, however much later it is looked at."""
    item = typed("v.a", "float64", **SAID)
    reply = Reply(vector([1.5], item), headers={"Date": DATE})
    batch = service(reply, [typed("v.a", "float64")], [typed("k", "string")]).get_features_batch([{"k": "a"}])

    found = tnb.FeatureBatch.load(batch.save(tmp_path / "run"))

    assert found.report.answered_at == datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert str(found) == str(batch)


def test_recording_that_was_taken_away_says_so(service, tmp_path):
    """A card of a recording whose folder is gone is a card with the reason, no traceback."""
    reply = Reply(vector([1.5], typed("v.a", "float64")))
    batch = service(reply, [typed("v.a", "float64")], [typed("k", "string")]).get_features_batch([{"k": "a"}])
    found = tnb.FeatureBatch.load(batch.save(tmp_path / "run"))

    (tmp_path / "run").rename(tmp_path / "elsewhere")

    assert any(row[0] == "frames" and row[1].startswith("✗ ") for row in rows_of(str(found)))


def test_card_of_a_huge_batch_reads_no_frames(service):
    """Beyond 50,000 rows nothing is counted for a card: it would cost seconds, and memory for a recording."""
    found = service(Reply(b""), [typed("v.a", "float64")], [typed("k", "string")])

    text = str(found.get_features_batch([{"k": 7}] * (MOST_COUNTED + 1)))

    assert "not counted beyond 50,000 rows" in text
    assert "Statuses" not in text


def test_nan_of_a_feature_is_no_gap(answer):
    """The dict keeps NaN as a float, and the card calls it NaN."""
    response = answer(vector(["NaN"], typed("v.a", "float64", status="PRESENT")))

    assert math.isnan(response.get_features_dict()["v.a"])
    assert ["v.a", "float64", "NaN", "✓ PRESENT"] in rows_of(str(response))

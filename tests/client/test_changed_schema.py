"""Answers whose features are not, or may not be, those of the metadata: never a value under another's name."""

from __future__ import annotations

import orjson
import pandas as pd
import pytest
from canned import Reply, typed, vector

from tecton_nb.exceptions import DecodeError, InputError

KEYS = [typed("k", "string")]
ROW = {"k": "x"}
FEATURES = [typed("v.number", "int64"), typed("v.text", "string")]
NAMELESS = [{"dataType": {"type": "string"}}, {"dataType": {"type": "int64"}}]
TWO_NUMBERS = [typed("v.a", "int64"), typed("v.b", "int64")]


def _single(found):
    return found.client.get_features(feature_service_name="s", join_key_map=ROW).to_pandas()


def test_nameless_values_of_other_types_are_refused(service):
    """Values without names are not labelled by position where their types say that the order is another."""
    found = service(vector(["1", "2"], *NAMELESS), FEATURES, KEYS)

    with pytest.raises(DecodeError, match="Read the service's metadata again"):
        _single(found)
    with pytest.raises(DecodeError, match="Read the service's metadata again"):
        found.get_features(ROW)


def test_nameless_values_of_the_same_types_are_labelled(service):
    """Values without names get those of the metadata, in its order."""
    found = service(vector(["2", "1"], *NAMELESS[::-1]), FEATURES, KEYS)

    assert _single(found).to_dict("records") == found.get_features(ROW).to_dict("records")
    assert _single(found).to_dict("records") == [{"v.number": 2, "v.text": "1"}]


def test_values_of_which_only_some_have_names_are_refused_where_the_order_differs(service):
    """One name in another place than the metadata's is enough to doubt the places of all."""
    answer = vector(["1", "2"], typed("v.b", "int64"), {"dataType": {"type": "int64"}})
    found = service(answer, TWO_NUMBERS, KEYS)

    with pytest.raises(DecodeError):
        _single(found)
    with pytest.raises(DecodeError):
        found.get_features(ROW)


@pytest.mark.parametrize("where", ["value", "metadata"])
def test_answer_nested_too_deep_is_refused_in_words(service, where):
    """Four hundred brackets where nobody expects them are an error of ours, not one of the JSON library."""
    deep = b"[" * 400 + b"]" * 400
    body = orjson.dumps(vector(["DEEP" if where == "value" else "1"], typed("v.odd", "odd"), more="DEEP"))
    replaced = body.replace(b'"DEEP"', deep, 1 if where == "value" else 2)
    found = service(Reply(replaced), [typed("v.odd", "odd")], KEYS)

    with pytest.raises(DecodeError):
        _single(found)


def test_metadata_nested_too_deep_is_refused_in_words(service):
    """The same in a service's metadata."""
    junk: list[object] = []
    for _ in range(400):
        junk = [junk]
    found = service(vector(["1"]), [typed("v.n", "int64", junk=junk)], KEYS)

    with pytest.raises(DecodeError):
        found.metadata.to_pandas()


def test_example_rows_are_the_rows_sent_digit_for_digit(service):
    """A missing key beside a large one does not round it."""
    found = service(vector(["1"], typed("v.n", "int64")), [typed("v.n", "int64")], [typed("k", "int64")])
    found.get_features([{"k": 2**53 + 1}, {"k": None}])

    assert found.example_rows(2)["k"].tolist() == [2**53 + 1, None]


def test_example_rows_do_not_change_with_the_caller_s_frame(service):
    """What the caller does to a frame after it was sent is not seen in the example rows."""
    found = service(vector(["1"], typed("v.n", "int64")), [typed("v.n", "int64")], [typed("k", "int64")])
    sent = pd.DataFrame({"k": [1, 2]})
    found.get_features(sent)

    sent.loc[0, "k"] = 99

    assert found.example_rows(2)["k"].tolist() == [1, 2]


def test_included_column_with_the_name_of_a_feature_is_refused(service):
    """A feature named like another's status does not come twice in one frame."""
    features = [typed("v.a", "int64"), typed("v.a.status", "int64")]
    batch = service(vector(["1", "2"], *features), features, KEYS).get_features_batch(ROW)

    with pytest.raises(InputError, match=r"there is a feature 'v\.a\.status' already"):
        batch.to_pandas(include=["statuses"])


class _Arriving:
    """A service whose look-up lets another thread add one."""

    value = "s"

    def __init__(self, metadata) -> None:
        self._metadata = metadata

    @property
    def by(self) -> str:
        self._metadata[object()] = None
        return "name"


def test_services_are_listed_while_others_are_added(service):
    """Listing services in one thread while another takes new ones in hand does not fail."""
    core = service(vector(["1"]), [typed("v.n", "int64")], KEYS).client._core
    core.metadata.clear()
    core.metadata[_Arriving(core.metadata)] = None

    assert core.used_names() == ["s"]

"""What is chosen in the explorer is plain data that comes back as it went."""

import json

import pytest

import tecton_nb as tnb
from tecton_nb.exceptions import InputError
from tecton_nb.widgets import Selection

CHOSEN = Selection(
    "fraud",
    "prod",
    {"n": "9007199254740993", "x": "NaN", "none": None, "many": ["1", None], "yes": True},
    tnb.MetadataOptions.all(),
    tnb.RequestOptions(latency_budget_ms=250, coerce_null_counts_to_zero=False),
)


@pytest.mark.parametrize("selection", [CHOSEN, Selection(), Selection("s")], ids=["all", "nothing", "a name"])
def test_round_trips_through_json(selection):
    """A selection written as JSON text and read again is the same, options included."""
    text = json.dumps(selection.to_dict())

    assert Selection.from_dict(json.loads(text)) == selection


def test_is_small():
    """Options that are as always are not written down."""
    assert Selection("s", "w").to_dict() == {
        "service": "s",
        "workspace": "w",
        "values": {},
        "metadata_options": {},
        "request_options": {},
    }


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"servise": "s"}, "A selection has no entry 'servise'. It has: .* Did you mean 'service'?"),
        ({"service": 7}, "The entry 'service' of a selection is text; got '7'."),
        ({"values": [1]}, "The entry 'values' of a selection is a dict; got"),
        ([], "A selection is a dict; got"),
        ({"request_options": {"latency_budget_ms": 1}}, "takes a whole number"),
    ],
)
def test_what_is_no_selection_is_refused_in_words(given, sentence):
    """A dict that is no selection is refused, and the sentence says where."""
    with pytest.raises(InputError, match=sentence):
        Selection.from_dict(given)

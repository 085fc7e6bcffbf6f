"""The fast writer of get-features answers, beside the plain one."""

import itertools
import json
from collections.abc import Iterator

import pytest
from riders import rider_data, rider_definitions

from tecton_nb.local.clock import Latency
from tecton_nb.local.definitions.plan import ServicePlan, plan_service
from tecton_nb.local.demonstration.documented import documented_definitions
from tecton_nb.local.demonstration.flight_services import flight_definitions
from tecton_nb.local.serving.answers import Row, single_reply
from tecton_nb.local.serving.asked import Asked
from tecton_nb.local.serving.parts import (
    MISSING_DATA,
    PRESENT,
    TIME_OUT,
    UNKNOWN_STATUS,
    Part,
    cached_part,
    computed_part,
    failed_part,
    joined,
    stored_part,
)
from tecton_nb.local.serving.vectors import Vector
from tecton_nb.local.serving.writer import AnswerWriter
from tecton_nb.local.storage.store import Store, StoredRow
from tecton_nb.wire.requests import Locator
from tecton_nb.wire.responses import write_get_features

OPTIONS = (
    "includeNames",
    "includeDataTypes",
    "includeTypes",
    "includeEffectiveTimes",
    "includeServingStatus",
    "includeSloInfo",
    "includeFeatureDescriptions",
    "includeFeatureTags",
)
CHOICES = [frozenset(c) for n in range(len(OPTIONS) + 1) for c in itertools.combinations(OPTIONS, n)]
PLANS = [
    plan_service(service, definitions)
    for definitions in (rider_definitions(), documented_definitions(), flight_definitions())
    for service in definitions.services
]
MIDNIGHT = "2024-05-01T00:00:00Z"


def parts_of(plan: ServicePlan) -> Iterator[list[Part]]:
    """Every view present; then missing, half missing, failed, late, cached, and with a finer time."""
    widths = [(view.name, len(view.features)) for view in plan.served]
    yield [stored_part(name, row_of([index_text(i) for i in range(n)])) for name, n in widths]
    yield [stored_part(name, row_of([None] * n, time=None)) for name, n in widths]
    yield [stored_part(name, row_of([None, *["1"] * (n - 1)], time="2024-05-01T00:00:00.250Z")) for name, n in widths]
    yield [failed_part(name, n, UNKNOWN_STATUS) for name, n in widths]
    yield [failed_part(name, n, TIME_OUT) for name, n in widths]
    yield [cached_part(stored_part(name, row_of([None, *[2.5] * (n - 1)]))) for name, n in widths]
    yield [computed_part(name, [{"a": ["x", None]}] * n) for name, n in widths]


def index_text(i: int) -> object:
    """A different value for every place, with what JSON must escape."""
    return (f'"{i}"', i, 0.1 * i, None, True, 'ü\\"\n')[i % 6]


def row_of(values: list[object], time: str | None = MIDNIGHT) -> StoredRow:
    """What a store might hold."""
    statuses = tuple(MISSING_DATA if value is None else PRESENT for value in values)
    return StoredRow(tuple(values), statuses, time, 7 * len(values), 5, 2**63 - 1)


def vectors_of(plan: ServicePlan) -> Iterator[Row]:
    """Rows with every kind of part, of small and of large size, whole and partial."""
    for i, parts in enumerate(parts_of(plan)):
        size = (0, 812, 3 * 1024 * 1024)[i % 3]
        vector = Vector(parts, {}, {}, {}, size, Latency(0.0123456789012, 0.00001, 0.002), is_partial=i % 2 == 1)
        yield Row(vector, vector.measured)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.service.name)
def test_fast_writer_writes_the_bytes_of_the_plain_one_for_every_choice_of_metadata(plan):
    """Whatever metadata is asked for, the pieced answer is the plainly written one byte for byte."""
    rows = list(vectors_of(plan))
    for metadata in CHOICES:
        writer = AnswerWriter(plan, metadata)
        for row, coerces in itertools.product(rows, (False, True)):
            asked = Asked(Locator("s"), metadata, coerces_counts=coerces)
            plain = write_get_features(single_reply(plan, asked, row))

            # Twice: the second answer is made of kept pieces.
            assert writer.write(row, coerces_counts=coerces) == plain
            assert writer.write(row, coerces_counts=coerces) == plain


def test_values_of_a_real_store_are_written_alike():
    """Values as a store keeps them, with special floats, lists and maps, leave through both writers the same."""
    definitions = rider_definitions()
    plan = next(plan for plan in PLANS if plan.service.name == "rider_history_service")
    with Store(definitions.stored_views) as store:
        store.append("rider_history", rider_data()["rider_history"])
        row = store.read("rider_history", b'["R-77"]', 1_714_560_000_000_000_000)
    vector = Vector([stored_part("rider_history", row)], {}, {}, {}, row.size, Latency(0.1, 0.1, 0.0))
    asked = Asked(Locator("s"), frozenset(OPTIONS))
    written = AnswerWriter(plan, asked.metadata).write(Row(vector, vector.measured))

    assert written == write_get_features(single_reply(plan, asked, Row(vector, vector.measured)))
    assert json.loads(written)["result"]["features"][3] == "NaN"


def test_text_of_a_part_is_its_values():
    """The text that goes into the answer says the values and nothing else."""
    values = ["9007199254740993", None, [1, None], {"k": "ü"}, True, "a,b"]

    assert json.loads(b"[%b]" % joined(values)) == values

"""The quick way through regular answers: bytes to raw values with decoders made once from the schema.

An answer is regular if it is written as servers write it: names, types and order of the schema, camelCase,
int64 as text, structs as lists, nothing unknown in it. Any other answer is `None` here and is read by
`responses`, which knows every spelling and says what is wrong. So nothing is taken here that it would refuse.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from .quick_messages import Irregular, QuickSLO, item_kind, kind_of, struct_kind
from .quick_metadata import Annotations, Cutter, ManyRows, OneRow
from .responses import NameAndType

# What decoding raises for an answer that is not regular.
_IRREGULAR = (Irregular, msgspec.MsgspecError, ValueError, RecursionError)
# Stands for the metadata's features while the rest is decoded; no body can hold it.
_STAND_IN = secrets.token_hex(16)
_STAND_IN_JSON = f'"{_STAND_IN}"'.encode()
# Raw values, annotations and SLO information of a row. The values are in the order of the schema and of the JSON types
# of their data types; a struct is a tuple. What an int64 or a timestamp says as text is not read yet.
QuickRow: TypeAlias = tuple[tuple[Any, ...], Annotations, QuickSLO | None]


class QuickReader:
    """Reads the regular answers of one schema; remembers metadata it has seen, so one thread at a time."""

    def __init__(self, schema: Sequence[NameAndType]) -> None:
        one, many = _message_types(schema)
        self._decode, self._decode_batch = msgspec.json.Decoder(one).decode, msgspec.json.Decoder(many).decode
        items, batch_items = (
            msgspec.json.Decoder(_items(schema, is_batch=is_batch)).decode for is_batch in (False, True)
        )
        self._cut = Cutter(OneRow(items), _STAND_IN_JSON, [b'"sloInfo"']).cut
        self._cut_batch = Cutter(ManyRows(batch_items), _STAND_IN_JSON, [b'"sloInfo"', b'"batchSloInfo"']).cut

    def read(self, body: bytes) -> QuickRow | None:
        """Return the row of a get-features answer, `None` if it is not regular."""
        try:
            found = self._cut(body)
            if found is None:
                return None
            rest, annotations = found
            message = self._decode(rest)
        except _IRREGULAR:
            return None
        return message.result.features, annotations, message.metadata.slo_info

    def read_batch(self, body: bytes) -> tuple[list[QuickRow], QuickSLO | None] | None:
        """Return the rows of a get-features-batch answer and the SLO information of all of it.

        `None` if it is not regular.
        """
        try:
            found = self._cut_batch(body)
            if found is None:
                return None
            rest, annotated = found
            message = self._decode_batch(rest)
            results, metadata = message.result, message.metadata
            # Rows, statuses and SLO information that differ in number are a ValueError, and so not regular.
            slo_infos = metadata.slo_info or [None] * len(results)
            parts = zip(results, annotated(len(results)), slo_infos, strict=True)
            return [(result.features, said, slo) for result, said, slo in parts], metadata.batch_slo_info
        except _IRREGULAR:
            return None


def _items(schema: Sequence[NameAndType], *, is_batch: bool) -> Any:
    return tuple.__class_getitem__(tuple([item_kind(f.name, f.data_type, is_batch=is_batch) for f in schema]))


def _message_types(schema: Sequence[NameAndType]) -> tuple[Any, Any]:
    """Return the types of a get-features and of a get-features-batch answer, the metadata's features cut out."""
    row = tuple.__class_getitem__(tuple([kind_of(item.data_type) for item in schema]))
    result = struct_kind("Result", ("features", row))
    partial = ("partial_results", bool | None, None)
    stand_in: Any = Literal[_STAND_IN]
    metadata = struct_kind("Metadata", ("features", stand_in), ("slo_info", QuickSLO | None, None), partial)
    batch_metadata = struct_kind(
        "BatchMetadata",
        ("features", stand_in),
        ("slo_info", list[QuickSLO] | None, None),
        ("batch_slo_info", QuickSLO | None, None),
        partial,
    )
    results = list.__class_getitem__(result)
    return (
        struct_kind("Answer", ("result", result), ("metadata", metadata)),
        struct_kind("BatchAnswer", ("result", results), ("metadata", batch_metadata)),
    )

"""Where the features of a schema stand in an answer, or why the answer is none of that schema."""

from __future__ import annotations

from collections.abc import Sequence

from ..exceptions import DecodeError, listed, quoted
from ..wire.responses import FeatureItem, NameAndType
from .blocks import Schema


def order_of(items: tuple[FeatureItem, ...], schema: Schema) -> Sequence[int]:
    """Return where each feature of the schema stands in the answer, which may order them differently.

    Raises
    ------
    DecodeError
        If the answer has other features, or features of other types.
    """
    if all(item.name is None for item in items):
        return _by_position(items, schema)
    places = {item.name: k for k, item in enumerate(items)}
    names = {item.name: None for item in schema}
    if places.keys() != names.keys():
        gone, new = [n for n in names if n not in places], [n for n in places if n not in names]
        raise DecodeError(
            f"The features of the service changed: missing {listed(gone)}, new {listed(new)}. "
            "Read the service's metadata again.",
            "metadata.features",
        )
    order = [places[name] for name in names]
    for k, wanted in zip(order, schema, strict=True):
        _check_type(items[k], wanted, k)
    return order


def _by_position(items: Sequence[FeatureItem], schema: Schema) -> Sequence[int]:
    # Without names only the types can tell that the features are not those of the schema; rows are counted elsewhere.
    for k, (item, wanted) in enumerate(zip(items, schema, strict=False)):
        _check_type(item, wanted, k)
    return range(len(schema))


def _check_type(item: FeatureItem, wanted: NameAndType, k: int) -> None:
    if item.data_type is not None and item.data_type != wanted.data_type:
        raise DecodeError(
            f"Feature {quoted(wanted.name)} changed its type from {wanted.data_type} to {item.data_type}. "
            "Read the service's metadata again.",
            f"metadata.features[{k}].dataType",
        )

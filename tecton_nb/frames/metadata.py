"""A feature service's metadata as frames: what it takes and what it returns."""

from __future__ import annotations

import orjson
import pandas as pd

from .. import columns
from ..wire.responses import FeatureItem, FeaturesReply, ServiceMetadata
from .assemble import frame_of
from .dtypes import dtype_of


def inputs_frame(metadata: ServiceMetadata) -> pd.DataFrame:
    """Return the columns of ``columns.INPUTS``, one row per join key, then one per request context key."""
    keys = [("join_key", item) for item in metadata.input_join_keys]
    context = [("request_context", item) for item in metadata.input_request_context_keys]
    rows = [*keys, *context]
    return frame_of(
        {
            "name": [item.name for _, item in rows],
            "kind": [kind for kind, _ in rows],
            "data_type": [str(item.data_type) for _, item in rows],
        },
        columns.INPUTS,
    )


def features_frame(metadata: ServiceMetadata, reply: FeaturesReply | None = None) -> pd.DataFrame:
    """Return the columns of ``columns.FEATURES``, one row per feature in the order of every vector.

    Descriptions and tags are no part of the metadata answer; an answer with values that was asked
    for them, given as `reply`, brings them along.
    """
    said = {item.name: item for item in reply.features} if reply is not None else {}
    items = [(field, said.get(field.name, FeatureItem())) for field in metadata.feature_values]
    return frame_of(
        {
            "name": [field.name for field, _ in items],
            "feature_view": [_split(field.name)[0] for field, _ in items],
            "feature": [_split(field.name)[1] for field, _ in items],
            "data_type": [str(field.data_type) for field, _ in items],
            "dtype": [str(dtype_of(field.data_type)) for field, _ in items],
            "description": [item.description for _, item in items],
            "tags": [tags_text(item) for _, item in items],
        },
        columns.FEATURES,
    )


def _split(name: str) -> tuple[str | None, str]:
    view, dot, feature = name.partition(".")
    return (view, feature) if dot else (None, name)


def tags_text(item: FeatureItem) -> str | None:
    """Return the tags as JSON text with sorted names, `None` if there are none."""
    return orjson.dumps(dict(item.tags), option=orjson.OPT_SORT_KEYS).decode() if item.tags else None

"""Options of comparisons, passed on to comparisons of other features than they were given for."""

from __future__ import annotations

from collections.abc import Iterable

from ..compare import CompareOptions


def ignored(options: CompareOptions) -> list[str]:
    """Return the names of the features to leave out."""
    names = options.get("ignore") or ()
    return [names] if isinstance(names, str) else list(names)


def options_for(options: CompareOptions, features: Iterable[str]) -> CompareOptions:
    """Return the options without the names of features that take no part."""
    known = set(features)
    kept: CompareOptions = {
        **options,
        "ignore": [name for name in ignored(options) if name in known],
        "per_feature": {name: b for name, b in (options.get("per_feature") or {}).items() if name in known},
    }
    return kept

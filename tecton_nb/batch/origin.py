"""Where the rows of a batch come from, and what hands out its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import pandas as pd

from ..exceptions import TectonError
from ..frames.assemble import Schema
from ..wire.body import as_object, optional_text
from ..wire.types import JsonObject


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a batch come from.

    Parameters
    ----------
    service
        Name (or id) of the feature service.
    workspace
        Workspace it lives in.
    address
        Address of the feature server.
    options
        What was asked for beside the values, as JSON: metadata options and request options.
    """

    service: str
    workspace: str | None
    address: str
    options: JsonObject

    def to_json(self) -> JsonObject:
        """Return it for a manifest."""
        located = {"service": self.service, "workspace": self.workspace, "address": self.address}
        return {**located, "options": self.options}

    @classmethod
    def from_json(cls, kept: JsonObject) -> Self:
        """Return what `to_json` wrote.

        Raises
        ------
        DecodeError
            If a part is missing or of the wrong type.
        """
        service, workspace, address = (optional_text(kept, name, "") for name in ("service", "workspace", "address"))
        return cls(service or "", workspace, address or "", as_object(kept.get("options"), "options"))


class Found(Protocol):
    """Where a batch has its frames from."""

    schema: Schema

    @property
    def index(self) -> pd.Index:
        """Labels of the rows."""

    def features(self) -> pd.DataFrame:
        """Return the values."""

    def statuses(self) -> pd.DataFrame:
        """Return the serving statuses."""

    def effective_times(self) -> pd.DataFrame:
        """Return the effective times."""

    def slo_info(self) -> pd.DataFrame:
        """Return the serving times."""

    def calls(self) -> pd.DataFrame:
        """Return one row per HTTP call."""

    def errors(self) -> pd.DataFrame:
        """Return one row per failed row."""

    def first_error(self) -> TectonError | None:
        """Return the error of the first failed row, if there is one."""

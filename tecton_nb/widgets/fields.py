"""One labelled input per data type, and the form of all keys that a service takes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import ipywidgets
import pandas as pd
import traitlets

from ..client.replies import GetFeatureServiceMetadataResponse
from ..exceptions import InputError, shown
from ..reprs import Card, Kind, Status, frame_section
from ..wire.types import JsonValue
from .entries import Entry, entries_of
from .pieces import Panel, place, words_html

_LABEL_LIMIT = 120


class Field(ipywidgets.VBox):
    """The input of one key; `lock` is shared by the fields of a form.

    Attributes
    ----------
    value
        What is entered, as JSON holds it; `None` for null and while it cannot be read.
    error
        Why it cannot be read; empty if it can.
    edits
        How often something was entered.
    """

    value = traitlets.Any()
    error = traitlets.Unicode("")

    edits = traitlets.Int(0)

    def __init__(self, entry: Entry, lock: threading.RLock) -> None:
        self.entry = entry
        self._lock = lock
        self._control = _control(entry)
        self._null = ipywidgets.Checkbox(
            description="null", indent=False, tooltip=f"Send null for {shown(entry.name, _LABEL_LIMIT)}"
        )
        self._null.add_class("tnb-null")
        self._message = place("message")
        hint = place("hint")
        hint.value = words_html(f"{entry.data_type}, {entry.kind}")
        self._control.add_class("tnb-control")
        line = ipywidgets.HBox([self._control, self._null, hint])
        super().__init__([line, self._message])
        self.add_class("tnb-field")
        self._control.observe(self._typed, "value")
        self._null.observe(self._typed, "value")
        self._read(is_told=False)

    def set(self, value: JsonValue) -> None:
        """Enter a value, as JSON holds it.

        Raises
        ------
        InputError
            If it is none of the key's type.
        """
        taken = self.entry.take(value)
        self._null.value = taken is None
        if self.entry.is_boolean:
            self._control.value = bool(taken)
        else:
            self._control.value = self.entry.write(taken)
        self._read(is_told=True)

    def tell(self) -> None:
        """Show beside the input why it cannot be read, if it cannot."""
        self._message.value = words_html(self.error)
        (self.add_class if self.error else self.remove_class)("tnb-wrong")

    def _typed(self, change: object) -> None:
        del change
        with self._lock:
            self._read(is_told=True)
            self.edits += 1

    def _read(self, *, is_told: bool) -> None:
        self._control.disabled = self._null.value
        try:
            value, error = self._entered(), ""
        except InputError as refused:
            value, error = None, str(refused)
        with self.hold_trait_notifications():
            self.error = error
            self.value = value
        if is_told:
            self.tell()

    def _entered(self) -> JsonValue:
        if self._null.value:
            return None
        typed = self._control.value
        return bool(typed) if self.entry.is_boolean else self.entry.read(typed)


class JoinKeyForm(Panel):
    """Inputs for the join keys and the request context of a service.

    Parameters
    ----------
    metadata
        What the service takes, such as ``service.metadata``.
    lock
        Held while something is entered, by a person or by a thread; its own, or that of the panel it is a part of.

    Attributes
    ----------
    value
        What is entered, as JSON holds it: int64 as decimal text, NaN as a word, null as `None`. Keys whose
        text cannot be read are left out. May be set.
    error
        Why the first of them cannot be read; empty if all can.
    edits
        How often something was entered.
    """

    value = traitlets.Dict()
    error = traitlets.Unicode("")
    edits = traitlets.Int(0)

    def __init__(self, metadata: GetFeatureServiceMetadataResponse, lock: threading.RLock | None = None) -> None:
        self.entries = entries_of(metadata)
        # Examples are filled in by a thread of their own, while the user may type.
        self._lock = lock or threading.RLock()
        self._fields = {entry.name: Field(entry, self._lock) for entry in self.entries}
        self._is_filling = False
        for field in self._fields.values():
            field.observe(self._changed, ["value", "error"])
            field.observe(self._edited, "edits")
        super().__init__(list(self._fields.values()), label="Keys of the request")
        self._changed(None)

    @property
    def row(self) -> dict[str, Any]:
        """What is entered as the row of a request, in Python values.

        Raises
        ------
        InputError
            If a value cannot be read, told beside its input too.
        """
        for field in self._fields.values():
            field.tell()
        if self.error:
            raise InputError(self.error)
        return {entry.name: entry.python(self.value[entry.name]) for entry in self.entries}

    def fill(self, row: Mapping[str, Any]) -> None:
        """Enter the values of a row; keys that it lacks stay as they are.

        Raises
        ------
        InputError
            If a value is none of its key's type.
        """
        with self._lock:
            self._is_filling = True
            try:
                for name, field in self._fields.items():
                    if name in row:
                        field.set(row[name])
            finally:
                self._is_filling = False
                self._changed(None)

    @traitlets.observe("value")
    def _set(self, change: Mapping[str, Any]) -> None:
        if not self._is_filling:
            self.fill(change["new"])

    def _edited(self, change: object) -> None:
        del change
        self.edits += 1

    def _changed(self, change: object) -> None:
        del change
        if self._is_filling:
            return
        self._is_filling = True
        try:
            fields = self._fields.values()
            with self.hold_trait_notifications():
                self.error = next((field.error for field in fields if field.error), "")
                self.value = {field.entry.name: field.value for field in fields if not field.error}
        finally:
            self._is_filling = False

    def _card(self) -> Card:
        rows = [(entry.name, entry.kind, str(entry.data_type), self._shown(entry.name)) for entry in self.entries]
        section = frame_section("Keys", ("name", "kind", "data type", "value"), rows)
        return Card("JoinKeyForm", "", sections=(section,))

    def _shown(self, name: str) -> object:
        if name not in self.value:
            return Status("no value", Kind.BAD)
        value = self.value[name]
        return Status("null", Kind.MISSING) if value is None else value


def first_row(rows: pd.DataFrame, place: int) -> dict[str, Any]:
    """Return one row of a frame as a dict, each value as its own column holds it."""
    return {str(name): rows[name].iloc[place] for name in rows.columns}


def _control(entry: Entry) -> Any:
    # As escaped HTML, because a plain description with two dollars in it would be drawn as a formula.
    label = {
        "description": words_html(shown(entry.name, _LABEL_LIMIT)),
        "description_allow_html": True,
        "tooltip": f"{shown(entry.name, _LABEL_LIMIT)} ({shown(entry.data_type, _LABEL_LIMIT)})",
    }
    if entry.is_boolean:
        return ipywidgets.Checkbox(indent=True, **label)
    # Sent when it is complete: letters sent one by one may arrive after the click on Fetch.
    kind = ipywidgets.Textarea if entry.is_nested else ipywidgets.Text
    more = {"rows": 2} if entry.is_nested else {}
    return kind(**label, placeholder=entry.hint, continuous_update=entry.is_nested, **more)

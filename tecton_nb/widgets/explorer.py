"""The explorer: choose a service, fill in its keys, see the frame, copy the code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Self, TypeVar

import ipywidgets
import pandas as pd
import traitlets

from ..batch.job import BatchJob
from ..batch.result import FeatureBatch
from ..client.cards import details_section
from ..client.service import FeatureService
from ..client.sync import TectonClient
from ..compare.comparison import Comparison
from ..exceptions import InputError
from ..reprs import Card, Section
from .background import Latest
from .batch_box import BatchBox, rows_from
from .changes import Changes, Fetch, changes_since
from .code import Access, Snippets, snippets
from .code_view import CodeView
from .fetching import fetch_all_behind, fetch_row
from .fields import JoinKeyForm, first_row
from .options import OptionSwitches
from .picker import ServicePicker
from .pieces import Panel, button_for, error_html, forget, place, switch_for, words_html
from .result_view import ResultView, fetched_words
from .selection import Selection

_Action = TypeVar("_Action", bound=Callable[..., Any])
_EXAMPLES = 20
_TICK_SECONDS = 0.2


def explore(client: TectonClient) -> FeatureServiceExplorer:
    """Return a panel that explores the feature services of a client.

    It is shown when it is the last value of a cell. Where widgets are not shown (a terminal, GitHub,
    nbconvert) a plain table takes its place; all of it can be used from code too.
    """
    return FeatureServiceExplorer(client)


def _told(action: _Action) -> _Action:
    """Show what an action raises inside the panel: notebooks keep errors of callbacks to themselves."""

    @wraps(action)
    def tell(self: FeatureServiceExplorer, *args: Any, **kwargs: Any) -> Any:
        try:
            return action(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  # whatever it is, the user reads it in the panel
            self._failed(error)
            return self

    return tell  # type: ignore[return-value]  # as wrapped


class FeatureServiceExplorer(Panel):
    """A panel of one client; made by `explore`.

    Nothing waits in the kernel: what is asked for goes on in the background, and the last wish counts.

    Attributes
    ----------
    value
        What is chosen, as a small dict (`Selection.to_dict`); may be set, and observed.
    frame
        The values of the last fetch, one row per row asked for; `None` before, while it is under way, and if it failed.
    details
        One row per feature of the last single fetch; see ``columns.DETAILS``.
    batch
        The last `FeatureBatch`: statuses, times, calls and errors. `None` before, and for a WILDCARD service.
    comparison
        What differs from the previous fetch of the same service and kind, as ``compare_features(previous, batch)``
        has it; `None` if there is none.
    code
        The same call as Python.
    error
        The error that is shown; `None` if there is none.
    """

    value = traitlets.Dict()
    frame = traitlets.Instance(pd.DataFrame, allow_none=True)
    details = traitlets.Instance(pd.DataFrame, allow_none=True)
    batch = traitlets.Instance(FeatureBatch, allow_none=True)
    comparison = traitlets.Instance(Comparison, allow_none=True)
    code = traitlets.Unicode("")
    error = traitlets.Instance(Exception, allow_none=True)

    def __init__(self, client: TectonClient) -> None:
        self._client = client
        self._job: BatchJob | None = None
        self._serial = 0
        # What the next fetch of the same service is compared with.
        self._earlier: Fetch | None = None
        self._form: JoinKeyForm | None = None
        self._wished: Mapping[str, Any] | None = None
        self._rows: pd.DataFrame | None = None
        self._place = 0
        self._is_applying = False
        self.snippets = Snippets()
        self.picker = ServicePicker(client)
        self._latest, self._examples = Latest(self.picker._lock), Latest(self.picker._lock)
        self._options, self._batch_box = OptionSwitches(), BatchBox()
        self._results, self._code_view = ResultView(), CodeView()
        self._said, self._refused = place("status"), place("alert")
        self._keys = ipywidgets.VBox()
        self._keys.add_class("tnb-enter")
        super().__init__(self._children(), label="Feature service explorer")
        self._options.observe(self._changed, ["metadata_options", "request_options", "error"])
        self.picker.observe(self._service_changed, "service")
        self._changed(None)
        if self.picker.service is not None:
            self._service_changed(None)

    @property
    def selection(self) -> Selection:
        """What is chosen, as a record; keys whose text cannot be read are left out."""
        service = self.picker.service
        values = self._form.value if self._form is not None else self._wished or {}
        return Selection(
            service.name if service is not None else self.picker.name.strip(),
            self.picker.workspace.strip(),
            values,
            self._options.metadata_options,
            self._options.request_options,
        )

    @property
    def calls(self) -> pd.DataFrame | None:
        """The HTTP calls of this session, the last 500; see ``columns.CALLS``. `None` before the first."""
        return self._results.calls

    @_told
    def fetch(self) -> Self:
        """Begin to fetch the features of what is chosen."""
        service, form = self._ready()
        row, selection = form.row, self.selection
        options: dict[str, Any] = {
            "metadata_options": selection.metadata_options,
            "request_options": selection.stated_request_options,
        }
        self._begin("Fetching …")
        earlier = self._earlier
        if service.is_wildcard:
            self._latest.start(
                lambda: fetch_all_behind(service, row, options, earlier), self._many_fetched, self._failed
            )
            return self
        self._job = job = service.start_features_batch([row], **options)
        self._latest.start(lambda: fetch_row(job, service, selection, row, earlier), self._fetched, self._failed)
        return self

    @_told
    def fetch_batch(self, rows: pd.DataFrame | None = None) -> Self:
        """Begin to fetch the features of many rows: those given, or those that the field names."""
        service, form = self._ready()
        source, selection, entries = self._batch_box.source, self.selection, form.entries
        serial, earlier = self._begin("Fetching the batch …"), self._earlier

        def work() -> tuple[Fetch, Changes]:
            # Reading a file and checking many rows takes its time.
            found = rows_from(source, entries) if rows is None else rows
            job = service.start_features_batch(
                found,
                metadata_options=selection.metadata_options,
                request_options=selection.stated_request_options,
            )
            self._latest.deliver(lambda: self._take(job, serial))
            now = Fetch(self._watched(job))
            return now, changes_since(earlier, now)

        self._latest.start(work, self._many_fetched, self._failed)
        return self

    @_told
    def cancel(self) -> Self:
        """End what is under way; of a batch, what has come is kept. An answer that is there stays."""
        self._latest.interrupt(self._interrupted)
        return self

    @_told
    def fill_example(self) -> Self:
        """Fill in the next example row."""
        self._chosen()
        if self._rows is None or self._rows.empty:
            raise InputError("No example rows are known for this service. Send a row first.")
        self._fill(first_row(self._rows, self._place % len(self._rows)))
        self._place += 1
        return self

    def wait(self, timeout_seconds: float | None = None) -> Self:
        """Wait until nothing is under way, for use from code."""
        for pending in (self.picker, self._examples, self._latest):
            pending.wait(timeout_seconds)
        return self

    def _children(self) -> list[ipywidgets.Widget]:
        fetch = button_for("Fetch", "Fetch the features of these keys", self.fetch)
        fetch.button_style = "primary"
        fetch.add_class("tnb-fetch")
        fetch.add_class("tnb-sends")
        for box in (self._keys, self._options, self._batch_box):
            box.add_class("tnb-heard")
        for box in (self._options, self._batch_box):
            box.observe(self._edited, "edits")
            box.add_class("tnb-drawer")
        example = button_for("Next example", "Fill in the next example row", self.fill_example)
        cancel = button_for("Cancel", "End what is under way", self.cancel)
        self._batch_box.button.on_click(lambda _: self.fetch_batch())
        options = switch_for(self._options, "Options")
        batch = switch_for(self._batch_box, "Batch", self._batch_box.offer)
        buttons = ipywidgets.HBox([fetch, cancel, example, options, batch])
        buttons.add_class("tnb-line")
        answers = [self._said, self._refused, self._results, self._code_view]
        return [self.picker, self._keys, buttons, self._options, self._batch_box, *answers]

    def _chosen(self) -> tuple[FeatureService, JoinKeyForm]:
        if self.picker.service is None or self._form is None:
            raise InputError("Choose a feature service first.")
        return self.picker.service, self._form

    def _ready(self) -> tuple[FeatureService, JoinKeyForm]:
        if self._options.error:
            raise InputError(self._options.error)
        return self._chosen()

    def _service_changed(self, change: object) -> None:
        del change
        service: FeatureService | None = self.picker.service
        self._drop()
        self._examples.drop()
        self._earlier = None
        self._rows, self._place, self._form = None, 0, None
        self._clear()
        if service is not None:
            self._form = JoinKeyForm(service.metadata, self.picker._lock)
            wished, self._wished = self._wished, None
            if wished is not None:
                self._form.fill(wished)
            self._form.observe(self._changed, "value")
            self._form.observe(self._edited, "edits")
            self._examples.start(
                lambda: service.example_rows(_EXAMPLES),
                lambda rows: self._examples_found(rows, is_filled=wished is None),
                lambda _: None,
            )
        left, self._keys.children = self._keys.children, () if self._form is None else (self._form,)
        for form in left:
            forget(form)
        self._changed(None)

    def _examples_found(self, rows: pd.DataFrame, *, is_filled: bool) -> None:
        self._rows = rows
        if is_filled and len(rows) and not (self._form and self._form.edits):
            self.fill_example()

    def _fill(self, row: Mapping[str, Any]) -> None:
        if self._form is not None:
            self._form.fill(row)

    def _changed(self, change: object) -> None:
        del change
        self._is_applying = True
        try:
            self.value = self.selection.to_dict()
        finally:
            self._is_applying = False
        self._write_code()

    def _edited(self, change: object) -> None:
        del change
        self._frame.heard += 1

    def _write_code(self) -> None:
        service, form = self.picker.service, self._form
        if service is None or form is None or form.error or self._options.error:
            self.snippets = Snippets()
        else:
            stated = Selection(**{**vars(self.selection), "workspace": service.workspace_name})
            access = Access.of(self._client)
            self.snippets = snippets(stated, form.entries, access, is_wildcard=service.is_wildcard)
        self._code_view.show(self.snippets)
        self.code = self.snippets.python

    @traitlets.validate("value")
    def _checked(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        # Before it is kept: what is no selection leaves the one that was there.
        return Selection.from_dict(proposal["value"]).to_dict()

    @traitlets.observe("value")
    def _apply(self, change: Mapping[str, Any]) -> None:
        if self._is_applying:
            return
        wished = Selection.from_dict(change["new"])
        self._options.metadata_options = wished.metadata_options
        self._options.request_options = wished.request_options
        if (wished.service, wished.workspace) == (self.selection.service, self.selection.workspace):
            self._fill(wished.values)
            return
        self._wished = wished.values
        self.picker.choose(wished.service, wished.workspace)

    def _begin(self, words: str) -> int:
        """Forget what was asked for before; return the number of this wish."""
        self._drop()
        self._forget()
        self._refused.value = ""
        self._said.value = words_html(words)
        return self._serial

    def _drop(self) -> None:
        self._serial += 1
        self._latest.drop()
        self._end_job()

    def _interrupted(self) -> None:
        job = self._job
        if job is not None and job.progress().rows > 1:
            job.cancel()
            self._said.value = words_html("Cancelled; keeping what has come …")
            return
        self._drop()
        self._results.clear()
        self._said.value = words_html("Cancelled.")

    def _take(self, job: BatchJob, serial: int) -> None:
        # While the rows were read something else may have been asked for.
        if serial == self._serial:
            self._job = job
        else:
            job.cancel()

    def _end_job(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _watched(self, job: BatchJob) -> FeatureBatch:
        over = threading.Event()
        job.add_done_callback(lambda _: over.set())
        while not over.wait(_TICK_SECONDS):
            self._show_progress(job)
        self._show_progress(job)
        return job.result()

    def _show_progress(self, job: BatchJob) -> None:
        if job is self._job:
            self._batch_box.show(job.progress())

    def _fetched(self, found: tuple[Fetch, Changes, pd.DataFrame]) -> None:
        now, changes, details = found
        self._keep(now, changes)
        self.details = details
        self._results.show_details(now, details, changes)

    def _many_fetched(self, found: tuple[Fetch, Changes]) -> None:
        self._keep(*found)
        self._results.show_frame(*found)

    def _keep(self, now: Fetch, changes: Changes) -> None:
        self._earlier, self.comparison = now, changes.comparison
        self.batch, self.frame = now.batch, now.frame
        self._said.value = words_html(fetched_words(now))

    def _failed(self, error: Exception) -> None:
        self.error = error
        self._refused.value = error_html(error)
        self._said.value = ""
        if self.frame is None:
            self._results.clear()

    def _clear(self) -> None:
        self._results.clear()
        self._said.value, self._refused.value = "", ""
        self._forget()

    def _forget(self) -> None:
        self.error, self.batch, self.details, self.frame, self.comparison = None, None, None, None, None

    def _card(self) -> Card:
        chosen = self.selection
        facts = (
            ("address", self._client.url),
            ("service", chosen.service or "none chosen"),
            ("workspace", chosen.workspace or "the client's own"),
        )
        sections: list[Section] = []
        if self._form is not None:
            sections += self._form._card().sections
        elif self.picker.services is not None:
            sections += self.picker._card().sections
        if self.details is not None and self.batch is not None:
            sections.append(details_section(self.details, self.batch.report.answered_at))
        return Card("FeatureServiceExplorer", "", facts, tuple(sections))

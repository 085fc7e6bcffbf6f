"""The main job from beginning to end, on real flights: what ``make demo`` and ``tecton-nb demo`` show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from .batch.result import FeatureBatch
from .client.service import FeatureService
from .client.sync import TectonClient
from .connect import LOCAL, connect
from .exceptions import SettingsError
from .frames.parquet import write_parquet
from .local.demonstration import flights
from .plots import describe, plot_latency_ecdf, save_figure

SERVICE = "flight_delay_service"
_WIDTH = 132

Say = Callable[[str], None]


def run_demo(output: Path, row_count: int, say: Say = print) -> list[Path]:
    """Fetch the features of real flights from the embedded server and write what came.

    Parameters
    ----------
    output
        Folder for the frame (parquet) and the picture (PNG); made if it is missing.
    row_count
        How many flights to ask about.
    say
        Takes each line of the story.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    SettingsError
        If the flights are not installed.
    """
    if not flights.are_installed():
        raise SettingsError('The demo needs its flights. Install them with: pip install "tecton-nb[demo]".')
    with connect(LOCAL) as client:
        service = _introduce(client, say)
        rows = service.example_rows(row_count)
        say(f"Fetching the features of {len(rows):,} flights ...\n")
        batch = service.get_features_batch(rows, rows_per_call=1)
        _tell(batch, say)
        return _write(batch, output, say)


def _introduce(client: TectonClient, say: Say) -> FeatureService:
    say(f"An embedded feature server runs at {client.url}, on real flights out of New York.\n")
    say(_shown("client.feature_services()", client.feature_services()))
    service = client.feature_service(SERVICE)
    say(_shown(f"client.feature_service({SERVICE!r}).inputs()", service.inputs()))
    say(_shown("service.features()", service.features()[["name", "data_type", "description"]]))
    return service


def _tell(batch: FeatureBatch, say: Say) -> None:
    frame, slo = batch.to_pandas(), batch.slo_info()
    say(_shown("batch.to_pandas()", frame))
    say(_shown("batch.to_pandas().dtypes", frame.dtypes))
    counts = batch.statuses().melt(value_name="status")["status"].value_counts().astype("Int64")
    say(_shown("batch.statuses(), counted", counts))
    say(_shown("batch.slo_info()", slo))
    errors = batch.errors()
    say(_shown("batch.errors()", errors) if len(errors) else "No row failed: batch.errors() is empty.\n")


def _write(batch: FeatureBatch, output: Path, say: Say) -> list[Path]:
    output.mkdir(parents=True, exist_ok=True)
    axes = plot_latency_ecdf(batch.calls())
    frame = batch.to_pandas(include=["slo_info"])
    written = [write_parquet(frame, output / "features.parquet"), save_figure(axes, output / "latency.png")]
    say(f"Wrote {written[0]} ({len(frame):,} rows x {len(frame.columns)} columns).")
    say(f"Wrote {written[1]}: {describe(axes)}")
    return written


def _shown(title: str, table: pd.DataFrame | pd.Series) -> str:
    options = ("display.width", _WIDTH, "display.max_columns", 7, "display.max_colwidth", 40, "display.max_rows", 40)
    with pd.option_context(*options):
        return f">>> {title}\n{table}\n"

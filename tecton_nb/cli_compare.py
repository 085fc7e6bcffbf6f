"""``tecton-nb compare``: two files of features from a shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from .batch.result import FeatureBatch
from .compare import compare_features
from .exceptions import SettingsError, quoted

DIFFERENT = 1


def compare(
    left: Annotated[
        Path, typer.Argument(metavar="LEFT", exists=True, help="A parquet file, or the folder of a recorded batch.")
    ],
    right: Annotated[Path, typer.Argument(metavar="RIGHT", exists=True, help="The other.")],
    on: Annotated[list[str] | None, typer.Option(help="Key column; may be repeated. Default: the index.")] = None,
    rtol: Annotated[float, typer.Option(help="How much floats may differ, relative to the larger.")] = 0.0,
    atol: Annotated[float, typer.Option(help="How much floats may differ at least.")] = 0.0,
    ignore: Annotated[list[str] | None, typer.Option(help="Feature to leave out; may be repeated.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report as one HTML file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the mismatches as CSV.")] = None,
    excel: Annotated[Path | None, typer.Option(help="Write a workbook.")] = None,
) -> None:
    """Say what differs between two files or recordings, and why; the exit status is 1 if something does."""
    found = compare_features(_source(left), _source(right), on=on, rtol=rtol, atol=atol, ignore=ignore)
    typer.echo(str(found))
    for path, write in ((html, found.to_html), (csv, found.to_csv), (excel, found.to_excel)):
        if path is not None:
            _write(path, write)
    if not found.equal:
        raise typer.Exit(DIFFERENT)


def _source(path: Path) -> Path | FeatureBatch:
    return FeatureBatch.load(path) if path.is_dir() else path


def _write(path: Path, write: Callable[[Path], Path]) -> None:
    try:
        typer.echo(f"Wrote {write(path)}.")
    except OSError as error:
        raise SettingsError(f"Cannot write {quoted(path, 200)}: {error.strerror or error}.") from error

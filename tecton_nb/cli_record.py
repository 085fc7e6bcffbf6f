"""``tecton-nb record``: keep the metrics of a feature server in a file, scrape by scrape."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from .connect import connect
from .exceptions import shown
from .metrics import MetricsHistory


def record(
    history: Annotated[Path, typer.Argument(metavar="HISTORY", help="File of the metrics history; made if missing.")],
    profile: Annotated[
        str | None,
        typer.Option(help="Profile of the settings file, or 'local'. Default: the environment."),
    ] = None,
    every: Annotated[str, typer.Option(help="Time from one scrape to the next.")] = "30s",
    count: Annotated[int | None, typer.Option(min=1, help="End after so many scrapes.")] = None,
    until: Annotated[str | None, typer.Option(help="End at a time, or after a duration such as 2h.")] = None,
    keep: Annotated[str | None, typer.Option(help="How long samples are kept, such as 60d; all if not given.")] = None,
) -> None:
    """Record the metrics of a feature server into a file, until interrupted or told to end."""
    # A service manager ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with connect(profile) as client, MetricsHistory(history, keep=keep) as kept:
        typer.echo(f"Recording the metrics of {client.url} every {every}; Ctrl-C ends it.")
        run = kept.collect(client, every=every, count=count, until=until)
    failures = run[run["outcome"] != "ok"]
    told = f", {len(failures):,} of them failed" if len(failures) else ""
    typer.echo(f"Recorded {len(run):,} scrapes{told}; {int(run['new_samples'].sum()):,} new samples.")
    if len(failures):
        typer.echo(f"The last failure: {shown(failures['error'].iloc[-1], 500)}", err=True)
    if len(failures) == len(run) > 0:
        raise typer.Exit(1)

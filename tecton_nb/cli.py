"""Tecton feature services from a shell: the same answers as in a notebook."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import pandas as pd
import platformdirs
import typer

from .cli_compare import compare
from .cli_explore import open_explorer
from .cli_record import record
from .cli_render import render
from .cli_store import StorePath, access_control, ingest, service_account
from .connect import API_KEY, connect
from .demo import run_demo
from .exceptions import InputError, SettingsError, TectonError, quoted, shown
from .local.demo import DEMO_WORKSPACE, demo_server
from .local.faults import read_faults
from .local.server import FeatureServer
from .pairs import row_of
from .transport.connection import USER_AGENT
from .wire.catalogue import LATEST, VERSIONS
from .wire.options import MetadataOptions
from .wire.values import encode_value

FAILURE, MISTAKE = 1, 2
_HOST = "127.0.0.1"

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__, rich_markup_mode=None
)

app.command()(compare)
app.command()(ingest)
app.command()(record)
app.add_typer(service_account, name="service-account")
app.add_typer(access_control, name="access-control")
app.add_typer(render, name="render")

Profile = Annotated[
    str | None,
    typer.Option(help="Profile of the settings file, or 'local' for the embedded server. Default: the environment."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="Name of the feature service.")]
Workspace = Annotated[str | None, typer.Option(help="Workspace, instead of the profile's.")]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(USER_AGENT.replace("/", " "))
        raise typer.Exit


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and a status, never in a traceback."""
    warnings.showwarning = _show_warning
    try:
        app()
    except TectonError as error:
        print(f"tecton-nb: {error}", file=sys.stderr)
        sys.exit(MISTAKE if isinstance(error, InputError | SettingsError) else FAILURE)
    except BrokenPipeError:
        # The reader of a pipe has gone; writing to nowhere keeps the interpreter's exit quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILURE)


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and end.")
    ] = False,
) -> None:
    """Tecton feature services from a shell: the same answers as in a notebook."""
    del version


@app.command()
def services(profile: Profile = None, as_json: AsJson = False) -> None:
    """List the feature services that are known of."""
    with connect(profile) as client:
        _print(client.feature_services(), as_json)


@app.command()
def metadata(service: Service, profile: Profile = None, workspace: Workspace = None, as_json: AsJson = False) -> None:
    """Show what a feature service takes and returns."""
    with connect(profile) as client:
        found = client.feature_service(service, workspace_name=workspace)
        if as_json:
            _print_json({"inputs": _records(found.inputs()), "features": _records(found.features())})
        else:
            _print(found.inputs(), as_json)
            typer.echo()
            _print(found.features(), as_json)


@app.command()
def features(
    service: Service,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE...", help="Join keys and request context; KEY:=JSON for null and others."),
    ] = None,
    profile: Profile = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the features of one row; of a WILDCARD service, of every row behind the keys."""
    with connect(profile) as client:
        found = client.feature_service(service, workspace_name=workspace)
        row = row_of(values or [], found)
        if found.is_wildcard:
            _print(found.query_features(row), as_json)
            return
        _print(found.details(row, metadata_options=MetadataOptions.all()), as_json)


@app.command()
def serve(
    definitions: Annotated[
        Path | None, typer.Argument(metavar="FEATURES.TOML", help="Definitions to serve; the demo if there are none.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = 0,
    api_key: Annotated[
        str | None, typer.Option(envvar=API_KEY, show_envvar=True, help="Key that clients must send; random if none.")
    ] = None,
    workspace: Annotated[
        str | None, typer.Option(help=f"Workspace of the demo's services. [default: {DEMO_WORKSPACE}]")
    ] = None,
    store: StorePath = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Load data anew that does not fit the store; accounts stay.")
    ] = False,
    metrics_version: Annotated[
        str, typer.Option(help=f"Version of Tecton's documents whose metrics are shown: {' or '.join(VERSIONS)}.")
    ] = LATEST,
    faults: Annotated[Path | None, typer.Option(metavar="FAULTS.TOML", help="What to do wrong on purpose.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; any but loopback needs --allow-remote.")] = _HOST,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in; keys and data then travel in clear (http).")
    ] = False,
) -> None:
    """Serve definitions of your own, or the demo services, on 127.0.0.1 until interrupted."""
    options: dict[str, Any] = {
        "port": port,
        "api_key": api_key,
        "metrics_version": metrics_version,
        "store": store,
        "reload": reload,
        "faults": read_faults(faults) if faults else (),
        "host": host,
        "allow_remote": allow_remote,
    }
    interruption = _interruption()
    with _server(definitions, workspace, options) as server, _key_source(api_key, server.api_key) as key:
        names = [workspace or DEMO_WORKSPACE] if definitions is None else sorted({s.workspace for s in server.services})
        where = f"workspace{'' if len(names) == 1 else 's'} {' and '.join(shown(name, 80) for name in names)}"
        served = sum(service.workspace in names for service in server.services)
        typer.echo(f"Serving {served} feature services at {server.url}, {where}, {key}")
        if server.faults.active:
            typer.echo(f"Faults on purpose: {', '.join(fault.label for fault in server.faults.active)}", err=True)
        interruption.wait()


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the frame and the picture.")] = Path("demo-output"),
    rows: Annotated[int, typer.Option(min=1, help="How many flights to ask about.")] = 2_000,
) -> None:
    """Fetch the features of real flights into a typed DataFrame; write it and a latency picture."""
    run_demo(output, rows, typer.echo)


@app.command()
def explore(
    profile: Profile = None,
    folder: Annotated[
        Path, typer.Option(help="Folder for the notebook; one that is there is opened as it is.")
    ] = Path(),
    voila: Annotated[
        bool, typer.Option("--voila", help="Show the panel alone, by Voila, instead of JupyterLab.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open the explorer in JupyterLab, on a notebook that is ready to run."""
    raise typer.Exit(open_explorer(folder, profile, is_voila=voila, opens_browser=browser))


def _server(definitions: Path | None, workspace: str | None, options: dict[str, Any]) -> FeatureServer:
    if definitions is None:
        return demo_server(workspace=workspace or DEMO_WORKSPACE, **options)
    if workspace is not None:
        raise SettingsError(f"{quoted(definitions, 200)} names the workspaces of its services; leave out --workspace.")
    return FeatureServer.from_file(definitions, **options)


def _print(frame: pd.DataFrame, as_json: bool) -> None:
    if as_json:
        _print_json(_records(frame))
        return
    with pd.option_context("display.width", None, "display.max_columns", None, "display.max_rows", None):
        typer.echo(_printable(frame).to_string(index=False) if len(frame) else "none")


def _printable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with every foreign text safe for a terminal and every gap empty."""
    texts = {name: ["" if _is_gap(v) else shown(v, 200) for v in frame[name]] for name in frame.columns}
    return pd.DataFrame(texts)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in frame.itertuples(index=False, name=None)]


def _plain(value: Any) -> Any:
    """Return what JSON can hold without loss: whole numbers as decimal text, NaN and infinities as words."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return encode_value(value, None, where="the output")


def _is_gap(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT


def _print_json(found: Any) -> None:
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


@contextmanager
def _key_source(given: str | None, key: str) -> Iterator[str]:
    """Yield where clients find the key; a random one is kept in a file of the user's own while the server runs."""
    if given is not None:
        yield f"API key as given by --api-key or {API_KEY}"
        return
    folder = platformdirs.user_state_path("tecton-nb", ensure_exists=True)
    path = folder / f"serve-{os.getpid()}.key"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="ascii") as handle:
        handle.write(key)
    try:
        yield f'API key made for this run: export {API_KEY}="$(cat {shlex.quote(str(path))})"'
    finally:
        path.unlink(missing_ok=True)


def _interruption() -> threading.Event:
    """Return what is set by Ctrl-C or a termination; in force before anything is made that must be cleaned up."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    return over


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"tecton-nb: warning: {message}", file=sys.stderr)

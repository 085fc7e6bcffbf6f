"""Which feature server, with which key: environment, profile, keyring, or the embedded server."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import platformdirs

from .client.sync import TectonClient
from .exceptions import SettingsError, did_you_mean, listed, quoted
from .local.demo import DEMO_WORKSPACE, demo_server
from .local.server import FeatureServer
from .transport.address import parse_address
from .transport.find_key import KEYRING_SERVICE, find_key
from .transport.secret import KeyPlace, Secret
from .wire.requests import Locator

URL, API_KEY, WORKSPACE = "TECTON_URL", "TECTON_API_KEY", "TECTON_WORKSPACE"
LOCAL = "local"
_DEFAULT_PROFILE = "default"
# What shells and systems agree on as the name of a variable; copied curl commands hold it as it is.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOME = re.compile(r"~[\w.-]*/")
_PROFILE_KEYS = ("url", "workspace", "api_key_env", "api_key_file", "feature_services")


def connect(profile: str | FeatureServer | None = None) -> TectonClient:
    """Return a client of the feature server that the settings name.

    Parameters
    ----------
    profile
        ``"local"`` starts the embedded server with demo data and stops it with the client. Any other
        name is a profile of the settings file. A `FeatureServer` of your own is used as it is.
        `None` takes the environment (``TECTON_URL``, ``TECTON_API_KEY``, ``TECTON_WORKSPACE``), or
        else the profile ``default``.

    Returns
    -------
    TectonClient
        The key comes from the variable or file that the profile names, from ``TECTON_API_KEY``, or
        from the keyring where the package keyring is installed (service ``tecton-nb``, user name:
        the host of the address).

    Raises
    ------
    SettingsError
        If nothing is set, a profile is unknown or unreadable, or a setting cannot be used.
    """
    if isinstance(profile, FeatureServer):
        return LocalClient(profile, owns_server=False)
    if profile == LOCAL:
        client = LocalClient(demo_server(), owns_server=True)
        # Always the same data, at another port with each start.
        client._core.resume_place = "the demo server"
        return client
    if not isinstance(profile, str | None):
        kind = type(profile).__name__
        raise SettingsError(f"connect takes the name of a profile or a FeatureServer; got {quoted(profile)} ({kind}).")
    settings = _from_environment() if profile is None else None
    return (settings or _from_file(profile)).client()


def settings_path() -> Path:
    """Return where the profiles are kept, ``config.toml`` in the user's settings folder."""
    return platformdirs.user_config_path("tecton-nb") / "config.toml"


class LocalClient(TectonClient):
    """A client of an embedded feature server, which lends it example rows."""

    def __init__(self, server: FeatureServer, *, owns_server: bool) -> None:
        workspaces = {service.workspace for service in server.services}
        only = workspaces.pop() if len(workspaces) == 1 else DEMO_WORKSPACE
        super().__init__(server.url, Secret(server.api_key, source="of the embedded server"), only)
        self.server = server
        self._owns_server = owns_server
        # One variable per server: it opens that server only, and code copied from a panel finds it.
        self.api_key_variable = f"TECTON_LOCAL_{server.url.rpartition(':')[2]}_API_KEY"
        os.environ[self.api_key_variable] = server.api_key

    def close(self) -> None:
        """Close the connections, and the server if `connect` started it."""
        super().close()
        if self._owns_server:
            self.server.close()
            # Other clients of a borrowed server still need it.
            os.environ.pop(self.api_key_variable, None)

    def _find_example_rows(self, locator: Locator, n: int) -> pd.DataFrame | None:
        for service in self.server.services:
            named = service.id if locator.by == "id" else service.name
            if (named, service.workspace) == (locator.value, locator.workspace_name):
                return self.server.example_rows(service.name, n, workspace=service.workspace)
        return None


@dataclass(frozen=True, slots=True)
class _Settings:
    """Address, workspace and where the key is; `profile` is empty for the environment."""

    url: str
    workspace: str | None
    profile: str = ""
    key_variable: str = API_KEY
    key_file: str | None = None
    feature_services: tuple[str, ...] = ()

    def client(self) -> TectonClient:
        client = TectonClient(self.url, self._key(), self.workspace, feature_service_names=self.feature_services)
        client.api_key_variable, client.api_key_command = self.key_variable, self._key_command()
        client.made_by = f"tnb.connect({self.profile!r})" if self.profile else "tnb.connect()"
        return client

    def _key(self) -> Secret:
        found = find_key(KeyPlace(self.key_variable, self.key_file), parse_address(self.url).host)
        if found is None:
            raise SettingsError(
                f"No API key is set for {self.url}. Put it into the environment variable {self.key_variable}, "
                f"or into the keyring under service '{KEYRING_SERVICE}' and the host as user name."
            )
        return found

    def _key_command(self) -> str | None:
        if self.key_file is not None:
            return f"cat -- {_shell_path(self.key_file)}"
        if self.key_variable in os.environ:
            return None
        return f"keyring get {KEYRING_SERVICE} {shlex.quote(parse_address(self.url).host)}"


def _shell_path(path: str) -> str:
    # A quoted tilde would be no home folder.
    home = _HOME.match(path)
    return f"{home[0]}{shlex.quote(path[home.end() :])}" if home else shlex.quote(path)


def _from_environment() -> _Settings | None:
    url = os.environ.get(URL)
    return _Settings(url, os.environ.get(WORKSPACE)) if url else None


def _from_file(profile: str | None) -> _Settings:
    name = profile or _DEFAULT_PROFILE
    profiles = _profiles(settings_path())
    if name in profiles:
        return _checked(name, profiles[name])
    if profile is None:
        raise SettingsError(
            f"No feature server is set. Set {URL}, {API_KEY} and {WORKSPACE} in the environment, or write "
            f"[profiles.{_DEFAULT_PROFILE}] with url and workspace into {settings_path()}. "
            'To try without an account: connect("local"), or --profile local in a shell.'
        )
    known = [*profiles, LOCAL]
    is_address = "://" in name
    hint = " For an address use TectonClient(url, api_key, workspace)." if is_address else did_you_mean(name, known)
    raise SettingsError(f"There is no profile {quoted(name)} in {settings_path()}. Known: {listed(known)}.{hint}")


def _profiles(path: Path) -> Mapping[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("profiles", {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"Cannot read the profiles in {path}: {error}.") from None
    if not isinstance(found, dict):
        raise SettingsError(f"Cannot read the profiles in {path}: 'profiles' is no table.")
    return {name: _without_unknown(profile) for name, profile in found.items()}


def _without_unknown(profile: Any) -> Any:
    # What stands under an unknown name may be an API key; the frames of a traceback must not hold it.
    if not isinstance(profile, dict):
        return None
    return {name: value if name in _PROFILE_KEYS else None for name, value in profile.items()}


def _checked(name: str, profile: Any) -> _Settings:
    where = f"Profile {quoted(name)} in {settings_path()}"
    if not isinstance(profile, dict):
        raise SettingsError(f"{where} is no table.")
    for key in profile:
        if key not in _PROFILE_KEYS:
            hint = (
                " Keys do not belong into this file; name an api_key_env or api_key_file." if key == "api_key" else ""
            )
            hint = hint or did_you_mean(key, _PROFILE_KEYS)
            raise SettingsError(f"{where} has the unknown entry {quoted(key)}. Known: {listed(_PROFILE_KEYS)}.{hint}")
    services = profile.get("feature_services", [])
    texts = [profile.get(key) for key in _PROFILE_KEYS[:-1]]
    if not isinstance(services, list) or not all(isinstance(text, str | None) for text in [*texts, *services]):
        raise SettingsError(f"{where}: every entry is text, and feature_services a list of texts.")
    if not _VARIABLE.fullmatch(profile.get("api_key_env", API_KEY)):
        # Not quoted: it may be the key itself.
        raise SettingsError(
            f"{where}: api_key_env is no name of an environment variable. Name the variable that holds the key, "
            f"such as {API_KEY}: letters, digits and _."
        )
    if not profile.get("url"):
        raise SettingsError(f"{where} has no url.")
    return _Settings(
        profile["url"],
        profile.get("workspace"),
        name,
        profile.get("api_key_env", API_KEY),
        profile.get("api_key_file"),
        tuple(services),
    )

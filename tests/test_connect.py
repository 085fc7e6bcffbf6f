"""connect(): which server, with which key; every setting and every mistake in it."""

from __future__ import annotations

import threading

import keyring
import pytest
from canned import KEY, vector
from keyring.backend import KeyringBackend

import tecton_nb as tnb
from tecton_nb.connect import settings_path
from tecton_nb.exceptions import SettingsError, TectonError
from tecton_nb.wire.types import STRING

NAMES = ("TECTON_URL", "TECTON_API_KEY", "TECTON_WORKSPACE")


class _FakeKeyring(KeyringBackend):
    """A keyring in memory, so that no test touches the user's own."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """Return what is kept."""
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        self.kept[service, username] = password


@pytest.fixture(autouse=True)
def fake_keyring(monkeypatch, tmp_path):
    """No setting of the machine the tests run on: an empty environment, settings folder and keyring."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for variable in ("XDG_CONFIG_HOME", "HOME", "APPDATA", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    before, fake = keyring.get_keyring(), _FakeKeyring()
    keyring.set_keyring(fake)
    yield fake
    keyring.set_keyring(before)


@pytest.fixture
def write_profiles():
    """Write the settings file."""

    def write(text: str) -> None:
        settings_path().parent.mkdir(parents=True, exist_ok=True)
        settings_path().write_text(text, encoding="utf-8")

    return write


def _sent_key(server, **how):
    """The key that a client made by connect() sends."""
    with tnb.connect(**how) as client:
        client.get_features(feature_service_name="s", workspace_name="w")
    return server.asked[-1].headers["authorization"]


def _refusal(*arguments):
    with pytest.raises(SettingsError) as caught:
        tnb.connect(*arguments)
    return str(caught.value)


def test_environment_names_server_key_and_workspace(canned, monkeypatch):
    """TECTON_URL, TECTON_API_KEY and TECTON_WORKSPACE are enough."""
    server = canned(vector([]))
    for name, value in zip(NAMES, (server.url, f"{KEY}\n", "staging"), strict=True):
        monkeypatch.setenv(name, value)

    with tnb.connect() as client:
        client.get_features(feature_service_name="s")

    assert server.asked[0].headers["authorization"] == f"Tecton-key {KEY}"
    assert server.asked[0].params["workspaceName"] == "staging"


def test_environment_goes_before_the_default_profile(canned, monkeypatch, write_profiles):
    """Where both are there, the environment holds; a profile asked for by name holds against it."""
    by_environment, by_profile = canned(vector([])), canned(vector([]))
    monkeypatch.setenv("TECTON_URL", by_environment.url)
    monkeypatch.setenv("TECTON_API_KEY", KEY)
    write_profiles(f'[profiles.default]\nurl = "{by_profile.url}"\n')

    _sent_key(by_environment)
    _sent_key(by_profile, profile="default")

    assert (len(by_environment.asked), len(by_profile.asked)) == (1, 1)


def test_profile_names_server_workspace_and_services(canned, monkeypatch, write_profiles):
    """A profile holds all but the key, which comes from the environment."""
    server = canned(vector([]))
    monkeypatch.setenv("TECTON_API_KEY", KEY)
    write_profiles(f'[profiles.work]\nurl = "{server.url}/gw"\nworkspace = "ws"\nfeature_services = ["a", "b"]\n')

    with tnb.connect("work") as client:
        client.get_features(feature_service_name="s")

    assert server.asked[0].params["workspaceName"] == "ws"
    assert server.asked[0].path.startswith("/gw/api/v1/")
    assert repr(client) == f"<TectonClient {server.url}/gw, workspace 'ws'>"
    assert client._core.given_names == ("a", "b")


def test_profile_names_the_variable_of_its_key(canned, monkeypatch, write_profiles):
    """Each profile may have an environment variable of its own."""
    server = canned(vector([]))
    monkeypatch.setenv("TECTON_API_KEY", "another-key")
    monkeypatch.setenv("WORK_KEY", KEY)
    write_profiles(f'[profiles.work]\nurl = "{server.url}"\napi_key_env = "WORK_KEY"\n')

    assert _sent_key(server, profile="work") == f"Tecton-key {KEY}"


def test_profile_names_the_file_of_its_key(canned, tmp_path, write_profiles):
    """A key may stand in a file of its own, with a newline at its end, below the home folder."""
    server = canned(vector([]))
    (tmp_path / "key.txt").write_text(f"{KEY}\n")
    write_profiles(f'[profiles.work]\nurl = "{server.url}"\napi_key_file = "~/key.txt"\n')

    assert _sent_key(server, profile="work") == f"Tecton-key {KEY}"


def test_key_comes_from_the_keyring_where_nothing_else_names_one(canned, fake_keyring, write_profiles):
    """The keyring is asked for the host of the address."""
    server = canned(vector([]))
    fake_keyring.set_password("tecton-nb", "127.0.0.1", KEY)
    write_profiles(f'[profiles.default]\nurl = "{server.url}"\n')

    assert _sent_key(server) == f"Tecton-key {KEY}"


def test_keyring_that_cannot_be_used_is_as_good_as_empty(monkeypatch):
    """A computer without a usable keyring gets the sentence about the missing key."""
    monkeypatch.setenv("TECTON_URL", "https://x.tecton.ai")
    keyring.set_keyring(keyring.backends.fail.Keyring())

    assert _refusal().startswith("No API key is set for https://x.tecton.ai.")


def test_nothing_set_says_what_to_set_and_offers_the_demo():
    """The first sentence a new user may see says what to do, and what works without an account."""
    assert _refusal() == (
        "No feature server is set. Set TECTON_URL, TECTON_API_KEY and TECTON_WORKSPACE in the environment, or write "
        f"[profiles.default] with url and workspace into {settings_path()}. "
        'To try without an account: connect("local"), or --profile local in a shell.'
    )


def test_missing_key_says_where_to_put_it(monkeypatch):
    """An address without a key says which variable and which keyring entry."""
    monkeypatch.setenv("TECTON_URL", "https://x.tecton.ai")

    assert _refusal() == (
        "No API key is set for https://x.tecton.ai. Put it into the environment variable TECTON_API_KEY, "
        "or into the keyring under service 'tecton-nb' and the host as user name."
    )


def test_unknown_profile_is_told_with_the_closest(write_profiles):
    """A misspelt profile leads to the right one."""
    write_profiles('[profiles.production]\nurl = "https://x.tecton.ai"\n')

    assert _refusal("producton") == (
        f"There is no profile 'producton' in {settings_path()}. Known: 'production', 'local'. "
        "Did you mean 'production'?"
    )
    assert _refusal("loca").endswith("Did you mean 'local'?")


def test_address_in_place_of_a_profile_leads_to_the_client():
    """Who passes an address is told what takes one."""
    assert _refusal("https://x.tecton.ai") == (
        f"There is no profile 'https://x.tecton.ai' in {settings_path()}. Known: 'local'. "
        "For an address use TectonClient(url, api_key, workspace)."
    )


def test_profile_that_is_no_name_is_told():
    """Something else than a name or a server is refused in words."""
    assert _refusal(3) == "connect takes the name of a profile or a FeatureServer; got '3' (int)."


MISTAKES = {
    "a key in the file": (
        f'url = "https://x.tecton.ai"\napi_key = "{KEY}"',
        "has the unknown entry 'api_key'. Known: 'url', 'workspace', 'api_key_env', 'api_key_file', "
        "'feature_services'. Keys do not belong into this file; name an api_key_env or api_key_file.",
    ),
    "a misspelt entry": (
        'ur = "https://x.tecton.ai"',
        "has the unknown entry 'ur'. Known: 'url', 'workspace', 'api_key_env', 'api_key_file', 'feature_services'. "
        "Did you mean 'url'?",
    ),
    "no address": ('workspace = "prod"', "has no url."),
    "a number for text": (
        'url = "https://x.tecton.ai"\nworkspace = 7',
        "every entry is text, and feature_services a list of texts.",
    ),
    "text for a list": (
        'url = "https://x.tecton.ai"\nfeature_services = "a"',
        "every entry is text, and feature_services a list of texts.",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake_in_a_profile_is_told_without_showing_a_key(write_profiles, text, sentence):
    """Whatever is wrong with a profile is one sentence, and an API key in it is never shown."""
    write_profiles(f"[profiles.work]\n{text}\n")

    refusal = _refusal("work")

    assert refusal.startswith(f"Profile 'work' in {settings_path()}")
    assert refusal.endswith(sentence)
    assert "CANARY" not in refusal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[profiles.work", "Cannot read the profiles in "), ('profiles = "x"', "'profiles' is no table.")],
    ids=["no TOML", "no table"],
)
def test_settings_file_that_cannot_be_read_is_told(write_profiles, text, sentence):
    """A broken settings file is a sentence with its path."""
    write_profiles(text)

    refusal = _refusal("work")

    assert sentence in refusal
    assert str(settings_path()) in refusal


def test_profile_that_is_no_table_is_told(write_profiles):
    """A profile that is a bare text is refused in words."""
    write_profiles('[profiles]\nwork = "https://x.tecton.ai"\n')

    assert _refusal("work") == f"Profile 'work' in {settings_path()} is no table."


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "FileNotFoundError"), (b"\xff\xfe" + KEY.encode(), "UnicodeDecodeError")]
)
def test_key_file_that_cannot_be_read_is_told(write_profiles, tmp_path, content, reason):
    """A key file that is not there, or no text, is told by its path and the kind of trouble."""
    path = tmp_path / "key.txt"
    if content is not None:
        path.write_bytes(content)
    write_profiles(f'[profiles.work]\nurl = "https://x.tecton.ai"\napi_key_file = "{path}"\n')

    assert _refusal("work") == f"Cannot read the API key from {path}: {reason}."


def test_address_of_the_environment_is_checked(monkeypatch):
    """A wrong address in the environment is refused as one in the code is."""
    monkeypatch.setenv("TECTON_URL", "x.tecton.ai")
    monkeypatch.setenv("TECTON_API_KEY", KEY)

    assert "it does not start with https://" in _refusal()


def test_server_of_one_s_own_is_used_and_left_running(demo):
    """connect(server) makes a client of a running server and does not stop it."""
    with tnb.connect(demo) as client:
        assert len(client.feature_services()) == 5

    with tnb.connect(demo) as again:
        assert len(again.feature_services()) == 5


def test_server_of_one_s_own_lends_its_only_workspace():
    """Where all services of a server live in one workspace, the client asks there."""
    view = tnb.local.BatchView("v", (tnb.local.Field("k", STRING),), (tnb.local.Feature("f", STRING),))
    definitions = tnb.local.Definitions((view,), (tnb.local.FeatureService("s", ("v",), workspace="lab"),))

    with tnb.local.FeatureServer(definitions) as server, tnb.connect(server) as client:
        assert client.feature_service("s").workspace_name == "lab"


def test_local_serves_the_demo_and_stops_with_the_client():
    """connect("local") needs nothing, and its close stops the server and every thread."""
    before = set(threading.enumerate())

    client = tnb.connect("local")
    service = client.feature_service("fraud_detection_feature_service")
    frame = service.get_features(service.example_rows(2))
    client.close()
    client.close()

    assert len(frame) == 2
    assert set(threading.enumerate()) <= before
    with pytest.raises(TectonError):
        tnb.TectonClient(client.server.url, KEY, "prod").feature_services()

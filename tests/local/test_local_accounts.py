"""Service accounts: made as the document prints it, opened and closed while a server runs."""

import re
import sqlite3
import sys
from pathlib import Path

import pytest
from asking import asked

from tecton_nb import cli
from tecton_nb.exceptions import SettingsError
from tecton_nb.local import FeatureServer
from tecton_nb.local.storage.accounts import ServiceAccounts
from tecton_nb.local.storage.database import Database

EXAMPLE = Path(__file__).parents[2] / "notebooks" / "features" / "features.toml"
CREATED = re.compile(
    r"Save this API Key - you will not be able to get it again\.\n"
    r"API Key: (?P<key>[\w-]{32})\nService Account ID: (?P<id>[0-9a-f]{32})\n"
)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run ``tecton-nb`` in this process on a store named by the environment; return status, output and errors."""
    monkeypatch.setenv("TECTON_NB_STORE", str(tmp_path / "features.db"))

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tecton-nb", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def server(tmp_path):
    """The example served from the store that `run` works on."""
    with FeatureServer.from_file(EXAMPLE, store=tmp_path / "features.db") as running:
        yield running


def status_with(server: FeatureServer, key: str, service: str = "payment_service", workspace: str = "prod") -> int:
    """The HTTP status that a key gets."""
    keys, context = {"user_id": "ann"}, {"amount": 1}
    return asked(server.url, key, service, keys, requestContextMap=context, workspaceName=workspace)[0]


def assigned(run, account_id: str, workspace: str = "prod", role: str = "consumer") -> tuple[int, str, str]:
    """Give an account a role, as the document writes it."""
    arguments = ("--role", role, "--workspace", workspace, "--service-account", account_id)
    return run("access-control", "assign-role", *arguments)


def test_document_002_account_is_made_opened_and_deleted_while_the_server_runs(server, run):
    """The document's commands print its lines; 403 without the role, 200 with it, 401 once deleted, at once."""
    made = run("service-account", "create", "--name", "sample-service-account", "--description", "An online sample")
    match = CREATED.fullmatch(made[1])
    assert match is not None
    statuses = [status_with(server, match["key"])]
    role = assigned(run, match["id"])
    statuses += [
        status_with(server, match["key"]),
        status_with(server, match["key"], "payments_by_country", "analytics"),
    ]
    deleted = run("service-account", "delete", match["id"])
    statuses += [status_with(server, match["key"])]

    assert statuses == [403, 200, 403, 401]
    assert (made[0], role, deleted) == (
        0,
        (0, "Successfully updated role.\n", ""),
        (0, "Successfully deleted service account.\n", ""),
    )
    assert status_with(server, server.api_key) == 200


def test_key_is_kept_as_a_hash_only_and_listed_nowhere(run, tmp_path):
    """Neither the list nor the file holds the key."""
    _, said, _ = run("service-account", "create", "--name", "one")
    match = CREATED.fullmatch(said)
    assert match is not None
    assigned(run, match["id"], "anywhere")

    listed, as_json = run("service-account", "list")[1], run("service-account", "list", "--json")[1]
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert listed == f"{match['id']}  one  consumer of anywhere\n"
    assert '"workspaces": [\n      "anywhere"\n    ]' in as_json
    assert match["key"] not in listed + as_json
    assert match["key"].encode() not in held


def test_account_outlives_the_server(server, run, tmp_path):
    """An account made for a store is there when the store is served again, also after reloading its data."""
    database = Database(tmp_path / "features.db")
    key, account_id = ServiceAccounts(database).create("one")
    ServiceAccounts(database).assign_role(account_id, "consumer", "prod")
    database.close()
    server.close()

    with FeatureServer.from_file(EXAMPLE, store=tmp_path / "features.db", reload=True) as again:
        assert status_with(again, key.reveal()) == 200


def test_deleted_role_rows_leave_nothing_behind(run, tmp_path):
    """A deleted account leaves no role in the file."""
    match = CREATED.fullmatch(run("service-account", "create", "--name", "one")[1])
    assert match is not None
    assigned(run, match["id"], "anywhere")
    run("service-account", "delete", match["id"])

    connection = sqlite3.connect(tmp_path / "features.db")
    counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in ("accounts", "roles")]  # noqa: S608
    connection.close()

    assert counts == [(0,), (0,)]
    assert run("service-account", "list")[1] == "none\n"


def test_unknown_account_role_and_workspace_are_told(server, run, tmp_path):
    """A mistake names what is unknown and what is possible; nothing is changed."""
    match = CREATED.fullmatch(run("service-account", "create", "--name", "one")[1])
    assert match is not None
    store = f"The store '{tmp_path / 'features.db'}'"
    advice = "List them with: tecton-nb service-account list.\n"

    assert assigned(run, match["id"], role="consumr") == (
        2,
        "",
        "tecton-nb: The embedded server knows no role 'consumr'; it has 'consumer'. Did you mean 'consumer'?\n",
    )
    assert assigned(run, match["id"], workspace="prdo") == (
        2,
        "",
        f"tecton-nb: {store} has no workspace 'prdo'; it has 'analytics', 'prod'. Did you mean 'prod'?\n",
    )
    assert assigned(run, "nobody") == (2, "", f"tecton-nb: {store} knows no service account 'nobody'. {advice}")
    assert run("service-account", "delete", "nobody")[2] == (
        f"tecton-nb: {store} knows no service account 'nobody'. {advice}"
    )
    assert run("service-account", "create", "--name", " ")[2] == (
        "tecton-nb: A service account needs a name; give one with --name.\n"
    )
    assert run("service-account", "list")[1] == f"{match['id']}  one  no role\n"


def test_command_without_a_store_says_how_to_name_one(run, monkeypatch, tmp_path):
    """Without a store, or with one that is not there, the commands say what to do and make no file."""
    missing = run("service-account", "list")[2]
    monkeypatch.delenv("TECTON_NB_STORE")
    unnamed = run("service-account", "create", "--name", "one")[2]

    assert missing == (
        f"tecton-nb: There is no store '{tmp_path / 'features.db'}'. Make it with: tecton-nb serve --store PATH.\n"
    )
    assert unnamed == (
        "tecton-nb: No store is named. Give its path with --store, or in the environment variable TECTON_NB_STORE.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_accounts_of_a_server_in_memory_are_none(tmp_path):
    """A server without a store file has its own key only; made-up keys are refused."""
    with FeatureServer.from_file(EXAMPLE) as server:
        assert (status_with(server, server.api_key), status_with(server, "made-up")) == (200, 401)


def test_name_with_control_characters_is_shown_escaped(run):
    """What someone put into a name cannot move the cursor of the one who lists it."""
    run("service-account", "create", "--name", "bad\x1b[2Jname", "--description", "x\ny")

    assert run("service-account", "list")[1].endswith("  bad\\x1b[2Jname  no role  (x\\ny)\n")


def test_role_is_given_once():
    """Giving a role twice is no error and counts once."""
    database = Database()
    accounts = ServiceAccounts(database)
    _, account_id = accounts.create("one")
    for _ in range(2):
        accounts.assign_role(account_id, "consumer", "prod")

    assert accounts.list()[0].workspaces == ("prod",)
    with pytest.raises(SettingsError, match="knows no service account"):
        accounts.delete("none")
    database.close()


def test_store_that_cannot_be_read_lets_nobody_in(tmp_path):
    """When the store fails, its accounts are shut out instead of being trusted from memory."""
    database = Database(tmp_path / "features.db")
    accounts = ServiceAccounts(database)
    accounts.create("one")
    before = len(accounts.current())
    database.close()

    assert (before, accounts.current()) == (1, ())

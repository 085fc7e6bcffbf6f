"""``features.toml``: the example served, and every mistake told with file, key and what is possible."""

import hashlib
import json
import shutil
import traceback
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from asking import asked, features_of

from tecton_nb.exceptions import SettingsError
from tecton_nb.local import FeatureServer
from tecton_nb.local.definitions.toml_file import read_features_file
from tecton_nb.local.definitions.type_text import type_from_text
from tecton_nb.local.definitions.views import ordered_features
from tecton_nb.wire.types import FLOAT64, INT64, STRING, ArrayType, MapType, StructField, StructType

EXAMPLE = Path(__file__).parents[2] / "notebooks" / "features"
CANARY = "canary-key-in-plain-text"
SCALARS = "'boolean', 'float32', 'float64', 'int64', 'string', 'timestamp'"
TYPES = f"{SCALARS}, 'array<TYPE>', 'map<string, TYPE>' and 'struct<NAME: TYPE, ...>'"


@pytest.fixture
def example(tmp_path):
    """A copy of the example that a test may spoil."""
    shutil.copytree(EXAMPLE, tmp_path / "features", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "features" / "features.toml"


@pytest.fixture(scope="module")
def server():
    """The example, served."""
    with FeatureServer.from_file(EXAMPLE / "features.toml") as running:
        yield running


def test_example_serves_every_kind_of_view(server):
    """Realtime features come first, then windows over the events, then the newest row with its nested values."""
    events = pd.read_csv(EXAMPLE / "data" / "payments.csv", parse_dates=["paid_at"])
    now = pd.Timestamp("2024-05-01T12:00:00Z")
    mine = events[events["user_id"].eq("ann") & (events["paid_at"] < now)].set_index("paid_at").sort_index()["amount"]
    day, week, month = (mine[mine.index >= now - pd.Timedelta(days=days)] for days in (1, 7, 30))

    found = features_of(server, "payment_service", {"user_id": "ann"}, requestContextMap={"amount": 100})

    assert found[:2] == [False, pytest.approx(100 / week.mean())]
    assert found[2:6] == [str(len(day)), str(len(week)), month.iloc[-1], month.max()]
    assert found[6:8] == [pytest.approx(day.mean()), pytest.approx(week.mean())]
    assert found[8:] == ["42", [52.52, 13.4], ["trains", "tea"], "plus"]


def test_row_older_than_its_ttl_is_missing(server):
    """The user whose row is older than 90 days has no profile."""
    found = features_of(server, "payment_service", {"user_id": "eve"}, requestContextMap={"amount": 1})

    assert found[-4:] == [None] * 4


def test_key_of_the_file_reads_its_workspaces_only(server):
    """The key whose hash the file holds reads 'prod' and is refused in 'analytics'."""
    reader = "payments-reader"
    prod = asked(server.url, reader, "payment_service", {"user_id": "ann"}, requestContextMap={"amount": 1})
    closed = asked(server.url, reader, "payments_by_country", {"user_id": "ann"}, workspaceName="analytics")

    assert (prod[0], closed[0]) == (200, 403)


def test_descriptions_tags_ids_and_workspaces_are_read(example):
    """What is said about features and services arrives in the definitions."""
    spoil(example, "[services.payment_service]", '[services.payment_service]\nid = "my-id"\ntags = { a = "b" }')
    found = read_features_file(example).definitions
    profile = next(view for view in found.views if view.name == "user_profile")
    age = next(feature for feature in ordered_features(profile) if feature.name == "age")

    assert (age.description, age.tags) == ("Age in years.", {"owner": "accounts-team"})
    assert [(s.name, s.id, s.type, s.workspace) for s in found.services] == [
        ("payment_service", "my-id", "DEFAULT", "prod"),
        ("payments_by_country", found.services[1].id, "WILDCARD", "analytics"),
    ]
    assert dict(found.services[0].tags) == {"a": "b"}


@pytest.mark.parametrize(
    ("text", "data_type"),
    [
        ("int64", INT64),
        ("array<array<string>>", ArrayType(ArrayType(STRING))),
        ("map<string, array<int64>>", MapType(STRING, ArrayType(INT64))),
        (
            "struct<lat: float64, tags: map<string, struct<a: int64, b: string>>>",
            StructType(
                (
                    StructField("lat", FLOAT64),
                    StructField(
                        "tags",
                        MapType(STRING, StructType((StructField("a", INT64), StructField("b", STRING)))),
                    ),
                )
            ),
        ),
    ],
)
def test_type_text_is_what_frames_show(text, data_type):
    """A data type is written the way it is shown, and read back as the same."""
    assert type_from_text(text) == data_type
    assert str(data_type) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "int",
        "array",
        "array<",
        "array<int64",
        "array<int64>>",
        "map<int64, string>",
        "map<string>",
        "list<int64>",
        "struct<>",
        "struct<a>",
        "struct<a: int64, a: int64>",
        "struct<a: int65>",
        "int64>",
        "array<" * 99 + "int64" + ">" * 99,
    ],
)
def test_text_that_is_no_type_is_refused(text):
    """Whatever is no data type is refused in words, however deep it is nested."""
    with pytest.raises(SettingsError, match="is no data type"):
        type_from_text(text)


def test_parquet_is_read_without_rounding(example):
    """Whole numbers beside gaps, NaN beside gaps and nested values come out of parquet as they went in."""
    times = [pd.Timestamp("2024-04-30T00:00:00Z").value] * 2
    table = pa.table(
        {
            "user_id": ["ann", "bob"],
            "updated_at": pa.array(times).cast(pa.timestamp("ns", "UTC")),
            "plan": ["a", None],
            "age": pa.array([9007199254740993, None], pa.int64()),
            "home": [{"lat": float("nan"), "lon": None}, None],
            "interests": [["x", None], None],
        }
    )
    parquet.write_table(table, example.parent / "data" / "users.parquet")
    spoil(example, "data/users.csv", "data/users.parquet")

    with FeatureServer.from_file(example) as running:
        ann, bob = (
            features_of(running, "payment_service", {"user_id": user}, requestContextMap={"amount": 1})[-4:]
            for user in ("ann", "bob")
        )

    assert ann == ["9007199254740993", ["NaN", None], ["x", None], "a"]
    assert bob == [None] * 4


def test_csv_cells_keep_their_text_and_digits(example):
    """Leading zeros, long whole numbers, NaN and empty cells of a CSV file mean what they say."""
    (example.parent / "data" / "users.csv").write_text(
        'user_id,updated_at,plan,age,home,interests\n007,2024-04-30,NA,9007199254740993,"[NaN, 1]","[]"\n'.replace(
            "[NaN, 1]", '[""NaN"", 1]'
        )
        + "8,2024-04-30T10:00:00+02:00,,,,\n"
    )

    with FeatureServer.from_file(example) as running:
        found = [
            features_of(running, "payment_service", {"user_id": user}, requestContextMap={"amount": 1})[-4:]
            for user in ("007", "8")
        ]

    assert found == [["9007199254740993", ["NaN", 1], [], "NA"], [None] * 4]


def test_store_notices_a_changed_data_file(example, tmp_path):
    """A data file that changed since it was loaded is told, with what to do."""
    path = tmp_path / "features.db"
    FeatureServer.from_file(example, store=path).close()
    with (example.parent / "data" / "users.csv").open("a") as file:
        file.write("dan,2024-04-30,free,1,,\n")

    with pytest.raises(SettingsError) as caught:
        FeatureServer.from_file(example, store=path)
    FeatureServer.from_file(example, store=path, reload=True).close()

    assert str(caught.value).startswith(
        f"The store '{path}' does not fit: the data of its view 'user_profile' is the file data/users.csv, digest "
    )


def spoil(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


PROFILE, PAYMENTS, CHECK = "views.user_profile", "views.user_payments", "views.payment_check"
AGGREGATION = '{ column = "amount", functions = ["max", "last"], windows = ["30d"] }'
MISTAKES = {
    "aggregations-text": (
        'aggregations = [{ column = "amount", functions = ["sum", "count"], windows = ["30d"] }]',
        'aggregations = "sum"',
        "views.user_country_payments.aggregations",
        "This must be a list of tables, such as [{ ... }, { ... }].",
    ),
    "join-keys-list": (
        'join_keys = { user_id = "string", country = "string" }',
        'join_keys = ["user_id"]',
        "views.user_country_payments.join_keys",
        "This must be a table of keys and values.",
    ),
    "no-workspaces": (
        'workspaces = ["analytics"]',
        "workspaces = []",
        "services.payments_by_country.workspaces",
        "A service lives in at least one workspace, and each has a name.",
    ),
    "same-id": (
        "[services.payments_by_country]",
        '[services.a]\nviews = ["user_profile"]\nid = "x"\n[services.b]\nviews = ["user_profile"]\nid = "x"\n'
        "[services.payments_by_country]",
        "services",
        "The id of a feature service 'x' is defined 2 times; names must be unique.",
    ),
    "name-with-a-dot": (
        "[services.payments_by_country]",
        '[services."a.b"]\nview = ["user_profile"]\n[services.payments_by_country]',
        'services."a.b".view',
        "There is no such key; possible are 'views', 'workspaces', 'id', 'wildcard_key', 'description', 'tags'. "
        "Did you mean 'views'?",
    ),
    "cache-ttl": (
        'ttl = "90d"',
        'cache_ttl = "25h"',
        "views.user_profile.cache_ttl",
        "The cache_ttl '25h' of view 'user_profile' is longer than '24h'.",
    ),
    "unknown-table": (
        "now =",
        "nwo =",
        "nwo",
        "There is no such key; possible are 'now', 'views', 'services', 'api_keys'. Did you mean 'now'?",
    ),
    "bad-now": (
        "2024-05-01T12:00:00Z",
        '"soon"',
        "now",
        "'soon' is no instant; write one such as 2024-05-01T12:00:00Z.",
    ),
    "kind": (
        'kind = "batch"',
        'kind = "batched"',
        f"{PROFILE}.kind",
        "'batched' is not possible; possible are 'batch', 'aggregated', 'realtime'. Did you mean 'batch'?",
    ),
    "no-kind": (
        'kind = "batch"\n',
        "",
        PROFILE,
        "The key 'kind' is missing; possible are 'batch', 'aggregated', 'realtime'.",
    ),
    "unknown-key": (
        'ttl = "90d"',
        'tll = "90d"',
        f"{PROFILE}.tll",
        "There is no such key; possible are 'kind', 'namespace', 'data', 'join_keys', 'timestamp', 'cache_ttl',"
        " 'features', 'ttl'. Did you mean 'ttl'?",
    ),
    "ttl": (
        'ttl = "90d"',
        'ttl = "3 months"',
        f"{PROFILE}.ttl",
        "Cannot read '3 months' as the ttl: write a whole number and a unit, such as '10m', '1h' or '7d'.",
    ),
    "ttl-number": ('ttl = "90d"', "ttl = 90", f"{PROFILE}.ttl", "This must be text between quotes; got '90'."),
    "no-data": (
        'data = "data/users.csv"\n',
        "",
        PROFILE,
        "The key 'data' is missing: the file with the data, which ends in one of '.csv', '.csv.gz', '.parquet'.",
    ),
    "data-suffix": (
        "data/users.csv",
        "data/users.xls",
        f"{PROFILE}.data",
        "'data/users.xls' must end in one of '.csv', '.csv.gz', '.parquet'.",
    ),
    "data-missing": (
        "data/users.csv",
        "data/user.csv",
        f"{PROFILE}.data",
        "There is no file 'data/user.csv'; beside it there are 'payments.csv', 'users.csv'. Did you mean 'users.csv'?",
    ),
    "data-outside": (
        "data/users.csv",
        "../users.csv",
        f"{PROFILE}.data",
        "This path leads out of the folder of the file; write it absolute if that is meant.",
    ),
    "key-type": (
        '{ user_id = "string" }',
        '{ user_id = "float64" }',
        f"{PROFILE}.join_keys.user_id",
        "The join key 'user_id' of the view 'user_profile' is float64; use 'string', 'int64'.",
    ),
    "no-join-keys": (
        'join_keys = { user_id = "string" }',
        "join_keys = {}",
        f"{PROFILE}.join_keys",
        "The view 'user_profile' has no join keys.",
    ),
    "type": (
        'type = "int64"',
        'type = "int63"',
        f"{PROFILE}.features.age.type",
        f"'int63' is no data type; possible are {TYPES}. Did you mean 'int64'?",
    ),
    "short-type": (
        'plan = "string"',
        'plan = "text"',
        f"{PROFILE}.features.plan",
        f"'text' is no data type; possible are {TYPES}.",
    ),
    "nested-type": (
        "struct<lat: float64, lon: float64>",
        "struct<lat: float64, lat: float64>",
        f"{PROFILE}.features.home.type",
        "'struct<lat: float64, lat: float64>' is no data type: a struct is written"
        " 'struct<NAME: TYPE, ...>', each name once.",
    ),
    "map-type": (
        '"array<string>"',
        '"map<int64, string>"',
        f"{PROFILE}.features.interests",
        "'map<int64, string>' is no data type: a map is written 'map<string, TYPE>'.",
    ),
    "no-type": (
        'type = "int64", ',
        "",
        f"{PROFILE}.features.age",
        "The key 'type' is missing: write a data type, such as 'int64'.",
    ),
    "tags": (
        'tags = { owner = "accounts-team" }',
        "tags = { owner = 7 }",
        f"{PROFILE}.features.age.tags.owner",
        "This must be text between quotes; got '7'.",
    ),
    "no-interval": (
        'interval = "1h"\n',
        "",
        PAYMENTS,
        "The key 'interval' is missing: the step in which the windows move, such as '1h'.",
    ),
    "function": (
        '"last"]',
        '"lats"]',
        f"{PAYMENTS}.aggregations[1].functions[1]",
        "'lats' is no function; possible are 'count', 'last', 'max', 'mean', 'min', 'sum'. Did you mean 'last'?",
    ),
    "window": (
        'windows = ["30d"] },\n]',
        'windows = ["1d", "90m"] },\n]',
        f"{PAYMENTS}.aggregations[1].windows[1]",
        "'90m' is no multiple of the interval '1h'.",
    ),
    "window-text": (
        'windows = ["1d", "7d"]',
        'windows = ["week"]',
        f"{PAYMENTS}.aggregations[0].windows[0]",
        "Cannot read 'week' as the window: write a whole number and a unit, such as '10m', '1h' or '7d'.",
    ),
    "functions-text": (
        'functions = ["max", "last"]',
        'functions = "max"',
        f"{PAYMENTS}.aggregations[1].functions",
        'This must be a list of texts, such as ["a", "b"]; got \'max\'.',
    ),
    "aggregation-twice": (
        AGGREGATION,
        f"{AGGREGATION}, {AGGREGATION}",
        f"{PAYMENTS}.aggregations",
        "The feature of the view 'user_payments' 'amount_max_30d_1h' is defined 2 times; names must be unique.",
    ),
    "no-function": (
        '"realtime:check_payment"',
        '"realtime.check_payment"',
        f"{CHECK}.function",
        "'realtime.check_payment' names no function; write 'module:function', such as 'realtime:ratio'.",
    ),
    "unknown-function": (
        "realtime:check_payment",
        "realtime:check_payments",
        f"{CHECK}.function",
        "The module 'realtime' has no function 'check_payments'; it has 'check_payment'. Did you mean 'check_payment'?",
    ),
    "unknown-module": (
        "realtime:check_payment",
        "realtme:check_payment",
        f"{CHECK}.function",
        "There is no module 'realtme' beside the file; there are 'realtime'. Did you mean 'realtime'?",
    ),
    "source": (
        '"user_profile"]\n\n[views.payment_check.features]',
        '"profile"]\n\n[views.payment_check.features]',
        f"{CHECK}.sources",
        "The view 'payment_check' reads from 'profile', which is no batch or aggregated view;"
        " those are 'user_profile', 'user_payments', 'user_country_payments'. Did you mean 'user_profile'?",
    ),
    "service-view": (
        'views = ["user_country_payments"]',
        'views = ["user_country_payment"]',
        "services.payments_by_country.views",
        "The feature service 'payments_by_country' names the view 'user_country_payment',"
        " which is not defined. Did you mean 'user_country_payments'?",
    ),
    "wildcard": (
        'wildcard_key = "country"',
        'wildcard_key = "counrty"',
        "services.payments_by_country.wildcard_key",
        "The wildcard key 'counrty' of the feature service 'payments_by_country' is no join key of its views;"
        " those are 'user_id', 'country'. Did you mean 'country'?",
    ),
    "workspaces": (
        'workspaces = ["analytics"]',
        'workspaces = "analytics"',
        "services.payments_by_country.workspaces",
        'This must be a list of texts, such as ["a", "b"]; got \'analytics\'.',
    ),
    "id-twice": (
        "[services.payment_service]",
        '[services.payment_service]\nid = "x"\nworkspaces = ["a", "b"]',
        "services.payment_service.id",
        "A service in several workspaces has an id in each; leave the key out.",
    ),
    "services-list": (
        "[services.payments_by_country]",
        "[services.x]\nviews = 3\n[services.payments_by_country]",
        "services.x.views",
        'This must be a list of texts, such as ["a", "b"]; got \'3\'.',
    ),
    "key-workspace": (
        'workspaces = ["prod"]',
        'workspaces = ["prdo"]',
        "api_keys.reader.workspaces",
        "No service lives in a workspace 'prdo'; possible are 'prod', 'analytics'. Did you mean 'prod'?",
    ),
    "key-without-workspace": (
        'workspaces = ["prod"]',
        "",
        "api_keys.reader",
        "The key 'workspaces' is missing: list those that the key may read; possible are 'prod', 'analytics'.",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_one_sentence_with_file_key_and_what_is_possible(example, case):
    """A mistake says which file, which key, what is wrong and what would be right."""
    old, new, place, sentence = MISTAKES[case]
    spoil(example, old, new)

    with pytest.raises(SettingsError) as caught:
        FeatureServer.from_file(example).close()

    assert str(caught.value) == f"In '{example}' at `{place}`: {sentence}"


DIGEST = hashlib.sha256(b"payments-reader").hexdigest()
KEYS = {
    f'api_key = "{CANARY}"': (
        "reader.api_key",
        "There is no such key; possible are 'env', 'file', 'sha256', 'workspaces'. "
        "Keys do not belong into this file; name an env variable, a file, or the key's sha256.",
    ),
    f'sha256 = "{CANARY}"': ("reader.sha256", "This is no SHA-256 of a key; write its 64 hexadecimal digits."),
    f'env = "{CANARY}"': ("reader.env", "The environment variable that is named here is not set."),
    f'file = "{CANARY}"': ("reader.file", "The file that is named here cannot be read (FileNotFoundError)."),
    f'env = ["{CANARY}"]': ("reader.env", "This must be text between quotes."),
    'env = "A"\nfile = "b"': ("reader", "Name the key by exactly one of 'env', 'file', 'sha256'."),
    "": ("reader", "Name the key by exactly one of 'env', 'file', 'sha256'."),
}


@pytest.mark.parametrize("line", KEYS)
def test_api_key_in_plain_text_is_refused_and_shown_nowhere(example, line):
    """A key that was written into the file is refused; neither the sentence nor a traceback's locals show it."""
    place, sentence = KEYS[line]
    spoil(example, f'sha256 = "{DIGEST}"', line)

    with pytest.raises(SettingsError) as caught:
        read_features_file(example)
    # The first frame is this test's own.
    ours = caught.value.with_traceback(caught.value.__traceback__.tb_next)
    report = "".join(traceback.TracebackException.from_exception(ours, capture_locals=True).format())

    assert str(caught.value) == f"In '{example}' at `api_keys.{place}`: {sentence}"
    assert CANARY not in str(caught.value)
    if "api_key =" in line:
        assert CANARY not in report


def test_keys_come_from_a_variable_and_a_file(example, monkeypatch):
    """A key named by an environment variable or a file opens what its entry says."""
    monkeypatch.setenv("READER_OF_TESTS", "from-the-environment")
    (example.parent / "reader.key").write_text("from-a-file\n")
    spoil(example, f'sha256 = "{DIGEST}"', 'env = "READER_OF_TESTS"')
    with example.open("a") as file:
        file.write('[api_keys.other]\nfile = "reader.key"\nworkspaces = ["prod"]\n')

    with FeatureServer.from_file(example) as running:
        statuses = [
            asked(running.url, key, "payment_service", {"user_id": "ann"}, requestContextMap={"amount": 1})[0]
            for key in ("from-the-environment", "from-a-file", "payments-reader")
        ]

    assert statuses == [200, 200, 401]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"views = [", "Invalid value (at end of document)."),
        (b"\xff", "it is not UTF-8 text."),
        (b"", None),
    ],
)
def test_file_that_is_no_toml_is_refused(tmp_path, text, sentence):
    """A file that cannot be read as TOML, or holds nothing, is refused in words."""
    path = tmp_path / "features.toml"
    path.write_bytes(text)

    with pytest.raises(SettingsError) as caught:
        read_features_file(path)

    missing = f"In '{path}' at `the top`: The key 'views' is missing: a table for every view, such as [views.my_view]."
    assert str(caught.value) == (missing if sentence is None else f"Cannot read '{path}': {sentence}")


def test_missing_file_is_told(tmp_path):
    """A path without a file is told."""
    with pytest.raises(SettingsError) as caught:
        FeatureServer.from_file(tmp_path / "features.toml")

    assert str(caught.value) == f"Cannot read '{tmp_path / 'features.toml'}': there is no such file."


def test_link_out_of_the_folder_is_refused_but_an_absolute_path_is_meant(example, tmp_path):
    """A link that leads elsewhere is no way out of the folder; an absolute path is taken as it is."""
    elsewhere = tmp_path / "users.csv"
    shutil.copy(example.parent / "data" / "users.csv", elsewhere)
    (example.parent / "data" / "users.csv").unlink()
    (example.parent / "data" / "users.csv").symlink_to(elsewhere)
    with pytest.raises(SettingsError, match="leads out of the folder"):
        read_features_file(example)
    spoil(example, "data/users.csv", str(elsewhere))

    assert read_features_file(example).data["user_profile"].load()["plan"].tolist() == ["free", "plus", "free", "free"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("plus,42", "plus,42.5", "Cannot read '42.5' as int64 in '{}', column 'age', row 2."),
        (
            "plus,42",
            "plus,9223372036854775808",
            "Cannot read '9223372036854775808' as int64 in '{}', column 'age', row 2.",
        ),
        (
            "2024-04-11T17:00:00Z",
            "11 April",
            "Cannot read '11 April' as timestamp in '{}', column 'updated_at', row 3.",
        ),
        ("[]", "[", "Cannot read '[' as array<string> in '{}', column 'interests', row 3."),
        (
            "user_id,",
            "user,",
            "The file '{}' lacks the column 'user_id'. Columns found: "
            "'user', 'updated_at', 'plan', 'age', 'home', 'interests'. Did you mean 'user'?",
        ),
    ],
)
def test_cell_that_does_not_fit_is_told_with_its_place(example, old, new, sentence):
    """A cell that is no value of its type is told with file, column and row."""
    path = example.parent / "data" / "users.csv"
    spoil(path, old, new)

    with pytest.raises(SettingsError) as caught:
        FeatureServer.from_file(example)

    assert str(caught.value) == sentence.format(path)


def test_module_that_fails_is_told(example):
    """An error in the module of a realtime function is told with the key that names it."""
    (example.parent / "realtime.py").write_text("1 / 0\n")

    with pytest.raises(SettingsError) as caught:
        read_features_file(example)

    assert str(caught.value) == (
        f"In '{example}' at `{CHECK}.function`: "
        "The module 'realtime' cannot be run: ZeroDivisionError: division by zero."
    )


def test_function_with_other_arguments_is_refused(example):
    """A function that does not take request context and features is refused before the first request."""
    (example.parent / "realtime.py").write_text("def check_payment(amount):\n    return {}\n")

    with pytest.raises(SettingsError) as caught:
        read_features_file(example)

    assert str(caught.value).endswith(
        "The function 'realtime:check_payment' must take two arguments, request context and features."
    )


def test_example_is_read_without_a_word(example):
    """The example has no mistake, and names every data file once per view."""
    found = read_features_file(example)

    assert sorted(found.data) == ["user_country_payments", "user_payments", "user_profile"]
    assert json.loads(json.dumps(found.now)) == pd.Timestamp("2024-05-01T12:00:00Z").value


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00Z", "9999-12-31", "NaT", ""])
def test_instant_that_nanoseconds_cannot_hold_is_refused(example, instant):
    """A clock that cannot stand there is a mistake of the file, not a traceback and not the year 1677."""
    text = example.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("now")]
    example.write_text("\n".join([f'now = "{instant}"', *lines]))

    with pytest.raises(SettingsError, match=r"at `now`: .* is no instant"):
        read_features_file(example)


def test_module_that_wants_to_end_the_process_is_told(example):
    """A module that calls sys.exit is one that cannot be run, and the sentence says so."""
    (example.parent / "realtime.py").write_text("raise SystemExit(3)\n")

    with pytest.raises(SettingsError, match="cannot be run: SystemExit: 3"):
        read_features_file(example)

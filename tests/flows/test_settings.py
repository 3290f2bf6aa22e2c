from __future__ import annotations

from pathlib import Path

import pytest

from flows.settings import SettingsError, load
from tests.flows.scene import undertow

CANARY = "hunter2-canary"


def refused(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(file)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "undertow.toml"


def test_no_file_and_an_empty_file_are_the_defaults(file: Path) -> None:
    absent = load(file)
    file.touch()

    assert load(file) == absent
    assert absent.mail.detail == "none"


@pytest.mark.parametrize(
    ("text", "key", "value", "allowed"),
    [
        ('[site]\ntime_zone = "Rome"', "site.time_zone", "'Rome'", "Europe/Rome"),
        ('[schedule]\ntime_zone = ""', "schedule.time_zone", "''", "IANA"),
        ('[sources.x]\nreader = "excel"', "sources.x.reader", "'excel'", "clinic_csv"),
        ('[sources.x]\ntime_zone = "CET+1"', "sources.x.time_zone", "'CET+1'", "IANA"),
        ('[mail]\nsender = "nobody"', "mail.sender", "'nobody'", "nurse@clinic.example"),
        ('[mail]\ncare_team = ["a@b, c@d"]', "mail.care_team", "a@b, c@d", "plain address"),
        ('[mail]\noperators = ["x@y\\nBcc: z@z"]', "mail.operators", "Bcc", "plain address"),
        ('[mail]\nsecurity = "none"', "mail.security", "'none'", "'starttls', 'tls' or 'relay'"),
        ('[mail]\ndetail = "some"', "mail.detail", "'some'", "'none' or 'full'"),
        ("[mail]\nport = 70000", "mail.port", "70000", "65535"),
        ("[publish]\nkeep = 0", "publish.keep", "0", "greater than or equal to 1"),
        ("[inbox]\nsettle_seconds = -1", "inbox.settle_seconds", "-1", "0"),
        ('[limits]\nunpack_ratio = "much"', "limits.unpack_ratio", "'much'", "integer"),
    ],
)
def test_a_mistake_is_told_with_its_key_its_value_and_what_is_allowed(
    file: Path, text: str, key: str, value: str, allowed: str
) -> None:
    said = refused(file, text)

    assert said.startswith(key)
    assert value in said
    assert allowed in said


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("[mial]", "mial", "mail"),
        ("[mail]\nhots = 'x'", "mail.hots", "host"),
        ("[site]\ntimezone = 'UTC'", "site.timezone", "time_zone"),
        ("[sources.x]\nraeder = 'fhir'", "sources.x.raeder", "reader"),
        ("[limits]\nmemori = '1GB'", "limits.memori", "memory"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(
    file: Path, text: str, key: str, meant: str
) -> None:
    said = refused(file, text)

    assert said.startswith(f"{key}: no such setting; did you mean {meant}?")
    assert "allowed:" in said


def test_every_mistake_is_told_not_only_the_first(file: Path) -> None:
    said = refused(file, '[site]\ntime_zone = "x"\n[mail]\nport = 0\nsender = "y"\n')

    assert len(said.splitlines()) == 3


def test_what_is_not_toml_says_where(file: Path) -> None:
    assert "line 2" in refused(file, "[site]\nname = \n")


@pytest.mark.parametrize("text", ["mail = 3", "mail = 'x'", "[[mail]]\nhost = 'x'", "site = []"])
def test_a_section_that_is_no_section_is_named(file: Path, text: str) -> None:
    assert refused(file, text).startswith(text.lstrip("[").split(" ")[0].split("]")[0])


def test_the_mapping_of_a_table_is_checked_with_its_place(file: Path) -> None:
    said = refused(file, '[sources.own]\nreader = "table"\n[sources.own.table]\nshape = "round"\n')

    assert said.startswith("sources.own.table.")


def test_a_password_in_the_file_is_refused_and_not_repeated(file: Path) -> None:
    for text in (
        f'[mail]\npassword = "{CANARY}"\n',
        f'[[mail]]\npassword = "{CANARY}"\n',
        f'[mail]\npasword = "{CANARY}"\n',
    ):
        said = refused(file, text)
        assert CANARY not in said
    assert "UNDERTOW_MAIL__PASSWORD" in refused(file, f'[mail]\npassword = "{CANARY}"\n')


def test_the_environment_stands_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[mail]\nhost = "a.example"\nport = 25\n[site]\nname = "File"\n')
    monkeypatch.setenv("UNDERTOW_MAIL__HOST", "b.example")
    monkeypatch.setenv("UNDERTOW_SITE__NAME", "Environment")
    monkeypatch.setenv("UNDERTOW_MAIL__CARE_TEAM", '["one@x.example", "two@x.example"]')

    settings = load(file)

    assert (settings.mail.host, settings.mail.port) == ("b.example", 25)
    assert settings.site.name == "Environment"
    assert settings.mail.care_team == ("one@x.example", "two@x.example")


def test_a_mistake_in_the_environment_is_told_like_one_in_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTOW_MAIL__PORT", "many")
    assert refused(file, "").startswith("mail.port: 'many'")

    monkeypatch.setenv("UNDERTOW_MAIL__PORT", "25")
    assert load(file).mail.port == 25


def test_an_environment_value_that_is_no_json_is_a_settings_mistake(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTOW_MAIL__CARE_TEAM", "nurse@clinic.example")

    assert "mail" in refused(file, "")


def test_a_secret_shows_in_no_text_of_the_settings(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTOW_MAIL__PASSWORD", CANARY)

    settings = load(file)

    for shown in (repr(settings), str(settings), repr(settings.mail), settings.model_dump_json()):
        assert CANARY not in shown
    assert settings.mail_password() == CANARY


def test_a_password_file_that_others_may_read_is_refused(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(CANARY + "\n")
    secret.chmod(0o640)
    text = f'[mail]\npassword_file = "{secret}"\n'

    said = refused(file, text)
    assert "chmod 600" in said
    assert CANARY not in said

    secret.chmod(0o600)
    assert load(file).mail_password() == CANARY


def test_a_password_file_that_is_missing_is_told_before_the_night(
    file: Path, tmp_path: Path
) -> None:
    said = refused(file, f'[mail]\npassword_file = "{tmp_path / "none"}"\n')

    assert said.startswith("mail.password_file")


def key_text(path: Path) -> str:
    return f'[privacy]\npseudonym_key_file = "{path}"\n'


def test_a_key_of_pseudonyms_is_taken_and_shown_nowhere(file: Path, tmp_path: Path) -> None:
    key = bytes(range(200, 240))
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "key").chmod(0o600)
    file.write_text(key_text(tmp_path / "key"))
    settings = load(file)

    assert settings.pseudonym_key(file.parent) == key
    assert "\\xc8" not in repr(settings)
    file.write_text("")
    assert load(file).pseudonym_key(file.parent) is None


@pytest.mark.parametrize(
    ("place", "content", "mode", "said"),
    [
        ("key", bytes(range(40)), 0o640, "chmod 600"),
        ("key", bytes(range(31)), 0o600, "32 random bytes"),
        ("key", b"a" * 40, 0o600, "32 random bytes"),
        ("none", b"", 0o600, "FileNotFoundError"),
        ("home/warehouse/key", bytes(range(40)), 0o600, "which analysts read"),
    ],
)
def test_a_key_that_is_none_is_refused_before_the_night(
    tmp_path: Path, place: str, content: bytes, mode: int, said: str
) -> None:
    (tmp_path / "home" / "warehouse").mkdir(parents=True)
    if content:
        (tmp_path / place).write_bytes(content)
        (tmp_path / place).chmod(mode)

    told = refused(tmp_path / "home" / "undertow.toml", key_text(tmp_path / place))

    assert told.startswith("privacy.pseudonym_key_file: ")
    assert said in told
    assert "aaaa" not in told


def test_wrong_settings_end_a_command_with_code_two(file: Path) -> None:
    file.write_text('[site]\ntime_zone = "Rome"\n')

    said = undertow("run", "--home", str(file.parent))

    assert (said.code, said.out) == (2, "")
    assert "site.time_zone: 'Rome'" in said.err
    assert not (file.parent / "ledger.sqlite").exists()


def test_a_folder_named_like_a_reader_needs_no_settings_and_another_does(file: Path) -> None:
    settings = load(file)

    assert settings.source("clinic_csv") is not None
    assert settings.source("city_lab") is None

    file.write_text('[sources.city_lab]\nreader = "clinic_csv"\n')
    found = load(file).source("city_lab")
    assert found is not None
    assert found.reader == "clinic_csv"


@pytest.mark.parametrize(
    ("host", "security", "is_allowed"),
    [
        ("smtp.clinic.example", "relay", False),
        ("", "relay", False),
        ("localhost", "relay", True),
        ("::1", "relay", True),
        ("smtp.clinic.example", "starttls", True),
        ("smtp.clinic.example", "tls", True),
    ],
)
def test_full_detail_never_leaves_this_machine_without_tls(
    file: Path, host: str, security: str, is_allowed: bool
) -> None:
    text = f'[mail]\nhost = "{host}"\nsecurity = "{security}"\ndetail = "full"\n'
    if is_allowed:
        file.write_text(text)
        assert load(file).mail.detail == "full"
    else:
        said = refused(file, text)
        assert said.startswith("mail.detail: 'full' is not allowed; expected 'none', or TLS")

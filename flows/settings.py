"""Settings: ``undertow.toml`` and the environment, checked as one; mistakes are named.

Secrets come only by environment (``UNDERTOW_MAIL__PASSWORD``) or from a file that nobody else can
read (``mail.password_file``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnparsedError

from transforms.readers import reader_names

if TYPE_CHECKING:
    from transforms.landing import Source


LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts that are this very machine."""
LEAST_KEY_BYTES, LEAST_KEY_SIGNS = 32, 8
"""Bytes of a key, and how many different ones: 32 random bytes have fewer once in 10^36."""


class SettingsError(Exception):
    """One or more settings are wrong; every one is named, with what is allowed."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Site(_Part):
    """The clinic: its name for pages and mails, and the zone of its calendar."""

    name: str = "the clinic"
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        return _zone(value)


class Inbox(_Part):
    """How long a file must lie still before it is taken."""

    settle_seconds: float = Field(default=1.0, ge=0)


class SourceSettings(_Part):
    """One source: its reader and what its files leave unsaid."""

    reader: str = ""
    time_zone: str = ""
    patients: dict[str, str] = {}
    codes: dict[str, str] = {}
    options: dict[str, Any] = {}
    table: dict[str, Any] = {}

    @field_validator("reader")
    @classmethod
    def _is_reader(cls, value: str) -> str:
        if value and value not in reader_names():
            raise ValueError(f"one of {', '.join(reader_names())}")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        return _zone(value) if value else value


class Route(_Part):
    """Who gets what: addresses of one role, for some panels of patients or (empty) for all."""

    to: tuple[str, ...]
    role: str = "care_team"
    panels: tuple[str, ...] = ()

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _addresses(value)


class Mail(_Part):
    """Where mails go. Without a host they are written to ``mail/`` as .eml files."""

    host: str = ""
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "relay"] = "starttls"
    username: str = ""
    password: SecretStr = SecretStr("")
    password_file: Path | None = None
    ca_file: Path | None = None
    sender: str = "undertow@localhost"
    care_team: tuple[str, ...] = ("care-team@localhost",)
    operators: tuple[str, ...] = ("operator@localhost",)
    routes: tuple[Route, ...] = ()
    detail: Literal["none", "full"] = "none"

    @field_validator("sender")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return _addresses((value,))[0]

    @field_validator("care_team", "operators")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _addresses(value)

    @field_validator("detail")
    @classmethod
    def _is_sealed(cls, value: str, info: ValidationInfo) -> str:
        is_open = info.data.get("security") == "relay" and info.data.get("host") not in LOOPBACK
        if value == "full" and is_open:
            raise ValueError("'none', or TLS (mail.security 'starttls' or 'tls') to that host")
        return value


class Alerts(_Part):
    """How many alerts a recipient gets a week, when nobody answers, and when something waits too
    long. ``panels_file`` is a CSV (``patient_id``, ``panel``) below the home."""

    budget_per_week: int = Field(default=25, ge=1)
    burst_factor: float = Field(default=5.0, gt=1)
    burst_floor: int = Field(default=20, ge=1)
    escalate_after_days: tuple[int, ...] = (7, 14)
    escalate_to: tuple[str, ...] = ("lead", "director")
    snooze_most_days: int = Field(default=90, ge=1)
    quarantine_most_days: int = Field(default=14, ge=1)
    held_most_days: int = Field(default=7, ge=1)
    panels_file: Path | None = None


class Worklist(_Part):
    """The work-list page: where it listens, how mails link to it, how long links and sessions
    last, and who may sign in (``users_file``, mode 600)."""

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    url: str = ""
    link_days: int = Field(default=14, ge=1)
    session_hours: float = Field(default=8.0, gt=0)
    users_file: Path | None = None


class Watch(_Part):
    """The dead man's switch: hours without a heartbeat before ``undertow watch`` mails."""

    most_hours: float = Field(default=26.0, gt=0)


class Privacy(_Part):
    """A key outside the warehouse: where it is set, the analyst file knows people by HMAC only."""

    pseudonym_key_file: Path | None = None


class Schedule(_Part):
    """When ``undertow serve`` runs the night; UTC by default, since local clocks jump."""

    cron: str = "0 5 * * *"
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        return _zone(value)


class Limits(_Part):
    """What one file may unpack to, and what the engine may use."""

    unpacked_bytes: int = Field(default=20_000_000_000, ge=1)
    unpack_ratio: int = Field(default=300, ge=1)
    memory: str = ""
    threads: int = Field(default=0, ge=0)


class Model(_Part):
    """The trend model: nights between refits (0: never), and whether a list that does not agree
    with chance is held back."""

    refit_days: int = Field(default=7, ge=0)
    hold: bool = True


class Publish(_Part):
    """How many published versions are kept."""

    keep: int = Field(default=14, ge=1)


class Settings(BaseSettings):
    """All settings; each has a default, so an empty ``undertow.toml`` is a working one."""

    model_config = SettingsConfigDict(
        extra="forbid", env_prefix="UNDERTOW_", env_nested_delimiter="__"
    )

    site: Site = Site()
    inbox: Inbox = Inbox()
    sources: dict[str, SourceSettings] = {}
    mail: Mail = Mail()
    schedule: Schedule = Schedule()
    limits: Limits = Limits()
    model: Model = Model()
    publish: Publish = Publish()
    alerts: Alerts = Alerts()
    worklist: Worklist = Worklist()
    watch: Watch = Watch()
    privacy: Privacy = Privacy()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file, nothing else."""
        return (env_settings, init_settings)

    def source(self, name: str) -> Source | None:
        """The source of inbox folder ``name``; None when no reader is set and none has its name."""
        from transforms.landing import Source

        given = self.sources.get(name, SourceSettings())
        reader = given.reader or (name if name in reader_names() else "")
        if not reader:
            return None
        return Source(
            name=name,
            reader=reader,
            time_zone=given.time_zone or self.site.time_zone,
            options=given.table or given.options,
            patients=given.patients,
            codes=given.codes,
        )

    def pseudonym_key(self, home: Path) -> bytes | None:
        """The key of the pseudonyms, None where none is set; ``home`` is where it must not lie.

        Raises:
            SettingsError: the file cannot be used, and why.
        """
        file = self.privacy.pseudonym_key_file
        if file is None:
            return None
        name = "privacy.pseudonym_key_file"
        if (home / "warehouse").resolve() in file.expanduser().resolve().parents:
            raise SettingsError(f"{name}: lies in warehouse/, which analysts read; move it")
        try:
            if file.expanduser().stat().st_mode & 0o077:
                raise SettingsError(f"{name}: others may read it; chmod 600 it")
            key = file.expanduser().read_bytes()
        except OSError as error:
            raise SettingsError(f"{name}: {type(error).__name__}") from None
        if len(key) < LEAST_KEY_BYTES or len(set(key)) < LEAST_KEY_SIGNS:
            raise SettingsError(
                f"{name}: not a key; make one of {LEAST_KEY_BYTES} random bytes or more, such as "
                "`head -c 32 /dev/urandom`"
            )
        return key

    def mail_password(self) -> str:
        """The password, from the environment or the private file."""
        if self.mail.password_file is None:
            return self.mail.password.get_secret_value()
        try:
            if self.mail.password_file.stat().st_mode & 0o077:
                raise SettingsError("mail.password_file: others may read it; chmod 600 it")
            return self.mail.password_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"mail.password_file: {type(error).__name__}") from None


def load(file: Path) -> Settings:
    """The settings of one home.

    Raises:
        SettingsError: naming every wrong key, its value and what is allowed.
    """
    settings = parsed(file)
    settings.pseudonym_key(file.parent)
    _check_tables(settings)
    return settings


def parsed(file: Path) -> Settings:
    """The settings without a look at the mappings of tables, for which readers must be loaded.

    Raises:
        SettingsError: naming every wrong key, its value and what is allowed.
    """
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file.name}: {error}") from error
    mail = given.get("mail")
    if isinstance(mail, dict) and "password" in mail:
        raise SettingsError(
            "mail.password: not in the file; use UNDERTOW_MAIL__PASSWORD or mail.password_file"
        )
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(_said(item) for item in error.errors())) from None
    except UnparsedError as error:
        raise SettingsError(f"environment: {error}; lists are written as JSON") from None
    settings.mail_password()  # one that cannot be used is told now, not when mails are due
    return settings


def salvaged(file: Path) -> Settings:
    """What can be used of settings that are wrong: every section that is right by itself. For
    those who must speak even then."""
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        given = {}
    right = {name: part for name, part in given.items() if _is_right({name: part})}
    return Settings(**right) if _is_right(right) else Settings.model_construct()


def _is_right(given: dict[str, Any]) -> bool:
    try:
        Settings(**given)
    except (ValidationError, UnparsedError, TypeError):
        return False
    return True


def _check_tables(settings: Settings) -> None:
    for name, source in settings.sources.items():
        if source.reader in ("table", "xpt"):
            reader = import_module(f"transforms.readers.{source.reader}")
            try:
                reader.mapping(source.table)
            except ValueError as error:
                key = f"sources.{name}.table."
                raise SettingsError(key + str(error).replace("\n", f"\n{key}")) from None


def _addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    for address in value:
        if "@" not in address or any(c.isspace() or c in ",;<>" for c in address):
            raise ValueError("a plain address such as nurse@clinic.example")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("an IANA time zone such as Europe/Rome or UTC") from None
    return value


def _said(error: Mapping[str, Any]) -> str:
    """One pydantic error as: key, what is wrong with the value, what is allowed."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = get_close_matches(str(error["loc"][-1]), _keys(error["loc"][:-1]), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{key}: no such setting{hint} (allowed: {', '.join(_keys(error['loc'][:-1]))})"
    shown = "***" if "password" in key else _shown(error["input"])
    allowed = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{key}: {shown} is not allowed; expected {allowed}"


def _shown(value: Any) -> str:  # noqa: ANN401 whatever stands in the file
    """A wrong value, unless it is a whole table, in which a secret could stand."""
    parts = value if isinstance(value, list | tuple) else (value,)
    return "a table" if any(isinstance(part, dict) for part in parts) else repr(value)


def _keys(place: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in place:
        field = model.model_fields.get(str(part))
        kind = field.annotation if field else SourceSettings
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else SourceSettings
    return list(model.model_fields)


def template() -> str:
    """The commented settings file of a new home."""
    text = (resources.files("flows") / "templates" / "undertow.toml").read_text(encoding="utf-8")
    return text.format(readers=" ".join(name for name in reader_names() if name != "table"))

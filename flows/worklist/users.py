"""Who may sign in to the work-list page: a private TOML file with scrypt hashes of passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import stat
import tomllib
import unicodedata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.settings import SettingsError

COST = (1 << 15, 8, 3)
"""scrypt's n, r and p of new passwords: 32 MB and about 0.2 s for each try."""
FEWEST_LETTERS = 12
"""Of a password."""
SALT_BYTES = 16
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_KEPT = re.compile(r"scrypt\$n=(\d{1,8}),r=(\d{1,3}),p=(\d{1,3})\$([\w+/=]+)\$([\w+/=]+)")
_HEAD = "# Who may sign in: `undertow worklist add-user`. Take a block out to bar somebody.\n"


class User(BaseModel):
    """One who may sign in.

    ``role`` as in ``mail.routes``; ``panels`` of patients, empty for all; ``mail``: the address
    that Undertow writes to, if any, by which the page knows what they were told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: str
    role: str
    panels: tuple[str, ...]
    mail: str = ""


def hashed(password: str, salt: bytes, cost: tuple[int, int, int] = COST) -> str:
    """The password's scrypt hash with what it was made by.

    >>> is_right("correct horse", hashed("correct horse", b"salt", (2, 8, 1)))
    True
    >>> is_right("correct house", hashed("correct horse", b"salt", (2, 8, 1)))
    False
    """
    n, r, p = cost
    kept = (base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt, cost)))
    return "$".join([f"scrypt$n={n},r={r},p={p}", *kept])


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    text = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=256 * r * (n + p), dklen=32)


def is_right(password: str, kept: str) -> bool:
    """Whether a password is the one that was hashed; how long it takes says nothing."""
    found = _KEPT.fullmatch(kept)
    if found is None:
        return False
    n, r, p = (int(part) for part in found.groups()[:3])
    salt, seal = (base64.b64decode(part) for part in found.groups()[3:])
    return hmac.compare_digest(_scrypt(password, salt, (n, r, p)), seal)


def read(path: Path) -> dict[str, User]:
    """Everyone of the file, by name.

    Raises:
        SettingsError: it cannot be read, others may read it, or a user is not whole; no value is
            repeated.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise SettingsError("worklist.users_file: others may read it; chmod 600 it")
            given = tomllib.load(stream)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SettingsError("worklist.users_file: not TOML; see docs/worklist.md") from None
    except OSError as error:
        raise SettingsError(
            f"worklist.users_file: {type(error).__name__}; make it with "
            "`undertow worklist add-user NAME`"
        ) from None
    return {name: _user(name, entry) for name, entry in given.items()}


def _user(name: str, entry: object) -> User:
    if not NAME.fullmatch(name):
        raise SettingsError("worklist.users_file: a name is letters, digits and . _ @ -")
    try:
        user = User.model_validate(entry)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, item["loc"])) or "table" for item in error.errors())
        raise SettingsError(f"worklist.users_file: {name}: {wrong} is wrong or missing") from None
    if not _KEPT.fullmatch(user.password):
        raise SettingsError(
            f"worklist.users_file: {name}: password is no hash; `undertow worklist add-user {name}`"
        )
    return user


def add(path: Path, name: str, user: User) -> bool:
    """Write one more user, or one anew, into the file: whole or not at all, readable by us only.

    Returns:
        Whether the name is new.

    Raises:
        SettingsError: the name, or the file as it is.
    """
    known = read(path) if path.exists() else {}
    _user(name, user.model_dump())
    blocks = [_block(who, one) for who, one in sorted({**known, name: user}.items())]
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write("\n".join([_HEAD, *blocks]))
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    return name not in known


def _block(name: str, user: User) -> str:
    """One user as TOML, whose strings are written as JSON's."""
    rows = (f"{key} = {_text(value)}" for key, value in user.model_dump().items())
    return "\n".join([f"[{_text(name)}]", *rows, ""])


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

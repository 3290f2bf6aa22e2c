"""One TOML table of settings under check: hands out its values and notes what is wrong with them.

Every mistake is collected before any is told, each as: key, value, what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from difflib import get_close_matches


class Given:
    """One TOML table under check: hands out its values and notes what is wrong with them."""

    def __init__(
        self,
        items: Mapping[str, object],
        path: str,
        wrong: list[str],
        allowed: Collection[str] | None = None,
    ) -> None:
        """Note every key of ``items`` that is not ``allowed``; ``wrong`` collects the mistakes."""
        self.items, self.path, self.wrong = items, path, wrong
        known = items if allowed is None else allowed
        self.wrong += [_unknown(f"{path}{key}", key, known) for key in items if key not in known]

    def refuse(self, key: str, expected: str) -> None:
        """Note that ``key`` is missing or has a wrong value."""
        shown = f"{self.items[key]!r} is not allowed" if key in self.items else "missing"
        self.wrong.append(f"{self.path}{key}: {shown}; expected {expected}")

    def text(
        self,
        key: str,
        default: str = "",
        is_right: Callable[[str], bool] = bool,
        expected: str = "a text",
    ) -> str:
        """The text of ``key``, a date as ISO text; refused unless ``is_right``."""
        value = self.items.get(key, default)
        if isinstance(value, date):
            value = value.isoformat()
        if key in self.items and not (isinstance(value, str) and is_right(value)):
            self.refuse(key, expected)
        return value.strip() if isinstance(value, str) and value != "\t" else str(value)

    def texts(
        self,
        key: str,
        default: tuple[str, ...] = (),
        is_right: Callable[[str], bool] = lambda _: True,
        expected: str = "a text or a list of texts",
    ) -> tuple[str, ...]:
        """The texts of ``key``, of which one may stand alone; refused unless all are right."""
        value = self.items.get(key, default)
        listed = [value] if isinstance(value, str) else value
        if isinstance(listed, list | tuple):
            found = tuple(word for word in listed if isinstance(word, str) and is_right(word))
            if len(found) == len(listed) and (found or key not in self.items):
                return found
        self.refuse(key, expected)
        return default

    def flag(self, key: str) -> bool:
        """Whether ``key`` is true; false where it is missing."""
        value = self.items.get(key, False)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value is True

    def required(self, key: str, expected: str = "a text") -> str:
        """The text of a key that must be there."""
        if key not in self.items:
            self.refuse(key, expected)
        return self.text(key, expected=expected)

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """The text of ``key``, one of ``allowed``."""
        return self.text(key, default, allowed.__contains__, " or ".join(map(repr, allowed)))

    def table(self, key: str, allowed: Collection[str] | None = None) -> Given:
        """The table below ``key``, empty where there is none."""
        value = self.items.get(key, {})
        if isinstance(value, Mapping):
            return Given(value, f"{self.path}{_quoted(key)}.", self.wrong, allowed)
        self.refuse(key, "a table")
        return Given({}, "", [])  # one mistake is told once


def _unknown(path: str, key: str, allowed: Collection[str]) -> str:
    near = get_close_matches(key, allowed, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{path}: no such setting{hint} (allowed: {', '.join(allowed)})"


def _quoted(key: str) -> str:
    """The key as TOML writes it, so that a message can be found in the file."""
    is_bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if is_bare else f'"{key}"'

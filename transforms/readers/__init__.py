"""One file per format; a reader is found by being here.

A reader module has ``read(opened) -> Reading`` and a docstring whose first line says what it
reads. Its file's name is the reader's name in settings, and the name of the inbox folder that
needs no settings at all.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # settings ask for names only, and must load at once
    from transforms.landing import Opened, Reading

Read = Callable[["Opened"], "Reading"]


def reader_names() -> tuple[str, ...]:
    """The names of all readers, sorted.

    >>> "clinic_csv" in reader_names()
    True
    """
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def reader(name: str) -> Read:
    """The ``read`` function of reader ``name``.

    Raises:
        KeyError: no reader has that name.
    """
    if name not in reader_names():
        raise KeyError(name)
    return cast("Read", importlib.import_module(f"{__name__}.{name}").read)

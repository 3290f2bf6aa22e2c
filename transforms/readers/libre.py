"""libre: the CSV export of Abbott LibreView, and of the older FreeStyle Libre desktop software.

Up to a few lines of preamble (whose report, made when), then one row per record: type 0 is the
sensor's own reading every 5 or 15 minutes, type 1 a scan, and both may stand at one minute; strips,
insulin, food and notes are set aside with their type. Values beyond the sensor's range come as its
limit, unmarked, and are left so.

Dates are written as the account is set, and no file says how: one order is decided per file, by
all of its dates. Header names are those seen in public analysis code: English (also as real
files), German, French, Spanish, Portuguese, Dutch; Italian without its record type's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from transforms.formats.delimited import delimited
from transforms.formats.owners import known_owner
from transforms.formats.text import Text, text
from transforms.landing import ISO, Opened, Reading, UnreadableError, shaped
from transforms.readers.dexcom import (
    Header,
    Roles,
    decimal_comma,
    found_header,
    stated_unit,
    with_roles,
)

TIME = (
    *("device timestamp", "meter timestamp", "time", "gerätezeitstempel"),
    *("horodatage de l'appareil", "sello de tiempo del dispositivo", "hora"),
    *("carimbo de data/hora do dispositivo", "tijdstempel apparaat", "timestamp del dispositivo"),
)
RECORD_TYPE = (
    *("record type", "aufzeichnungstyp", "type d'enregistrement", "tipo de registro"),
    "gegevenstype",
)
HISTORIC = (
    *("historic glucose", "glukosewert-verlauf", "historique de la glycémie"),
    *("historial de glucosa", "histórico glucosa", "histórico de glicose"),
    *("historische glucose", "storico del glucosio"),
)
SCAN = (
    *("scan glucose", "glukose-scan", "numérisation de la glycémie", "scan de glycémie"),
    *("escaneo de glucosa", "glucosa leída", "analisar glicose"),
)
DEVICE = ("device", "meter", "gerät", "appareil", "dispositivo", "apparaat")
SERIAL = ("serial number", "seriennummer", "numéro de série", "número de serial", "serienummer")

HISTORIC_TYPE, SCAN_TYPE = "0", "1"
METHODS = {HISTORIC_TYPE: "historic", SCAN_TYPE: "scan"}
NEAR_MINUTES = 6 * 60
"""Two neighbouring records this near, on two dates, say how the dates are to be read: with day
and month exchanged they would lie a month apart."""
CONTRADICTION = 20
"""One damaged date in so many is tolerated; more, and the file has no one order."""
_DATE = (
    r"(?i)^(?P<first>[0-9]{1,4})(?P<mark>[-/.])(?P<second>[0-9]{1,2})[-/.](?P<third>[0-9]{2,4})"
    r" +(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?P<seconds>:[0-9]{2})?"
    r"(?:\s?(?P<half>[ap])m)?$"
)
_PREAMBLE_DATE = r"\b(\d{1,2})[-/.](\d{1,2})[-/.]\d{2,4}\b"
_ORDERS = ("dmy", "mdy")


def read(opened: Opened) -> Reading:
    """Read one Libre export; glucose in the header's unit, times local and without offset.

    Raises:
        UnreadableError: not such an export, nobody knows whose it is, or its dates could be read
            day first as well as month first.
    """
    clean = text(opened, str(opened.source.options.get("encoding", "utf-8")))
    header = _header(clean)
    table = delimited(clean, header.separator, header.line, names=header.names)
    rows = _judged(table.rows)
    seen = dates_seen(rows)
    formats = time_formats(seen, date_order(opened, seen, clean, header.line))
    patient_id = known_owner(opened, rows, (pl.col("serial"),))
    return Reading(
        tables={"sample": _samples(rows, _unit(header), patient_id)},
        rejects=pl.concat([table.rejects, _set_aside(rows)]),
        rows_in=table.rows_in,
        time_formats=formats,
        decimal="," if seen["comma"] else ".",
        lines=clean.path,
    )


def _header(clean: Text) -> Header:
    header = found_header(clean, _roles)
    if header is None:
        raise UnreadableError("format_unknown", "no header of a Libre export in the first lines")
    return header


def _roles(cells: Sequence[str]) -> Roles | None:
    """A time and, right after it, record type and historic glucose: the order of every export."""
    names = [cell.replace("’", "'") for cell in cells]
    time = next((i for i, name in enumerate(names) if name in TIME), None)
    if time is None or len(names) < time + 3 or not _is_record(names[time:]):
        return None
    roles = {"time": time, "type": time + 1, "historic": time + 2}
    if len(names) > time + 3 and names[time + 3].startswith(SCAN):
        roles["scan"] = time + 3
    for role, known in (("device", DEVICE), ("serial", SERIAL)):
        if known_at := [i for i, name in enumerate(names[:time]) if name in known]:
            roles[role] = known_at[0]
    return roles


def _is_record(names: Sequence[str]) -> bool:
    is_typed = names[1] in RECORD_TYPE or names[0] == "timestamp del dispositivo"
    return is_typed and names[2].startswith(HISTORIC) and stated_unit(names[2]) is not None


def _unit(header: Header) -> str:
    units = {header.unit(role) for role in ("historic", "scan") if role in header.roles}
    if len(units) > 1:
        raise UnreadableError("format_unknown", f"line {header.line}: two units of glucose")
    return units.pop()


def _judged(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Stripped columns, the glucose of each row and its verdict (see :func:`_verdict`)."""
    roles = ("time", "type", "historic", "scan", "device", "serial")
    return with_roles(rows, roles).with_columns(glucose=_glucose()).with_columns(verdict=_verdict())


def _glucose() -> pl.Expr:
    """The column of the row's type, else the other: a clinic's report had scans as historic."""
    return (
        pl.when(pl.col("type") == SCAN_TYPE)
        .then(pl.coalesce("scan", "historic"))
        .otherwise(pl.coalesce("historic", "scan"))
    )


def _verdict() -> pl.Expr:
    """Null for a sensor reading with a value, else the reason it is set aside."""
    record = pl.col("type")
    is_reading = record.is_in([HISTORIC_TYPE, SCAN_TYPE]) & pl.col("glucose").is_not_null()
    shown = pl.when(record.str.contains(r"^\d{1,2}$")).then(record).otherwise(pl.lit("other"))
    return pl.when(~is_reading.fill_null(value=False)).then(
        pl.concat_str(pl.lit("record_not_used:"), shown)
    )


def _set_aside(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col("verdict").is_not_null()).select(
        "line", reason="verdict", source_row="text"
    )


def _samples(rows: pl.LazyFrame, unit: str, patient_id: str) -> pl.LazyFrame:
    return shaped(
        "sample",
        rows.filter(pl.col("verdict").is_null()).select(
            "line",
            patient_id=pl.lit(patient_id),
            kind=pl.lit("sensor_glucose"),
            device=pl.concat_str("device", "serial", separator=" ", ignore_nulls=True),
            method=pl.col("type").replace_strict(METHODS),
            source_value="glucose",
            source_unit=pl.lit(unit),
            source_observed_at="time",
        ),
    )


def dates_seen(rows: pl.LazyFrame) -> dict[str, int]:
    """What all rows together say of dates and decimals, in one pass: counts by name.

    ``dmy`` and ``mdy`` count what speaks for each order: a number above 12, which is no month,
    and a step of a few hours over midnight.

    Args:
        rows: text columns ``time`` and ``glucose``, in the file's order.
    """
    parts = rows.select("glucose", parts=pl.col("time").str.extract_groups(_DATE)).unnest("parts")
    numbers = parts.with_columns(
        pl.col("first", "third").str.len_chars().name.suffix("_digits"),
        pl.col("first", "second", "third", "hour", "minute").cast(pl.Int64),
    )
    first, second, mark = pl.col("first"), pl.col("second"), pl.col("mark")
    is_short = pl.col("first_digits") <= 2
    counted = numbers.select(
        comma=decimal_comma(pl.col("glucose")).cast(pl.Int64),
        dates=first.count(),
        year_first=(pl.col("first_digits") == 4).sum(),
        long_year=(pl.col("third_digits") == 4).sum(),
        dmy=(is_short & (first > 12)).sum() + _is_near(first, second).sum(),
        mdy=(is_short & (second > 12)).sum() + _is_near(second, first).sum(),
        half=pl.col("half").count(),
        seconds=pl.col("seconds").count(),
        **{mark_: (mark == mark_).sum() for mark_ in "-/."},
    )
    return counted.collect(engine="streaming").row(0, named=True)


def _is_near(day: pl.Expr, month: pl.Expr) -> pl.Expr:
    """Whether a record follows the one before over midnight, read with this day and month.

    Months are taken as 31 days: enough to tell hours from a month.
    """
    afternoon = (pl.col("half").str.to_lowercase() == "p").cast(pl.Int64) * 12
    hour = pl.coalesce(pl.col("hour") % 12 + afternoon, pl.col("hour"))
    days = (pl.col("third") * 12 + month) * 31 + day
    minutes = (days * 24 + hour) * 60 + pl.col("minute")
    is_new_date = (day.diff() != 0) | (month.diff() != 0)
    return is_new_date & (minutes.diff().abs() <= NEAR_MINUTES)


def date_order(opened: Opened, seen: Mapping[str, int], clean: Text, header_line: int) -> str:
    """``ymd``, ``dmy`` or ``mdy``: by the rows, else as set, else by the preamble's dates.

    Args:
        opened: the file; its source's option ``date_order`` is asked where the rows do not tell.
        seen: of :func:`dates_seen`.
        clean: the file's text.
        header_line: what stands above it is the preamble.

    Raises:
        UnreadableError: nothing tells the order, or the dates contradict each other.
    """
    if 2 * seen["year_first"] >= seen["dates"]:
        return "ymd"
    fewer, more = sorted((seen["dmy"], seen["mdy"]))
    if more > CONTRADICTION * fewer:
        return "dmy" if seen["dmy"] == more else "mdy"
    wished = opened.source.options.get("date_order")
    if wished in _ORDERS:
        return str(wished)
    told = None if more else _preamble_order(clean, header_line)
    if told is None:
        why = "its dates contradict each other" if more else "every date can be read both ways"
        raise UnreadableError("date_order_unknown", why)
    return told


def _preamble_order(clean: Text, header_line: int) -> str | None:
    """The order of the dates above the header: LibreView writes all of a file's dates alike."""
    preamble = clean.lines().filter(pl.col("line") < header_line).collect()["text"]
    dates = re.findall(_PREAMBLE_DATE, "\n".join(preamble))
    is_dmy = any(int(first) > 12 for first, _ in dates)
    is_mdy = any(int(second) > 12 for _, second in dates)
    return {(True, False): "dmy", (False, True): "mdy"}.get((is_dmy, is_mdy))


def time_formats(seen: Mapping[str, int], order: str) -> tuple[str, ...]:
    """The chrono formats of a file's times: one order of dates, at most two clocks.

    Args:
        seen: of :func:`dates_seen`.
        order: of :func:`date_order`.
    """
    mark = max("-/.", key=lambda mark: seen[mark])
    is_half_day = 2 * seen["half"] > seen["dates"]
    if order == "ymd" and mark == "-" and not is_half_day:
        return ISO
    year = "%Y" if order == "ymd" or 2 * seen["long_year"] >= seen["dates"] else "%y"
    parts = {"ymd": (year, "%m", "%d"), "dmy": ("%d", "%m", year), "mdy": ("%m", "%d", year)}
    return tuple(
        f"{mark.join(parts[order])} {clock}" for clock in _clocks(seen, is_half_day=is_half_day)
    )


def _clocks(seen: Mapping[str, int], *, is_half_day: bool) -> list[str]:
    hours, suffix = ("%I:%M", " %p") if is_half_day else ("%H:%M", "")
    seconds = {"": seen["seconds"] < seen["dates"], ":%S": seen["seconds"] > 0}
    return [f"{hours}{second}{suffix}" for second, is_seen in seconds.items() if is_seen]

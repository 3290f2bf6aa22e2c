"""A trend model frozen between refits: what it knows, from which night on, and where from.

A patient is judged by the model in force when the newest of the draws became known. A refit
therefore changes nothing about draws that were judged before: it gives no new chance to be marked,
and a night stays a function of its files, its date, its version and the models of its ledger.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import expm1

import polars as pl
from pydantic import TypeAdapter

from transforms.catalog.prior import SHIPPED_NOISE, SHIPPED_PRIOR, Noise, Prior
from transforms.fitting import fit
from transforms.platforms import Platform, platforms
from transforms.platforms import bridged as on_bridges
from transforms.trends import histories

FEWEST_PEOPLE = 2_000
"""People with a trend to speak of (:data:`FEWEST_PAIRS`) from which a clinic has a prior of its
own; below, shares of a few percent rest on a handful of people (judgement)."""
FEWEST_PAIRS = 3
MOST_PEOPLE = 10_000
"""People a refit looks at: more sharpen the shares little and cost minutes."""


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """Noise, prior and platform effects; ``in_force_from``: the first night they hold."""

    version: str
    in_force_from: date
    noise: Noise
    prior: Prior
    platforms: tuple[Platform, ...] = ()


SHIPPED = FrozenModel(SHIPPED_PRIOR.version, date.min, SHIPPED_NOISE, SHIPPED_PRIOR)
"""In force until a clinic's own model is."""

_JSON = TypeAdapter(FrozenModel)


def encoded(model: FrozenModel) -> str:
    """The model as JSON, to the last bit of its numbers.

    >>> decoded(encoded(SHIPPED)) == SHIPPED
    True
    """
    return _JSON.dump_json(model).decode()


def decoded(text: str) -> FrozenModel:
    """The model that :func:`encoded` wrote.

    Raises:
        pydantic.ValidationError: not such a text.
    """
    return _JSON.validate_json(text)


def mark(model: FrozenModel) -> str:
    """SHA-256 of the model's content."""
    return hashlib.sha256(encoded(model).encode()).hexdigest()


def refitted(draws: pl.DataFrame, sample: pl.DataFrame, night: date) -> FrozenModel:
    """Platform effects of all draws; noise and prior fitted to the people of ``sample``.

    Args:
        draws: usable pairs of everyone: ``patient_id``, ``drawn_on``, ``insulin_uiu_ml``,
            ``glucose_mg_dl``, ``lab``, ``assay``.
        sample: ``patient_id`` of the people to fit to.
        night: from when the model is in force.

    Raises:
        ValueError: a value that is not above zero, or no people.
    """
    effects = platforms(draws)
    version = f"fitted-{night}"
    model = FrozenModel(version, night, SHIPPED_NOISE, SHIPPED_PRIOR, effects)
    some = draws.lazy().join(sample.lazy(), on="patient_id", how="semi")
    one_platform = bridged(some.with_columns(model_version=pl.lit(version)), [model])
    main = pl.col("platform") == pl.col("platform").mode().sort().first().over("patient_id")
    noise, prior = fit(histories(levelled(one_platform.filter(main))), SHIPPED_NOISE, SHIPPED_PRIOR)
    provenance = (
        f"fitted without labels on the night of {night} to this clinic's own draws, 25 passes of "
        f"transforms.fitting.fit held back by {SHIPPED_PRIOR.version}"
    )
    own = replace(
        prior, version=version, provenance=provenance, fitted_on=f"{night}", reviewed=night
    )
    return replace(model, noise=noise, prior=own)


def models_frame(models: Sequence[FrozenModel]) -> pl.LazyFrame:
    """A row per model: what names it, and all of it as JSON (``content``)."""
    rows = [
        (m.version, m.in_force_from, m.prior.people, m.prior.provenance, encoded(m)) for m in models
    ]
    names = ("model_version", "in_force_from", "people", "provenance", "content")
    kinds = (pl.String, pl.Date, pl.Int64, pl.String, pl.String)
    return pl.LazyFrame(rows, dict(zip(names, kinds, strict=True)), orient="row")


def platforms_frame(models: Sequence[FrozenModel]) -> pl.LazyFrame:
    """A row per model and platform, effects in percent."""
    rows = [
        (m.version, p.lab, p.assay, p.from_on, p.bridge, 100 * expm1(p.effect), p.se, p.people)
        + (p.is_found,)
        for m in models
        for p in m.platforms
    ]
    schema = {
        "model_version": pl.String,
        "lab": pl.String,
        "assay": pl.String,
        "from_on": pl.Date,
        "bridge": pl.String,
        "effect_pct": pl.Float64,
        "effect_se": pl.Float64,
        "people": pl.Int64,
        "is_found": pl.Boolean,
    }
    return pl.LazyFrame(rows, schema, orient="row")


def in_force(models: Sequence[FrozenModel]) -> pl.LazyFrame:
    """``in_force_from`` and ``model_version``, sorted by night: who holds from when."""
    rows = [(model.in_force_from, model.version) for model in models]
    return pl.LazyFrame(
        rows, {"in_force_from": pl.Date, "model_version": pl.String}, orient="row"
    ).sort("in_force_from")


def bridged(days: pl.LazyFrame, models: Sequence[FrozenModel]) -> pl.LazyFrame:
    """Adds ``platform`` (draws of one may stand in one series) and ``platform_effect``.

    The platform is the bridge of the draw's laboratory and assay in the draw's model; where that
    stands alone or is not known, the bridge of the assay's largest laboratory; else assay or
    laboratory as stated, with no effect. Empty where neither is stated.

    Args:
        days: ``drawn_on``, ``lab``, ``assay``, ``model_version``.
        models: all that ``model_version`` names.
    """
    whole = days.collect()
    of = pl.col("model_version")
    parts = [_on(whole.filter(of == model.version), model.platforms) for model in models]
    known = pl.concat([*parts, _on(whole.filter(of.is_null()), ())])
    stated = pl.coalesce("bridge", "assay", "lab").fill_null("")
    return known.with_columns(platform=stated).drop("bridge").lazy()


def _on(days: pl.DataFrame, known: Sequence[Platform]) -> pl.DataFrame:
    """Days with bridge and effect of their platform, or of their assay's largest laboratory."""
    hosts = _largest(known)
    assay, is_lost = pl.col("assay"), pl.col("bridge").is_null()
    bridge = {name: host.bridge for name, host in hosts.items()}
    effect = {name: host.effect for name, host in hosts.items()}
    placed = on_bridges(days, _placed(known))
    return placed.with_columns(
        bridge=pl.coalesce(
            "bridge", assay.replace_strict(bridge, default=None, return_dtype=pl.String)
        ),
        platform_effect=pl.when(is_lost)
        .then(assay.replace_strict(effect, default=0.0, return_dtype=pl.Float64))
        .otherwise("platform_effect")
        .fill_null(0.0),
    )


def _largest(known: Sequence[Platform]) -> dict[str, Platform]:
    """Of each assay the laboratory with most people."""
    by_size = sorted(known, key=lambda platform: (platform.people, platform.bridge))
    return {item.assay: item for item in by_size if item.assay and item.from_on is None}


def _placed(known: Sequence[Platform]) -> list[Platform]:
    """Platforms with those that stand alone put beside their assay's largest laboratory: few
    people bridge them, and one method in two places is closer than two methods."""
    members = Counter(item.bridge for item in known)
    hosts = _largest(known)
    return [
        replace(item, bridge=host.bridge, effect=host.effect)
        if members[item.bridge] == 1
        and item.from_on is None
        and (host := hosts.get(item.assay or "")) is not None
        else item
        for item in known
    ]


def levelled(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Pairs with the platform's effect taken off insulin."""
    effect = pl.col("platform_effect")
    return pairs.with_columns(insulin_uiu_ml=pl.col("insulin_uiu_ml") * (-effect).exp())

"""MEDS 0.4: events of subjects in shards."""

from __future__ import annotations

from importlib.metadata import version

import polars as pl

from flows.exports.base import Export, checked, write_parquet
from transforms.exports import meds
from transforms.exports.tables import CODES, EVENT, person_codes


def export_meds(under_way: Export) -> None:
    """Events of shards of subjects, and what the standard asks beside them."""
    people = under_way.people().collect().lazy()
    codes = person_codes(people).collect()
    codes.rename({"person_id": "subject_id"}).write_parquet(under_way.path("subject_code.parquet"))
    seen = pl.DataFrame(schema={"code": pl.String})
    for number, shard in enumerate(under_way.shards()):
        own = people.filter(pl.col("patient_id").is_between(pl.lit(shard[0]), pl.lit(shard[1])))
        rows = meds.events(under_way.observations(shard), own, codes.lazy())
        events = checked(rows, EVENT)
        write_parquet(under_way.path(f"data/{number:05}.parquet"), events, EVENT)
        seen = pl.concat([seen, events.select("code")]).unique()
        under_way.count("events", events.height)
    metadata = checked(meds.code_metadata(seen.lazy()), CODES)
    write_parquet(under_way.path("metadata/codes.parquet"), metadata, CODES)
    under_way.count("codes", metadata.height)
    told = meds.dataset_metadata(
        under_way.as_of.isoformat(), version("undertow"), under_way.made_at
    )
    under_way.write_json("metadata/dataset.json", told)

"""Every reason a file or row can wait in quarantine before the gate sees it: a sentence, and what
to do. The gate's own reasons are its expectations, each with its sentence beside its predicate."""

from __future__ import annotations

REASONS: dict[str, str] = {
    "file_empty": "The file holds nothing. Ask the source to send it again.",
    "file_unknown": "No patient is known for this device file. Put it into a folder named for the "
    "patient (inbox/<source>/<patient_id>/) or map it in undertow.toml under the source's patients.",
    "source_unknown": "No reader is set for this folder. Name its reader in undertow.toml under "
    "[sources.<folder>], then run `undertow quarantine replay`.",
    "damaged": "The landed copy no longer has the bytes it came with. Restore landed/ from backup, or "
    "drop the file again.",
    "rows_unaccounted": "The reader lost count of its rows, so none was taken. Report it; the file "
    "is kept.",
    "row_empty": "None of the columns that are mapped holds a value; set aside, nothing to do.",
    "format_unknown": "The file is not of the format its source is set to read. Check the folder it "
    "was dropped in, or the source's reader in undertow.toml.",
    "compressed_broken": "The compressed file is damaged or ends early. Ask for it again.",
    "too_large": "The file unpacks to more than the limit. Split it, or raise limits in undertow.toml.",
    "encoding": "Bytes that are not of the file's encoding. Set encoding for this source in "
    "undertow.toml, or have the row sent again.",
    "nul_byte": "A NUL byte stands in the row: the file was damaged on its way. Send it again.",
    "line_too_long": "A line of more than a million characters is not a row. Check the line ends.",
    "last_line_open": "The last line has no line end: the file may have been cut. Send it again whole.",
    "quote_open": "A quote is opened and not closed on this line. Fix the row at its source.",
    "quote_misplaced": "Text stands beside a quoted field. Fix the row at its source.",
    "too_few_fields": "The row has fewer fields than the header. Send it again whole.",
    "too_many_fields": "The row has more fields than the header: perhaps a separator inside a value "
    "that is not quoted.",
    "header_missing": "No header row was found where one is expected.",
    "header_duplicate": "Two columns have the same name; which one is meant cannot be known.",
    "column_missing": "A required column is missing from the header; the row cannot be read.",
    "date_order_unknown": "The file's dates can be read day first and month first. Set date_order "
    "to dmy or mdy under the source's options in undertow.toml.",
    "kind_unknown": "The file's name does not begin with a kind its reader knows: labs, patients, "
    "medications, conditions or vitals for clinic_csv, a table of the model for omop.",
    "concept_unknown": "The concept is not known here and the row names neither a code we read nor a "
    "name. Export it with standard_concept_name, or with the source's own code, and send it again.",
    "json_broken": "The line or entry is not valid JSON, or not of the shape FHIR gives it.",
    "resource_not_used": "A resource of a type Undertow does not use; set aside, nothing to do.",
    "record_not_used": "A record of a kind Undertow does not use; set aside, nothing to do.",
    "version_not_read": "Written in a version of the standard that is not read (FHIR R4 and R4B are, R5 "
    "where it is alike).",
    "segment_broken": "A line that is no segment: text between messages, or a result cut by a line end "
    "inside its value. Have the message sent again.",
    "message_broken": "The first segment (MSH) cannot be read or has no type. Have the message sent "
    "again.",
    "message_cut": "The MLLP frame is not closed: the message was cut. Send it again.",
    "message_headless": "A result outside of any message (no MSH before it). Send the message whole.",
    "message_too_long": "A message of more than 32 MB is not read. Ask the source to split it.",
    "batch_count_wrong": "A batch's trailer is missing or states another count than came. What came is "
    "read; ask the source for the rest.",
    "merge_not_read": "Records are linked, unlinked or moved (A24, A37, A43), which is not applied "
    "here. Check whose results these are.",
    "archive_broken": "The zip archive is damaged, locked by a password, or holds another archive. "
    "Send it again, or its files unpacked.",
    "archive_empty": "The archive holds no file of the kind its reader reads.",
    "xml_broken": "The XML is damaged or was cut, or declares entities, which are not read. What came "
    "before is read; export it again.",
    "binary_broken": "The file's own checksum or structure is wrong. What came before is read; export "
    "it again.",
    "deletion_not_read": "The source deleted a person's record, or something it does not name by id. "
    "Check it at the source and take it out here by hand.",
    "deletion_of_nothing": "The source deleted a record that never came, or that came later; set "
    "aside, nothing to do.",
    "patient_missing": "The row does not say whose it is.",
    "reader_failed": "The reader could not cope with this file. Report it; the file is kept.",
}

SET_ASIDE = frozenset({"resource_not_used", "record_not_used", "row_empty", "deletion_of_nothing"})
"""Reasons that need nobody: rows counted and kept, not waiting."""

"""Records of enterprises with two times: when a fact held, and when the bureau knew it.

A record is one fact of one domain about one enterprise. Its versions are rows of Parquet segments, one segment for each
domain and delivery, which never change. A manifest lists the segments in the order in which they became known, so the
beginning of the list is what was known on an earlier day.

Writing::

    with records.importing(), records.writer(domain, source) as writer:
        writer.write(rows, personal)
        finished = writer.finish()
        records.append([finished], kind="records.imported", facts={...}, by=...)

Reading: ``open_records`` (SQL over all of them), ``enterprise_records`` (one enterprise).
"""

from lab.bureau.data.records.confined_connection import QueryLimits
from lab.bureau.data.records.enterprise_lookup import EnterpriseRecords, RecordVersion, enterprise_records
from lab.bureau.data.records.manifest import Manifest, Segment
from lab.bureau.data.records.record_layout import (
    ADD,
    CORRECT,
    DELETE,
    RECORD_COLUMNS,
    personal_schema,
    record_ids,
    record_schema,
)
from lab.bureau.data.records.record_store import RECORD_KINDS, RecordStore
from lab.bureau.data.records.record_verification import RecordFinding, RecordVerification, verify_folder, verify_records
from lab.bureau.data.records.record_views import fetch_frame, open_records
from lab.bureau.data.records.segments.segment_writer import FinishedSegment, SegmentSource, SegmentWriter
from lab.bureau.data.records.snapshot_export import SnapshotExport, export_snapshot

__all__ = [
    "ADD",
    "CORRECT",
    "DELETE",
    "RECORD_COLUMNS",
    "RECORD_KINDS",
    "EnterpriseRecords",
    "FinishedSegment",
    "Manifest",
    "QueryLimits",
    "RecordFinding",
    "RecordStore",
    "RecordVerification",
    "RecordVersion",
    "Segment",
    "SegmentSource",
    "SegmentWriter",
    "SnapshotExport",
    "enterprise_records",
    "export_snapshot",
    "fetch_frame",
    "open_records",
    "personal_schema",
    "record_ids",
    "record_schema",
    "verify_folder",
    "verify_records",
]

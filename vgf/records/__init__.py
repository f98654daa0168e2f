"""Records: what a run leaves behind, csv and run.json; see `vgf.records.store`."""

from vgf.records.store import (
    CURVE_KEYS,
    EPISODE_KEYS,
    KEYS,
    SCHEMA,
    Kind,
    Record,
    append_rows,
    checksums,
    faults,
    kind_file,
    merge_run,
    read_record,
    read_runs,
    record_folder,
    results_folder,
    seed_file,
)

__all__ = [
    "CURVE_KEYS",
    "EPISODE_KEYS",
    "KEYS",
    "SCHEMA",
    "Kind",
    "Record",
    "append_rows",
    "checksums",
    "faults",
    "kind_file",
    "merge_run",
    "read_record",
    "read_runs",
    "record_folder",
    "results_folder",
    "seed_file",
]

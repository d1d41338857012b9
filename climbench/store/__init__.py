"""What a store is: its layout, opening, statistics, provenance and packed training cache."""

from climbench.store.channels import channel_names, read_channel, split_channel
from climbench.store.describe import describe_store
from climbench.store.disk import disk_full_is_a_user_error
from climbench.store.expected import as_expected, expected_names, with_expected
from climbench.store.layout import create_store, encoding, shard_files, write_part
from climbench.store.opening import is_store, open_store, store_hash, store_identity
from climbench.store.packed import pack
from climbench.store.provenance import software_versions, source_record
from climbench.store.reader import PackedReader
from climbench.store.repository import commit_store, is_repository, zarr_store
from climbench.store.statistics import RunningStatistics, read_statistics, write_statistics
from climbench.store.time_axis import hours, time_step

__all__ = [
    "PackedReader",
    "RunningStatistics",
    "as_expected",
    "channel_names",
    "commit_store",
    "create_store",
    "describe_store",
    "disk_full_is_a_user_error",
    "encoding",
    "expected_names",
    "hours",
    "is_repository",
    "is_store",
    "open_store",
    "pack",
    "read_channel",
    "read_statistics",
    "shard_files",
    "software_versions",
    "source_record",
    "split_channel",
    "store_hash",
    "store_identity",
    "time_step",
    "with_expected",
    "write_part",
    "write_statistics",
    "zarr_store",
]

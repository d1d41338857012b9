"""Downloads: from addresses to whole, checked files in a cache that several builds share."""

from climbench.recipes.downloads.cache import downloads_folder, in_use, used_bytes
from climbench.recipes.downloads.checksums import file_digest, matches
from climbench.recipes.downloads.credentials import shown, storage_options
from climbench.recipes.downloads.fetch import TRANSFERS, Wanted, fetch, fetch_all
from climbench.recipes.downloads.filesystems import find
from climbench.recipes.downloads.retrying import Interrupted, Stopped, persistently
from climbench.recipes.downloads.traffic import Traffic, taking

__all__ = [
    "TRANSFERS",
    "Interrupted",
    "Stopped",
    "Traffic",
    "Wanted",
    "downloads_folder",
    "fetch",
    "fetch_all",
    "file_digest",
    "find",
    "in_use",
    "matches",
    "persistently",
    "shown",
    "storage_options",
    "taking",
    "used_bytes",
]

"""What a full disk says to the user."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from climbench.errors import UserError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_full_is_a_user_error(path: Path) -> Iterator[None]:
    """Turn the system's error about a full disk, quota or file into a sentence with the place."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        limit = ", raise the limit of `ulimit -f`" if error.errno == errno.EFBIG else ""
        raise UserError(
            f"no space is left for {path}: free some{limit} or choose a folder on another disk, "
            "then give the same command again."
        ) from error

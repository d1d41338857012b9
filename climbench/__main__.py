"""``python -m climbench``: the command line of this very interpreter."""

import sys

from climbench.cli import main

sys.exit(main())

"""``python -m tincd_compat`` is the same program as ``tincd``."""

import sys

from tincd_compat.cli import main

sys.exit(main())

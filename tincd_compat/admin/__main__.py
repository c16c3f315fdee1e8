"""``python -m tincd_compat.admin``: the program without its script."""

from __future__ import annotations

import sys

from tincd_compat.admin.main import main

if __name__ == "__main__":
    sys.exit(main())

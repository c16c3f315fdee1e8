"""The compiled half of the data plane, where it was built and is wanted.

``core`` is None otherwise: everything works without it.  ``TINCD_COMPAT_PURE=1`` in the
environment leaves it out.
"""

from __future__ import annotations

import os
from typing import Final

#: Whether the environment leaves the compiled half out.
SWITCHED_OFF: Final = os.environ.get("TINCD_COMPAT_PURE", "") not in ("", "0")

try:
    if SWITCHED_OFF:
        raise ImportError
    import tincd_compat._fast._core as core
except ImportError:
    core = None  # type: ignore[assignment]

__all__ = ["SWITCHED_OFF", "core"]

"""A drop-in replacement for C tincd 1.0, protocol version 17."""

from typing import Final

#: Version of this package.
__version__: Final = "0.1.0"

#: The tincd release whose files, wire format and messages this package keeps.
TINC_VERSION: Final = "1.0.36"

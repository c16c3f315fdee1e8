"""A peer without a mesh: it speaks the meta protocol and says what it is told to.

The protocol is our own MetaConnection, here at the end of a blocking socket.
"""

from __future__ import annotations

import secrets
import select
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pyroute2 import netns

from conformance.harness.waits import Failed
from tincd_compat.config.pem import read_private_pem, read_public_pem

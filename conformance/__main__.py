"""``python -m conformance``: list the scenarios, run them, or run one case."""

import sys

from conformance.cli import main

sys.exit(main(sys.argv[1:]))

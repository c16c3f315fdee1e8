"""The parts of ``python -m conformance.bench``: who competes, what is measured, how."""

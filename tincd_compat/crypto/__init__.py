"""Ciphers, digests and RSA as the protocol uses them, whoever does the work.

Suites by name and number are in :mod:`.suites`; packet ciphers seal a train of packets
from one IV, stream ciphers run on for as long as a meta connection lasts.  What the
Python package lacks, the system's own OpenSSL works.
"""

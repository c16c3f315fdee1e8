"""Sockets: batched UDP and the TCP glue around MetaConnection."""

"""The meta protocol as bytes in, events and bytes out; no sockets, no clock."""

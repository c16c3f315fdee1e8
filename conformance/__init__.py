"""Black-box suite: real daemons against each other in network namespaces.

Nothing here imports the package under test. Every daemon, the C tincd and ours alike,
is a separate process that is started by its command line and judged by its log, its
signals, its exit status and what it puts on the wire.
"""

"""Black-box suite: real daemons against each other in network namespaces.

Every daemon, the C tincd and ours alike, is a separate process that is started by its
command line and judged by its log, its signals, its exit status and what it puts on the
wire. Only synthetic peers, which talk to both, borrow the package's meta protocol.
"""

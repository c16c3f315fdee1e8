"""Super-packets, the segments of one flow in one piece: cutting, merging, checksums.

Device and tunnels both speak of them: the kernel hands over and takes pieces, and what
travels through a tunnel is frames.
"""

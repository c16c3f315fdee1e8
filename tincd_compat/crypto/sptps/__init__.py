"""SPTPS, the security layer of protocol 17.7 (tinc 1.1), without I/O.

Reading order: :mod:`.digits` (text form of bytes), :mod:`.edwards` (identity keys and
the ephemeral agreement), :mod:`.keytext` (key files), :mod:`.derivation` (labels and
keys), :mod:`.recordcipher`, :mod:`.handshake` (who says what when), :mod:`.stream` and
:mod:`.datagram` (the two kinds of session).  Nothing is imported here: a daemon without
an Ed25519 key needs none of it.
"""

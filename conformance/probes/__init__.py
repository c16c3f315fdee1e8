"""What an attack or an accident costs a daemon: each probe measures one of them.

A module of this package is a probe if it has a ``PROBE``.  Every contender gets the
same in a laboratory of its own, C tincd first: figures count beside each other.
"""

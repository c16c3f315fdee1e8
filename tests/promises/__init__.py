"""SECURITY.md as tests: its promises, their proofs, and changes that break them.

:mod:`.document` reads the promises, :mod:`.proofs` names the tests and checks of each,
:mod:`.mutants` has for each a small change of the program that breaks it, and a proof
that must fail then: ``python -m tests.promises`` makes the changes, one at a time, in a
copy.  The tests here are those that would have no other place.
"""

"""``tincd --check``: what is wrong with a configuration, found without starting.

:mod:`configuration` reads all that a start would read and asks the other modules, one
per subject.  Values, keys and host files are read by the code that a start runs, and
what that would log or raise becomes a finding.  Nothing is changed or opened but files.
"""

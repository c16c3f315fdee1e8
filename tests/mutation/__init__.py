"""Every line of a package changed a little, one at a time: which tests notice?

``python -m tests.mutation [NAME ...]`` takes packages and names of promises.  What is
done to promises is in :mod:`tests.promises`; packages are given to mutmut, in a copy.
:mod:`.tool` is what runs there.
"""

"""What an operator sees of the running daemon: records, events, problems, explanations.

Everything here is a pure function of tables and of plain values that are handed in.
"""

"""The program ``tincd-compat``: what a running daemon knows, shown and judged."""

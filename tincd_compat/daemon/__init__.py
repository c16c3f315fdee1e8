"""The composition root: builds every part, performs effects, owns the timers."""

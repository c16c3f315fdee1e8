"""The process in its system: detaching, pid file, logs, scripts."""

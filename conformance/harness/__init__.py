"""What the scenarios are built from: networks, daemons, probes, checks."""

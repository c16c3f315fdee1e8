"""The addresses of this host, for the check of a configuration."""

from __future__ import annotations


def host_addresses() -> dict[str, str]:
    """Return each address of this host, as text, with the name of its interface.

    The answer is empty where the kernel does not tell; OSError is not raised.
    """
    # Loading the library takes a third of a second, which only a check can afford.
    from pyroute2 import IPRoute

    try:
        with IPRoute() as kernel:
            links = {link["index"]: link.get("ifname") for link in kernel.get_links()}
            found = {}
            for entry in kernel.get_addr():
                text = entry.get("local") or entry.get("address")
                if text is not None:
                    found[text] = links.get(entry["index"]) or "an interface"
            return found
    except OSError:
        return {}

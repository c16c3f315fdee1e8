"""Files to typed settings: tinc.conf, hosts/NAME and key files."""

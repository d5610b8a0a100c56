"""What a reboot would lose of a host's network, written in the host's own way."""

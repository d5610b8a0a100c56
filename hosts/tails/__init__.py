"""Logs of hosts followed in the browser: workers fetch what is new, the web process shows what was stored. Nothing is changed on a host."""

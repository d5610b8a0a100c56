"""Starts the portal, watches it, and ends it: `python -m opsportal.embedded`. Settings: PORT, HOST, OPSPORTAL_STATE_DIR, REDIS_URL."""

from __future__ import annotations

import sys

from opsportal.embedded import places
from opsportal.embedded.places import CannotStart
from opsportal.embedded.supervisor import Supervisor


def main() -> int:
    try:
        return Supervisor(places.from_environment()).run()
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

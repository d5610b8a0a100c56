"""The web process: uvicorn on a socket that the supervisor opened, so that a restart refuses nobody.

`python -m opsportal.embedded.web DESCRIPTOR`
"""

from __future__ import annotations

import socket
import sys

import uvicorn


def main(descriptor: int) -> None:
    config = uvicorn.Config(
        "opsportal.asgi:application",
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))

#!/usr/bin/env -S python3 -I -S
"""`healthy PORT PATH`: exit code 0 if that page of this container answers 200. Imports no package: it runs often."""

import socket
import sys

try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 3) as connection:
        connection.settimeout(4)
        connection.sendall(f"GET {sys.argv[2]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        status = connection.recv(64).split(b" ", 2)[1:2]
except (OSError, IndexError, ValueError) as error:
    sys.exit(f"unhealthy: {error}")
sys.exit(0 if status == [b"200"] else f"unhealthy: status {status}")

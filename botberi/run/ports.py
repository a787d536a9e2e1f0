"""A host and a port -> nothing, or an error that says who may hold it and how to choose another."""

import errno
import socket

from botberi.run.errors import StartError


def require_free(host: str, port: int, what: str, choose: str) -> None:
    """Raise `StartError` unless `host:port` can be bound; `choose` names the option and the variable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartError(
                    f"Port {port} on {host}, where {what} listens, is taken by another program. "
                    f"Choose another with {choose}."
                ) from None
            if error.errno == errno.EACCES:
                raise StartError(f"No right to listen on port {port}. Choose one above 1023 with {choose}.") from None
            raise StartError(f"{what} can't listen on {host}:{port}: {error.strerror}. Choose with {choose}.") from None


def free(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port

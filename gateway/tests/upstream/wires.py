"""The ways that a subgraph's HTTP client can go: our own connections, and aiohttp over TLS."""

import atexit
import datetime
import ipaddress
import shutil
import ssl
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from botberi_gateway.config import TlsConfig


@dataclass(frozen=True)
class Wire:
    """`server` is a context for TLS, None without it; `client` what a client has to know of the server."""

    server: ssl.SSLContext | None = None
    client: TlsConfig = field(default_factory=TlsConfig)
    #: A file with the certificate and its key.
    identity: str = ""


PLAIN = Wire()
#: Names that the server's certificate is for.
NAMES = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("subgraph.internal")]


@cache
def over_tls() -> Wire:
    """A server whose certificate only this client trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subgraph")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=12))
        .add_extension(x509.SubjectAlternativeName(NAMES), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    authority, both = folder / "authority.pem", folder / "both.pem"
    authority.write_bytes(pem)
    both.write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(both)
    return Wire(server, TlsConfig(ca_file=str(authority)), str(both))


def over_mutual_tls(seen_names: list[str | None]) -> Wire:
    """The same, and the server asks for the client's certificate. The names that clients ask for are noted."""
    wire = over_tls()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(wire.identity)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(wire.client.ca_file)
    server.sni_callback = lambda _socket, name, _context: seen_names.append(name)
    return replace(wire, server=server)

"""W6 as in production: nginx speaks TLS with our configuration, the platform behind it runs with BOTBERI_ENV=prod."""

import datetime
import ipaddress
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.checks import debian
from tests.platform.running import RunningPlatform, free_ports

pytestmark = [
    pytest.mark.platform,
    pytest.mark.timeout(300),
    pytest.mark.skipif(debian.nginx() is None, reason="no nginx: install Debian's nginx"),
]

CONFIGURATION = Path(__file__).parents[2] / "infra/nginx/nginx.conf"
LOGIN = "mutation ($input: LoginInput!) { login(input: $input) { __typename } }"
ME = "{ me { sessions { nodes { ipAddress userAgent } } } }"


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    """The platform as in production, but for its development accounts."""
    production = {
        "BOTBERI_ENV": "prod",
        "BOTBERI_TRUSTED_PROXIES": "127.0.0.1",
        # No mail is sent here; production has to say where mails would go, and what links are signed with.
        "BOTBERI_SMTP_URL": "smtp+plain://127.0.0.1:9",
        "BOTBERI_IDENTITY_SECRET": "of-this-test-0123456789abcdef0123456789",
    }
    with RunningPlatform(environment=production) as running:
        yield running


@pytest.fixture(scope="module")
def https(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Our nginx.conf with a certificate, before the platform."""
    folder = tmp_path_factory.mktemp("nginx")
    (port,) = free_ports(1)
    certificate(folder)
    tls = (CONFIGURATION.parent / "tls.conf").read_text().replace("listen 443", f"listen 127.0.0.1:{port}")
    tls = tls.replace("/etc/nginx/certs/fullchain.pem", f"{folder}/tls.crt")
    tls = tls.replace("/etc/nginx/certs/privkey.pem", f"{folder}/tls.key")
    # Debian 12's nginx (1.22) has HTTP/2 as an option of `listen`.
    (folder / "tls.conf").write_text(tls.replace("http2 on;", "").replace(" ssl;", " ssl http2;"))
    text = CONFIGURATION.read_text().replace("gateway:8080", f"127.0.0.1:{platform.port}")
    text = text.replace("listen 80;", "").replace("/etc/nginx/tls.d/*.conf", f"{folder}/tls.conf")
    text = text.replace("/tmp/nginx.pid", f"{folder}/nginx.pid")
    text = text.replace("/dev/stdout", f"{folder}/access.log").replace("/dev/stderr", f"{folder}/error.log")
    (folder / "nginx.conf").write_text(text)
    command = [str(debian.nginx()), "-c", str(folder / "nginx.conf"), "-g", "daemon off;", "-e", f"{folder}/error.log"]
    process = subprocess.Popen(command)
    try:
        until_listening(port)
        yield f"https://127.0.0.1:{port}/graphql"
    finally:
        process.terminate()
        process.wait(10)


def certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "tls.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(secret)


def until_listening(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


async def ask(
    session: aiohttp.ClientSession, url: str, query: str, variables: Any = None, **headers: str
) -> tuple[int, Any, list[str]]:
    body = {"query": query, "variables": variables}
    async with session.post(url, json=body, headers=headers, ssl=False) as response:
        return response.status, await response.json(content_type=None), response.headers.getall("set-cookie", [])


async def test_the_cookie_signs_in_over_https_alone(https: str, platform: RunningPlatform) -> None:
    email, password = platform.password("user")
    who = {"input": {"email": email, "password": password}}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as browser:
        status, answer, cookies = await ask(browser, https, LOGIN, who, **{"user-agent": "A browser"})
        assert (status, answer["data"]["login"]["__typename"]) == (200, "LoginSuccess")
        session, device = cookies
        assert session.startswith("__Host-botberi_session=bbs_")
        assert session.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
        assert device.startswith("__Host-botberi_device=bbd_")
        own = session.partition(";")[0]

        _, answer, _ = await ask(browser, https, ME, cookie=own)
        assert {"ipAddress": "127.0.0.1", "userAgent": "A browser"} in answer["data"]["me"]["sessions"]["nodes"]
        # What another host of the site could plant has no prefix, and signs no one in, nor out.
        planted = own.removeprefix("__Host-")
        _, answer, _ = await ask(browser, https, ME, cookie=planted)
        assert answer["data"]["me"] is None
        _, answer, _ = await ask(browser, https, ME, cookie=f"botberi_session=planted; {own}")
        assert answer["data"]["me"] is not None
        status, answer, _ = await ask(browser, https, ME, cookie=f"{own}; __Host-botberi_session=another")
        assert status == 401
        assert "several cookies" in answer["errors"][0]["message"]

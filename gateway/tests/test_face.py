"""The gateway's face: every name it promises is there, and asking for one doesn't load the others."""

import subprocess
import sys

import botberi_gateway


def test_every_promised_name_is_there() -> None:
    assert {name for name in botberi_gateway.__all__ if getattr(botberi_gateway, name, None) is None} == set()
    assert set(botberi_gateway.__all__) <= set(dir(botberi_gateway))


def test_the_supergraph_alone_loads_neither_composer_nor_http_client() -> None:
    code = (
        "import sys, botberi_gateway; botberi_gateway.Supergraph;"
        "print([m for m in sys.modules if m in ('botberi_gateway.composition', 'botberi_gateway.planner', 'aiohttp')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout.strip() == "[]"


def test_the_server_alone_loads_neither_composer_nor_http_client() -> None:
    """Subgraphs are asked by a client of our own; what else a configuration needs is loaded with it."""
    code = (
        "import sys, botberi_gateway.server;"
        "print([m for m in sys.modules if m in ('botberi_gateway.composition', 'aiohttp', 'yaml')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout.strip() == "[]"

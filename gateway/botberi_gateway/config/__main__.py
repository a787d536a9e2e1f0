"""`python -m botberi_gateway.config` prints the page `docs/reference/gateway-configuration.md`."""

from botberi_gateway.config.page import page

if __name__ == "__main__":
    print(page(), end="")

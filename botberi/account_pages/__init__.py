"""Small pages for what needs one: links of mails, passkeys, a provider's return. They speak to /graphql alone."""

from botberi.account_pages.routes import PAGES, routes

__all__ = ["PAGES", "routes"]

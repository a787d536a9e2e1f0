"""Identity's endpoints beside GraphQL, as its OpenAPI document describes them."""

from typing import Final

from shared_schema.contracts.verification import CredentialCheck
from subgraphs.common.documents import Endpoint

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        "/internal/verify",
        "Whose a credential is; asked by the gateway for each credential that it has not seen lately.",
        {
            200: ("The account, its role, and the scopes of the credential.", "application/json"),
            400: ("The body is not what is expected.", "application/json"),
            401: ("The request has no valid assertion of the gateway itself.", "application/json"),
            404: ("The credential is unknown, expired or revoked.", "application/json"),
            503: ("The database does not answer.", "application/json"),
        },
        body=CredentialCheck.model_json_schema(),
        headers={"Botberi-Assertion": "An EdDSA JWT for this very request, which the gateway signs."},
        tag="trust",
    ),
)

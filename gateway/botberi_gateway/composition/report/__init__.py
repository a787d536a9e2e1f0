"""Problems of composition and the subgraphs' texts -> reports: for people, as JSON, SARIF, GitHub annotations."""

from botberi_gateway.composition.report.codes import ERRORS, HINTS, Meaning, meaning
from botberi_gateway.composition.report.findings import Edit, Finding, Place, findings
from botberi_gateway.composition.report.formats import github, sarif, to_json
from botberi_gateway.composition.report.text import render, text

__all__ = [
    "ERRORS",
    "HINTS",
    "Edit",
    "Finding",
    "Meaning",
    "Place",
    "findings",
    "github",
    "meaning",
    "render",
    "sarif",
    "text",
    "to_json",
]

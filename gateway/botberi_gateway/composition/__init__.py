"""Subgraph SDLs -> supergraph, or errors that show where and how to fix them."""

from botberi_gateway.composition.subgraph import Subgraph
from botberi_gateway.composition.compose import Composition, compose
from botberi_gateway.composition.composer import Composer
from botberi_gateway.composition.contract import contract
from botberi_gateway.composition.problem import Level, Location, Problem
from botberi_gateway.composition.report import render

__all__ = ["Subgraph", "compose", "Composer", "Composition", "contract", "Problem", "Location", "Level", "render"]

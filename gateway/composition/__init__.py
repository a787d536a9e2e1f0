"""Subgraph SDLs -> supergraph, or errors that show where and how to mend."""

from gateway.composition.subgraph import Subgraph
from gateway.composition.compose import Composition, compose
from gateway.composition.composer import Composer
from gateway.composition.contract import contract
from gateway.composition.problem import Level, Location, Problem
from gateway.composition.report import render

__all__ = ["Subgraph", "compose", "Composer", "Composition", "contract", "Problem", "Location", "Level", "render"]

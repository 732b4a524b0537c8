"""The laboratory: trials to missing nodes, parents first, each once, on an Executor."""

from dlmo.laboratory.nodes import Node
from dlmo.laboratory.plan import Plan, arena, corrupted, plan
from dlmo.laboratory.schedule import measure

__all__ = ["Node", "Plan", "arena", "corrupted", "measure", "plan"]

"""What the fleet plays. A scenario observes what comes back and judges nothing: that is for who runs it."""

from collections.abc import Awaitable
from typing import Callable

from . import agents, broadcasts, bus, candidates, fanout, gathering, groups, reports, signals, slips, stages, supervised, tasks, traced, work
from .scene import Scene

SCENARIOS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "agents": agents.play,
    "work": work.play,
    "pipeline": work.play_pipeline,
    "gather": gathering.play,
    "supervised": supervised.play,
    "signals": signals.play,
    "tasks": tasks.play,
    "bus": bus.play,
    "slips": slips.play,
    "fanout": fanout.play,
    "groups": groups.play,
    "stages": stages.play,
    "candidates": candidates.play,
    "broadcasts": broadcasts.play,
    "reports": reports.play,
    "traced": traced.play,
}

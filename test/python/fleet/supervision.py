"""What an agent says of health and failure, and a supervisor that restarts its agents when it is told to."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Callable

from nats.aio.client import Client
from nats.aio.msg import Msg

from .wire import decode, encode, new_id, now


async def report_health(nc: Client, agent_id: str, state: str, **metrics: float) -> None:
    body = {"type": "health", "agent_id": agent_id, "status": {"state": state}, "metrics": metrics, "timestamp": now()}
    await nc.publish(f"supervision.health.{agent_id}", encode(body))


async def report_failure(nc: Client, agent_id: str, failure_type: str, severity: str) -> str:
    """The event id makes it one failure however often it is published; the acknowledgement says that it was stored."""
    event_id = new_id("failure")
    body = {
        "type": "failure",
        "event_id": event_id,
        "agent_id": agent_id,
        "failure_type": failure_type,
        "severity": severity,
        "context": {},
        "detection_time": now(),
    }
    await nc.jetstream().publish(f"supervision.failures.{severity}", encode(body))
    return event_id


class Supervisor:
    """Says what its children are, and starts anew those that it is told to. The same recovery and attempt twice is one order."""

    def __init__(self, nc: Client, supervisor_id: str, restart: Callable[[str], Awaitable[None]], agent_ids: list[str]) -> None:
        self.nc = nc
        self.supervisor_id = supervisor_id
        self.orders: list[dict[str, Any]] = []
        self._restart = restart
        self._agent_ids = agent_ids

    async def start(self) -> None:
        await self.nc.subscribe(f"supervisor.{self.supervisor_id}.cmd.restart", cb=self._obey)
        await self.nc.flush()
        await self._say("started", parent="domain-nlp", children=self._agent_ids)

    async def stop(self) -> None:
        await self._say("stopped")

    async def _say(self, event_type: str, **fields: Any) -> None:
        body = {"event_type": event_type, "supervisor_id": self.supervisor_id, **fields}
        await self.nc.jetstream().publish(f"supervisor.{self.supervisor_id}.events", encode(body))

    async def _obey(self, msg: Msg) -> None:
        order = decode(msg.data)
        if any((done["recovery_id"], done["attempt"]) == (order["recovery_id"], order["attempt"]) for done in self.orders):
            return
        for agent_id in order["agent_ids"]:
            await self._restart(agent_id)
        self.orders.append(order)

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
    def __init__(self, nc: Client, restart: Callable[[str], Awaitable[None]], agent_ids: list[str]) -> None:
        self.nc = nc
        self.recovered: list[dict[str, Any]] = []
        self._restart = restart
        self._agent_ids = agent_ids

    async def start(self) -> None:
        for agent_id in self._agent_ids:
            await self.nc.subscribe(f"supervision.recovery.{agent_id}", cb=self._recover)
        await self.nc.flush()

    async def _recover(self, msg: Msg) -> None:
        plan = decode(msg.data)
        if plan["recovery_action"] == "restart":
            await self._restart(plan["agent_id"])
        self.recovered.append(plan)

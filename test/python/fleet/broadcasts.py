"""An agent's ear for broadcasts: those to all, to its domain, and emergencies, each without a queue group."""

from __future__ import annotations

from nats.aio.msg import Msg

from .agent import Agent
from .wire import decode


class Ear:
    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.heard: list[tuple[str, object]] = []

    async def open(self) -> None:
        for scope in ("global", f"domain.{self.agent.domain}", "emergency"):
            await self.agent.nc.subscribe(f"broadcast.{scope}.*", cb=self._hear)
        await self.agent.nc.flush()

    async def _hear(self, msg: Msg) -> None:
        self.heard.append((msg.subject, decode(msg.data)))
        if msg.subject == "broadcast.emergency.shutdown":
            await self.agent.stop("emergency")

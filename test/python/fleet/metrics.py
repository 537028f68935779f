"""Metrics of agents and of parts of the system."""

from __future__ import annotations

from nats.aio.client import Client

from .wire import encode, now


async def agent_metric(nc: Client, agent_id: str, metric: str, value: float, unit: str) -> None:
    await nc.publish(f"metrics.agent.{agent_id}.{metric}", encode({"value": value, "unit": unit, "timestamp": now()}))


async def system_metric(nc: Client, component: str, metric: str, value: float, unit: str) -> None:
    await nc.publish(f"metrics.system.{component}.{metric}", encode({"value": value, "unit": unit, "timestamp": now()}))

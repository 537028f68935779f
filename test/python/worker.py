"""
An agent to be supervised, alone in its process: `npm run supervise -- --id s1 -- python test/python/worker.py`. It takes tasks,
tells after each what it would want to know after a restart, and goes on from there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from typing import Any

import nats

from fleet.agent import Agent
from fleet.tasks import TaskTaker


def last_known() -> dict[str, Any]:
    """What the control plane knows of the run before this one."""
    if "LAST_KNOWN_FILE" in os.environ:
        with open(os.environ["LAST_KNOWN_FILE"], encoding="utf-8") as file:
            return json.load(file)
    return json.loads(os.environ.get("LAST_KNOWN", "{}"))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heartbeat", type=float, default=30.0, metavar="SECONDS", help="between two heartbeats (default: %(default)s)")
    parser.add_argument("--domain", default="work", help="(default: %(default)s)")
    parser.add_argument("--capability", default="echo", help="what tasks it takes (default: %(default)s)")
    options = parser.parse_args()
    agent_id = os.environ.get("AGENT_ID", "worker-1")
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), max_reconnect_attempts=-1)
    profile = {"instance_id": os.environ.get("INSTANCE_ID"), "supervisor": os.environ.get("SUPERVISOR_ID")}
    known = {name: value for name, value in profile.items() if value}
    agent = Agent(nc, agent_id, options.domain, [options.capability], options.heartbeat, **known)
    done = (last_known().get("snapshot") or {}).get("done", 0)
    print(f"starts as {agent_id} and has done {done} tasks before", flush=True)

    async def process(payload: Any) -> Any:
        nonlocal done
        seconds = payload.get("seconds", 0) if isinstance(payload, dict) else 0
        await asyncio.sleep(seconds)
        done += 1
        await agent.remember({"done": done})
        print(f"has done {done} tasks", flush=True)
        return {"echo": payload, "done": done}

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: loop.create_task(agent.stop("shutdown")))
    await TaskTaker(agent, process).start()
    await agent.stopped.wait()
    await nc.drain()


asyncio.run(main())

"""An agent and its user, written from docs/wire.md with nats-py alone. Prints what came back as one JSON object."""

import asyncio
import json
import sys

import nats


async def main(url: str) -> None:
    nc = await nats.connect(url)
    js = nc.jetstream()
    seen: dict[str, list] = {}

    async def watch(name: str, subject: str) -> None:
        seen[name] = []

        async def keep(message) -> None:
            seen[name].append(json.loads(message.data))

        await nc.subscribe(subject, cb=keep)

    async def until(condition) -> None:
        deadline = asyncio.get_running_loop().time() + 15
        while not await condition():
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"still waiting after 15 s; seen: {seen}")
            await asyncio.sleep(0.02)

    async def ask(subject: str, body: dict) -> dict:
        reply = await nc.request(subject, json.dumps(body).encode(), timeout=5)
        return json.loads(reply.data)

    async def publish(subject: str, body: dict) -> None:
        await js.publish(subject, json.dumps(body).encode())

    await watch("recovery", "supervision.recovery.py-1")
    await watch("complete", "gather.py-req.complete")

    await publish("agent.py-1.created", {"agent_id": "py-1", "domain": "python", "name": "worker", "capabilities": ["snakes"]})
    await publish("agent.py-1.started", {"agent_id": "py-1"})
    await publish("agent.py-1.ready", {"agent_id": "py-1"})
    await nc.publish("agent.py-1.heartbeat", json.dumps({"agent_id": "py-1", "status": "ready", "current_load": 0.5}).encode())

    async def found() -> bool:
        seen["found"] = (await ask("agents.discovery.find", {"capability": "snakes", "healthy": True}))["agents"]
        return len(seen["found"]) > 0

    await until(found)

    bucket = await js.key_value("AGENT_STATE")

    async def mirrored() -> bool:
        try:
            seen["state"] = json.loads((await bucket.get("agent.py-1")).value)
        except nats.js.errors.KeyNotFoundError:
            return False
        return True

    await until(mirrored)

    await publish("supervision.failures.high", {"agent_id": "py-1", "failure_type": "process_crash", "severity": "high"})

    await publish("scatter.py-req.task", {"request_id": "py-req", "min_responses": 3, "timeout_ms": 10000, "payload": "ping"})
    for n in range(3):
        await js.publish("gather.py-req.result", f"raw pong {n}".encode(), headers={"X-Agent-ID": f"py-{n}"})

    async def answered() -> bool:
        return bool(seen["recovery"]) and bool(seen["complete"])

    await until(answered)
    print(json.dumps(seen))
    await nc.close()


asyncio.run(main(sys.argv[1]))

"""Plays scenarios against a running stack. Prints one JSON object a line: {"observation", "value"}."""

from __future__ import annotations

import argparse
import asyncio

import nats

from .scenarios import SCENARIOS
from .scenarios.scene import Scene


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fleet", description=__doc__)
    parser.add_argument("--url", default="nats://127.0.0.1:4222", help="the NATS server of the stack (default: %(default)s)")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), required=True)
    every = "seconds between two heartbeats (default: %(default)s)"
    parser.add_argument("--heartbeat", type=float, default=30.0, metavar="SECONDS", help=every)
    options = parser.parse_args()
    nc = await nats.connect(options.url)
    try:
        await SCENARIOS[options.scenario](Scene(nc, options.heartbeat))
    finally:
        await nc.close()


asyncio.run(main())

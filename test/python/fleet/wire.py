"""What every message has in common: JSON bodies, ISO times, the standard headers, ids of one token."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from typing import Any, Optional


def now() -> str:
    """ISO 8601 with milliseconds, in UTC: 2025-12-05T14:30:00.000Z."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def encode(body: Any) -> bytes:
    return json.dumps(body).encode()


def decode(data: bytes) -> Any:
    """A JSON value, or the text where it is none; an empty body is an object without fields."""
    if not data:
        return {}
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


def headers_of(agent_id: str, cause: Optional[dict[str, str]] = None) -> dict[str, str]:
    """Headers of a message of this agent; request, trace and priority go on from the message that caused it."""
    cause = cause or {}
    handed_on = {name: cause[name] for name in ("X-Request-ID", "X-Trace-ID", "X-Priority") if name in cause}
    return {
        "X-Agent-ID": agent_id,
        "X-Request-ID": new_id("req"),
        "X-Trace-ID": new_id("trace"),
        "X-Span-ID": new_id("span"),
        "Content-Type": "application/json",
        **handed_on,
    }

"""Matrix: joins where it is invited, answers in a thread, on matrix-nio.

It answers messages that begin with its name or ``!pick``, sent since it started, by anyone but itself; it comes back by
itself when the homeserver does.
"""

from __future__ import annotations

import asyncio
import html
import logging
import re
from typing import TYPE_CHECKING, Any

from nio import (
    AsyncClient,
    AsyncClientConfig,
    InviteMemberEvent,
    JoinError,
    LoginError,
    MatrixRoom,
    RoomMessageText,
    RoomSendError,
    SyncError,
)

from modelpicker_chatops.settings import StartError

if TYPE_CHECKING:
    from modelpicker_chatops.bot import Bot
    from modelpicker_chatops.replies import Reply

log = logging.getLogger("modelpicker.matrix")
SYNC_MS = 30_000
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
CALLED = re.compile(r"^\s*(?:!pick\b|@?{name}\b[:,]?)\s*(.*)$", re.DOTALL | re.IGNORECASE)


def formatted(reply: Reply) -> str:
    """The reply as the HTML that Matrix clients show; everything in it escaped."""
    parts = [f"<strong>{html.escape(reply.title)}</strong>"]
    parts += [html.escape(line) for line in reply.lines]
    body = "<br>".join(parts)
    if reply.launch:
        body += f"<pre><code>{html.escape(reply.launch)}</code></pre>"
    if reply.rejected:
        refused = "".join(f"<li>{html.escape(line)}</li>" for line in reply.rejected)
        body += f"<details><summary>Turned down</summary><ul>{refused}</ul></details>"
    if reply.notes:
        body += "<br>".join(["", *(f"<em>{html.escape(line)}</em>" for line in reply.notes)])
    return body


def message(reply: Reply, thread: str) -> dict[str, Any]:
    """The content of a message that answers in a thread."""
    return {
        "msgtype": "m.notice",
        "body": reply.text(),
        "format": "org.matrix.custom.html",
        "formatted_body": formatted(reply),
        "m.relates_to": {
            "rel_type": "m.thread",
            "event_id": thread,
            "is_falling_back": True,
            "m.in_reply_to": {"event_id": thread},
        },
    }


class MatrixBot:
    """One account on one homeserver."""

    def __init__(self, bot: Bot, homeserver: str, user: str, *, name: str = "modelpicker") -> None:
        self._bot = bot
        self._client = AsyncClient(homeserver, user, config=AsyncClientConfig(max_timeouts=1, max_limit_exceeded=5))
        self._called = re.compile(CALLED.pattern.replace("{name}", re.escape(name)), CALLED.flags)

    async def login(self, password: str) -> None:
        """Log in. Raises StartError with a sentence where the homeserver does not accept it."""
        answer = await self._client.login(password, device_name="modelpicker")
        if isinstance(answer, LoginError):
            raise StartError(
                f"the homeserver does not accept MATRIX_USER and MATRIX_PASSWORD ({answer.message}): check both"
            )

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Answer until cancelled. What was said before the first sync is history and stays unanswered."""
        wait = FIRST_WAIT_S
        listening = False
        while True:
            try:
                answer = await self._client.sync(timeout=SYNC_MS if listening else 0, full_state=not listening)
            except Exception as error:  # noqa: BLE001  (whatever a lost homeserver raises, the bot stays up)
                answer = SyncError(type(error).__name__)
            if isinstance(answer, SyncError):
                log.warning("the homeserver does not answer: %s", answer.message)
                await asyncio.sleep(wait)
                wait = min(wait * 2.0, LONGEST_WAIT_S)
                continue
            wait = FIRST_WAIT_S
            if not listening:
                await self._join_all()
                self._client.add_event_callback(self._invited, InviteMemberEvent)
                self._client.add_event_callback(self._said, RoomMessageText)
                listening = True
                if ready:
                    ready.set()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def _join_all(self) -> None:
        for room in list(self._client.invited_rooms):
            await self._join(room)

    async def _invited(self, room: MatrixRoom, event: InviteMemberEvent) -> None:
        if event.state_key == self._client.user_id and event.membership == "invite":
            await self._join(room.room_id)

    async def _join(self, room: str) -> None:
        answer = await self._client.join(room)
        if isinstance(answer, JoinError):
            log.warning("cannot join %s: %s", room, answer.message)

    async def _said(self, room: MatrixRoom, event: RoomMessageText) -> None:
        found = self._called.match(event.body)
        if event.sender == self._client.user_id or found is None:
            return
        relates = event.source.get("content", {}).get("m.relates_to", {})
        thread = relates["event_id"] if relates.get("rel_type") == "m.thread" else event.event_id
        reply = await self._bot.answer(found[1])
        sent = await self._client.room_send(room.room_id, "m.room.message", message(reply, thread))
        if isinstance(sent, RoomSendError):
            log.warning("cannot answer in %s: %s", room.room_id, sent.message)

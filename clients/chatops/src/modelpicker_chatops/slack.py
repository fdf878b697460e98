"""Slack: a slash command and mentions, over HTTP or Socket Mode, on slack-bolt.

Bolt checks signatures and timestamps; what it does not do, refusing a request that was sent twice and answering an event
once however often Slack retries it, stands here. Everything is acknowledged at once and answered when the answer is there.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from modelpicker_chatops.settings import StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from modelpicker_chatops.bot import Bot
    from modelpicker_chatops.replies import Reply

log = logging.getLogger("modelpicker.slack")
REMEMBERED_SECONDS = 600.0
"""Twice the five minutes that Slack lets a signature live."""
SECTION_CHARACTERS = 2900
"""Slack takes 3,000 in one section."""
SHOW_REJECTED = "show_rejected"
API_URL = "https://slack.com/api/"


class Seen:
    """Remembers keys for a while; ``first`` is true only the first time."""

    def __init__(self, seconds: float = REMEMBERED_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._at: OrderedDict[str, float] = OrderedDict()

    def first(self, key: str) -> bool:
        """Whether the key is new; it is remembered from now on."""
        now = self._clock()
        while self._at and now - next(iter(self._at.values())) > self._seconds:
            self._at.popitem(last=False)
        if key in self._at:
            return False
        self._at[key] = now
        return True


def escaped(text: str) -> str:
    """Text that Slack shows as it stands: no links, mentions or entities of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(reply: Reply, question: str, *, rejected: bool = False) -> list[dict[str, Any]]:
    """The reply in Block Kit: answer, command, and a button for what was turned down, or that itself where it was asked for."""
    lines = reply.rejected if rejected else (f"*{escaped(reply.title)}*", *map(escaped, reply.lines))
    text = "\n".join(f"• {escaped(line)}" for line in lines) if rejected else "\n".join(lines)
    found: list[dict[str, Any]] = [_section(text)]
    if rejected:
        return found
    if reply.launch:
        found.append(_section("```" + escaped(reply.launch).replace("```", "'''") + "```"))
    if reply.rejected:
        button = {
            "type": "button", "action_id": SHOW_REJECTED, "value": question[:2000],
            "text": {"type": "plain_text", "text": f"Why not {len(reply.rejected)} others"},
        }  # fmt: skip
        found.append({"type": "actions", "elements": [button]})
    if reply.notes:
        found.append(
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": escaped("\n".join(reply.notes))[:SECTION_CHARACTERS]}],
            }
        )
    return found


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:SECTION_CHARACTERS] or " "}}


def web_client(token: str, api_url: str = API_URL) -> AsyncWebClient:
    """A Web API client that waits as long as Slack asks it to."""
    retries = [AsyncConnectionErrorRetryHandler(), AsyncRateLimitErrorRetryHandler(max_retry_count=3)]
    return AsyncWebClient(token=token, base_url=api_url, retry_handlers=retries)


async def check_token(client: AsyncWebClient) -> None:
    """Ask Slack who this is. Raises StartError with a sentence where the token is not good."""
    try:
        await client.auth_test()
    except SlackApiError as error:
        reason = error.response.get("error", "unknown")
        raise StartError(
            f"Slack does not accept SLACK_BOT_TOKEN ({reason}): copy the bot token of the installed app"
        ) from None


def create_app(bot: Bot, client: AsyncWebClient, signing_secret: str) -> AsyncApp:
    """The Slack app: /pick, mentions and the button. ``client`` is injected, so that a test can put its own Slack behind it."""
    app = AsyncApp(client=client, signing_secret=signing_secret, process_before_response=False)
    requests, events = Seen(), Seen()

    @app.middleware
    async def once(req: Any, next_: Any = None, **rest: Any) -> Any:
        signature = (req.headers.get("x-slack-signature") or [""])[0]
        retried = "x-slack-retry-num" in req.headers
        if signature and not retried and not requests.first(signature):
            return BoltResponse(status=HTTPStatus.UNAUTHORIZED, body="this request was sent before")
        return await rest["next"]() if next_ is None else await next_()

    @app.command("/pick")
    async def pick(ack: Any, command: dict[str, Any], respond: Any) -> None:
        await ack()
        await _respond(bot, command.get("text", ""), respond)

    @app.event("app_mention")
    async def mentioned(body: dict[str, Any], event: dict[str, Any], say: Any) -> None:
        if event.get("bot_id") or not events.first(body.get("event_id", "")):
            return
        question = event.get("text", "")
        reply = await bot.answer(question)
        await say(text=reply.title, blocks=blocks(reply, question), thread_ts=event.get("thread_ts") or event["ts"])

    @app.action(SHOW_REJECTED)
    async def show(ack: Any, action: dict[str, Any], respond: Any) -> None:
        await ack()
        reply = await bot.answer(action["value"])
        await respond(text="Turned down", blocks=blocks(reply, action["value"], rejected=True), replace_original=False)

    return app


async def _respond(bot: Bot, question: str, respond: Callable[..., Awaitable[Any]]) -> None:
    reply = await bot.answer(question)
    await respond(text=reply.title, blocks=blocks(reply, question))

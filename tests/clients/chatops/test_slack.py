"""The Slack app over real HTTP, with a stand-in for Slack's own API: signatures, retries, rate limits."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from aiohttp import web
from modelpicker import AsyncClient, Options
from modelpicker_chatops import slack
from modelpicker_chatops.__main__ import main
from modelpicker_chatops.bot import Bot
from modelpicker_chatops.replies import Reply
from modelpicker_chatops.settings import StartError
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "s3cret"
TOKEN = "xoxb-test"


class StandIn:
    """What Slack would do: it knows one token, keeps what is posted, and can ask to wait."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.responses: list[dict[str, Any]] = []
        self.limited = 0
        self.envelopes: list[dict[str, Any]] = []
        self.acknowledged: list[dict[str, Any]] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/auth.test", self.auth)
        app.router.add_post("/api/chat.postMessage", self.post)
        app.router.add_post("/respond", self.respond)
        app.router.add_post("/api/apps.connections.open", self.open)
        app.router.add_get("/socket", self.socket)
        return app

    async def auth(self, request: web.Request) -> web.Response:
        good = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        return web.json_response(
            {"ok": True, "bot_id": "B1", "user_id": "U1", "team_id": "T1"}
            if good
            else {"ok": False, "error": "invalid_auth"}
        )

    async def post(self, request: web.Request) -> web.Response:
        if self.limited:
            self.limited -= 1
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "1"})
        self.posted.append(
            await request.json() if request.content_type == "application/json" else dict(await request.post())
        )
        return web.json_response({"ok": True, "ts": "1.1"})

    async def open(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "url": f"ws://{request.host}/socket"})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1})
        for envelope in self.envelopes:
            await socket.send_json(envelope)
        async for message in socket:
            self.acknowledged.append(message.json())
        return socket

    async def respond(self, request: web.Request) -> web.Response:
        self.responses.append(await request.json())
        return web.Response(text="ok")


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """The application on a free port of this machine."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(service: str) -> AsyncIterator[tuple[StandIn, httpx.AsyncClient, str]]:
    """Slack's stand-in, a client of the bot's HTTP server, and the stand-in's address."""
    fake = StandIn()
    async with served(fake.app()) as api, AsyncClient(Options(url=service)) as client:
        app = slack.create_app(Bot(client), slack.web_client(TOKEN, f"{api}/api/"), SECRET)
        async with served(app.web_app("/slack/events")) as bot, httpx.AsyncClient(base_url=bot, timeout=30) as http:
            yield fake, http, api


def signed(
    body: str, *, at: float | None = None, secret: str = SECRET, kind: str = "application/json"
) -> dict[str, str]:
    """Headers as Slack signs them."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}", "Content-Type": kind}


def command(text: str, api: str) -> tuple[str, dict[str, str]]:
    """A slash command's body and headers."""
    body = urlencode(
        {
            "command": "/pick",
            "text": text,
            "response_url": f"{api}/respond",
            "user_id": "U2",
            "team_id": "T1",
            "channel_id": "C1",
        }
    )
    return body, signed(body, kind="application/x-www-form-urlencoded")


def mention(text: str, event_id: str) -> str:
    """An event's body."""
    event = {"type": "app_mention", "text": text, "channel": "C1", "ts": "111.222", "user": "U2"}
    return json.dumps(
        {
            "type": "event_callback",
            "team_id": "T1",
            "event_id": event_id,
            "event": event,
            "authorizations": [{"user_id": "U1", "team_id": "T1", "is_bot": True}],
        }
    )


async def until(condition: Any) -> None:
    """Wait until something holds, or fail after ten seconds."""
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen within ten seconds")


def test_a_slash_command_is_acknowledged_and_answered(url: str) -> None:
    """At once, then with a ranked list, evidence marks, the command in a code block and a button for the rejections."""

    async def go() -> None:
        async with running(url) as (fake, http, api):
            body, headers = command("min_tg=30 coding", api)
            started = time.monotonic()
            answer = await http.post("/slack/events", content=body, headers=headers)
            assert answer.status_code == 200
            assert time.monotonic() - started < 3.0
            await until(lambda: fake.responses)
            text = json.dumps(fake.responses[0]["blocks"], ensure_ascii=False)
            assert "●" in text
            assert "```" in text
            assert slack.SHOW_REJECTED in text

    asyncio.run(go())


def test_a_mention_is_answered_once_in_its_thread(url: str) -> None:
    """However often Slack sends it, and after waiting where Slack asks to."""

    async def go() -> None:
        async with running(url) as (fake, http, _):
            fake.limited = 1
            body = mention("<@U1> why not llama 70b fp8?", "Ev1")
            assert (await http.post("/slack/events", content=body, headers=signed(body))).status_code == 200
            again = signed(body, at=time.time() - 5) | {"X-Slack-Retry-Num": "1"}
            assert (await http.post("/slack/events", content=body, headers=again)).status_code == 200
            await until(lambda: fake.posted)
            await asyncio.sleep(0.5)
            assert len(fake.posted) == 1
            assert fake.posted[0]["thread_ts"] == "111.222"
            assert "no engine can help" in json.dumps(fake.posted[0])

    asyncio.run(go())


def test_forged_stale_and_replayed_requests_are_refused(url: str) -> None:
    """With 401, and without an answer."""

    async def go() -> None:
        async with running(url) as (fake, http, api):
            body, good = command("coding", api)
            kind = "application/x-www-form-urlencoded"
            for headers in (
                signed(body, secret="wrong", kind=kind),
                signed(body, at=time.time() - 600, kind=kind),
                {"Content-Type": kind},
            ):
                assert (await http.post("/slack/events", content=body, headers=headers)).status_code == 401
            assert (await http.post("/slack/events", content=body, headers=good)).status_code == 200
            assert (await http.post("/slack/events", content=body, headers=good)).status_code == 401
            await until(lambda: fake.responses)
            await asyncio.sleep(0.3)
            assert len(fake.responses) == 1

    asyncio.run(go())


def test_socket_mode_answers_too(url: str) -> None:
    """Each envelope is acknowledged, and the command answered."""

    async def go() -> None:
        fake = StandIn()
        async with served(fake.app()) as api, AsyncClient(Options(url=url)) as client:
            payload = {
                "command": "/pick",
                "text": "min_tg=30",
                "response_url": f"{api}/respond",
                "user_id": "U2",
                "team_id": "T1",
            }
            fake.envelopes = [
                {"envelope_id": "e1", "type": "slash_commands", "payload": payload, "accepts_response_payload": True}
            ]
            app = slack.create_app(Bot(client), slack.web_client(TOKEN, f"{api}/api/"), "socket mode")
            handler = AsyncSocketModeHandler(app, "xapp-test")
            await handler.connect_async()
            await until(lambda: fake.responses)
            assert [x["envelope_id"] for x in fake.acknowledged] == ["e1"]
            assert "configs meet the limits" in json.dumps(fake.responses)
            await handler.close_async()

    asyncio.run(go())


def test_the_button_shows_what_was_turned_down(url: str) -> None:
    """As a list, where it was asked."""

    async def go() -> None:
        async with running(url) as (fake, http, api):
            action = {
                "type": "button",
                "action_id": slack.SHOW_REJECTED,
                "value": "min_tg=30",
                "block_id": "b",
                "action_ts": "1",
            }
            payload = {
                "type": "block_actions",
                "team": {"id": "T1"},
                "user": {"id": "U2"},
                "actions": [action],
                "response_url": f"{api}/respond",
            }
            body = urlencode({"payload": json.dumps(payload)})
            headers = signed(body, kind="application/x-www-form-urlencoded")
            assert (await http.post("/slack/events", content=body, headers=headers)).status_code == 200
            await until(lambda: fake.responses)
            assert "llama-3.1-70b-instruct/fp8" in json.dumps(fake.responses[0])

    asyncio.run(go())


def test_a_wrong_token_fails_at_start_with_a_sentence() -> None:
    """Naming the variable, not the token."""

    async def go() -> None:
        async with served(StandIn().app()) as api:
            await slack.check_token(slack.web_client(TOKEN, f"{api}/api/"))
            with pytest.raises(StartError, match="SLACK_BOT_TOKEN") as refused:
                await slack.check_token(slack.web_client("xoxb-wrong", f"{api}/api/"))
            assert "xoxb" not in str(refused.value)

    asyncio.run(go())


def test_a_missing_token_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and the variable's name."""
    for name in ("SLACK_SIGNING_SECRET", "MATRIX_HOMESERVER"):
        monkeypatch.delenv(name, raising=False)
    assert main(["slack"]) == 2
    assert "SLACK_SIGNING_SECRET" in capsys.readouterr().err
    assert main(["matrix"]) == 2
    assert "MATRIX_HOMESERVER" in capsys.readouterr().err


def test_what_people_typed_stays_text() -> None:
    """No link, no mention, no end of the code block."""
    found = json.dumps(slack.blocks(Reply("<!channel> & <http://x|y>", launch="a ``` b"), "q"))
    assert "<!channel>" not in found
    assert "&lt;!channel&gt;" in found
    assert found.count("```") == 2

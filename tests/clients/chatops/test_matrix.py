"""The Matrix bot end to end against a real homeserver: matrix-synapse on loopback, with SQLite."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from modelpicker import AsyncClient, Options
from modelpicker_chatops import matrix
from modelpicker_chatops.bot import Bot
from modelpicker_chatops.replies import Reply
from modelpicker_chatops.settings import StartError
from nio import AsyncClient as MatrixClient
from nio import RoomMessageText, RoomSendResponse

from tests.serving import free_port, wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

SECRET = "registration secret of a test"
CONFIG = """
server_name: localhost
pid_file: {folder}/homeserver.pid
listeners:
  - {{port: {port}, bind_addresses: ['127.0.0.1'], type: http, tls: false, x_forwarded: false, resources: [{{names: [client], compress: false}}]}}
database: {{name: sqlite3, args: {{database: '{folder}/homeserver.db'}}}}
media_store_path: {folder}/media
signing_key_path: {folder}/signing.key
log_config: {folder}/log.yaml
registration_shared_secret: '{secret}'
macaroon_secret_key: macaroon
form_secret: form
report_stats: false
trusted_key_servers: []
rc_message: {{per_second: 1000, burst_count: 1000}}
rc_login: {{address: {{per_second: 1000, burst_count: 1000}}, account: {{per_second: 1000, burst_count: 1000}}}}
rc_joins: {{local: {{per_second: 1000, burst_count: 1000}}}}
rc_invites: {{per_room: {{per_second: 1000, burst_count: 1000}}, per_user: {{per_second: 1000, burst_count: 1000}}}}
"""
LOG = "{version: 1, disable_existing_loggers: false, handlers: {none: {class: logging.NullHandler}}, root: {level: ERROR, handlers: [none]}}"


class Homeserver:
    """A synapse that can be stopped and started again with what it holds."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.config = folder / "homeserver.yaml"
        self.config.write_text(CONFIG.format(folder=folder, port=port, secret=SECRET))
        (folder / "log.yaml").write_text(LOG)
        synapse = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(self.config)]
        subprocess.run([*synapse, "--generate-keys"], check=True, capture_output=True)
        self.command = synapse
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(f"{self.url}/health", self.process)

    def stop(self) -> None:
        """Stop it."""
        if self.process:
            self.process.terminate()
            self.process.wait(30)

    def register(self, name: str) -> None:
        """An account whose password is its name."""
        script = [sys.executable, "-m", "synapse._scripts.register_new_matrix_user"]
        subprocess.run(
            [*script, "-c", str(self.config), "-u", name, "-p", name, "--no-admin", self.url],
            check=True,
            capture_output=True,
        )


@pytest.fixture(scope="module")
def homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver with a bot's and a person's account."""
    server = Homeserver(tmp_path_factory.mktemp("synapse"))
    server.start()
    for name in ("bot", "person"):
        server.register(name)
    yield server
    server.stop()


@asynccontextmanager
async def person(server: Homeserver) -> AsyncIterator[MatrixClient]:
    """A person who has logged in."""
    client = MatrixClient(server.url, "@person:localhost")
    await client.login("person")
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def bot_of(server: Homeserver, service: str) -> AsyncIterator[None]:
    """The bot, listening."""
    async with AsyncClient(Options(url=service)) as client:
        bot = matrix.MatrixBot(Bot(client), server.url, "@bot:localhost")
        await bot.login("bot")
        ready = asyncio.Event()
        task = asyncio.create_task(bot.run(ready))
        await asyncio.wait_for(ready.wait(), 60)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await bot.close()


async def send(client: MatrixClient, room: str, text: str) -> str:
    """Say something; returns the event's id."""
    sent = await client.room_send(room, "m.room.message", {"msgtype": "m.text", "body": text})
    assert isinstance(sent, RoomSendResponse)
    return str(sent.event_id)


async def answers(client: MatrixClient, room: str, *, wanted: int, seconds: float = 30.0) -> list[dict[str, Any]]:
    """What the bot has said in a room, once it is ``wanted`` messages or the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        page = await client.room_messages(room, start="", limit=100)
        found = [
            e.source
            for e in getattr(page, "chunk", [])
            if e.sender == "@bot:localhost"
            and (isinstance(e, RoomMessageText) or e.source.get("type") == "m.room.message")
        ]
        if len(found) >= wanted or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)


async def invited(client: MatrixClient) -> str:
    """A room that the bot has been invited to and has joined."""
    room = await client.room_create(invite=["@bot:localhost"])
    for _ in range(300):
        members = await client.joined_members(room.room_id)
        if any(member.user_id == "@bot:localhost" for member in getattr(members, "members", [])):
            return str(room.room_id)
        await asyncio.sleep(0.1)
    raise AssertionError("the bot did not join within half a minute")


def test_it_joins_and_answers_in_a_thread(homeserver: Homeserver, url: str) -> None:
    """With the ranked list and the command; what is not for it, and what it says itself, stays unanswered."""

    async def go() -> None:
        async with bot_of(homeserver, url), person(homeserver) as someone:
            room = await invited(someone)
            await send(someone, room, "good morning everybody")
            asked = await send(someone, room, "!pick min_tg=30 coding")
            found = await answers(someone, room, wanted=1)
            await asyncio.sleep(1.0)
            found = await answers(someone, room, wanted=1)
            assert len(found) == 1
            content = found[0]["content"]
            assert content["m.relates_to"]["rel_type"] == "m.thread"
            assert content["m.relates_to"]["event_id"] == asked
            assert "configs meet the limits" in content["body"]
            assert "<pre><code>" in content["formatted_body"]

    asyncio.run(go())


def test_it_survives_a_restart_of_the_homeserver(homeserver: Homeserver, url: str) -> None:
    """And answers what is asked afterwards."""

    async def go() -> None:
        async with bot_of(homeserver, url), person(homeserver) as someone:
            room = await invited(someone)
            await asyncio.to_thread(homeserver.stop)
            await asyncio.sleep(1.0)
            await asyncio.to_thread(homeserver.start)
            await send(someone, room, "modelpicker: why not llama 70b fp8?")
            found = await answers(someone, room, wanted=1, seconds=60)
            assert "no engine can help" in json.dumps(found)

    asyncio.run(go())


def test_old_messages_stay_unanswered(homeserver: Homeserver, url: str) -> None:
    """What was asked while it was away is history."""

    async def go() -> None:
        async with person(homeserver) as someone:
            async with bot_of(homeserver, url):
                room = await invited(someone)
            await send(someone, room, "!pick coding")
            async with bot_of(homeserver, url):
                await send(someone, room, "!pick help")
                await answers(someone, room, wanted=1)
                await asyncio.sleep(1.0)
                assert len(await answers(someone, room, wanted=1)) == 1

    asyncio.run(go())


def test_a_wrong_password_fails_at_start_with_a_sentence(homeserver: Homeserver, url: str) -> None:
    """Naming the variables, not the password."""

    async def go() -> None:
        async with AsyncClient(Options(url=url)) as client:
            bot = matrix.MatrixBot(Bot(client), homeserver.url, "@bot:localhost")
            try:
                with pytest.raises(StartError, match="MATRIX_PASSWORD") as refused:
                    await bot.login("hunter2")
                assert "hunter2" not in str(refused.value)
            finally:
                await bot.close()

    asyncio.run(go())


def test_html_is_escaped() -> None:
    """Whatever a model is called."""
    assert "<script>" not in matrix.formatted(
        Reply("<script>", ("<script>",), "<script>", ("<script>",), ("<script>",))
    )

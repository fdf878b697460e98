"""``modelpicker-chatops slack | slack-socket | matrix``: run the bot until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

from modelpicker import AsyncClient

from modelpicker_chatops.bot import Bot
from modelpicker_chatops.settings import StartError, port, required

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slack_sdk.web.async_client import AsyncWebClient


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one transport; returns the exit status: 2 where it cannot start, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="modelpicker-chatops", description=__doc__)
    parser.add_argument("transport", choices=["slack", "slack-socket", "matrix"])
    options = parser.parse_args(arguments)
    logging.basicConfig(level=os.environ.get("MODELPICKER_LOG_LEVEL", "warning").upper())
    run = {"slack": _slack, "slack-socket": _slack_socket, "matrix": _matrix}
    try:
        asyncio.run(run[options.transport]())
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = options.transport.partition("-")[0]
        print(f"{error.name} is not installed: pip install 'modelpicker-chatops[{extra}]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


async def _slack() -> None:
    from aiohttp import web  # noqa: PLC0415  (an extra)

    from modelpicker_chatops import slack  # noqa: PLC0415  (an extra)

    secret = required("SLACK_SIGNING_SECRET", "the signing secret of the Slack app")
    client = await _slack_client()
    async with AsyncClient() as service:
        runner = web.AppRunner(slack.create_app(Bot(service), client, secret).web_app("/slack/events"))
        await runner.setup()
        await web.TCPSite(runner, os.environ.get("MODELPICKER_SLACK_HOST", "0.0.0.0"), port()).start()  # noqa: S104
        await asyncio.Event().wait()


async def _slack_socket() -> None:
    from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler  # noqa: PLC0415  (an extra)

    from modelpicker_chatops import slack  # noqa: PLC0415  (an extra)

    app_token = required("SLACK_APP_TOKEN", "the app-level token of the Slack app (xapp-...)")
    client = await _slack_client()
    async with AsyncClient() as service:
        handler = AsyncSocketModeHandler(slack.create_app(Bot(service), client, "socket mode"), app_token)
        await handler.start_async()  # type: ignore[no-untyped-call]


async def _matrix() -> None:
    from modelpicker_chatops.matrix import MatrixBot  # noqa: PLC0415  (an extra)

    homeserver = required("MATRIX_HOMESERVER", "the address of the homeserver (https://...)")
    user, password = (
        required("MATRIX_USER", "the bot's user id (@bot:server)"),
        required("MATRIX_PASSWORD", "its password"),
    )
    async with AsyncClient() as service:
        bot = MatrixBot(Bot(service), homeserver, user)
        try:
            await bot.login(password)
            await bot.run()
        finally:
            await bot.close()


async def _slack_client() -> AsyncWebClient:
    """A client whose token was checked."""
    from modelpicker_chatops import slack  # noqa: PLC0415  (an extra)

    token = required("SLACK_BOT_TOKEN", "the bot token of the installed Slack app (xoxb-...)")
    client = slack.web_client(token, os.environ.get("SLACK_API_URL", slack.API_URL))
    await slack.check_token(client)
    return client


if __name__ == "__main__":
    sys.exit(main())

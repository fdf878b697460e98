"""The ``modelpicker`` command: every question of the wire as options, a table for people or JSON for pipes.

Exit status: 0 found, 1 nothing feasible (or no answer), 2 bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import ValidationError

from modelpicker import endpoints
from modelpicker.client import Client
from modelpicker.completion import SHELLS, script
from modelpicker.errors import BadRequestError, ConnectionFailedError, NotFoundError, ProblemError
from modelpicker.labels import Labels, ask_server
from modelpicker.local import import_measurements, local_service, serve
from modelpicker.measure import Plan, importing, measure, table
from modelpicker.tables import compared, machines, page, predicted, recommended, records
from modelpicker.transport import Options
from modelpicker.wire.answers import CompareAnswer, HardwareAnswer, MeasurementsPage, Prediction, RecommendAnswer
from modelpicker.wire.questions import (
    CompareQuestion,
    HardwareQuestion,
    MeasurementsQuestion,
    PredictQuestion,
    RecommendQuestion,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

FOUND, NOTHING, BAD = 0, 1, 2
OBJECTS = frozenset({"models", "cursor"})
"""Fields that make no sense as an option."""
QUESTIONS: dict[str, tuple[type[BaseModel], str]] = {
    "recommend": (RecommendQuestion, "rank configs that meet limits, and say why others do not"),
    "predict": (PredictQuestion, "what one config does"),
    "compare": (CompareQuestion, "configs side by side"),
    "machines": (HardwareQuestion, "rank machines that run a model within limits"),
    "measurements": (MeasurementsQuestion, "published figures"),
}
LISTINGS = ("models", "hardware", "quants", "engines", "sources")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    connection = Options(**({"url": options.url} if options.url else {}))
    try:
        if options.command == "completion":
            print(script(parser, options.shell), end="")
            return FOUND
        if options.command == "serve":
            given = {"--host": options.host, "--port": options.port}
            return serve([word for option, value in given.items() if value for word in (option, value)])
        if options.command == "mcp":
            return _agents(options)
        if options.command == "measure":
            return _measure(options)
        if options.command == "measurements" and options.contribute:
            return _contribute(options)
        with ExitStack() as stack:
            transport = stack.enter_context(local_service()) if options.local else None
            return _run(stack.enter_context(Client(connection, transport=transport)), options)
    except (ValidationError, ValueError) as error:
        print(_said(error), file=sys.stderr)
        return BAD
    except (BadRequestError, NotFoundError) as error:
        for name, reason in error.errors or (("", str(error)),):
            print(f"--{name.replace('_', '-')}: {reason}" if name else reason, file=sys.stderr)
        return BAD
    except (ProblemError, ConnectionFailedError) as error:
        print(str(error) if getattr(options, "local", False) else f"{connection.url}: {error}", file=sys.stderr)
        return NOTHING


def _agents(options: argparse.Namespace) -> int:
    """Serve agents until told to stop."""
    try:
        from modelpicker.agents import serve as serve_agents  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: pip install 'modelpicker[mcp]'", file=sys.stderr)
        return BAD
    if options.url:
        os.environ["MODELPICKER_URL"] = options.url
    asyncio.run(serve_agents(options.transport, options.host, options.port))
    return FOUND


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modelpicker", description="Which model, quant and engine should I run?")
    parser.add_argument("--url", help="the service; default MODELPICKER_URL, else http://127.0.0.1:8000")
    parser.add_argument("--local", action="store_true", help="no server: answer from the catalog installed here")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (question, words) in QUESTIONS.items():
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("--json", action="store_true", help="the answer as the service gave it")
        for field, info in question.model_fields.items():
            if field not in OBJECTS:
                many = get_origin(info.annotation) is tuple
                command.add_argument(
                    f"--{field.replace('_', '-')}", dest=field, action="append" if many else "store",
                    help=(info.description or field).replace("%", "%%"),
                )  # fmt: skip
        if name == "measurements":
            command.add_argument(
                "contribute", nargs="*", metavar="contribute FILE",
                help="turn a benchmark tool's FILE into models_data/measurements/SOURCE.csv, labelled by these options",
            )  # fmt: skip
    for name in LISTINGS:
        command = commands.add_parser(name, help=f"the known {name}")
        command.add_argument("--json", action="store_true", help="the answer as the service gave it")
        command.add_argument(
            "id", nargs="?", help="one of them" + (", or detect: what this box has" if name == "hardware" else "")
        )
        if name == "hardware":
            command.add_argument(
                "--measure", action="store_true", help="with detect: read memory for a few seconds and say how fast"
            )
    _measure_options(
        commands.add_parser("measure", help="time an OpenAI-compatible server, and keep it as measurements")
    )
    serving = commands.add_parser("serve", help="run the service installed here")
    serving.add_argument("--host", help="address to listen on")
    serving.add_argument("--port", help="port to listen on")
    agents = commands.add_parser("mcp", help="tools for agents (Model Context Protocol)")
    agents.add_argument("--transport", choices=["stdio", "http"], default="stdio", help="stdio, or HTTP at /mcp")
    agents.add_argument("--host", default="127.0.0.1", help="address to listen on")
    agents.add_argument("--port", type=int, default=8765, help="port to listen on")
    completing = commands.add_parser("completion", help="print a completion script for a shell")
    completing.add_argument("shell", choices=SHELLS, help="source its output, or put it where the shell looks")
    return parser


def _measure_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--url", dest="server", required=True, help="the server, as http://localhost:8000/v1")
    command.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY"), help="its key; default OPENAI_API_KEY")
    for field in fields(Labels):
        name = "--" + field.name.replace("_", "-")
        command.add_argument(
            name,
            help="the model as the server calls it"
            if field.name == "served"
            else f"its {field.name}, where the server does not say",
        )
    for name, words in (
        ("isl", "input tokens"),
        ("osl", "output tokens"),
        ("concurrency", "streams at once"),
        ("context", "tokens in the cache before"),
    ):
        command.add_argument(f"--{name}", type=_tokens, default=getattr(Plan, name), help=f"{words}, as 0,8k,32k")
    command.add_argument("--runs", type=int, default=Plan.runs, help="repetitions of each")
    command.add_argument("--tokenizer", help="a tokenizer's name or folder, for exact prompt lengths")
    command.add_argument("--book-url", help="text that prompts are made of; default: llama-benchy's own")
    command.add_argument("--output", type=Path, default=Path("measurements.json"), help="where the report is kept")


def _tokens(text: str) -> tuple[int, ...]:
    """0,8k,32k as numbers: k is 1,024."""
    try:
        found = tuple(int(part[:-1]) * 1024 if part[-1:] in "kK" else int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers, as 0,8k,32k") from error
    if any(value < 0 for value in found):
        raise argparse.ArgumentTypeError("a number of tokens is not negative")
    return found


def _measure(options: argparse.Namespace) -> int:
    """Measure a server, show what came out, and say how to bring it into a catalog.

    A person at a terminal is asked for the labels that neither options nor server told; a script is refused.
    """
    given = Labels(**{field.name: getattr(options, field.name) for field in fields(Labels)})
    plan = Plan(**{field.name: getattr(options, field.name) for field in fields(Plan)})
    labels = given.over(ask_server(options.server))
    if sys.stdin.isatty():
        labels = labels.asked(input)
    measure(options.server, labels, plan, options.output, options.api_key)
    print(table(json.loads(options.output.read_text(encoding="utf-8"))))
    print(f"kept in {options.output}; to be answered from it:", importing(labels, options.output), sep="\n")
    return FOUND


def _contribute(options: argparse.Namespace) -> int:
    """Write one contribution from a tool's file, where the catalog is installed here."""
    word, *files = options.contribute
    if word != "contribute" or len(files) != 1:
        raise ValueError("write: modelpicker measurements contribute FILE --source NAME")
    if not options.source:
        raise ValueError("--source: name whose numbers these are")
    labels = ("source", "evidence", "model", "quant", "engine", "hardware", "speculation")
    given = {name: value[0] for name in labels if (value := getattr(options, name))}
    return import_measurements(files[0], given)


def _detect(client: Client, options: argparse.Namespace) -> int:
    """What this box has, and which of the catalog's machines it is; 1 where the catalog does not know it."""
    from modelpicker import detect  # noqa: PLC0415  (nobody else needs ctypes and threads)

    known = client.with_raw_response(endpoints.listing("hardware")).answer["hardware"]
    box = detect.detect()
    text, complete = detect.report(box, known)
    print(text)
    if options.measure:
        print(detect.bandwidth(box, known))
    return FOUND if complete else NOTHING


def _run(client: Client, options: argparse.Namespace) -> int:
    if options.command == "hardware" and options.id == "detect":
        return _detect(client, options)
    if options.command in LISTINGS:
        call = endpoints.record(options.command, options.id) if options.id else endpoints.listing(options.command)
    else:
        question, _ = QUESTIONS[options.command]
        given = {name: value for name in question.model_fields if (value := getattr(options, name, None)) is not None}
        call = _call(options.command, given)
    raw = client.with_raw_response(call)
    print(raw.content.decode() if options.json else _table(options, raw.answer))
    return _status(raw.answer)


def _call(command: str, given: dict[str, Any]) -> endpoints.Call[Any]:
    if command == "measurements":
        return endpoints.measurements(given, None)
    calls: dict[str, Callable[[dict[str, Any]], endpoints.Call[Any]]] = {
        "recommend": endpoints.recommend,
        "predict": endpoints.predict,
        "compare": endpoints.compare,
        "machines": endpoints.recommend_hardware,
    }
    return calls[command](given)


def _table(options: argparse.Namespace, answer: Any) -> str:
    if isinstance(answer, RecommendAnswer):
        return recommended(answer)
    if isinstance(answer, HardwareAnswer):
        return machines(answer)
    if isinstance(answer, CompareAnswer):
        return compared(answer)
    if isinstance(answer, Prediction):
        return predicted(answer)
    if isinstance(answer, MeasurementsPage):
        return page(answer)
    return records(options.command, answer)


def _status(answer: Any) -> int:
    """1, with the reason on stderr, where a question that seeks something feasible found nothing."""
    if isinstance(answer, (RecommendAnswer, HardwareAnswer)) and not answer.recommendations:
        advice = getattr(answer, "advice", None)
        print(advice or "nothing meets these limits; the rejections say why", file=sys.stderr)
        return NOTHING
    return FOUND


def _said(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "\n".join(
            f"--{'.'.join(map(str, e['loc'])).replace('_', '-')}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
    return str(error)


if __name__ == "__main__":
    sys.exit(main())

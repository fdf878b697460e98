"""Shell completion: what can follow a word of the command line, as a script for bash, zsh or fish."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELLS = ("bash", "zsh", "fish")
BASH = """_modelpicker() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command= each
  for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ $each != -* ]] && {{ command=$each; break; }}
  done
  case $command in
{cases}
    *) COMPREPLY=($(compgen -W "{commands}" -- "$word")) ;;
  esac
}}
complete -F _modelpicker modelpicker
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of a parser with sub-commands."""
    words = options(parser)
    if shell == "fish":
        return _fish(words)
    cases = "\n".join(
        f'    {command}) COMPREPLY=($(compgen -W "{" ".join(flags)}" -- "$word")) ;;'
        for command, flags in words.items()
    )
    return (ZSH if shell == "zsh" else "") + BASH.format(cases=cases, commands=" ".join(words))


def options(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """The options of each sub-command, in order, and the choices of its positional arguments."""
    found = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001
    commands: Mapping[str, argparse.ArgumentParser] = found.choices
    return {
        name: [
            word
            for action in command._actions  # noqa: SLF001
            for word in (action.option_strings[-1:] or [str(choice) for choice in action.choices or ()])
        ]
        for name, command in commands.items()
    }


def _fish(words: Mapping[str, list[str]]) -> str:
    lines = [f"complete -c modelpicker -n __fish_use_subcommand -f -a {command}" for command in words]
    for command, flags in words.items():
        seen = f"'__fish_seen_subcommand_from {command}'"
        lines += [
            f"complete -c modelpicker -n {seen} {'-l ' + flag[2:] if flag.startswith('--') else '-f -a ' + flag}"
            for flag in flags
        ]
    return "\n".join(lines) + "\n"

"""Chats with `tabagent run` on a terminal of its own, as a person does. Usage: terminal.py TABAGENT DATA_FOLDER

Exits with an error that says what was expected and what the screen shows.
"""

import json
import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path

BINARY, DATA = sys.argv[1], Path(sys.argv[2])
# Longest wait for anything to appear.
PATIENCE = 60
QUESTION = "Who are you?"
# What moves the cursor and colours text.
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


class Terminal:
    def __init__(self, *arguments):
        self.process, self.screen = pty.fork()
        if self.process == 0:
            command = [BINARY, "run", "--data-dir", str(DATA), *arguments]
            os.execve(BINARY, command, {**os.environ, "TERM": "xterm"})
        self.text = ""
        self.read = 0

    def expect(self, words):
        """Waits for words after those that were waited for last, and gives what came before them."""
        end = time.monotonic() + PATIENCE
        while (at := self.text.find(words, self.read)) < 0:
            ready, _, _ = select.select([self.screen], [], [], max(0, end - time.monotonic()))
            try:
                piece = os.read(self.screen, 4096) if ready else b""
            except OSError:
                piece = b""
            if not piece:
                sys.exit(f"{words!r} was expected; the screen shows:\n{self.text}")
            self.text += CONTROLS.sub("", piece.decode())
        before = self.text[self.read : at]
        self.read = at + len(words)
        return before

    def type(self, text):
        os.write(self.screen, text.encode())

    def ask(self, text):
        """Types a line and gives what is written until the next prompt."""
        self.type(text + "\r")
        self.expect(text.splitlines()[-1])
        return self.expect("\n> ").strip()

    def end(self):
        _, status = os.waitpid(self.process, 0)
        if status != 0:
            sys.exit(f"it ended with {status}; the screen shows:\n{self.text}")


def check(condition, what, found):
    if not condition:
        sys.exit(f"{what}: {found!r}")


def main():
    terminal = Terminal("--temperature", "0")
    terminal.expect("> ")
    check("/retry" in terminal.ask("/help"), "the help lists the commands", terminal.text)
    answer = terminal.ask(QUESTION)
    check("tabagent" in answer.lower(), "an answer", answer)
    check(terminal.ask("/retry") == answer, "the same answer again", terminal.text)
    check("tokens of prompt" in terminal.ask("/stats"), "figures", terminal.text)
    check("temperature         0" in terminal.ask("/set"), "settings", terminal.text)
    check("max_tokens" in terminal.ask("/set max_tokens x"), "a value that is none", terminal.text)
    check("/help" in terminal.ask("/halp"), "a command that there is not", terminal.text)
    check("* tabagent-chat" in terminal.ask("/model"), "the models", terminal.text)

    # What was said is kept; what is saved is what the API takes.
    terminal.ask("/system Be brief.")
    saved = DATA / "conversation.json"
    terminal.ask(f"/save {saved}")
    roles = [message["role"] for message in json.loads(saved.read_text())]
    check(roles == ["system", "user", "assistant"], "the roles of what was saved", roles)
    check("cannot be written" in terminal.ask(f"/save {saved}"), "a file is not written over", terminal.text)
    terminal.ask("/undo")
    terminal.ask("/save " + str(DATA / "undone.json"))
    roles = [message["role"] for message in json.loads((DATA / "undone.json").read_text())]
    check(roles == ["system"], "what is left of it", roles)

    # Ctrl-C in an answer stops it, if it has not ended by then, and the conversation goes on.
    terminal.type("Tell me everything that you know\r")
    terminal.expect("know\n")
    os.kill(terminal.process, signal.SIGINT)
    terminal.expect("\n> ")

    # Ctrl-C at the prompt does not leave; Ctrl-D does, and /bye.
    terminal.type("\x03")
    terminal.expect("leaves")
    terminal.expect("> ")
    terminal.type("\x04")
    terminal.end()

    terminal = Terminal()
    terminal.expect("> ")
    terminal.type("/bye\r")
    terminal.end()
    history = (DATA / "run-history.txt").read_text()
    check(QUESTION in history, "what was typed", history)


main()

"""What the demo prints: headings, aligned lines, and one line that is renewed while it waits."""

import os
import shutil
import sys
import time

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
ACTORS = {"pipeline": "cyan", "shop": "yellow", "rollbackd": "bold"}


class Screen:
    def __init__(self):
        terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.has_live_line = terminal
        self.has_colours = terminal and not os.environ.get("NO_COLOR")
        self.started = time.monotonic()
        self.live_shown = False
        self.live_at = 0.0
        sys.stdout.reconfigure(errors="replace")

    def elapsed(self):
        return time.monotonic() - self.started

    def style(self, name, text):
        return f"\033[{STYLES[name]}m{text}\033[0m" if self.has_colours and text else text

    def say(self, text=""):
        self.clear_live()
        print(text, flush=True)

    def heading(self, text, remark=""):
        self.say()
        self.say(self.style("bold", text) + (self.style("dim", f"  ({remark})") if remark else ""))

    def news(self, actor, text):
        """Something happened now: seconds since the start of the demo, who, and what."""
        who = self.style(ACTORS.get(actor, "dim"), f"{actor:<10}")
        self.say(f"  {self.elapsed():5.1f} s  {who} {text}")

    def live(self, text):
        """Replaces the line at the bottom, at most once a second; nothing when this is no terminal."""
        if not self.has_live_line or (self.live_shown and self.elapsed() - self.live_at < 1):
            return
        width = shutil.get_terminal_size().columns - 1
        line = f"  {self.elapsed():5.1f} s  {'now':<10} {text}"[:width]
        self.clear_live()
        print(self.style("dim", line), end="", flush=True)
        self.live_shown = True
        self.live_at = self.elapsed()

    def clear_live(self):
        if self.live_shown:
            print("\r\033[K", end="", flush=True)
            self.live_shown = False

"""A page in Chromium without a window, driven by the DevTools protocol."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SECONDS = 60


def in_browser(page: Path, expressions: list[str], folder: Path) -> list:
    """The values of JavaScript expressions, evaluated one after the other in a page that was opened from its file."""
    arguments = ["--headless", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
    arguments += [f"--user-data-dir={folder}", "about:blank"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.insert(0, "--no-sandbox")  # Chromium's does not work for root
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([CHROMIUM, *arguments], **quiet)
    try:
        return asyncio.run(asyncio.wait_for(_evaluate(page, expressions, folder), _SECONDS))
    finally:
        process.kill()
        process.wait()


async def _evaluate(page: Path, expressions: list[str], folder: Path) -> list:
    from tornado.websocket import websocket_connect

    told = folder / "DevToolsActivePort"
    while not (told.is_file() and told.read_text().count("\n")):
        await asyncio.sleep(0.05)
    port = told.read_text().split("\n")[0]
    request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?{page.as_uri()}", method="PUT")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        socket = await websocket_connect(json.load(answer)["webSocketDebuggerUrl"])

    async def evaluate(expression: str) -> object:
        parameters = {"expression": expression, "returnByValue": True}
        await socket.write_message(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": parameters}))
        while "id" not in (message := json.loads(await socket.read_message())):
            pass
        assert "exceptionDetails" not in message["result"], message
        return message["result"]["result"].get("value")

    # asked at once, as the blank page was complete too
    while not await evaluate("location.href !== 'about:blank' && document.readyState === 'complete'"):
        await asyncio.sleep(0.05)
    return [await evaluate(expression) for expression in expressions]

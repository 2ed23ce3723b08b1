"""Small things that tests of several folders stand on."""

from __future__ import annotations

import contextlib
import dataclasses
from http.server import BaseHTTPRequestHandler

from SATSegmentLib.network import SATConfig
from SATSegmentLib.network.text_encoder import TextHead

SMALL_NANO = dataclasses.replace(
    SATConfig.named("nano"),
    features=(4, 8, 12, 16),
    query_width=24,
    text_width=24,
    memory_hidden=24,
    mask_hidden=16,
    mid_mask_hidden=(16, 16),
    layers=2,
    heads=2,
    feedforward=32,
    window=(16, 16, 8),
)


def small_mpnet(cls, tokenizer=None, modalities=4):
    """The published text encoder's layout in a small size, in place of `TextEncoder.mpnet`."""
    from transformers import MPNetConfig, MPNetModel

    shape = MPNetConfig(
        vocab_size=64,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=514,
        relative_attention_num_buckets=32,
        layer_norm_eps=1e-5,
    )
    return cls(MPNetModel(shape), TextHead(24, 24, modalities), tokenizer).eval()


class Handler(BaseHTTPRequestHandler):
    """Gives HEAD and GET to `answer`, and logs nothing."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def reply(self, status, headers=(), body=b""):
        """Headers whose value is None are left out; a HEAD gets no body."""
        self.send_response(status)
        for name, value in dict(headers).items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            with contextlib.suppress(ConnectionError):  # a client that cancels hangs up
                self.wfile.write(body)


def point_at(server, monkeypatch, folder):
    """Makes a local server the hub, out of reach of the environment's proxies and tokens."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("NETRC", str(folder / "no.netrc"))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")

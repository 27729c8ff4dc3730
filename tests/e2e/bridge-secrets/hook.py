#!/usr/bin/env python3
"""A receiver of webhooks. usage: hook.py PORT OUT; each request's signature is a line of OUT."""
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        with open(sys.argv[2], "a", encoding="ascii") as out:
            out.write(f"{self.headers['webhook-signature']}\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()

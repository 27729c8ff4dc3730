#!/usr/bin/env python3
"""A host of evidence files with habits: host.py PORT CERT KEY OTHER_PORT. Over TLS on PORT, bare on
OTHER_PORT.

/file.png           a picture, with its length
/unsaid.png         the same, its length unsaid, but not its end
/cut.png            the same, and nothing shows whether that was all
/to/ANYTHING        redirects to the URL-decoded ANYTHING
/loop.png           redirects to itself
/large.png          declares more than is allowed
/growing.png        declares no length and does not end
/slow.png           begins and then sends no more
/broken.png         ends before its length is reached
/gone.png           404
"""

import http.server
import ssl
import sys
import threading
import time
import urllib.parse

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400


class Host(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def begin(self, code=200, **headers):
        self.send_response(code)
        self.send_header("Content-Type", "image/png")
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def do_GET(self):
        name = self.path.lstrip("/")
        try:
            if name.startswith("to/"):
                self.begin(302, Location=urllib.parse.unquote(name[3:]), Content_Length=0)
            else:
                getattr(self, name.partition(".")[0])()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass
        self.close_connection = True

    def file(self):
        self.begin(Content_Length=len(PICTURE))
        self.wfile.write(PICTURE)

    def unsaid(self):
        self.begin(Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(PICTURE), PICTURE))

    def cut(self):
        self.begin()
        self.wfile.write(PICTURE)

    def loop(self):
        self.begin(302, Location="/loop.png", Content_Length=0)

    def large(self):
        self.begin(Content_Length=10_000_000_000)

    def growing(self):
        self.begin()
        while True:
            self.wfile.write(PICTURE)

    def slow(self):
        self.begin(Content_Length=len(PICTURE))
        self.wfile.write(PICTURE[:100])
        time.sleep(60)

    def broken(self):
        self.begin(Content_Length=len(PICTURE))
        self.wfile.write(PICTURE[:100])

    def gone(self):
        self.begin(404, Content_Length=0)


def serve(port, tls=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Host)
    server.daemon_threads = True
    if tls:
        # In each connection's own thread, not in the one that accepts.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    threading.Thread(target=server.serve_forever).start()


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[2], sys.argv[3])
serve(int(sys.argv[1]), tls)
serve(int(sys.argv[4]))

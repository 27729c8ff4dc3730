"""Receivers of notifications: webhooks over https and mails over SMTP with STARTTLS.

usage: receivers.py HTTPS_PORT SMTP_PORT CERT KEY SECRET_FILE OUT

Each thing received is a line of JSON in OUT. A webhook is answered by its path: /ok, /refuse,
/redirect, /slow, /broken (always 500), /once
(500 at first). A mail is answered by the user of its address: refuse, later (451 at first); any
other is taken.
"""

import email
import email.policy
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

USER, PASSWORD = "bridge", "a password that nobody may keep"
STATUS = {"/ok": 204, "/refuse": 400, "/redirect": 307, "/slow": 200, "/broken": 500, "/once": 200}


class Notes:
    """The lines that were written, and those seen before."""

    def __init__(self, path):
        self.out = open(path, "a", encoding="utf-8", buffering=1)
        self.lock = threading.Lock()
        self.seen = set()

    def write(self, **line):
        with self.lock:
            self.out.write(json.dumps(line) + "\n")

    def is_first(self, name):
        with self.lock:
            is_first = name not in self.seen
            self.seen.add(name)
        return is_first


def handler(notes, secret):
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                data = Webhook(secret).verify(body, headers)
                verified = True
            except WebhookVerificationError as error:
                data, verified = None, str(error)
            path = self.path.split("?")[0]
            notes.write(
                kind="webhook",
                path=path,
                id=headers.get("webhook-id"),
                verified=verified,
                body=data,
            )
            status = STATUS.get(path, 404)
            if path == "/once" and notes.is_first(headers.get("webhook-id")):
                status = 500
            if path == "/slow":
                time.sleep(30)
            self.send_response(status)
            if status == 307:
                self.send_header("location", "/stolen")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    return Hook


class Mails:
    def __init__(self, notes):
        self.notes = notes

    async def handle_RCPT(self, server, session, envelope, address, options):
        user = address.split("@")[0]
        if user == "refuse":
            return "550 no such person"
        if user == "later" and self.notes.is_first(address):
            return "451 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.notes.write(
            kind="mail",
            secured=session.ssl is not None,
            account=session.auth_data,
            to=envelope.rcpt_tos,
            headers=sorted({name.lower() for name in mail.keys()}),
            subject=mail["subject"],
            id=mail["message-id"],
            text=mail.get_content(),
        )
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    from aiosmtpd.smtp import AuthResult

    is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, auth_data=data.login.decode())


def main():
    https_port, smtp_port, cert, key, secret_file, out = sys.argv[1:]
    notes = Notes(out)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    with open(secret_file, encoding="ascii") as file:
        secret = file.read().strip()
    hooks = ThreadingHTTPServer(("127.0.0.1", int(https_port)), handler(notes, secret))
    hooks.daemon_threads = True
    hooks.socket = tls.wrap_socket(hooks.socket, server_side=True, do_handshake_on_connect=False)
    mails = Controller(
        Mails(notes),
        hostname="127.0.0.1",
        port=int(smtp_port),
        tls_context=tls,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    mails.start()
    notes.write(kind="ready")
    hooks.serve_forever()


if __name__ == "__main__":
    main()

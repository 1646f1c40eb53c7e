"""A mail server that takes everything (RFC 5321, as much of it as a client needs that has nothing to negotiate), and shows it
over HTTP as the laptop cloud does at `/_local/mail`: e-mails as JSON, newest first."""
import contextlib
import email
import email.policy
import http.server
import json
import socketserver
import threading


class Mailbox:
    def __init__(self):
        self.mails = []
        self.smtp = server(socketserver.ThreadingTCPServer, smtp_conversation(self.take))
        self.http = server(http.server.ThreadingHTTPServer, http_answer(self.newest_first))
        self.smtp_address = "{}:{}".format(*self.smtp.server_address)
        self.url = "http://{}:{}".format(*self.http.server_address)

    def take(self, recipients, content):
        message = email.message_from_bytes(content, policy=email.policy.default)
        plain, html = (message.get_body((kind,)) for kind in ("plain", "html"))
        self.mails.append(
            {
                "to": recipients,
                "subject": message["Subject"],
                "text": plain and plain.get_content(),
                "html": html and html.get_content(),
                "headers": dict(message.items()),
            }
        )

    def newest_first(self):
        return self.mails[::-1]

    @contextlib.contextmanager
    def running(self):
        for each in (self.smtp, self.http):
            threading.Thread(target=each.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            for each in (self.smtp, self.http):
                each.shutdown()
                each.server_close()


def server(kind, handler):
    made = kind(("127.0.0.1", 0), handler)
    made.daemon_threads = True
    return made


def smtp_conversation(take):
    class Conversation(socketserver.StreamRequestHandler):
        def handle(self):
            recipients = []
            self.reply("220 ready")
            while line := self.rfile.readline():
                command = line.decode(errors="replace").strip()
                if command.upper().startswith("RCPT TO:"):
                    recipients.append(command[len("RCPT TO:") :].split()[0].strip("<>"))
                if command.upper() == "DATA":
                    self.reply("354 go on")
                    take(recipients, self.content())
                    recipients = []
                    self.reply("250 taken")
                elif command.upper() == "QUIT":
                    return self.reply("221 bye")
                else:
                    self.reply("250 fine")

        def reply(self, line):
            self.wfile.write(f"{line}\r\n".encode())

        def content(self):
            """The lines up to the one that is a dot; of a line that begins with a dot the first is not the message's."""
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

    return Conversation


def http_answer(show):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(show()).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Answer

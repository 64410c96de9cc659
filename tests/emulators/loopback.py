"""What the servers of this directory share: one way to listen and to answer."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def argument_parser(description):
    """A parser with the option every server here takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, picks a free one"
    )
    return parser


class Server(ThreadingHTTPServer):
    # Clients come by the hundred at once; of five, the default, the sixth waits a second.
    request_queue_size = 512


def serve(handler, port):
    """Serves until the process ends; the first line printed names the port."""
    server = Server(("127.0.0.1", port), handler)
    print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


class Handler(BaseHTTPRequestHandler):
    """Hands every request, whatever its method, to `handle_request(body)`."""

    protocol_version = "HTTP/1.1"
    # An answer leaves in two parts, and the second would wait 40 ms for the first's receipt.
    disable_nagle_algorithm = True

    def handle_any(self):
        if "transfer-encoding" in self.headers:
            # Not needed by any client so far; refusing beats misreading.
            self.close_connection = True
            return self.answer(411, [], b"send a content-length\n")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return self.handle_request(body)

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = handle_any

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, status, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        self.answer(status, [("Content-Type", "application/json")], body)

    def log_message(self, format, *args):
        """Says nothing: the log is for what went wrong, and for the port."""

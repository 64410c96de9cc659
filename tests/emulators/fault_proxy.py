#!/usr/bin/env python3
"""A proxy on 127.0.0.1 that injects AWS-shaped faults in front of an emulator.

    fault_proxy.py --upstream PORT [--port PORT]

`POST /_fault` takes a JSON list of rules and forgets what was recorded before:

    {"match": "PutParameter", "kind": "throttle", "count": 2, "skip": 1, "ms": 500}

A request uses up one count (default 1) of the first rule with one left whose
`match` occurs in its description, "X-AMZ-TARGET ACTION METHOD PATH". A rule
lets `skip` (default 0) of them pass before. Kinds:

    throttle     refused as the request's protocol does it: JSON, query or S3
    http500      refused with an internal error
    drop_before  the connection ends before the request reaches the emulator
    drop_after   the lost answer: the emulator applies it, the answer never comes
    delay        answered `ms` (default 500) milliseconds later
    hold_before  never reaches the emulator, and the connection stays open
    hold_after   the emulator applies it, no answer comes, the connection stays open
    cut          both connections end after `bytes` (default 1000000) of the request's body;
                 passes requests with shorter bodies

A body of more than a megabyte is passed on as it comes, and never held in memory.

What is held is held until the client closes the connection, or is killed.

`GET /_fault` answers {"rules": what remains, "injected": [[kind, request]…],
"requests": [request…], "held": how many have been held}.
"""

import http.client
import json
import socket
import threading
import time
import urllib.parse

import leash
import loopback

KINDS = {
    "throttle",
    "http500",
    "drop_before",
    "drop_after",
    "delay",
    "hold_before",
    "hold_after",
    "cut",
}
# Where a body is cut by itself.
CUT = 1_000_000
# The largest body that is read before it is passed on.
IN_MEMORY = 1 << 20
# These belong to one hop and are not passed on.
HOP_HEADERS = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}
# Every answer of this server has these already, and two dates are none: the AWS SDK for JavaScript
# takes its clock from the header, and cannot sign what follows.
OWN_HEADERS = {"date", "server"}

JSON_ERROR = "application/x-amz-json-1.1"
QUERY_THROTTLE = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"
    b"<Message>Rate exceeded</Message></Error><RequestId>injected</RequestId></ErrorResponse>"
)
S3_THROTTLE = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


class Faults:
    """The rules in force and the record of what happened, behind one lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []
        self.injected = []
        self.requests = []
        self.held = 0

    def replace(self, rules):
        """Takes new rules; raises ValueError if one could never fire."""
        for rule in rules:
            if rule.get("kind") not in KINDS:
                raise ValueError(f"unknown kind in {rule}; known: {', '.join(sorted(KINDS))}")
            if "match" not in rule:
                raise ValueError(f"no match in {rule}")
            rule.setdefault("count", 1)
            rule.setdefault("skip", 0)
        with self.lock:
            self.rules = rules
            self.injected.clear()
            self.requests.clear()
            self.held = 0

    def take(self, request, length):
        """Records the request and uses up the rule that applies to it, if any."""
        with self.lock:
            self.requests.append(request)
            for rule in self.rules:
                if rule["match"] not in request or rule["count"] == 0:
                    continue
                if rule["kind"] == "cut" and length <= rule.get("bytes", CUT):
                    continue
                if rule["skip"] > 0:
                    rule["skip"] -= 1
                else:
                    rule["count"] -= 1
                    self.injected.append([rule["kind"], request])
                    return rule
        return {"kind": None}

    def hold(self):
        with self.lock:
            self.held += 1

    def report(self):
        with self.lock:
            return {
                "rules": [dict(rule) for rule in self.rules],
                "injected": list(self.injected),
                "requests": list(self.requests),
                "held": self.held,
            }


FAULTS = Faults()


class Passing:
    """The first bytes of a body that is read from the client while it is sent on."""

    def __init__(self, source, length):
        self.source = source
        self.left = length

    def read(self, size):
        part = self.source.read(min(size, self.left))
        self.left -= len(part)
        return part


class Proxy(loopback.Handler):
    upstream = None  # set before the server starts

    def handle_any(self):
        length = int(self.headers.get("content-length") or 0)
        if length > IN_MEMORY:
            return self.handle_request(Passing(self.rfile, length))
        return super().handle_any()

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = handle_any

    def handle_request(self, body):
        if self.path == "/_fault":
            return self.control(body)
        target = self.headers.get("x-amz-target", "")
        action = query_action(body)
        request = " ".join(f"{target} {action} {self.command} {self.path}".split())
        rule = FAULTS.take(request, int(self.headers.get("content-length") or 0))
        kind = rule["kind"]
        if kind == "throttle":
            return self.throttle(target, action)
        if kind == "http500":
            error = b'{"__type":"InternalServerError","message":"injected"}'
            return self.answer(500, [("Content-Type", JSON_ERROR)], error)
        if kind == "drop_before":
            self.close_connection = True
            return None
        if kind == "hold_before":
            return self.hold()
        if kind == "cut":
            return self.cut(body, rule.get("bytes", CUT))
        if kind == "delay":
            time.sleep(rule.get("ms", 500) / 1000)
        status, headers, answer = self.forward(body)
        if kind == "drop_after":
            self.close_connection = True
            return None
        if kind == "hold_after":
            return self.hold()
        return self.answer(status, headers, answer)

    def hold(self):
        FAULTS.hold()
        self.close_connection = True
        try:
            # Ends with the connection: a client that waits for an answer sends nothing.
            self.connection.recv(1)
        except OSError:
            pass  # reset instead of closed: gone all the same

    def cut(self, body, length):
        self.close_connection = True
        part = body if isinstance(body, bytes) else Passing(self.rfile, length)
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            # All of it is announced, and some of it sent.
            connection.putrequest(self.command, self.path, skip_host=True)
            for name, value in passed_on(self.headers.items()):
                connection.putheader(name, value)
            connection.putheader("Content-Length", self.headers["content-length"])
            connection.endheaders()
            if isinstance(part, bytes):
                connection.send(part[:length])
            else:
                while block := part.read(65536):
                    connection.send(block)
        finally:
            connection.close()
            # What is still in the buffers is thrown away: the client sees a reset.
            self.connection.shutdown(socket.SHUT_RDWR)

    def control(self, body):
        if self.command == "POST":
            try:
                FAULTS.replace(json.loads(body))
            except ValueError as error:
                return self.answer_json(400, {"message": str(error)})
        return self.answer_json(200, FAULTS.report())

    def throttle(self, target, action):
        if target:
            headers = [("Content-Type", JSON_ERROR), ("x-amzn-errortype", "ThrottlingException")]
            error = b'{"__type":"ThrottlingException","message":"Rate exceeded"}'
            return self.answer(400, headers, error)
        if action:
            return self.answer(400, [("Content-Type", "text/xml")], QUERY_THROTTLE)
        return self.answer(503, [("Content-Type", "application/xml")], S3_THROTTLE)

    def forward(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        try:
            headers = dict(passed_on(self.headers.items()))
            if isinstance(body, Passing):
                headers["Content-Length"] = str(body.left)
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            answered = passed_on(response.getheaders())
            answered = [it for it in answered if it[0].lower() not in OWN_HEADERS]
            return response.status, answered, response.read()
        finally:
            connection.close()


def query_action(body):
    """The `Action` of a request in the query protocol, or nothing."""
    if isinstance(body, Passing) or b"Action=" not in body[:300]:
        return ""
    return urllib.parse.parse_qs(body.decode("latin1")).get("Action", [""])[0]


def passed_on(headers):
    return [(name, value) for name, value in headers if name.lower() not in HOP_HEADERS]


def main():
    parser = loopback.argument_parser(__doc__)
    parser.add_argument("--upstream", type=int, required=True, help="the emulator's port")
    arguments = parser.parse_args()
    Proxy.upstream = arguments.upstream
    loopback.serve(Proxy, arguments.port)


if __name__ == "__main__":
    leash.end_with_parent()
    main()

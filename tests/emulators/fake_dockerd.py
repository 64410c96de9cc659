#!/usr/bin/env python3
"""A Docker Engine API on 127.0.0.1 without containers, for ministack's ECS.

    fake_dockerd.py [--port PORT]

The name of an image's repository drives what happens; anything else pulls at
once, starts and stays healthy:

    never-pushed  cannot be pulled: manifest unknown
    slow          takes two seconds to pull
    crash         writes its environment and that it cannot go on, and exits with code 1 half
                  a second after its start

Encode behaviour in the repository, not in the tag: after a service's first
task ministack pins its images by digest.
"""

import hashlib
import itertools
import json
import re
import struct
import threading
import time
import urllib.parse

import leash
import loopback

SLOW_PULL_SECONDS = 2
CRASH_AFTER_SECONDS = 0.5
EXIT_CODE_OF_SIGTERM = 143
# Containers have no clock of their own that anyone reads.
SOME_TIME = "2026-01-01T00:00:00Z"

VERSION = {
    "Version": "27.0",
    "ApiVersion": "1.45",
    "MinAPIVersion": "1.24",
    "Os": "linux",
    "Arch": "amd64",
}
INFO = {
    "ID": "fake",
    "OSType": "linux",
    "Architecture": "x86_64",
    "NCPU": 2,
    "MemTotal": 8 << 30,
    "Swarm": {},
}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def cannot_be_pulled(image):
    return "never-pushed" in image


class Container:
    """Something that would run; its state follows from the image and the time."""

    def __init__(self, identifier, image, labels, environment):
        self.identifier = identifier
        self.image = image
        self.labels = labels
        self.environment = environment
        self.started_at = None
        self.stopped = False

    def state(self):
        """(status, exit code), in Docker's words."""
        if self.started_at is None:
            return "created", 0
        if self.stopped:
            return "exited", EXIT_CODE_OF_SIGTERM
        if "crash" in self.image and time.monotonic() - self.started_at > CRASH_AFTER_SECONDS:
            return "exited", 1
        return "running", 0

    def output(self):
        """What it wrote: one that crashes tells all that it knows, as a bad program does.

        Docker's frames: the stream, three zeros, the length, and then the line.
        """
        if "crash" not in self.image:
            return b""
        lines = [*self.environment, "I cannot go on"]
        frames = (f"{line}\n".encode() for line in lines)
        return b"".join(struct.pack(">BxxxL", 2, len(frame)) + frame for frame in frames)

    def inspect(self):
        status, exit_code = self.state()
        address = "172.17.0.9"
        return {
            "Id": self.identifier,
            "Name": "/" + self.identifier[:8],
            "Image": "sha256:" + self.identifier,
            "Created": SOME_TIME,
            "State": {
                "Status": status,
                "Running": status == "running",
                "ExitCode": exit_code,
                "Error": "",
                "OOMKilled": False,
                "StartedAt": SOME_TIME,
                "FinishedAt": SOME_TIME,
                "Health": {"Status": "healthy", "Log": []},
            },
            "Config": {
                "Image": self.image,
                "Labels": self.labels,
                "Env": self.environment,
                "Tty": False,
            },
            "NetworkSettings": {
                "IPAddress": address,
                "Ports": {},
                "Networks": {"bridge": {"IPAddress": address}},
            },
            "HostConfig": {},
            "Mounts": [],
        }


class Containers:
    """Every container there is, behind one lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.by_identifier = {}

    def create(self, image, labels, environment):
        identifier = digest(f"{image} {next(self.numbers)}")
        with self.lock:
            self.by_identifier[identifier] = Container(identifier, image, labels, environment)
        return identifier

    def find(self, prefix):
        if len(prefix) < 12:
            return None
        with self.lock:
            matches = (c for i, c in self.by_identifier.items() if i.startswith(prefix))
            return next(matches, None)

    def remove(self, container):
        with self.lock:
            self.by_identifier.pop(container.identifier, None)


CONTAINERS = Containers()


class Engine(loopback.Handler):
    def handle_request(self, body):
        url = urllib.parse.urlparse(self.path)
        path = re.sub(r"^/v[\d.]+", "", url.path)
        query = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        if path == "/_ping":
            return self.answer(200, [("Api-Version", VERSION["ApiVersion"])], b"OK")
        if path == "/version":
            return self.answer_json(200, VERSION)
        if path == "/info":
            return self.answer_json(200, INFO)
        if match := re.fullmatch(r"/distribution/(.+)/json", path):
            return self.distribution(urllib.parse.unquote(match[1]))
        if path.startswith("/images/"):
            return self.images(path, query)
        if path == "/containers/create":
            return self.create(json.loads(body))
        if path == "/containers/json":
            return self.answer_json(200, [])
        if match := re.fullmatch(r"/containers/([^/]+)(?:/(\w+))?", path):
            return self.container(match[1], match[2])
        if path.startswith("/networks"):
            return self.answer_json(200, [] if self.command == "GET" else {"Id": "net"})
        if path.startswith("/volumes"):
            return self.answer_json(200, {"Volumes": []})
        return self.refuse(f"fake dockerd does not know {self.command} {path}")

    def refuse(self, message):
        return self.answer_json(404, {"message": message})

    def distribution(self, image):
        if cannot_be_pulled(image):
            return self.refuse("manifest unknown")
        descriptor = {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": "sha256:" + digest(image),
            "size": 1,
        }
        return self.answer_json(200, {"Descriptor": descriptor, "Platforms": []})

    def images(self, path, query):
        if path == "/images/create":
            return self.pull(f"{query.get('fromImage', '')}:{query.get('tag', 'latest')}")
        if path == "/images/json":
            return self.answer_json(200, [])
        if path.endswith("/tag"):
            return self.answer_json(201)
        if match := re.fullmatch(r"/images/(.+)/json", path):
            return self.inspect_image(urllib.parse.unquote(match[1]))
        return self.refuse(f"fake dockerd does not know {self.command} {path}")

    def pull(self, image):
        if "slow" in image:
            time.sleep(SLOW_PULL_SECONDS)
        if cannot_be_pulled(image):
            return self.refuse(
                f"manifest for {image} not found: manifest unknown: Requested image not found"
            )
        return self.answer_json(200, {"status": "Pull complete"})

    def inspect_image(self, image):
        if cannot_be_pulled(image):
            return self.refuse(f"No such image: {image}")
        description = {
            "Id": "sha256:" + digest(image),
            "RepoTags": [image],
            "RepoDigests": [],
            "Config": {},
            "Architecture": "amd64",
            "Os": "linux",
        }
        return self.answer_json(200, description)

    def create(self, request):
        image = request.get("Image", "")
        if cannot_be_pulled(image):
            return self.refuse(f"No such image: {image}")
        labels, environment = request.get("Labels") or {}, request.get("Env") or []
        identifier = CONTAINERS.create(image, labels, environment)
        return self.answer_json(201, {"Id": identifier, "Warnings": []})

    def container(self, name, action):
        container = CONTAINERS.find(name)
        if container is None:
            return self.refuse(f"No such container: {name}")
        if action == "json":
            return self.answer_json(200, container.inspect())
        if action == "start":
            container.started_at = time.monotonic()
            return self.answer_json(204)
        if action in ("stop", "kill"):
            container.stopped = True
            return self.answer_json(204)
        if action == "wait":
            while container.state()[0] == "running":
                time.sleep(0.1)
            return self.answer_json(200, {"StatusCode": container.state()[1]})
        if action == "logs":
            return self.answer(200, [], container.output())
        if action is None and self.command == "DELETE":
            CONTAINERS.remove(container)
            return self.answer_json(204)
        return self.refuse(f"fake dockerd does not know {self.command} {self.path}")


def main():
    arguments = loopback.argument_parser(__doc__).parse_args()
    loopback.serve(Engine, arguments.port)


if __name__ == "__main__":
    leash.end_with_parent()
    main()

"""ministack's server, with stacks that tell what AWS's tell, and a Docker engine it asks seldom.

- DescribeStacks has the `RoleARN` of the last change that had one. ministack 1.5 takes it and
  forgets it, so every stack with a role would seem to have lost it.
- Of a parameter that is read from Parameter Store it has the name, and the value that was read as
  `ResolvedValue`. ministack tells the value in place of the name.
- Whether a task still runs is asked twice a second. ministack asks ten times a second, and for
  each of them in every listing: the tasks that a hundred tests leave behind would take all of its
  time, and every answer wait for them.
"""

import functools
import html
import re
import time

from ministack.core import responses


class Snapshots(dict):
    """Copied in one go, and listed at leisure."""

    def items(self):
        return dict.items(self.copy())

    def keys(self):
        return dict.keys(self.copy())

    def values(self):
        return dict.values(self.copy())


def with_snapshots(scoped):
    made = scoped.__init__

    @functools.wraps(made)
    def make(self):
        made(self)
        self._data = Snapshots()

    scoped.__init__ = make


# Before any service has made one.
for scoped in (responses.AccountScopedDict, responses.AccountRegionScopedDict):
    with_snapshots(scoped)

from ministack.app import main as serve
from ministack.services import cloudformation, ecs
from ministack.services.cloudformation import changesets, handlers
from ministack.services.cloudformation.helpers import _p as parameter

ROLE = "RoleARN"
# What one stack is told by; `Parameters` comes after `StackId`.
STACK = re.compile(rb"<StackId>([^<]*)</StackId>(.*?<Parameters>)(.*?)(?=</Parameters>)", re.DOTALL)
VALUE = re.compile(
    rb"<ParameterKey>([^<]*)</ParameterKey><ParameterValue>([^<]*)</ParameterValue>", re.DOTALL
)


def after(action):
    """Calls a function with the parameters and the answer of each call that succeeds, and answers
    with what it returns, if anything.
    """

    def wrap(function):
        handler = handlers._ACTION_HANDLERS[action]

        @functools.wraps(handler)
        def called(parameters):
            status, headers, body = handler(parameters)
            if status == 200:
                body = function(parameters, body) or body
            return status, headers, body

        handlers._ACTION_HANDLERS[action] = called
        return function

    return wrap


@after("CreateStack")
@after("UpdateStack")
def changed(parameters, _):
    keep(handlers._resolve_stack(parameter(parameters, "StackName")), parameters)


@after("CreateChangeSet")
def planned(parameters, _):
    keep(change_set(parameters), parameters)


@after("ExecuteChangeSet")
def executed(parameters, _):
    planned = change_set(parameters)
    if planned and ROLE in planned:
        stack = handlers._resolve_stack(planned["StackName"])
        stack[ROLE] = planned[ROLE]


@after("DescribeStacks")
def described(_, body):
    stacks = {it["StackId"]: it for it in cloudformation._stacks.values()}

    def told(found):
        stack = stacks[found[1].decode()]
        role = element(ROLE, stack[ROLE]) if ROLE in stack else b""
        values = VALUE.sub(lambda value: with_name(stack, *value.groups()), found[3])
        return b"<StackId>" + found[1] + b"</StackId>" + role + found[2] + values

    return STACK.sub(told, body)


LOOK_EVERY_SECONDS = 0.5
looked_at = {}
look = ecs._maybe_mark_stopped


def look_seldom(task, docker_client=None):
    now = time.monotonic()
    arn = task.get("taskArn", "")
    if now - looked_at.get(arn, 0) >= LOOK_EVERY_SECONDS:
        looked_at[arn] = now
        look(task, docker_client)


ecs._maybe_mark_stopped = look_seldom


def with_name(stack, key, value):
    known = stack.get("_resolved_params", {}).get(key.decode(), {})
    answer = b"<ParameterKey>" + key + b"</ParameterKey>"
    if "SsmName" not in known:
        return answer + b"<ParameterValue>" + value + b"</ParameterValue>"
    name = element("ParameterValue", known["SsmName"])
    return answer + name + b"<ResolvedValue>" + value + b"</ResolvedValue>"


def element(name, text):
    return f"<{name}>{html.escape(text)}</{name}>".encode()


def change_set(parameters):
    names = (parameter(parameters, name) for name in ("ChangeSetName", "StackName"))
    return changesets._find_change_set(*names)[1]


def keep(record, parameters):
    role = parameter(parameters, ROLE)
    if record is not None and role:
        record[ROLE] = role


def main():
    return serve()

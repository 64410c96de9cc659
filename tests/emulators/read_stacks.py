#!/usr/bin/env python3
"""Prints what the stacks of an account are and have made, as JSON, to compare two accounts.

    read_stacks.py --endpoint URL --bucket BUCKET

The client is botocore, the AWS CLI's own. In values, what every account makes up anew is
replaced by what it is of: the random name of a queue by `{STACK.LOGICAL_ID}`.
"""

import argparse
import json
import re

import botocore.session

# The random part of a balancer's address, which no other call tells.
BALANCER = re.compile(r"-[a-z0-9]{8}(\.[a-z0-9-]+\.elb\.)")
# Shorter ones are no random names.
SHORTEST = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True, help="the address of the emulator")
    parser.add_argument("--bucket", required=True, help="the bucket of the file assets")
    arguments = parser.parse_args()
    session = botocore.session.get_session()

    def client(service):
        return session.create_client(service, endpoint_url=arguments.endpoint)

    print(json.dumps(read(client, arguments.bucket), indent=1, sort_keys=True))


def read(client, bucket):
    cloudformation, parameters, storage = map(client, ["cloudformation", "ssm", "s3"])
    stacks = pages(cloudformation, "describe_stacks", "Stacks")
    texts = {}
    resources = {}
    for stack in stacks:
        name = stack["StackName"]
        template = cloudformation.get_template(StackName=name, TemplateStage="Original")
        # botocore parses what is JSON; a template in YAML is kept as its text.
        texts[name] = template["TemplateBody"]
        listed = pages(cloudformation, "list_stack_resources", "StackResourceSummaries", name)
        resources[name] = {it["LogicalResourceId"]: it for it in listed}
    masked = Masks(texts, resources)
    return {
        "stacks": {
            masked.stack(stack["StackName"]): {
                "template": texts[stack["StackName"]],
                "parameters": pairs(stack.get("Parameters"), "ParameterKey", "ParameterValue"),
                "stored": pairs(stack.get("Parameters"), "ParameterKey", "ResolvedValue"),
                "tags": pairs(stack.get("Tags"), "Key", "Value"),
                "outputs": {
                    key: masked(value)
                    for key, value in pairs(
                        stack.get("Outputs"), "OutputKey", "OutputValue"
                    ).items()
                },
                "role": stack.get("RoleARN"),
                "protected": stack.get("EnableTerminationProtection", False),
                "resources": {
                    key: it["ResourceType"] for key, it in resources[stack["StackName"]].items()
                },
            }
            for stack in stacks
        },
        "exports": {
            it["Name"]: masked(it["Value"])
            for it in pages(cloudformation, "list_exports", "Exports")
        },
        "parameters": {
            it["Name"]: masked(it["Value"])
            for it in parameters.get_paginator("get_parameters_by_path")
            .paginate(Path="/", Recursive=True)
            .search("Parameters[]")
            if it
        },
        "assets": [
            it["Key"]
            for it in storage.get_paginator("list_objects_v2")
            .paginate(Bucket=bucket)
            .search("Contents[]")
            if it
        ],
    }


def pages(client, operation, member, stack=None):
    arguments = {"StackName": stack} if stack else {}
    found = client.get_paginator(operation).paginate(**arguments).search(f"{member}[]")
    return [it for it in found if it]


def pairs(items, key, value):
    return {it[key]: it.get(value) for it in items or []}


class Masks:
    """Replaces the names that an account made up for the resources of its stacks."""

    def __init__(self, texts, resources):
        self.names = {}
        # What each nested stack is in the stack around it.
        self.nested = {}
        for stack, members in resources.items():
            written = json.dumps(texts[stack])
            for logical, resource in members.items():
                physical = resource.get("PhysicalResourceId") or ""
                if ":stack/" in physical:
                    self.nested[physical.split("/")[1]] = (stack, logical)
                for name in [physical, *parts(physical)]:
                    # A name that is in the template is the same everywhere.
                    if len(name) >= SHORTEST and json.dumps(name) not in written:
                        self.names.setdefault(name, (stack, logical))
        # A name that holds another one comes first.
        self.order = sorted(self.names, key=lambda name: (-len(name), name))

    def __call__(self, text):
        for name in self.order:
            if name in text:
                stack, logical = self.names[name]
                text = text.replace(name, f"{{{self.stack(stack)}.{logical}}}")
        return BALANCER.sub(r"-0\1", text)

    def stack(self, name):
        """A stack's own name, or where it is nested."""
        if name not in self.nested:
            return name
        stack, logical = self.nested[name]
        return f"{self.stack(stack)}.{logical}"


def parts(physical):
    """What ARNs and addresses of a resource end with, and the name of a nested stack."""
    yield re.split(r"[/:]", physical)[-1]
    if ":stack/" in physical:
        yield physical.split("/")[1]


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Condenses CloudFormation's public registry schemas into `registry.txt`.

Usage: registry.py REGION > registry.txt, with `cfn-lint` installed: it ships the schemas.
One type per line, sorted, fields separated by `|`:
type|identifier|attributes of Fn::GetAtt|create-only|required|write-only|tags|properties
`tags` is `Property:list` or `Property:map`, empty where the type takes none.
"""
import importlib
import json
import os
import sys

import cfnlint
from cfnlint.schema import _getatts

base = os.path.join(os.path.dirname(cfnlint.__file__), "data", "schemas")
types = importlib.import_module(f"cfnlint.data.schemas.providers.{sys.argv[1]}").types


def paths(schema, field):
    found = schema.get(field, [])
    return sorted({p.removeprefix("/properties/").replace("/properties/", "/") for p in found})


def dotted(items):
    return [i.replace("/", ".") for i in items]


def tags(schema):
    tagging = schema.get("tagging", {})
    if tagging.get("taggable") is False or schema.get("taggable") is False:
        return ""
    name = tagging.get("tagProperty", "/properties/Tags").split("/")[-1]
    if name not in schema.get("properties", {}):
        return ""
    declared = schema["properties"][name]
    kind = declared.get("type")
    if "$ref" in declared:
        kind = schema.get("definitions", {}).get(declared["$ref"].split("/")[-1], {}).get("type", "array")
    return f"{name}:{'map' if kind == 'object' else 'list'}"


# What the CDK writes (aws-cdk-lib 2.270) and the schemas of cfn-lint do not have yet.
NEWER = {"AWS::ElasticLoadBalancingV2::Listener": "Tags", "AWS::CDK::Metadata": "Analytics"}

for name in sorted(types):
    with open(os.path.join(base, "resources", types[name] + ".json")) as file:
        schema = json.load(file)
    if name in NEWER:
        schema.setdefault("properties", {}).setdefault(NEWER[name], {"type": "array"})
    read_only = paths(schema, "readOnlyProperties")
    attributes = set(dotted(read_only)) | set(_getatts._exceptions.get(name, []))
    if name in _getatts._all_property_types:
        attributes |= set(schema.get("properties", {}))
    properties = [p for p in sorted(schema.get("properties", {})) if p not in read_only]
    print("|".join([
        name,
        ",".join(p.removeprefix("/properties/") for p in schema.get("primaryIdentifier", [])),
        ",".join(sorted(attributes)),
        ",".join(dotted(paths(schema, "createOnlyProperties"))),
        ",".join(sorted(schema.get("required", []))),
        ",".join(dotted(paths(schema, "writeOnlyProperties"))),
        tags(schema),
        ",".join(properties),
    ]))

#!/usr/bin/env python3
"""Prints WorkOS's document with the differences of Latchkey put in, as JSON.

    tests/openapi/differences.py DOCUMENT DIFFERENCES

Each difference names where it applies (`operations`: methods and paths, or `all`), what it `puts` at JSON pointers
below the operation or the document, and why. One that changes nothing is an error, so that none outlives its reason.
"""

import json
import sys

import yaml

METHODS = {"get", "post", "delete"}


class Loader(yaml.SafeLoader):
    """Texts that look like times stay texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path):
    with open(path) as file:
        return yaml.load(file, Loader)


def put(node, pointer, value):
    """Puts a value at a JSON pointer. Returns whether there was another."""
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    for part in parents:
        node = node[part]
    changed = node.get(last) != value
    node[last] = value
    return changed


def main(document, differences):
    document = read(document)
    operations = {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }
    for difference in read(differences):
        assert difference["because"].strip(), difference
        where = difference.get("operations")
        names = operations if where == "all" else where or []
        nodes = [operations[name] for name in names] or [document]
        for node in nodes:
            for pointer, value in difference["puts"].items():
                assert put(node, pointer, value), f"{pointer} is so already: {difference['because']}"
    json.dump(document, sys.stdout)


main(*sys.argv[1:])

#!/usr/bin/env python3
"""Holds recorded requests against AWS's own service models: members, lengths, ranges, patterns, enums.

Reads raw HTTP, one file a connection, from the directory that it is given; prints a JSON line for each request, with
the operation and what is wrong with it. Exit code 1 where anything is.
"""

import base64
import json
import os
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

import botocore.loaders
import botocore.model
import botocore.validate

MODELS = {}
# Values that an enum of the models lacks, though AWS answers them: the key of a certificate, in its API reference's own examples.
UNLISTED_VALUES = {("KeyAlgorithm", "RSA-2048")}


def model(service):
    if service not in MODELS:
        loader = botocore.loaders.Loader()
        MODELS[service] = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)
    return MODELS[service]


class Wrong(Exception):
    """A request that the model has no place for."""


def requests(raw):
    """The requests that were sent over one connection."""
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = [line.split(":", 1) for line in lines[1:]]
        headers = [(name.strip().lower(), value.strip()) for name, value in headers]
        known = dict(headers)
        if "chunked" in known.get("transfer-encoding", ""):
            raise Wrong("a body in chunks")
        length = int(known.get("content-length", "0"))
        path, _, query = target.partition("?")
        yield {
            "method": method,
            "path": path,
            "query": urllib.parse.parse_qsl(query, keep_blank_values=True),
            "headers": known,
            "body": rest[:length],
        }
        raw = rest[length:]


def scalar(shape, text):
    """A text as the model's type has it."""
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name in ("float", "double"):
        return float(text)
    if shape.type_name == "boolean":
        if text not in ("true", "false"):
            raise Wrong(f"{text!r} is no boolean")
        return text == "true"
    if shape.type_name == "blob":
        return base64.b64decode(text, validate=True)
    return text


def from_query(shape, prefix, form, used):
    """What the form says of `shape` at `prefix`; None where it says nothing."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            wire = member.serialization.get("name", name)
            value = from_query(member, f"{prefix}.{wire}" if prefix else wire, form, used)
            if value is not None:
                found[name] = value
        return found if found or not prefix else None
    if shape.type_name == "list":
        flat = shape.serialization.get("flattened")
        wire = shape.member.serialization.get("name", "member")
        found = []
        while True:
            at = f"{prefix}.{len(found) + 1}" if flat else f"{prefix}.{wire}.{len(found) + 1}"
            value = from_query(shape.member, at, form, used)
            if value is None:
                if prefix in form and not found:
                    used.add(prefix)
                    return []
                return found or None
            found.append(value)
    if prefix not in form:
        return None
    used.add(prefix)
    return scalar(shape, form[prefix])


def from_json(shape, value, path):
    if shape.type_name == "structure":
        wires = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        unknown = set(value) - set(wires)
        if unknown:
            raise Wrong(f"{path}: the model knows no {sorted(unknown)}")
        return {wires[wire][0]: from_json(wires[wire][1], inner, f"{path}.{wire}") for wire, inner in value.items()}
    if shape.type_name == "list":
        return [from_json(shape.member, inner, f"{path}[]") for inner in value]
    if shape.type_name == "map":
        return {key: from_json(shape.value, inner, f"{path}.{key}") for key, inner in value.items()}
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    return value


XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def local(element):
    return element.tag.rpartition("}")[2]


def local_name(member):
    return member.serialization["name"].rpartition(":")[2]


def from_xml(shape, element, path):
    if shape.type_name == "structure":
        found, wires = {}, {}
        for name, member in shape.members.items():
            wire = member.serialization.get("name", name)
            if member.type_name == "list" and member.serialization.get("flattened"):
                wire = member.member.serialization.get("name", wire)
            wires[wire] = (name, member)
        for child in element:
            if local(child) not in wires:
                raise Wrong(f"{path}: the model knows no {local(child)}")
            name, member = wires[local(child)]
            if member.type_name == "list" and member.serialization.get("flattened"):
                found.setdefault(name, []).append(from_xml(member.member, child, f"{path}.{name}[]"))
            elif name in found:
                raise Wrong(f"{path}: {name} twice")
            else:
                found[name] = from_xml(member, child, f"{path}.{name}")
        for name, member in shape.members.items():
            if member.serialization.get("xmlAttribute") and (value := element.get(XSI + local_name(member))):
                found[name] = value
        return found
    if shape.type_name == "list":
        wire = shape.member.serialization.get("name", "member")
        wrong = [local(child) for child in element if local(child) != wire]
        if wrong:
            raise Wrong(f"{path}: {wrong} among {wire}s")
        return [from_xml(shape.member, child, f"{path}[]") for child in element]
    return scalar(shape, element.text or "")


def route(operation, request):
    """The labels of the path, where it is this operation's; and how much of the request the operation names."""
    if operation.http["method"] != request["method"]:
        return None
    path, _, static = operation.http["requestUri"].partition("?")
    pattern = ""
    for part in re.split(r"(\{[^}]+\})", path):
        if not part.startswith("{"):
            pattern += re.escape(part)
        elif part.endswith("+}"):
            pattern += f"(?P<{part[1:-2]}>.+)"
        else:
            pattern += f"(?P<{part[1:-1]}>[^/]+)"
    found = re.fullmatch(pattern + "/?", request["path"])
    if not found:
        return None
    query = dict(request["query"])
    wanted = dict(urllib.parse.parse_qsl(static, keep_blank_values=True))
    if any(name not in query or (value and query[name] != value) for name, value in wanted.items()):
        return None
    score = 3 * len(wanted)
    known = set(wanted) | {"x-id"}
    for name, member in (operation.input_shape.members if operation.input_shape else {}).items():
        where, wire = member.serialization.get("location"), member.serialization.get("name", name)
        held = {"querystring": query, "header": request["headers"]}.get(where)
        if held is None:
            continue
        here = wire in held or wire.lower() in held
        if name in operation.input_shape.required_members and not here:
            return None
        score += here
        if where == "querystring":
            known.add(wire)
    return score - 5 * len(set(query) - known), found.groupdict(), set(query) - known


def from_rest(service, request):
    query = dict(request["query"])
    routes = []
    for name in service.operation_names:
        operation = service.operation_model(name)
        found = route(operation, request)
        if found:
            routes.append((query.get("x-id") == name, found[0], name, operation, found[1], found[2]))
    if not routes:
        raise Wrong(f"no operation is {request['method']} {request['path']}")
    _, _, _, operation, labels, unknown = max(routes, key=lambda one: one[:3])
    if unknown:
        raise Wrong(f"{operation.name}: the model knows no query {sorted(unknown)}")
    found = {}
    shape = operation.input_shape
    if shape is None:
        return operation, found
    payload = shape.serialization.get("payload")
    body = {}
    for name, member in shape.members.items():
        where, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if where == "uri":
            found[name] = scalar(member, urllib.parse.unquote(labels[wire]))
        elif where == "querystring" and wire in query:
            if member.type_name == "list":
                found[name] = [value for key, value in request["query"] if key == wire]
            else:
                found[name] = scalar(member, query[wire])
        elif where == "header" and wire.lower() in request["headers"]:
            text = request["headers"][wire.lower()]
            found[name] = text if member.type_name == "timestamp" else scalar(member, text)
        elif where == "headers":
            held = {k[len(wire):]: v for k, v in request["headers"].items() if k.startswith(wire.lower())}
            if held:
                found[name] = held
        elif where is None and name != payload:
            body[name] = member
    if payload and request["body"]:
        member = shape.members[payload]
        if member.type_name == "structure":
            found[payload] = parsed(service, member, request["body"], payload)
        else:
            found[payload] = request["body"].decode() if member.type_name == "string" else request["body"]
    elif not payload and request["body"]:
        of_body = json.loads(request["body"]) if service.protocol == "rest-json" else None
        if of_body is None:
            found.update(from_xml(shape, ElementTree.fromstring(request["body"]), operation.name))
        else:
            unknown = set(of_body) - {m.serialization.get("name", n) for n, m in body.items()}
            if unknown:
                raise Wrong(f"{operation.name}: the model knows no {sorted(unknown)}")
            for name, member in body.items():
                wire = member.serialization.get("name", name)
                if wire in of_body:
                    found[name] = from_json(member, of_body[wire], name)
    return operation, found


def parsed(service, shape, body, path):
    if service.protocol == "rest-xml":
        return from_xml(shape, ElementTree.fromstring(body), path)
    return from_json(shape, json.loads(body), path)


def read(service, request):
    """The operation and its parameters."""
    if service.protocol == "query":
        form = dict(urllib.parse.parse_qsl(request["body"].decode(), keep_blank_values=True))
        operation = service.operation_model(form.pop("Action"))
        version = form.pop("Version")
        if version != service.api_version:
            raise Wrong(f"version {version}")
        used = set()
        found = from_query(operation.input_shape, "", form, used) if operation.input_shape else {}
        if set(form) - used:
            raise Wrong(f"{operation.name}: the model knows no {sorted(set(form) - used)}")
        return operation, found
    if service.protocol == "json":
        prefix, _, name = request["headers"]["x-amz-target"].partition(".")
        if prefix != service.metadata["targetPrefix"]:
            raise Wrong(f"target {prefix}")
        operation = service.operation_model(name)
        return operation, from_json(operation.input_shape, json.loads(request["body"]), name)
    return from_rest(service, request)


def bounded(shape, value, path, wrong):
    """What botocore's own validator leaves to the service: patterns, enums, upper bounds."""
    limits = shape.metadata
    if shape.type_name == "structure":
        for name, inner in value.items():
            bounded(shape.members[name], inner, f"{path}.{name}", wrong)
    elif shape.type_name == "list":
        if "max" in limits and len(value) > limits["max"]:
            wrong.append(f"{path}: {len(value)} items, more than {limits['max']}")
        for inner in value:
            bounded(shape.member, inner, f"{path}[]", wrong)
        # CloudFront's lists say their length beside them.
    elif shape.type_name == "map":
        for key, inner in value.items():
            bounded(shape.key, key, f"{path}.{key}", wrong)
            bounded(shape.value, inner, f"{path}.{key}", wrong)
    elif shape.type_name in ("string", "blob"):
        if "max" in limits and len(value) > limits["max"]:
            wrong.append(f"{path}: {len(value)} characters, more than {limits['max']}")
        listed = value in (getattr(shape, "enum", None) or [value]) or (shape.name, value) in UNLISTED_VALUES
        if shape.type_name == "string" and not listed:
            wrong.append(f"{path}: {value!r} is none of {shape.enum}")
        pattern = limits.get("pattern")
        if shape.type_name == "string" and pattern:
            # Java's classes of letters, spaces and numbers are not Python's spelling.
            spelt = re.sub(r"\\p\{(L|N|Z|S|P|M|LD|Cf)\}", lambda c: {"Z": " ", "N": "0-9"}.get(c[1], r"\w"), pattern)
            if not re.fullmatch(spelt, value):
                wrong.append(f"{path}: {value!r} doesn't match {pattern}")
    elif shape.type_name in ("integer", "long", "float", "double"):
        if "max" in limits and value > limits["max"]:
            wrong.append(f"{path}: {value} is more than {limits['max']}")
    if shape.type_name == "structure" and "Quantity" in shape.members and "Items" in shape.members:
        if value.get("Quantity") != len(value.get("Items", [])):
            wrong.append(f"{path}: Quantity is {value.get('Quantity')} of {len(value.get('Items', []))} items")


def judge(request):
    scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request", request["headers"].get("authorization", ""))
    if not scope:
        raise Wrong(f"{request['method']} {request['path']} is not signed")
    service = model(scope[2])
    operation, found = read(service, request)
    wrong = []
    if operation.input_shape is not None:
        report = botocore.validate.ParamValidator().validate(found, operation.input_shape)
        if report.has_errors():
            wrong.append(report.generate_report())
        bounded(operation.input_shape, found, operation.name, wrong)
    return {"service": scope[2], "operation": operation.name, "wrong": wrong}


def main(directory):
    failed = False
    for name in sorted(os.listdir(directory)):
        with open(os.path.join(directory, name), "rb") as file:
            raw = file.read()
        for request in requests(raw):
            try:
                judged = judge(request)
            except (Wrong, ValueError, KeyError, botocore.model.OperationNotFoundError) as error:
                judged = {"service": "", "operation": "", "wrong": [f"{type(error).__name__}: {error}"]}
            failed |= bool(judged["wrong"])
            print(json.dumps(judged))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Judges what `status` wrote: the document by its JSON schema, the metrics by Prometheus' own parser.

status.py SCHEMA DOCUMENT METRICS: prints a JSON line with what the metrics hold; exits with 1 and the reasons where anything is wrong.
"""

import json
import sys

import jsonschema
from prometheus_client.parser import text_string_to_metric_families


def main():
    schema_path, document_path, metrics_path = sys.argv[1:]
    wrong = []
    with open(schema_path) as file:
        schema = json.load(file)
    with open(document_path) as file:
        document = json.load(file)
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    wrong += [f"{error.json_path}: {error.message}" for error in validator(schema).iter_errors(document)]
    with open(metrics_path) as file:
        text = file.read()
    if not text.endswith("\n"):
        wrong.append("the last line does not end")
    samples = {}
    for family in text_string_to_metric_families(text):
        if family.type != "gauge" or not family.documentation:
            wrong.append(f"{family.name}: type {family.type}, help {family.documentation!r}")
        if not family.name.startswith("packagecloud_cloudfront_"):
            wrong.append(f"{family.name}: another prefix")
        if family.name in samples:
            wrong.append(f"{family.name}: twice")
        of_family = samples.setdefault(family.name, [])
        for sample in family.samples:
            if sample.timestamp is not None:
                wrong.append(f"{sample.name}: a timestamp")
            for value in sample.labels.values():
                if "://" in value or len(value) > 60:
                    wrong.append(f"{sample.name}: the label {value!r}")
            if sample.labels in [known["labels"] for known in of_family]:
                wrong.append(f"{sample.name}: {sample.labels} twice")
            of_family.append({"labels": sample.labels, "value": sample.value})
    for name in ("up", "last_run_timestamp_seconds"):
        if f"packagecloud_cloudfront_{name}" not in samples:
            wrong.append(f"{name}: no sample")
    print(json.dumps({"wrong": wrong, "samples": samples, "state": document["state"]}))
    return 1 if wrong else 0


sys.exit(main())

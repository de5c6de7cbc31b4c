# Serves a sandbox of the given binary on loopback, and asks it by AWS's Python SDK what a recording asked AWS.
import io
import json
import os
import shutil
import subprocess
import threading
import time
import uuid
import zipfile

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

import judge

KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
ACCOUNT = "999999999999"
REGION = "us-east-1"
NODE_BUNDLE = "exports.handler = async (event) => event;\n"


def make_zip(text, name="index.js", packed=False):
    """A bundle with one file, always of the same bytes."""
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text,
                         zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    return bundle.getvalue()


class SandboxServer:
    """A sandbox that is served; its buckets are made beforehand, for the sandbox makes none."""

    def __init__(self, binary, folder, buckets=1200):
        self.binary, self.folder = binary, folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": "/tmp"}
        self.directory = os.path.join(folder, "aws")
        self.serve()
        self.stop()
        path = os.path.join(self.directory, "world.json")
        with open(path) as file:
            world = json.load(file)
        model = dict(next(iter(world["s3"]["buckets"].values())), settings={}, policy=None, owner=ACCOUNT)
        for number in range(buckets):
            world["s3"]["buckets"][f"recorded-{number:04}"] = model
        with open(path, "w") as file:
            json.dump(world, file)
        self.serve()
        self.lock, self.next_bucket = threading.Lock(), 0

    def serve(self):
        log = open(os.path.join(self.folder, "serve.err"), "w")
        self.process = subprocess.Popen(
            [self.binary, "--output", "json", "sandbox", "serve", self.directory, "--aws-port", "0", "--front-port", "0",
             "--edge-port", "0"], stdout=subprocess.PIPE, stderr=log, text=True, env=self.environment)
        self.process.stdout.readline()
        self.addresses = json.loads(self.process.stdout.readline())
        self.url = self.addresses["aws"]

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def take_bucket(self):
        with self.lock:
            self.next_bucket += 1
            return f"recorded-{self.next_bucket - 1:04}"

    def make_client(self, service, **options):
        config = Config(retries={"max_attempts": 0}, **options.pop("config", {}))
        options = {**KEYS, "region_name": REGION, **options}
        if options.pop("anonymous", False):
            options = {"region_name": REGION}
            config = config.merge(Config(signature_version=UNSIGNED))
        return boto3.client(service, endpoint_url=self.url, config=config, **options)


class Replay:
    """One recorded test being asked again; keeps what came of each recorded answer."""

    def __init__(self, server, recording):
        self.server, self.recording, self.results = server, recording, {}
        make = server.make_client
        style = {"s3": {"addressing_style": "path"}}
        self.s3, self.kms, self.iam = make("s3", config=style), make("kms"), make("iam")
        self.functions = make("lambda")
        self.unchecked_s3 = make("s3", config={"parameter_validation": False, **style})
        # The operation that is being asked, for what fails before anything recorded is reached.
        self.operation = None

    def bucket(self):
        return self.server.take_bucket()

    def name(self, prefix="recorded"):
        return f"{prefix}-{uuid.uuid4().hex[:8]}"

    def call(self, method, /, **words):
        """Asks, without comparing; a refusal is raised."""
        self.operation = name_operation(method)
        return method(**words)

    def ask(self, key, method, /, loose=(), pick=None, **words):
        """Asks what was recorded under `key`, and compares; returns the answer, also where it is a refusal."""
        self.operation = name_operation(method)
        try:
            answer = method(**words)
        except ClientError as error:
            answer = error.response
        self.compare(key, answer if pick is None else pick(answer), loose)
        return answer

    def compare(self, key, answer, loose=()):
        """Compares an answer, or a part of one, with what was recorded under `key`."""
        if key not in self.recording:
            self.results[key] = (self.operation, "unrecorded", [f"nothing is recorded under {key}"])
            return
        self.compare_document(key, judge.drop_read_body(self.recording[key], judge.simplify(answer)), loose)

    def compare_document(self, key, given, loose=()):
        """Compares an answer that has the recordings' form already, such as a document, with what was recorded under `key`."""
        recorded = self.recording[key]
        differences = judge.list_differences(recorded, given, loose=loose)
        state = "equal" if not differences else "differing" if judge.is_error_same(recorded, given) else "error differs"
        self.results[key] = (self.operation, state, differences)

    def compare_headers(self, key, answer):
        """Compares an answer's headers, and what else its metadata has, with those recorded under `key`."""
        given = dict(answer.get("ResponseMetadata", {}))
        given.pop("MaxAttemptsReached", None)
        given["HTTPHeaders"] = {name: value for name, value in given.get("HTTPHeaders", {}).items() if name != "connection"}
        values = ("date", "server", "x-amz-id-2", "x-amz-request-id", "last-modified", "HostId", "RequestId")
        self.compare_document(key, given, loose=values)

    # What several players set up.

    def role(self, trust=("lambda.amazonaws.com", "edgelambda.amazonaws.com")):
        """A role that Lambda may assume by now."""
        with self.server.lock:
            if not getattr(self.server, "role_arn", None):
                document = {"Version": "2012-10-17", "Statement": [
                    {"Effect": "Allow", "Principal": {"Service": list(trust)}, "Action": "sts:AssumeRole"}]}
                made = self.iam.create_role(RoleName="recorded-role", AssumeRolePolicyDocument=json.dumps(document))
                self.server.role_arn = made["Role"]["Arn"]
                time.sleep(5)
        return self.server.role_arn

    def wait_for_function(self, name, **words):
        for _ in range(100):
            shown = self.functions.get_function_configuration(FunctionName=name, **words)
            if shown.get("State") == "Active" and shown.get("LastUpdateStatus") != "InProgress":
                return
            time.sleep(0.2)
        raise RuntimeError(f"{name} isn't Active after 20 s")


def name_operation(method):
    """`s3.PutObject`, of a client's method."""
    client = method.__self__
    return f"{client.meta.service_model.service_name}.{client.meta.method_to_api_mapping[method.__name__]}"

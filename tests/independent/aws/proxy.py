#!/usr/bin/env python3
"""A proxy on loopback that answers for AWS itself: CONNECT, then TLS by a certificate authority of its own.

Prints its port once it listens; writes ca.pem to the directory that it is given, and a line for each request to
asked.txt: host, method and path, and the form or the target. Whose session it is told by ARN in the second argument.
"""

import datetime
import http.server
import ipaddress
import json
import os
import ssl
import sys
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DIRECTORY, ARN = sys.argv[1], sys.argv[2]
NOW = datetime.datetime.now(datetime.timezone.utc)
LATER = (NOW + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate(name, issuer, signer, authority, key):
    names = [x509.DNSName(name)] if not authority else []
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


CA_KEY, KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
PEM = serialization.Encoding.PEM
with open(os.path.join(DIRECTORY, "ca.pem"), "wb") as out:
    out.write(certificate("proxy", ISSUER, CA_KEY, True, CA_KEY).public_bytes(PEM))
with open(os.path.join(DIRECTORY, "key.pem"), "wb") as out:
    out.write(KEY.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
LOCK = threading.Lock()


def context(host):
    path = os.path.join(DIRECTORY, f"{host}.pem")
    with LOCK:
        if not os.path.exists(path):
            with open(path, "wb") as out:
                out.write(certificate(host, ISSUER, CA_KEY, False, KEY).public_bytes(PEM))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path, os.path.join(DIRECTORY, "key.pem"))
    return made


def answer(form, path):
    """What the services that give and name credentials say."""
    if path.startswith("/federation/credentials"):
        until = int((NOW + datetime.timedelta(hours=1)).timestamp() * 1000)
        role = {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": until}
        return "application/json", json.dumps({"roleCredentials": role})
    action = form.get("Action", "")
    if action == "AssumeRole":
        inner = (
            "<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{LATER}</Expiration></Credentials>"
            "<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/x/x</Arn></AssumedRoleUser>"
        )
    else:
        inner = f"<Arn>{ARN}</Arn><UserId>A</UserId><Account>123456789012</Account>"
    return "text/xml", (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>{inner}</{action}Result>'
        f"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    )


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        host = self.path.rpartition(":")[0]
        self.send_response(200)
        self.end_headers()
        self.connection = context(host).wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.inside = host
        self.close_connection = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("utf-8", "replace")
        form = dict(urllib.parse.parse_qsl(body))
        key = (self.headers.get("authorization") or "").partition("Credential=")[2].partition("/")[0]
        said = " ".join(f"{name}={value}" for name, value in sorted(form.items()) if name != "Version")
        with LOCK, open(os.path.join(DIRECTORY, "asked.txt"), "a", encoding="utf-8") as out:
            host = getattr(self, "inside", None) or "direct"
            out.write(f"{host} {self.command} {self.path.partition('?')[0]} key={key} {said}\n")
        kind, text = answer(form, self.path)
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_HEAD = do_POST

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
direct = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
direct.socket = context("localhost").wrap_socket(direct.socket, server_side=True)
threading.Thread(target=direct.serve_forever, daemon=True).start()
print(server.server_address[1], direct.server_address[1], flush=True)
server.serve_forever()

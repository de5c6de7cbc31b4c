#!/usr/bin/env python3
"""Writes assets/signed-url-vectors.json: what the check must answer, said without either implementation of it.

A row states the request and the verdict by hand; hashlib makes the MACs, and a path's decoded form and its canonical
uri stand in the row, so nothing here decodes or encodes. `--check` fails where the file isn't what this would write.
"""

import hashlib
import hmac
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parents[2] / "assets" / "signed-url-vectors.json"

KEY = b"0123456789abcdef0123456789abcdef"
PREVIOUS = b"fedcba9876543210fedcba9876543210"
STRANGER = b"ffffffffffffffffffffffffffffffff"
NOW = 1618409000
EXPIRES = "1618409761"
PATH = "/7/8/debian/package_files/97310.deb"
HOST = "d111111abcdef8.cloudfront.net"
FORMS = {
    "path+expires": lambda path, expires, host: path + expires,
    "expires+path": lambda path, expires, host: expires + path,
    "key+expires": lambda path, expires, host: path[1:] + expires,
    "host+path+expires": lambda path, expires, host: host + path + expires,
}

cases = []


def mac(algorithm, path, expires=EXPIRES, key=KEY, form="path+expires", host=HOST):
    message = FORMS[form](path, expires, host).encode()
    return hmac.new(key, message, algorithm).hexdigest()


def token(algorithm, path, expires=EXPIRES, **how):
    return f"t={expires}_{mac(algorithm, path, expires, **how)}"


def case(name, expect, uri=PATH, querystring="", method="GET", host=HOST, keys=(KEY,), now=NOW, construction="decoded:path+expires"):
    verdict = {"ok": True, "uri": expect} if expect.startswith("/") else {"ok": False, "reason": expect}
    cases.append({
        "name": name,
        "request": {"uri": uri, "querystring": querystring, "method": method, "host": host},
        "keys": [key.hex() for key in keys],
        "now": now,
        "construction": construction,
        "expect": verdict,
    })


GOOD = {algorithm: token(algorithm, PATH) for algorithm in ("sha1", "sha256")}

# What is known of the world: the contract's example, and openssl's answer to it.
case("the contract's example", PATH, querystring="t=1618409761_" + mac("sha1", PATH))

# -- methods --------------------------------------------------------------------------------------------------------
for method in ("GET", "HEAD"):
    for algorithm, good in GOOD.items():
        case(f"{method}, {algorithm}", PATH, querystring=good, method=method)
for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "Get", "head", "", "GET "):
    case(f"method {method!r}", "bad-method", querystring=GOOD["sha1"], method=method)

# -- paths that are right: as sent, decoded, canonical ---------------------------------------------------------------
LONG = "a" * 1024
RIGHT = [
    ("metadata", "/7/8/debian/dists/jammy/InRelease", "/7/8/debian/dists/jammy/InRelease", None),
    ("one letter", "/a", "/a", None),
    ("a trailing slash is a key's own", "/7/8/", "/7/8/", None),
    ("a plus is a plus", "/7/8/libstdc++.deb", "/7/8/libstdc++.deb", "/7/8/libstdc%2B%2B.deb"),
    ("an escaped plus, upper case", "/7/8/libstdc%2B%2B.deb", "/7/8/libstdc++.deb", "/7/8/libstdc%2B%2B.deb"),
    ("an escaped plus, lower case", "/7/8/libstdc%2b%2b.deb", "/7/8/libstdc++.deb", "/7/8/libstdc%2B%2B.deb"),
    ("an escaped plus, both", "/7/8/libstdc%2B%2b.deb", "/7/8/libstdc++.deb", "/7/8/libstdc%2B%2B.deb"),
    ("a tilde", "/7/8/1.0~rc1.deb", "/7/8/1.0~rc1.deb", "/7/8/1.0~rc1.deb"),
    ("a tilde, as old apt sends it", "/7/8/1.0%7erc1.deb", "/7/8/1.0~rc1.deb", "/7/8/1.0~rc1.deb"),
    ("unreserved, escaped", "/%37/8/%61%2D%2E%5F%7E", "/7/8/a-._~", "/7/8/a-._~"),
    ("an escaped slash", "/7%2F8%2fa", "/7/8/a", "/7/8/a"),
    ("a space", "/7/8/a%20b", "/7/8/a b", "/7/8/a%20b"),
    ("a literal space", "/7/8/a b", "/7/8/a b", "/7/8/a%20b"),
    ("a percent sign", "/7/8/100%25", "/7/8/100%", "/7/8/100%25"),
    ("decoded once", "/7/8/%252e%252e/a", "/7/8/%2e%2e/a", "/7/8/%252e%252e/a"),
    ("decoded once, a slash", "/7/8/a%252Fb", "/7/8/a%2Fb", "/7/8/a%252Fb"),
    ("a question mark", "/7/8/a%3Fb", "/7/8/a?b", "/7/8/a%3Fb"),
    ("a hash", "/7/8/a%23b", "/7/8/a#b", "/7/8/a%23b"),
    ("epoch's colon", "/7/8/1:2.0-1_amd64.deb", "/7/8/1:2.0-1_amd64.deb", "/7/8/1%3A2.0-1_amd64.deb"),
    ("marks that encodeURIComponent keeps", "/!*'()", "/!*'()", "/%21%2A%27%28%29"),
    ("marks that encodeURI keeps", "/;,?:@&=$#", "/;,?:@&=$#", "/%3B%2C%3F%3A%40%26%3D%24%23"),
    ("marks that none keeps", '/"<>[]^`{|}\\', '/"<>[]^`{|}\\', "/%22%3C%3E%5B%5D%5E%60%7B%7C%7D%5C"),
    ("two bytes", "/7/8/%C3%A9", "/7/8/é", "/7/8/%C3%A9"),
    ("two bytes, lower case", "/7/8/%c3%a9", "/7/8/é", "/7/8/%C3%A9"),
    ("two bytes, literal", "/7/8/é", "/7/8/é", "/7/8/%C3%A9"),
    ("two ways to write an accent stay two", "/7/8/e%CC%81", "/7/8/e\u0301", "/7/8/e%CC%81"),
    ("three bytes", "/7/8/%E2%82%AC", "/7/8/€", "/7/8/%E2%82%AC"),
    ("four bytes", "/7/8/%F0%9F%93%A6", "/7/8/📦", "/7/8/%F0%9F%93%A6"),
    ("four bytes, literal", "/7/8/📦", "/7/8/📦", "/7/8/%F0%9F%93%A6"),
    ("the last code point", "/%F4%8F%BF%BF", "/\U0010ffff", "/%F4%8F%BF%BF"),
    ("before the surrogates", "/%ED%9F%BF", "/\ud7ff", "/%ED%9F%BF"),
    ("after the surrogates", "/%EE%80%80", "/\ue000", "/%EE%80%80"),
    ("a byte order mark", "/%EF%BB%BFa", "/\ufeffa", "/%EF%BB%BFa"),
    ("a line separator is no control byte", "/a%E2%80%A8b", "/a\u2028b", "/a%E2%80%A8b"),
    ("U+0085 is no control byte", "/a%C2%85b", "/a\u0085b", "/a%C2%85b"),
    ("three dots", "/7/.../a", "/7/.../a", "/7/.../a"),
    ("a dot file", "/7/.hidden", "/7/.hidden", "/7/.hidden"),
    ("two dots and more", "/7/..a/b", "/7/..a/b", "/7/..a/b"),
    ("more and two dots", "/7/a../b..", "/7/a../b..", "/7/a../b.."),
    ("a key of 1024 bytes", f"/{LONG}", f"/{LONG}", f"/{LONG}"),
    ("a key of 1024 bytes, escaped", "/" + "%C3%A9" * 512, "/" + "é" * 512, "/" + "%C3%A9" * 512),
    ("a token-like path", "/t=1618409761_00", "/t=1618409761_00", "/t%3D1618409761_00"),
    ("a path that ends in digits", "/7/8/a1", "/7/8/a1", "/7/8/a1"),
]
for name, uri, path, canonical in RIGHT:
    for algorithm in ("sha1", "sha256"):
        case(f"{name}, {algorithm}", canonical or path, uri=uri, querystring=token(algorithm, path))

# What signs one spelling of a decoded key signs no other key.
case("a plus is no space", "bad-signature", uri="/7/8/a+b", querystring=token("sha1", "/7/8/a b"))
case("a space is no plus", "bad-signature", uri="/7/8/a%20b", querystring=token("sha1", "/7/8/a+b"))
case("signed as it is encoded", "bad-signature", uri="/7/8/a%2Bb", querystring=token("sha1", "/7/8/a%2Bb"))
case("not decoded twice", "bad-signature", uri="/7/8/%252B", querystring=token("sha1", "/7/8/+"))
case("case matters in a key", "bad-signature", uri="/7/8/A", querystring=token("sha1", "/7/8/a"))
case("an accent's two ways are two keys", "bad-signature", uri="/7/8/e%CC%81", querystring=token("sha1", "/7/8/é"))

# -- paths that are wrong, each with a token that would else be right --------------------------------------------------
WRONG = [
    ("a lone percent sign", "/7/8/a%", None),
    ("a percent sign and a digit", "/7/8/a%2", None),
    ("a percent sign and no digits", "/7/8/a%zz", None),
    ("a percent sign and one digit", "/7/8/a%4g", None),
    ("a percent sign and a space", "/7/8/a% 4", None),
    ("a percent sign and a plus", "/7/8/a%+4", None),
    ("a percent sign and a sign", "/7/8/a%-4", None),
    ("an escape of another kind", "/7/8/a%u0041", None),
    ("an escape before é", "/7/8/a%é", None),
    ("full-width digits", "/7/8/a%４１", None),
    ("a continuation byte alone", "/7/8/%80", None),
    ("two bytes, the second missing", "/7/8/%C3", None),
    ("two bytes, the second wrong", "/7/8/%C3%28", None),
    ("two bytes, the second literal", "/7/8/%C3é", None),
    ("three bytes, the third missing", "/7/8/%E2%82", None),
    ("four bytes, the fourth missing", "/7/8/%F0%9F%93", None),
    ("an overlong slash", "/7/8/a%C0%AFb", None),
    ("an overlong NUL", "/7/8/a%C0%80b", None),
    ("an overlong dot, three bytes", "/7/8/%E0%80%AE", None),
    ("an overlong slash, four bytes", "/7/8/%F0%80%80%AF", None),
    ("a surrogate", "/7/8/%ED%A0%80", None),
    ("a pair of surrogates", "/7/8/%ED%A0%BD%ED%B3%A6", None),
    ("above the last code point", "/%F4%90%80%80", None),
    ("five bytes", "/%F8%88%80%80%80", None),
    ("Latin-1", "/7/8/%E9", None),
    ("bytes that UTF-8 never has", "/%FE%FF", None),
    ("NUL", "/7/8/a%00", "/7/8/a\0"),
    ("NUL and more", "/7/8/a%00.deb", "/7/8/a\0.deb"),
    ("a literal NUL", "/7/8/a\0", "/7/8/a\0"),
    ("a line feed", "/7/8/a%0Ab", "/7/8/a\nb"),
    ("a line feed last", "/7/8/a%0A", "/7/8/a\n"),
    ("a carriage return", "/7/8/a%0db", "/7/8/a\rb"),
    ("a tab", "/7/8/a%09b", "/7/8/a\tb"),
    ("escape", "/7/8/%1b", "/7/8/\x1b"),
    ("the last control byte", "/7/8/%1F", "/7/8/\x1f"),
    ("delete", "/7/8/%7F", "/7/8/\x7f"),
    ("a literal line feed", "/7/8/a\nb", "/7/8/a\nb"),
    ("a literal line feed last", "/7/8/a\n", "/7/8/a\n"),
    ("two slashes", "/7//8", "/7//8"),
    ("two slashes first", "//7/8", "//7/8"),
    ("two slashes last", "/7/8//", "/7/8//"),
    ("two slashes alone", "//", "//"),
    ("an escaped slash beside one", "/7/%2F8", "/7//8"),
    ("two escaped slashes", "/7%2f%2f8", "/7//8"),
    ("a slash and an escaped one alone", "/%2F", "//"),
    ("a dot segment", "/7/./8", "/7/./8"),
    ("a dot segment first", "/./7", "/./7"),
    ("a dot segment last", "/7/.", "/7/."),
    ("a dot segment alone", "/.", "/."),
    ("an escaped dot segment", "/7/%2e/8", "/7/./8"),
    ("two dots", "/7/../8", "/7/../8"),
    ("two dots first", "/../7", "/../7"),
    ("two dots last", "/7/8/..", "/7/8/.."),
    ("two dots and a slash last", "/7/8/../", "/7/8/../"),
    ("two dots alone", "/..", "/.."),
    ("two escaped dots", "/7/%2e%2e/8", "/7/../8"),
    ("two escaped dots, upper case", "/7/%2E%2E/8", "/7/../8"),
    ("a dot and an escaped one", "/7/.%2e/8", "/7/../8"),
    ("an escaped slash and two dots", "/7%2F..%2F8", "/7/../8"),
    ("the empty key", "/", "/"),
    ("no path", "", ""),
    ("no leading slash", "7/8/a", "7/8/a"),
    ("an escaped leading slash", "%2F7/8/a", "/7/8/a"),
    ("a whole address", "https://d111111abcdef8.cloudfront.net/7/8/a", "https://d111111abcdef8.cloudfront.net/7/8/a"),
    ("an asterisk", "*", "*"),
]
for name, uri, path in WRONG:
    for algorithm in ("sha1", "sha256"):
        case(f"{name}, {algorithm}", "bad-path", uri=uri, querystring=token(algorithm, path if path is not None else uri))

# -- tokens of another shape -------------------------------------------------------------------------------------------
for name, querystring in [("no query string", "")]:
    case(name, "missing-token", querystring=querystring)
for algorithm, good in GOOD.items():
    digits = good[13:]
    for name, querystring in [
        ("a digit less", good[:-1]),
        ("a digit more", good + "0"),
        ("two digits less", good[:-2]),
        ("no mac", good[:13]),
        ("no mac, no line", good[:12]),
        ("no expires", "t=_" + digits),
        ("expires of nine digits", "t=999999999_" + mac(algorithm, PATH, "999999999")),
        ("expires of eleven digits", "t=16184097610_" + mac(algorithm, PATH, "16184097610")),
        ("expires with a sign", "t=+161840976_" + mac(algorithm, PATH, "+161840976")),
        ("negative expires", "t=-161840976_" + mac(algorithm, PATH, "-161840976")),
        ("expires with a dot", "t=161840976.1_" + mac(algorithm, PATH, "161840976.1")),
        ("expires in hex", "t=0x60773F61_" + mac(algorithm, PATH, "0x60773F61")),
        ("expires with an exponent", "t=16184097e1_" + mac(algorithm, PATH, "16184097e1")),
        ("expires with a space", "t= 161840976_" + mac(algorithm, PATH, " 161840976")),
        ("expires in other digits", "t=١٦١٨٤٠٩٧٦١_" + mac(algorithm, PATH, "١٦١٨٤٠٩٧٦١")),
        ("another separator", good.replace("_", "-")),
        ("an escaped separator", good.replace("_", "%5F")),
        ("two separators", good.replace("_", "__")),
        ("a letter that is no digit", good[:-1] + "g"),
        ("a letter beyond ASCII", good[:-1] + "é"),
        ("an escaped digit", good[:-1] + "%61"),
        ("a space last", good + " "),
        ("a line feed after the token", good + "\n"),
        ("an escaped line feed last", good + "%0A"),
        ("NUL last", good + "\0"),
        ("a space first", " " + good),
        ("its question mark", "?" + good),
        ("a second t", good + "&" + good),
        ("a second t, empty", good + "&t="),
        ("another parameter after", good + "&x=1"),
        ("another parameter before", "x=1&" + good),
        ("an ampersand after", good + "&"),
        ("an ampersand before", "&" + good),
        ("a semicolon after", good + ";x=1"),
        ("a fragment after", good + "#x"),
        ("an upper-case name", "T" + good[1:]),
        ("an escaped name", "%74" + good[1:]),
        ("another name", "token" + good[1:]),
        ("an array's name", "t[]" + good[1:]),
        ("no name", good[2:]),
        ("two equal signs", "t=" + good[1:]),
        ("base64 instead of hex", good[:13] + "A" * (len(digits) - 1) + "="),
        ("S3's own parameter with it", good + "&versionId=null"),
    ]:
        case(f"{name}, {algorithm}", "malformed-token", querystring=querystring)
for name, querystring in [
    ("a name alone", "t"),
    ("an empty token", "t="),
    ("an ampersand", "&"),
    ("a space", " "),
    ("S3 SigV2", "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1618409761&Signature=AAAA"),
    ("CloudFront's own", "Expires=1618409761&Signature=AAAA&Key-Pair-Id=K2JCJMDEHXQW5F"),
    ("HMAC-SHA-224", "t=" + EXPIRES + "_" + mac("sha224", PATH)),
    ("HMAC-SHA-512", "t=" + EXPIRES + "_" + mac("sha512", PATH)),
    ("HMAC-MD5", "t=" + EXPIRES + "_" + mac("md5", PATH)),
]:
    case(name, "malformed-token", querystring=querystring)

# -- digits in either case ---------------------------------------------------------------------------------------------
for algorithm, good in GOOD.items():
    case(f"digits in upper case, {algorithm}", PATH, querystring=good[:13] + good[13:].upper())
    mixed = "".join(letter.upper() if at % 2 else letter for at, letter in enumerate(good[13:]))
    case(f"digits in both cases, {algorithm}", PATH, querystring=good[:13] + mixed)

# -- signatures --------------------------------------------------------------------------------------------------------
for algorithm, good in GOOD.items():
    last = len(good) - 1
    for at in (13, 14, 15, (13 + last) // 2, last - 1, last):
        wrong = good[:at] + ("0" if good[at] != "0" else "1") + good[at + 1:]
        case(f"digit {at - 13} is wrong, {algorithm}", "bad-signature", querystring=wrong)
    case(f"all digits are 0, {algorithm}", "bad-signature", querystring=good[:13] + "0" * len(good[13:]))
    case(f"moved to another path, {algorithm}", "bad-signature", uri="/7/8/debian/package_files/97311.deb", querystring=good)
    case(f"moved to a longer path, {algorithm}", "bad-signature", uri=PATH + "1", querystring=good)
    case(f"prolonged, {algorithm}", "bad-signature", querystring="t=1618409762_" + good[13:])
    case(f"another secret, {algorithm}", "bad-signature", querystring=token(algorithm, PATH, key=STRANGER))
    # Path and expires join without a mark: ten digits, always, keep them apart.
    case(f"a digit moved from the path, {algorithm}", "bad-signature", uri="/7/8/a", querystring="t=1161840976_" + mac(algorithm, "/7/8/a", "11618409761"))
    case(f"the other key first, {algorithm}", PATH, querystring=token(algorithm, PATH, key=PREVIOUS), keys=(KEY, PREVIOUS))
    case(f"the current key first, {algorithm}", PATH, querystring=good, keys=(KEY, PREVIOUS))
    case(f"three keys, {algorithm}", PATH, querystring=good, keys=(STRANGER, PREVIOUS, KEY))
    case(f"neither key, {algorithm}", "bad-signature", querystring=token(algorithm, PATH, key=STRANGER), keys=(KEY, PREVIOUS))
    case(f"no keys, {algorithm}", "bad-signature", querystring=good, keys=())
    for length in (0, 1, 15):
        short = KEY[:length]
        signed = token(algorithm, PATH, key=short)
        case(f"a key of {length} bytes, {algorithm}", "bad-signature", querystring=signed, keys=(short,))
        case(f"a key of {length} bytes beside a right one, {algorithm}", "bad-signature", querystring=signed, keys=(short, KEY))
        case(f"a right key beside one of {length} bytes, {algorithm}", PATH, querystring=good, keys=(short, KEY))
    for length in (16, 17, 20, 32, 63, 64, 65, 128, 200):
        long = bytes(range(256))[:length]
        case(f"a key of {length} bytes, {algorithm}", PATH, querystring=token(algorithm, PATH, key=long), keys=(long,))
    case(f"a key cut to 16 bytes is another, {algorithm}", "bad-signature", querystring=token(algorithm, PATH, key=KEY[:16]))
short = hashlib.sha1(PATH.encode() + EXPIRES.encode() + KEY).hexdigest()
case("a plain hash", "bad-signature", querystring=f"t={EXPIRES}_{short}")
case("SHA-256 cut to 40 digits", "bad-signature", querystring=GOOD["sha256"][:53])
case("SHA-1 filled to 64 digits", "bad-signature", querystring=GOOD["sha1"] + "0" * 24)

# -- time --------------------------------------------------------------------------------------------------------------
for algorithm, good in GOOD.items():
    for now, expect in [
        (0, PATH), (1618409760, PATH), (1618409761, PATH), (1618409762, "expired"), (1618413361, "expired"), (9999999999, "expired"),
        (10000000000, "expired"),
    ]:
        case(f"at {now}, {algorithm}", expect, querystring=good, now=now)
    for expires, expect in [("0000000000", "expired"), ("0000000001", "expired"), ("9999999999", PATH), (str(NOW), PATH), (str(NOW - 1), "expired")]:
        case(f"expires {expires}, {algorithm}", expect, querystring=token(algorithm, PATH, expires))
    case(f"expires 0 at 0, {algorithm}", PATH, querystring=token(algorithm, PATH, "0000000000"), now=0)

# -- every construction ------------------------------------------------------------------------------------------------
# The key's form is settled before the check, which is given bytes: `raw` differs from `decoded` in nothing here.
for keyform, key in [("decoded", KEY), ("raw", b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")]:
    for form in FORMS:
        name = f"{keyform}:{form}"
        for algorithm in ("sha1", "sha256"):
            for other in FORMS:
                case(f"{name}, signed as {other}, {algorithm}", PATH if other == form else "bad-signature",
                     querystring=token(algorithm, PATH, key=key, form=other), keys=(key,), construction=name)
            case(f"{name}, expired, {algorithm}", "expired", querystring=token(algorithm, PATH, key=key, form=form),
                 keys=(key,), now=1618409762, construction=name)
            case(f"{name}, an odd path, {algorithm}", "/7/8/%C3%A9%2B", uri="/7/8/%c3%a9+", keys=(key,),
                 querystring=token(algorithm, "/7/8/é+", key=key, form=form), construction=name)
            case(f"{name}, another host, {algorithm}", "bad-signature" if form.startswith("host") else PATH,
                 querystring=token(algorithm, PATH, key=key, form=form), host="d222222abcdef8.cloudfront.net", keys=(key,), construction=name)
            case(f"{name}, no host, {algorithm}", "bad-signature" if form.startswith("host") else PATH, host="",
                 querystring=token(algorithm, PATH, key=key, form="path+expires" if form.startswith("host") else form), keys=(key,), construction=name)
            case(f"{name}, a path whose first slash is its only one, {algorithm}", "/a", uri="/a",
                 querystring=token(algorithm, "/a", key=key, form=form), keys=(key,), construction=name)

# -- the order of the reasons: everything from one on is wrong, too ------------------------------------------------------
case("all is wrong", "bad-method", uri="//", querystring="x=1", method="POST", keys=(), now=9999999999)
case("all is wrong, no token", "bad-method", uri="//", querystring="", method="POST", keys=(), now=9999999999)
case("all but the method", "bad-path", uri="/%zz", querystring="x=1", keys=(), now=9999999999)
case("the path, and no token", "bad-path", uri="/../a", querystring="", keys=(), now=9999999999)
case("the path, and an expired token", "bad-path", uri="/7//8", querystring=token("sha1", "/7//8"), now=9999999999)
case("no token, no keys", "missing-token", querystring="", keys=(), now=9999999999)
case("the shape, and no keys", "malformed-token", querystring=GOOD["sha1"] + "0", keys=(), now=9999999999)
case("the signature, and the time", "bad-signature", querystring="t=0000000001_" + "0" * 40)
case("no keys, and the time", "bad-signature", querystring=GOOD["sha256"], keys=(), now=9999999999)
case("the time alone", "expired", querystring=GOOD["sha256"], now=9999999999)

# Each two faults together, whichever MAC: the earlier reason is said. `missing-token` leaves no token for a later fault to be in.
ORDER = ["bad-method", "bad-path", "missing-token", "malformed-token", "bad-signature", "expired"]
for algorithm in ("sha1", "sha256"):
    for first, earlier in enumerate(ORDER):
        for later in ORDER[first + 1:]:
            faults = {earlier, later}
            path = "/7/8/../a" if "bad-path" in faults else PATH
            querystring = token(algorithm, path, key=STRANGER if "bad-signature" in faults else KEY)
            if "malformed-token" in faults:
                querystring += "0"
            if "missing-token" in faults:
                querystring = ""
            case(f"{earlier} before {later}, {algorithm}", earlier, uri=path, querystring=querystring,
                 method="POST" if "bad-method" in faults else "GET", now=NOW + 3600 if "expired" in faults else NOW)


def main():
    names = [case["name"] for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"two cases have one name: {twice}"
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    about = "Written by tests/edge/vectors.py: keys are hex, now is Unix seconds, expect is what check() returns."
    text = f'{{ "about": {json.dumps(about)},\n  "cases": [\n{lines}\n] }}\n'
    if "--check" in sys.argv:
        sys.exit(0 if FILE.read_text() == text else f"{FILE} is not what this script writes: run it")
    FILE.write_text(text)
    print(f"{len(cases)} cases")


main()

# Compares one answer of the sandbox with the one that AWS gave, member by member.
import datetime
import json
import re

# What a recording puts in the place of a name, an id or a date, where it isn't written <like this>.
PLACEHOLDERS = {"datetime", "date", "bucket", "display-name", "owner-id", "i-d", "ciphertext-blob", "plaintext",
                "version-id", "location", "copy-etag", "etag", "host-id", "last-modified"}
# S3 has left it out of its answers since November 2025; the recordings are from before and after.
IGNORED_MEMBERS = {"DisplayName"}
# Lists whose order says nothing: the recordings have deletions and tags by their keys, however they were asked for; functions have
# names that are drawn here.
UNORDERED_MEMBERS = {"Deleted", "TagSet", "Functions"}


def simplify(value):
    """An answer of boto3's as a recording holds it."""
    if isinstance(value, dict):
        kept = {}
        for name, member in value.items():
            if name == "ResponseMetadata":
                member = {"HTTPHeaders": {}, "HTTPStatusCode": member["HTTPStatusCode"]}
            elif name in ("RequestId", "HostId", "RequestID", "HostID"):
                continue
            kept[name] = simplify(member)
        return kept
    if isinstance(value, (list, tuple)):
        return [simplify(member) for member in value]
    if isinstance(value, (datetime.datetime, datetime.date)):
        return "datetime"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "read"):
        return value.read().decode("utf-8", "replace")
    return value


def drop_read_body(recorded, given):
    """The answer without its body, where the recorded one had been read before it was recorded and so is empty."""
    was_read = isinstance(recorded, dict) and recorded.get("Body") == "" and recorded.get("ContentLength")
    return {**given, "Body": ""} if was_read and "Body" in given else given


def is_same_text(recorded, given):
    """Whether a text is the recorded one but for what is masked there."""
    if recorded == given or recorded in PLACEHOLDERS:
        return True
    if not isinstance(given, (str, int, float)):
        return False
    parts = re.split(r"(<[^<> ]{1,60}>|1{12})", recorded)
    pattern = "".join(r"\d{12}" if re.fullmatch("1{12}", part) else ".+" if at % 2 else re.escape(part)
                      for at, part in enumerate(parts))
    return re.fullmatch(pattern, str(given), re.S) is not None


class Difference(str):
    """Where two answers differ, in words; `member` is its path, without the places in lists."""

    def __new__(cls, path, words):
        made = super().__new__(cls, words)
        made.member = re.sub(r"\[\d+\]", "", path)
        return made


def list_differences(recorded, given, path="", loose=()):
    """Lists where two answers differ; `loose` names members whose value isn't compared."""
    name = path.rsplit(".", 1)[-1]
    if name in loose and (recorded is None) == (given is None):
        return []
    if isinstance(recorded, dict) and isinstance(given, dict):
        found = []
        for member in sorted(set(recorded) | set(given)):
            here = f"{path}.{member}" if path else member
            if member in IGNORED_MEMBERS:
                continue
            if member not in given:
                found.append(Difference(here, f"lacks {here}: {shorten(recorded[member])}"))
            elif member not in recorded:
                found.append(Difference(here, f"has {here} too: {shorten(given[member])}"))
            else:
                found += list_differences(recorded[member], given[member], here, loose)
        return found
    if isinstance(recorded, list) and isinstance(given, list):
        if len(recorded) != len(given):
            return [Difference(path, f"{path} has {len(given)} entries, not {len(recorded)}: {shorten(given)}")]
        rest, found = list(given), []
        for at, one in enumerate(recorded):
            same = next((other for other in rest if not list_differences(one, other, path, loose)), None)
            if same is not None:
                rest.remove(same)
            else:
                found += list_differences(one, given[at], f"{path}[{at}]", loose)
        ordered = name not in UNORDERED_MEMBERS
        if ordered and not found and any(list_differences(one, other, path, loose) for one, other in zip(recorded, given)):
            found.append(Difference(path, f"{path} is in another order: {shorten(given)}"))
        return found
    if isinstance(recorded, str) and is_same_text(recorded, given):
        return []
    return [] if recorded == given else [Difference(path, f"{path} is {shorten(given)}, not {shorten(recorded)}")]


def shorten(value):
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 160 else text[:157] + "..."


def is_error_same(recorded, given):
    """Whether code and status of a recorded error are given too, and none where none is recorded."""
    error = recorded.get("Error") if isinstance(recorded, dict) else None
    other = given.get("Error") if isinstance(given, dict) else None
    if not isinstance(error, dict) or "Code" not in error:
        return not isinstance(other, dict) or isinstance(error, dict)
    status = recorded.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return isinstance(other, dict) and other.get("Code") == error["Code"] and \
        (status is None or given.get("ResponseMetadata", {}).get("HTTPStatusCode") == status)

# Players of KMS's operations: keys, aliases, tags, policies, encryption.
import time

from players import plays

NOT_THERE = "134f2428-cec1-4b25-a1ae-9048164dba47"


def wait_until_known(t, key):
    """A new key isn't known everywhere at once; the recordings don't meet that."""
    for _ in range(100):
        try:
            return t.call(t.kms.describe_key, KeyId=key)
        except t.kms.exceptions.NotFoundException:
            time.sleep(0.05)


def make_key(t, **words):
    made = t.call(t.kms.create_key, Description="test key 123", KeyUsage="ENCRYPT_DECRYPT", **words)["KeyMetadata"]
    wait_until_known(t, made["KeyId"])
    return made


def tags(**words):
    return [{"TagKey": name, "TagValue": value} for name, value in words.items()]


def metadata(answer):
    return answer.get("KeyMetadata", answer)


@plays(r"TestKMS::test_create_key|TestKMS::test_describe_with_alias_arn|TestKMS::test_create_alias")
def keys(t):
    if "create_alias" in t.recording:
        t.ask("create_alias", t.kms.create_alias, AliasName="recorded", TargetKeyId=make_key(t)["KeyId"])
    elif "created-key" in t.recording:
        made = t.ask("created-key", t.kms.create_key, Description="test - description", pick=metadata)["KeyMetadata"]
        wait_until_known(t, made["KeyId"])
        alias = f"alias/{t.name()}"
        t.call(t.kms.create_alias, AliasName=alias, TargetKeyId=made["KeyId"])
        t.ask("describe-key", t.kms.describe_key, KeyId=made["Arn"].rsplit(":", 1)[0] + ":" + alias)
    else:
        t.ask("describe-key", t.kms.describe_key, KeyId=make_key(t)["KeyId"], pick=metadata)


@plays(r"TestKMS::test_get_key_(does_not_exist|invalid_uuid|in_different_region)")
def missing_keys(t, kind):
    arn = make_key(t)["Arn"].rsplit("/", 1)[0] + "/"
    if kind == "in_different_region":
        t.ask("describe-key-diff-region-with-id", t.kms.describe_key, KeyId=NOT_THERE)
        t.ask("describe-key-diff-region-with-arn", t.kms.describe_key,
              KeyId=(arn + NOT_THERE).replace("us-east-1", "us-west-2"))
    elif kind == "does_not_exist":
        t.ask("describe-nonexistent-key-with-id", t.kms.describe_key, KeyId=NOT_THERE)
        t.ask("describe-nonexistent-with-arn", t.kms.describe_key, KeyId=arn + NOT_THERE)
        t.ask("describe-key-with-valid-id-mrk", t.kms.describe_key, KeyId="mrk-d3b95762d3b95762d3b95762d3b95762")
    else:
        for recorded, key in [("", "fake-key-id"), ("-2", "134f2428cec14b25a1ae9048164dba47"), ("-mrk", "mrk-fake-key-id")]:
            t.ask(f"describe-key-with-invalid-uuid{recorded}", t.kms.describe_key, KeyId=key)


@plays(r"TestKMS::test_plaintext_size_for_encrypt")
def long_plaintext(t):
    t.ask("invalid-plaintext-size-encrypt", t.kms.encrypt, KeyId=make_key(t)["KeyId"], Plaintext=b"a" * 4097)


@plays(r"TestKMS::test_encrypt_decrypt_encryption_context")
def encryption_context(t):
    key, context = make_key(t)["KeyId"], {"some-key": "some-value"}
    loose = ("CiphertextBlob", "Plaintext")
    sealed = t.ask("encrypt_response", t.kms.encrypt, KeyId=key, Plaintext=b"test message", EncryptionContext=context, loose=loose)
    blob = sealed["CiphertextBlob"]
    t.ask("decrypt_response_with_encryption_context", t.kms.decrypt, CiphertextBlob=blob, EncryptionContext=context, loose=loose)
    t.ask("decrypt_response_without_encryption_context", t.kms.decrypt, CiphertextBlob=blob)
    t.ask("decrypt_response_with_invalid_ciphertext", t.kms.decrypt, CiphertextBlob=blob[:-1] + b"x", EncryptionContext=context)


@plays(r"TestKMS::test_(?:tag_existing_key_and_untag|create_key_with_tag_and_untag|untag_key_partially|update_and_add_tags_on_tagged_key)")
def key_tags(t):
    def listed(answer):
        return answer.get("Tags", answer)
    recorded = t.recording["list-resource-tags"]
    sent = [{"TagKey": one["TagKey"], "TagValue": one["TagValue"]} for one in recorded]
    key = make_key(t)["KeyId"]
    t.call(t.kms.tag_resource, KeyId=key, Tags=sent)
    t.ask("list-resource-tags", t.kms.list_resource_tags, KeyId=key, pick=listed)
    if "list-resource-tags-after-tags-updated" in t.recording:
        t.call(t.kms.tag_resource, KeyId=key, Tags=tags(tag4="value4", tag2="updated_value2", tag5="value5"))
        t.ask("list-resource-tags-after-tags-updated", t.kms.list_resource_tags, KeyId=key, pick=listed)


@plays(r"TestKMS::test_(?:tag_key_with_duplicate_tag_keys_raises_error|create_key_with_too_many_tags_raises_error"
       r"|tag_existing_key_with_invalid_tag_key|key_with_long_tag_value_raises_error|create_key_with_invalid_tag_key\[(\w+)\])")
def refused_tags(t, kind):
    recorded = next(iter(t.recording))
    if recorded == "duplicate-tag-keys":
        t.ask(recorded, t.kms.tag_resource, KeyId=make_key(t)["KeyId"],
              Tags=[*tags(tag1="value1"), *tags(tag1="another-value1")])
    elif recorded == "too-long-tag-value":
        t.ask(recorded, t.kms.create_key, Tags=tags(tag1="v" * 257))
    elif kind:
        name = {"lowercase_prefix": "aws:key1", "uppercase_prefix": "AWS:key1", "too_long_key": "a" * 129}[kind]
        t.ask(recorded, t.kms.create_key, Tags=[{"TagKey": name, "TagValue": "value1"}])
    elif t.recording[recorded]["Error"]["Message"] == "Too many tags":
        t.ask(recorded, t.kms.create_key, Tags=tags(**{f"key{number}": "value" for number in range(51)}))
    else:
        t.ask(recorded, t.kms.tag_resource, KeyId=make_key(t)["KeyId"], Tags=[{"TagKey": "aws:key1", "TagValue": "value1"}])


@plays(r"TestKMS::test_(?:error_messaging_for_invalid_keys|key_rotation_updates_current_key_material_id_for_aws_symmetric_keys"
       r"|key_rotations_encryption_decryption)")
def other_keys(t):
    if "describe-key-before-rotation" in t.recording:
        made = t.call(t.kms.create_key, Description="test-key")["KeyMetadata"]["KeyId"]
        wait_until_known(t, made)
        t.ask("describe-key-before-rotation", t.kms.describe_key, KeyId=made)
    elif "bad-ciphertext" in t.recording:
        key = make_key(t)["KeyId"]
        t.ask("bad-ciphertext", t.kms.decrypt, KeyId=key, CiphertextBlob=b"bad_ciphertext")
    else:
        one, other = make_key(t)["KeyId"], make_key(t)["KeyId"]
        blob = t.call(t.kms.encrypt, KeyId=one, Plaintext=b"a")["CiphertextBlob"]
        t.ask("decrypt-invalid-key-id", t.kms.decrypt, CiphertextBlob=blob, KeyId=other)

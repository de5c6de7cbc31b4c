# Players of S3's access control lists, of objects and of buckets.
from players import plays
from s3_setup import allow_acls, set_versioning

LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"


def acl_cases(owner, prefix_of_acp):
    """The refused lists that both objects and buckets were asked for, by what was recorded."""
    grantee = {"URI": LOG_DELIVERY, "Type": "Group"}
    fake = {"URI": "http://acs.amazonaws.com/groups/s3/FakeGroup", "Type": "Group"}
    wrong = {"ID": "wrong-id", "Type": "CanonicalUser"}
    one = lambda who, permission="FULL_CONTROL": [{"Grantee": who, "Permission": permission}]
    return {
        f"{prefix_of_acp}-1": {"Grants": one(grantee, "WRITE")},
        f"{prefix_of_acp}-2": {"Owner": owner, "Grants": one(grantee, "WRONG-PERMISSION")},
        f"{prefix_of_acp}-3": {"Owner": {"ID": "wrong-id"}, "Grants": one(grantee)},
        f"{prefix_of_acp}-4": {"Owner": owner, "Grants": one(fake)},
        f"{prefix_of_acp}-5": {"Owner": owner, "Grants": one(wrong)},
        f"{prefix_of_acp}-6": {"Owner": owner, "Grants": one({"ID": "wrong-id", "Type": "BadType"})},
    }


@plays(r"TestS3::test_s3_object_acl_exceptions")
def object_acl_refused(t):
    b, s, key = t.bucket(), t.s3, "object-key-acl"
    owner = t.call(s.list_buckets)["Owner"]
    at = {"Bucket": b, "Key": key}
    t.call(s.put_object, **at)
    t.ask("put-object-canned-acl", s.put_object, ACL="fake-acl", **at)
    t.ask("put-object-acl-canned-acl", s.put_object_acl, ACL="fake-acl", **at)
    for recorded, grant in [("fake-uri", 'uri="http://acs.amazonaws.com/groups/s3/FakeGroup"'),
                            ("fake-key", 'fakekey="1234"'), ("wrong-id", 'id="wrong-id"')]:
        t.ask(f"put-object-grant-acl-{recorded}", s.put_object_acl, GrantWrite=grant, **at)
    for recorded, policy in acl_cases(owner, "put-object-acp-acl").items():
        t.ask(recorded, s.put_object_acl, AccessControlPolicy=policy, **at)
    t.ask("put-object-empty-acp", s.put_object_acl, AccessControlPolicy={}, **at)
    t.ask("put-object-acl-empty", s.put_object_acl, **at)
    t.ask("put-object-two-type-acl", s.put_object_acl, ACL="private", GrantRead=f'uri="{LOG_DELIVERY}"', **at)
    policy = {"Owner": owner, "Grants": [{"Grantee": {"ID": owner["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}
    t.ask("put-object-two-type-acl-acp", s.put_object_acl, ACL="private", AccessControlPolicy=policy, **at)


@plays(r"TestS3::test_s3_object_acl")
def object_acl(t):
    b, s = t.bucket(), t.s3
    allow_acls(t, b)
    owner = t.call(s.list_buckets)["Owner"]
    at = {"Bucket": b, "Key": "object-key-acl"}
    t.ask("put-object-default-acl", s.put_object, **at)
    t.ask("get-object-acl-default", s.get_object_acl, **at)
    t.ask("put-object-acl", s.put_object_acl, ACL="public-read", **at)
    t.ask("get-object-acl", s.get_object_acl, **at)
    t.call(s.put_object_acl, GrantRead=f'uri="{LOG_DELIVERY}"', **at)
    t.ask("get-object-grant-acl", s.get_object_acl, **at)
    t.call(s.put_object_acl, AccessControlPolicy={"Owner": owner, "Grants": [
        {"Grantee": {"ID": owner["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"URI": LOG_DELIVERY, "Type": "Group"}, "Permission": "WRITE"}]}, **at)
    t.ask("get-object-acp-acl", s.get_object_acl, **at)


@plays(r"TestS3::test_get_object_with_anon_credentials")
def anonymous_get(t):
    b, s = t.bucket(), t.s3
    allow_acls(t, b)
    t.call(s.put_object, Bucket=b, Key="key", Body="body data")
    t.call(s.put_object_acl, Bucket=b, Key="key", ACL="public-read")
    anonymous = t.server.make_client("s3", anonymous=True, config={"s3": {"addressing_style": "path"}})
    t.ask("get_object", anonymous.get_object, Bucket=b, Key="key")


@plays(r"TestS3::test_put_object_acl_on_delete_marker")
def acl_on_marker(t):
    b, s, key = t.bucket(), t.s3, "test-key-versioned"
    set_versioning(t, b)
    allow_acls(t, b)
    t.ask("put-obj-1", s.put_object, Bucket=b, Key=key, Body="something")
    t.ask("put-obj-2", s.put_object, Bucket=b, Key=key, Body="something-v2")
    marker = t.ask("delete-object", s.delete_object, Bucket=b, Key=key)["VersionId"]
    for end, words in [("", {}), ("-version-id", {"VersionId": marker})]:
        t.ask(f"put-acl-delete-marker{end}", s.put_object_acl, Bucket=b, Key=key, ACL="public-read", **words)
        t.ask(f"get-acl-delete-marker{end}", s.get_object_acl, Bucket=b, Key=key, **words)


@plays(r"TestS3::test_s3_bucket_acl")
def bucket_acl(t):
    b, s = t.bucket(), t.s3
    allow_acls(t, b)
    owner = t.call(s.list_buckets)["Owner"]
    t.call(s.put_bucket_acl, Bucket=b, ACL="public-read")
    t.ask("get-bucket-acl", s.get_bucket_acl, Bucket=b)
    t.call(s.put_bucket_acl, Bucket=b, ACL="private")
    t.ask("get-bucket-canned-acl", s.get_bucket_acl, Bucket=b)
    t.call(s.put_bucket_acl, Bucket=b, GrantRead=f'uri="{LOG_DELIVERY}"')
    t.ask("get-bucket-grant-acl", s.get_bucket_acl, Bucket=b)
    t.call(s.put_bucket_acl, Bucket=b, AccessControlPolicy={"Owner": owner, "Grants": [
        {"Grantee": {"ID": owner["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"URI": LOG_DELIVERY, "Type": "Group"}, "Permission": "WRITE"}]})
    t.ask("get-bucket-acp-acl", s.get_bucket_acl, Bucket=b)


@plays(r"TestS3::test_s3_bucket_acl_exceptions")
def bucket_acl_refused(t):
    b, s = t.bucket(), t.s3
    owner = t.call(s.list_buckets)["Owner"]
    t.ask("put-bucket-canned-acl", s.put_bucket_acl, Bucket=b, ACL="fake-acl")
    for recorded, grant in [("fake-uri", 'uri="http://acs.amazonaws.com/groups/s3/FakeGroup"'),
                            ("fake-key", 'fakekey="1234"'), ("wrong-id", 'id="wrong-id"')]:
        t.ask(f"put-bucket-grant-acl-{recorded}", s.put_bucket_acl, Bucket=b, GrantWrite=grant)
    for recorded, policy in acl_cases(owner, "put-bucket-acp-acl").items():
        t.ask(recorded, s.put_bucket_acl, Bucket=b, AccessControlPolicy=policy)
    t.ask("put-bucket-empty-acp", s.put_bucket_acl, Bucket=b, AccessControlPolicy={})
    t.ask("put-bucket-empty", s.put_bucket_acl, Bucket=b)
    t.ask("put-bucket-two-type-acl", s.put_bucket_acl, Bucket=b, ACL="private", GrantRead=f'uri="{LOG_DELIVERY}"')
    policy = {"Owner": owner, "Grants": [{"Grantee": {"ID": owner["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}
    t.ask("put-bucket-two-type-acl-acp", s.put_bucket_acl, Bucket=b, ACL="private", AccessControlPolicy=policy)

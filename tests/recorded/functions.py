# Players of Lambda's operations: functions, their code, configuration, versions, tags, and how names are checked.
import json
import os
import re

from players import plays
from session import NODE_BUNDLE, make_zip

# What differs by the runtime that a recording had; the sandbox plays those that the edge knows.
LOOSE = ("Runtime", "Handler", "RuntimeVersionArn", "Role", "SnapStart", "CodeSize", "CodeSha256", "LastModified", "Location")
OTHER_BUNDLE = "exports.handler = async () => 'other';\n"


def created(answer):
    """What the recordings' own helper wraps a creation in."""
    return {"CreateEventSourceMappingResponse": None, "CreateFunctionResponse": answer}


def make(t, recorded=None, name=None, pick=None, **words):
    """Creates a function, compares where something was recorded, waits; returns its name."""
    name = name or t.name("fn")
    words = {"FunctionName": name, "Handler": "index.handler", "Code": {"ZipFile": make_zip(NODE_BUNDLE)},
             "Role": t.role(), "Runtime": "nodejs22.x", **words}
    if recorded:
        t.ask(recorded, t.functions.create_function, pick=pick, loose=LOOSE, **words)
    else:
        t.call(t.functions.create_function, **words)
    t.wait_for_function(name)
    return name


EMPTY = {"Environment": {"Variables": {}}}


@plays(r"TestLambdaFunction::test_function_lifecycle")
def lifecycle(t):
    f = t.functions
    name = make(t, "create_response", pick=created, MemorySize=256, Timeout=5, **EMPTY)
    t.ask("get_function_response", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("update_func_conf_response", f.update_function_configuration, FunctionName=name, Runtime="nodejs24.x",
          Description="Changed-Description", MemorySize=512, Timeout=10, Environment={"Variables": {"ENV_A": "a"}}, loose=LOOSE)
    t.wait_for_function(name)
    t.ask("get_function_response_postupdate", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("update_code_response", f.update_function_code, FunctionName=name, ZipFile=make_zip(OTHER_BUNDLE), loose=LOOSE)
    t.wait_for_function(name)
    t.ask("get_function_response_postcodeupdate", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("delete_response", f.delete_function, FunctionName=name)
    t.ask("delete_postdelete", f.delete_function, FunctionName=name)


@plays(r"TestLambdaFunction::test_redundant_updates")
def redundant_updates(t):
    f = t.functions
    name = make(t, "create_response", pick=created, Description="Initial description", Timeout=30, **EMPTY)
    for first, then in [("first_update_result", "get_fn_result"), ("redundant_update_result", "get_fn_result_after_redundant_update")]:
        t.ask(first, f.update_function_configuration, FunctionName=name, Description="1st update description", loose=LOOSE)
        t.wait_for_function(name)
        if first == "first_update_result":
            t.ask("get_fn_config_result", f.get_function_configuration, FunctionName=name, loose=LOOSE)
        t.ask(then, f.get_function, FunctionName=name, loose=LOOSE)


@plays(r"TestLambdaFunction::test_ops_with_arn_qualifier_mismatch\[(\w+)\]")
def qualifier_mismatch(t, method):
    arn = "arn:aws:lambda:us-east-1:999999999999:function:some-function"
    ask = getattr(t.functions, method)
    t.ask("not_match_exception", ask, FunctionName=f"{arn}:1", Qualifier="$LATEST")
    t.ask("match_exception", ask, FunctionName=f"{arn}:$LATEST", Qualifier="$LATEST")


@plays(r"TestLambdaFunction::test_ops_on_nonexisting_version\[(get_function|get_function_configuration)\]")
def missing_version(t, method):
    t.ask("version_not_found_exception", getattr(t.functions, method), FunctionName=make(t), Qualifier="1221")


@plays(r"TestLambdaFunction::test_delete_on_nonexisting_version")
def delete_missing_version(t):
    f, name = t.functions, make(t)
    t.call(f.delete_function, FunctionName=name, Qualifier="1233")
    t.call(f.delete_function, FunctionName=name)
    t.ask("delete_function_response_non_existent", f.delete_function, FunctionName=name)
    t.ask("delete_function_response_non_existent_with_qualifier", f.delete_function, FunctionName=name, Qualifier="1233")


PLAYED = r"delete_function|get_function|get_function_configuration|get_function_code_signing_config|get_function_concurrency|invoke"


@plays(rf"TestLambdaFunction::test_ops_on_nonexisting_fn\[({PLAYED})\]")
def missing_function(t, method):
    t.ask("not_found_exception", getattr(t.functions, method), FunctionName=t.name("i-dont-exist"))


@plays(rf"TestLambdaFunction::test_get_function_wrong_region\[({PLAYED})\]")
def wrong_region(t, method):
    t.ask("wrong_region_exception", getattr(t.functions, method),
          FunctionName=f"arn:aws:lambda:eu-central-1:999999999999:function:{t.name()}")


@plays(r"TestLambdaFunction::test_lambda_code_location_zipfile")
def code_location(t):
    f = t.functions
    name = make(t, "create-response-zip-file", PackageType="Zip")
    t.ask("get-function-response", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("update-function-response", f.update_function_code, FunctionName=name, ZipFile=make_zip(OTHER_BUNDLE), loose=LOOSE)
    t.ask("get-function-response-updated", f.get_function, FunctionName=name, loose=LOOSE)


@plays(r"TestLambdaFunction::test_(create|update)_lambda_exceptions")
def refused_functions(t, verb):
    f = t.functions
    base = {"Handler": "index.handler", "Code": {"ZipFile": make_zip(NODE_BUNDLE)}, "PackageType": "Zip", "Role": t.role(),
            "Runtime": "nodejs22.x", "FunctionName": t.name("invalid-function")}
    cases = {"invalid_role_arn_exc": {"Role": "r1"}, "invalid_runtime_exc": {"Runtime": "non-existent-runtime"},
             "uppercase_runtime_exc": {"Runtime": "PYTHON3.9"}, "multiple_architectures": {"Architectures": ["x86_64", "arm64"]},
             "uppercase_architecture": {"Architectures": ["X86_64"]},
             "invalid_zip_exc": {"Code": {"ZipFile": b"this is not a zipfile, just a random string"}}}
    name = make(t) if verb == "update" else None
    for recorded, words in cases.items():
        if recorded in t.recording and verb == "create":
            t.ask(recorded, f.create_function, **{**base, **words})
        elif recorded in t.recording:
            t.ask(recorded, f.update_function_configuration, FunctionName=name, **words)


@plays(r"TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled\[(.*)\]")
def retired_runtime(t, runtime):
    t.ask(next(iter(t.recording)), t.functions.create_function, FunctionName=t.name("fn"), Handler="index.handler",
          Code={"ZipFile": make_zip(NODE_BUNDLE)}, Role=t.role(), Runtime=runtime)


@plays(r"TestLambdaFunction::test_list_functions")
def list_functions(t):
    f = t.functions
    mine = [make(t, "create_response_1", pick=created, Publish=True, Timeout=30, **EMPTY),
            make(t, "create_response_2", pick=created, Timeout=30, **EMPTY)]

    def pick_mine(answer):
        return {"Functions": [one for one in answer["Functions"] if one["FunctionName"] in mine]}
    t.ask("list_functions_invalid_functionversion", f.list_functions, FunctionVersion="invalid")
    t.ask("list_all", f.list_functions, FunctionVersion="ALL", MaxItems=10000, pick=pick_mine, loose=LOOSE)
    t.ask("list_default", f.list_functions, MaxItems=10000, pick=pick_mine, loose=LOOSE)


@plays(r"TestLambdaFunction::test_invalid_invoke")
def invalid_invoke(t):
    t.ask("invoke_function_name_pattern_exc", t.functions.invoke,
          FunctionName="arn:aws:lambda:us-east-1:123400000000@function:myfn", Payload=b"{}")


@plays(r"TestPartialARNMatching::test_(update_function_configuration_full_arn|cross_region_arn_function_access)")
def partial_arns(t, kind):
    f = t.functions
    if kind.startswith("cross"):
        for recorded in t.recording:
            t.ask(recorded, f.get_function, FunctionName=f"arn:aws:lambda:us-west-2:999999999999:function:{t.name()}")
        return
    name = make(t)
    for recorded in t.recording:
        if "update" in recorded:
            t.wait_for_function(name)
            t.ask(recorded, f.update_function_configuration, loose=(*LOOSE, "Description"),
                  FunctionName=f"arn:aws:lambda:us-east-1:999999999999:function:{name}", Description="recorded")


# Versions and revisions.

@plays(r"TestLambdaVersions::test_publish_version_on_create")
def publish_on_create(t):
    f = t.functions
    name = make(t, "create_response", Publish=True)
    t.wait_for_function(name, Qualifier="1")
    t.ask("get_function_result", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("get_function_version_result", f.get_function, FunctionName=name, Qualifier="1", loose=LOOSE)
    t.ask("get_function_latest_result", f.get_function, FunctionName=name, Qualifier="$LATEST", loose=LOOSE)
    t.ask("list_versions_result", f.list_versions_by_function, FunctionName=name, loose=LOOSE)
    t.ask("repeated_publish_response", f.publish_version, FunctionName=name, Description="Repeated version description", loose=LOOSE)
    t.ask("list_versions_result_after_publish", f.list_versions_by_function, FunctionName=name, loose=LOOSE)


@plays(r"TestLambdaVersions::test_publish_with_wrong_(revisionid|sha256)")
def publish_wrong(t, kind):
    f = t.functions
    name = make(t, "create_response")
    shown = t.ask("get_fn_response", f.get_function, FunctionName=name, loose=LOOSE)["Configuration"]
    words = {"revisionid": ("RevisionId", "doesntexist", shown["RevisionId"]),
             "sha256": ("CodeSha256", "somenonexistentsha256", shown["CodeSha256"])}[kind]
    t.ask(f"publish_wrong_{kind}_exc", f.publish_version, FunctionName=name, **{words[0]: words[1]})
    t.ask("publish_result", f.publish_version, FunctionName=name, loose=LOOSE, **{words[0]: words[2]})


@plays(r"TestLambdaVersions::test_publish_with_update")
def publish_with_update(t):
    f = t.functions
    name = make(t, "create_response")
    t.ask("get_function_result", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("update_function_code_result", f.update_function_code, FunctionName=name, ZipFile=make_zip(OTHER_BUNDLE), Publish=True,
          loose=LOOSE)
    t.ask("get_function_version_result", f.get_function, FunctionName=name, Qualifier="1", loose=LOOSE)
    t.ask("get_function_latest_result", f.get_function, FunctionName=name, Qualifier="$LATEST", loose=LOOSE)


@plays(r"TestLambdaVersions::test_version_lifecycle")
def version_lifecycle(t):
    f = t.functions
    name = make(t, "create_response", Description="No version :(")
    at = {"FunctionName": name}

    def get(recorded, **words):
        t.ask(recorded, f.get_function, loose=LOOSE, **at, **words)

    def update(recorded, text):
        t.ask(recorded, f.update_function_configuration, Description=text, loose=LOOSE, **at)
        t.wait_for_function(name)

    def publish(recorded, number, **words):
        t.ask(recorded, f.publish_version, loose=LOOSE, **at, **words)
        t.wait_for_function(name, Qualifier=number)
    get("get_function_result")
    t.ask("list_versions_result", f.list_versions_by_function, loose=LOOSE, **at)
    update("first_update_response", "First version :)")
    get("first_update_get_function")
    publish("first_publish_response", "1", Description="First version description :)")
    get("first_publish_get_function", Qualifier="1")
    t.ask("first_publish_get_function_config", f.get_function_configuration, Qualifier="1", loose=LOOSE, **at)
    update("second_update_response", "Second version :))")
    get("first_publish_get_function_after_update", Qualifier="1")
    publish("second_publish_response", "2")
    publish("third_publish_response", "2", Description="Third version description :)))")
    t.ask("list_versions_result_after_third_publish", f.list_versions_by_function, loose=(*LOOSE, "Description"), **at)
    t.call(f.delete_function, Qualifier="1", **at)
    t.ask("list_versions_result_after_deletion_of_first_version", f.list_versions_by_function,
          loose=(*LOOSE, "Description"), **at)


@plays(r"TestLambdaRevisions::test_function_revisions_basic")
def revisions(t):
    f = t.functions
    name = make(t, "create_function_response_rev1", pick=created, Timeout=30, **EMPTY)
    t.ask("get_function_response_rev2", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("update_function_revision_exception", f.update_function_code, FunctionName=name, ZipFile=make_zip(NODE_BUNDLE),
          RevisionId="wrong")
    if "update_function_configuration_revision_exception" in t.recording:
        t.ask("update_function_configuration_revision_exception", f.update_function_configuration, FunctionName=name,
              Runtime="nodejs24.x", RevisionId="wrong")
    t.ask("update_function_code_response_rev3", f.update_function_code, FunctionName=name, ZipFile=make_zip(OTHER_BUNDLE),
          loose=LOOSE)
    t.wait_for_function(name)
    t.ask("get_function_response_rev4", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("update_function_configuration_response_rev5", f.update_function_configuration, FunctionName=name, loose=LOOSE,
          **{field: t.recording["update_function_configuration_response_rev5"][field] for field in ("Timeout", "MemorySize", "Description")})
    t.wait_for_function(name)
    t.ask("get_function_response_rev6", f.get_function, FunctionName=name, loose=LOOSE)


# Tags.

@plays(r"TestLambdaTags?::test_(?:tag_lifecycle(?:\[lambda_function\])?|create_tag_on_fn_create|tag_nonexisting_resource|tag_versions)")
def function_tags(t):
    f, asked = t.functions, t.recording
    if "list_tags_result" in asked:
        name = make(t, Tags={"testtag": "value"}, Timeout=30, **EMPTY)
        arn = t.call(f.get_function, FunctionName=name)["Configuration"]["FunctionArn"]
        t.ask("get_function_result", f.get_function, FunctionName=name, loose=LOOSE)
        t.ask("list_tags_result", f.list_tags, Resource=arn, loose=("testtag",))
    elif "not_found_exception_tag" in asked:
        name = make(t, Timeout=30, **EMPTY)
        arn = t.ask("pre_delete_get_function", f.get_function, FunctionName=name, loose=LOOSE)["Configuration"]["FunctionArn"]
        t.call(f.delete_function, FunctionName=name)
        t.ask("not_found_exception_tag", f.tag_resource, Resource=arn, Tags={"A": "B"})
        t.ask("not_found_exception_list", f.list_tags, Resource=arn)
    elif "tag_resource_latest_exception" in asked:
        name = make(t, Publish=True)
        arn = t.call(f.get_function, FunctionName=name)["Configuration"]["FunctionArn"]
        t.ask("tag_resource_exception", f.tag_resource, Resource=f"{arn}:1", Tags={"key_a": "a"})
        t.ask("tag_resource_latest_exception", f.tag_resource, Resource=f"{arn}:$LATEST", Tags={"key_a": "a"})
    elif "tag_single_response" in asked:
        name = make(t)
        arn = t.call(f.get_function, FunctionName=name)["Configuration"]["FunctionArn"]
        for recorded, sent in [("single", {"A": "tag-a"}), ("multiple", {"B": "tag-b", "C": "tag-c"}),
                               ("overlap", {"C": "tag-c-newsuffix", "D": "tag-d"})]:
            t.ask(f"tag_{recorded}_response", f.tag_resource, Resource=arn, Tags=sent)
            t.ask(f"tag_{recorded}_response_listtags", f.list_tags, Resource=arn)
    else:
        name = make(t, Tags={"key_a": "value_a"}, Timeout=30, **EMPTY)
        arn = t.call(f.get_function, FunctionName=name)["Configuration"]["FunctionArn"]
        more = {f"key_{end}": f"value_{end}" for end in "bcde"}
        for recorded, request, sent in [("postfncreate", None, None), ("postaddtags", "tag_resource_response", more),
                                        ("overwrite", "tag_resource_overwrite", {"key_c": "value_x"})]:
            if request:
                t.ask(request, f.tag_resource, Resource=arn, Tags=sent)
            t.ask(f"list_tags_response_{recorded}", f.list_tags, Resource=arn)
            t.ask(f"get_fn_response_{recorded}", f.get_function, FunctionName=name, loose=LOOSE)
        if "list_tags_postdelete" in asked:
            t.call(f.delete_function, FunctionName=name)
            t.ask("list_tags_postdelete", f.list_tags, Resource=arn)


@plays(r"TestLambdaTags::test_tag_exceptions|TestLambdaTags::test_tag_limits")
def refused_function_tags(t):
    f = t.functions
    name = make(t, Timeout=30, **EMPTY)
    arn = t.call(f.get_function, FunctionName=name)["Configuration"]["FunctionArn"]
    if "tag_lambda_invalidarn" in t.recording:
        t.ask("tag_lambda_invalidarn", f.tag_resource, Resource="arn:aws:something", Tags={"key_a": "value_a"})
        t.ask("tag_lambda_doesnotexist", f.tag_resource, Resource=arn.replace(name, "doesnotexist"), Tags={"key_a": "value_a"})
        t.ask("tag_lambda_qualifier_doesnotexist", f.tag_resource, Resource=f"{arn}:v1", Tags={"key_a": "value_a"})
        t.ask("list_tag_lambda_empty", f.list_tags, Resource=arn)
        t.ask("tag_empty_tags", f.tag_resource, Resource=arn, Tags={})
        return
    t.ask("tag_lambda_too_many_tags", f.tag_resource, Resource=arn, Tags={f"{n}_key": f"{n}_value" for n in range(51)})
    t.ask("tag_response", f.tag_resource, Resource=arn, Tags={f"{n}_key": f"{n}_value" for n in range(50)})
    t.ask("list_tags_response", f.list_tags, Resource=arn)
    t.ask("get_fn_response", f.get_function, FunctionName=name, loose=LOOSE)
    t.ask("tag_lambda_too_many_tags_additional", f.tag_resource, Resource=arn, Tags={"a_key": "a_value"})
    t.ask("create_function_invalid_tags", f.create_function, FunctionName=t.name("fn"), Handler="index.handler",
          Code={"ZipFile": make_zip(NODE_BUNDLE)}, Role=t.role(), Runtime="nodejs22.x",
          Tags={f"{n}_key": f"{n}_value" for n in range(51)})


# Limits, settings, code signing.

@plays(r"TestLambdaSizeLimits::test_(large_environment_variables_fails|large_environment_fails_multiple_keys)")
def environment_limit(t, _):
    recorded = next(iter(t.recording))
    measured = re.search(r"String measured: (\{.*\})", t.recording[recorded]["Error"]["Message"]).group(1)
    t.ask(recorded, t.functions.create_function, FunctionName=t.name("fn"), Handler="index.handler",
          Code={"ZipFile": make_zip(NODE_BUNDLE)}, Role=t.role(), Runtime="nodejs22.x",
          Environment={"Variables": json.loads(measured)})


@plays(r"TestLambdaSizeLimits::test_lambda_envvars_near_limit_succeeds")
def environment_near_limit(t):
    recorded = t.recording["successful_create_fn_result"]["CreateFunctionResponse"]
    make(t, "successful_create_fn_result", pick=created, Environment=recorded["Environment"], Timeout=recorded["Timeout"],
         MemorySize=recorded["MemorySize"])


@plays(r"TestLambdaAccountSettings::test_account_settings")
def account_settings(t):
    t.ask("acc_settings_modded", t.functions.get_account_settings, pick=lambda answer: {
        "AccountLimit": sorted(answer["AccountLimit"]), "AccountUsage": sorted(answer["AccountUsage"]),
        "ResponseMetadata": answer["ResponseMetadata"]})


@plays(r"TestCodeSigningConfig::test_code_signing_not_found_excs")
def code_signing(t):
    f = t.functions
    t.ask("get_function_csc_fnwithoutcsc", f.get_function_code_signing_config, FunctionName=make(t), loose=("FunctionName",))
    t.ask("get_function_csc_nonexistingfn", f.get_function_code_signing_config, FunctionName="csc-test-doesnotexist")


@plays(r"TestLambdaFunction::test_function_arns")
def function_arns(t):
    f, arn = t.functions, "arn:aws:lambda:us-east-1:999999999999:function:"
    name, other = t.name("fn"), t.name("fn")
    words = {"Handler": "index.handler", "Code": {"ZipFile": make_zip(NODE_BUNDLE)}, "Role": t.role(), "Runtime": "nodejs22.x"}
    for recorded, named in [("create-function-arn-response", arn + name), ("create-function-partial-arn-response", f"999999999999:function:{other}")]:
        t.ask(recorded, f.create_function, FunctionName=named, pick=created, loose=(*LOOSE, "Timeout"), **EMPTY, **words)
    for recorded, named in [("invalid_function_name_exc", "invalid:function:name"), ("long_function_name_exc", "a" * 65),
                            ("long_function_arn_exc", arn + "a" * 100),
                            ("function_arn_other_region_exc", arn.replace("us-east-1", "ap-southeast-1") + name),
                            ("function_arn_other_account_exc", arn.replace("999999999999", "000000000000") + name)]:
        t.ask(recorded, f.get_function if named.startswith("arn:") and "other" in recorded else f.create_function,
              FunctionName=named, **({} if "other" in recorded else words))


@plays(r"TestLambdaFunction::test_lambda_concurrent_(code|config)_updates")
def concurrent_updates(t, what):
    f = t.functions
    name = make(t, "create-function-response", pick=created if what == "config" else None,
                **({**EMPTY, "Timeout": 30} if what == "config" else {}))
    t.call(f.update_function_code, FunctionName=name, ZipFile=make_zip(OTHER_BUNDLE))
    if what == "code":
        t.ask("update-during-in-progress-update-exc", f.update_function_code, FunctionName=name, ZipFile=make_zip(NODE_BUNDLE))
    else:
        t.ask("update-during-in-progress-update-exc", f.update_function_configuration, FunctionName=name, Timeout=9)


@plays(r"TestLambdaRevisions::test_function_revisions_version_and_alias")
def version_revisions(t):
    f = t.functions
    name = make(t, "create_function_response_rev1", pick=created, Timeout=30, **EMPTY)
    at = {"FunctionName": name}
    t.ask("get_function_active_rev2", f.get_function, loose=LOOSE, **at)
    t.ask("publish_version_revision_exception", f.publish_version, RevisionId="wrong", **at)
    t.ask("publish_version_response_rev_v1", f.publish_version, loose=LOOSE, **at)
    t.wait_for_function(name, Qualifier="1")
    t.ask("get_function_published_version_rev_v2", f.get_function, Qualifier="1", loose=LOOSE, **at)
    t.ask("get_function_latest_rev3", f.get_function, loose=LOOSE, **at)


@plays(r"TestLambdaTag::test_tag_exceptions\[lambda_function\]")
def tag_exceptions(t):
    f, arn = t.functions, "arn:aws:lambda:us-east-1:999999999999:function:"
    missing, name = arn + t.name("gone"), make(t)
    t.ask("not_found_exception_tag", f.tag_resource, Resource=missing, Tags={"k": "v"})
    t.ask("not_found_exception_list", f.list_tags, Resource=missing)
    t.ask("aliased_arn_exception", f.tag_resource, Resource=f"{arn}{name}:alias", Tags={"k": "v"})
    t.ask("invalid_arn_exception", f.tag_resource, Resource=arn.replace("function", "foobar") + name, Tags={"k": "v"})


@plays(r"TestLambdaSizeLimits::test_(oversized_\w+|large_lambda)")
def oversized(t, kind):
    f, recorded = t.functions, next(iter(t.recording))
    size = {"oversized_request_create_lambda": 60_000_000, "oversized_zipped_create_lambda": 52_500_000}.get(kind)
    code = os.urandom(size) if size else b"\0" * (249 if kind == "large_lambda" else 251) * 1024 * 1024
    words = {"FunctionName": t.name("fn"), "Handler": "handler.handler", "Code": {"ZipFile": make_zip(code, packed=size is None)},
             "Role": t.role(), "Runtime": "nodejs22.x", "Timeout": 10}
    t.ask(recorded, f.create_function, loose=LOOSE, **words)


@plays(r"TestLambdaFunction::test_function_name_and_qualifier_validation\[(\w+)-(\w+)\]")
def names(t, case, method):
    arn, long = "arn:aws:lambda:us-east-1:999999999999:function:", "a" * 129
    bad = "arn:aws:lambda:invalid-region:999999999999:function:my-function"
    cases = {
        "function_name_is_single_invalid": ("*", None), "invalid_characters_in_function_name": ("my-function!", None),
        "invalid_characters_in_qualifier": ("my-function", "invalid!"), "qualifier_too_long0": ("my-function", long),
        "invalid_account_id_in_partial_arn": ("invalid-account:function:my-function", None),
        "invalid_region_in_arn": (bad, None), "non_lambda_arn": ("arn:aws:ec2:us-east-1:999999999999:instance:i-1234567890abcdef0", None),
        "function_name_too_long": ("a" * 65, None), "function_name_too_long_and_invalid_region": (bad + "a" * 170, None),
        "full_arn_and_qualifier_too_long_and_invalid_region": (bad + "-" + "a" * 170, long),
        "full_arn_with_multiple_qualifiers": (arn + "my-function:1:2", None), "incomplete_arn": (arn[:-1], None),
        "partial_arn_with_extra_qualifier": ("function:my-function:$LATEST:extra", None),
        "latest_version_with_additional_qualifier": ((arn if method == "create_function" else "") + "my-function:$LATEST", "1"),
        "lowercase_latest_qualifier": ((arn if method == "create_function" else "") + "my-function", "$latest"), "missing_region_in_arn": ("arn:aws:lambda::999999999999:function:my-function", None),
        "missing_account_id_in_arn": ("arn:aws:lambda:us-east-1::function:my-function", None),
        "misspelled_latest_in_arn": (arn + "my-function:$LATES", None), "qualifier_too_long": ("my-function", long),
        "qualifier_too_long1": ("my-function", "a" * 65), "function_name_and_qualifier_too_long": ("my-function", "a" * 65),
    }
    recorded = next(iter(t.recording), None)
    if recorded is None or case not in cases:
        return
    name, qualifier = cases[case]
    words = {"FunctionName": name, **({"Qualifier": qualifier} if qualifier else {})}
    if method == "create_function":
        words = {"FunctionName": f"{name}:{qualifier}" if qualifier else name, "Handler": "index.handler",
                 "Code": {"ZipFile": make_zip(NODE_BUNDLE)}, "Role": t.role(), "Runtime": "nodejs22.x"}
    parsed = {}

    def read(answer):
        # The recordings hold the parts of the message, in whatever order it names the constraints.
        error = answer.get("Error", {})
        message = error.get("Message", "")
        parsed["Code"] = error.get("Code")
        found = re.match(r"(\d+) validation errors? detected: (.*)", message, re.S)
        if found:
            parsed["Count"], parsed["Errors"] = int(found.group(1)), sorted(re.split(r"; (?=Value )", found.group(2)))
        else:
            parsed["Message"] = message
        return parsed
    # Runs of a's are masked by their length there.
    asked = dict(t.recording[recorded])
    if "Errors" in asked:
        asked["Errors"] = sorted(re.sub(r"<a:len\((\d+)\)>", lambda run: "a" * int(run.group(1)), one) for one in asked["Errors"])
    if "Message" in asked:
        asked["Message"] = re.sub(r"<a:len\((\d+)\)>", lambda run: "a" * int(run.group(1)), asked["Message"])
    t.recording = {recorded: asked}
    t.ask(recorded, getattr(t.functions, method), pick=read, **words)

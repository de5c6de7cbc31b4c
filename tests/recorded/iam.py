# Players of IAM's operations: roles, their policies and tags, simulation, the roles that are linked to services.
import json

from players import plays


def trust(service="ec2.amazonaws.com", **words):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", **words}]})


def pick_role(name):
    def pick(answer):
        if "Roles" in answer:
            answer["Roles"] = [role for role in answer["Roles"] if role["RoleName"] == name]
        return answer
    return pick


@plays(r"TestIAMIntegrations::test_(?:create_describe_role|list_roles_with_permission_boundary)")
def roles(t):
    name, path = t.name("role"), f"/{t.name('path')}/"
    for recorded in ("create_role_result", "created_role"):
        if recorded in t.recording:
            t.ask(recorded, t.iam.create_role, RoleName=name, AssumeRolePolicyDocument=trust(), Path=path)
    if "get_role_result" in t.recording:
        t.ask("get_role_result", t.iam.get_role, RoleName=name)
    t.ask("list_roles_result", t.iam.list_roles, PathPrefix=path, pick=pick_role(name))


@plays(r"TestIAMIntegrations::test_update_assume_role_policy|TestIAMExtensions::test_create_role_with_malformed_assume_role_policy_document")
def trusts(t):
    name = t.name("role")
    if "invalid-json" in t.recording:
        t.ask("invalid-json", t.iam.create_role, RoleName=name, AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": ')
        return
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com"]}, "Action": ["sts:AssumeRole"]}]}
    t.ask("created_role", t.iam.create_role, RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    t.ask("updated_policy", t.iam.update_assume_role_policy, RoleName=name, PolicyDocument=json.dumps(document))


@plays(r"TestIAMExtensions::test_role_with_path_lifecycle|TestRoles::test_role_with_tags|TestIAMPolicyEncoding::test_put_role_policy_encoding")
def roles_more(t):
    name, words = t.name("role"), {}
    encoded = "arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Faaeeieije"
    document = trust("lambda.amazonaws.com")
    if "list-role-response" in t.recording:
        words, document = {"Path": "/role-with-tags/", "Tags": [{"Key": "test", "Value": "value"}]}, trust()
    elif "get-policy-response" in t.recording:
        words = {"Path": f"/{t.name('path')}/"}
        document = trust("lambda.amazonaws.com", Condition={"StringEquals": {"aws:SourceArn": encoded}})
    else:
        words = {"Path": "/path1/path2/"}
    t.ask("create-role-response", t.iam.create_role, RoleName=name, AssumeRolePolicyDocument=document, **words)
    if "get-policy-response" in t.recording:
        t.call(t.iam.put_role_policy, RoleName=name, PolicyName="policy", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["apigatway:PUT"],
                                                    "Resource": [f"arn:aws:apigateway:us-east-1::/tags/{encoded}"]}]}))
        t.ask("get-policy-response", t.iam.get_role_policy, RoleName=name, PolicyName="policy")
    t.ask("get-role-response", t.iam.get_role, RoleName=name)
    for recorded in ("list-role-response", "list-roles-response"):
        if recorded in t.recording:
            t.ask(recorded, t.iam.list_roles, PathPrefix=words["Path"], pick=pick_role(name))


@plays(r"TestIAMIntegrations::test_simulate_principle_policy\[role\]")
def simulation(t):
    name = t.name("role")
    arn = t.call(t.iam.create_role, RoleName=name, AssumeRolePolicyDocument=trust())["Role"]["Arn"]
    t.call(t.iam.put_role_policy, RoleName=name, PolicyName="policy", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": {"Action": "s3:PutObject", "Effect": "Allow", "Resource": "*"}}))
    t.ask("response", t.iam.simulate_principal_policy, PolicySourceArn=arn, ActionNames=["s3:PutObject", "s3:GetObjectVersion"],
          ResourceArns=["arn:aws:s3:::bucket"])

//! What stands of an install, as Terraform imports it; asks AWS nothing itself.

use crate::engine::resources::install::ObservedAwsInstall;
use crate::model::{
    aws::{
        account::{IamRole, ResourceOwnership},
        names::{EDGE_REGION, ResourceNames},
        terraform::{TerraformImportBlock, render_terraform_import_file},
    },
    failure::Failure,
    packagecloud::path_cache::CachePolicyRole,
    run::proposed_command::render_proposed_command,
};

/// The provider's configuration for the bucket's region, where that isn't the edge's.
const BUCKET_PROVIDER: &str = "aws.packages";
/// The roles that Lambda and CloudFront make for themselves in an account, with the service of each.
const SERVICE_LINKED_ROLES: [(&str, &str); 2] = [
    ("replicator.lambda.amazonaws.com", "AWSServiceRoleForLambdaReplicator"),
    ("logger.cloudfront.amazonaws.com", "AWSServiceRoleForCloudFrontLogger"),
];

/// Renders the `import` blocks of what stands; the role of S3 Batch Operations is asked for apart, and may not be readable.
///
/// # Errors
/// Where nothing of this install stands.
pub(super) fn render_install_imports(
    install: &ObservedAwsInstall,
    batch_role: &Result<Option<IamRole>, Failure>,
) -> Result<String, Failure> {
    refuse_empty_install(install)?;
    let mut blocks = list_function_blocks(install);
    blocks.extend(list_batch_role_blocks(&install.target.names, batch_role));
    blocks.extend(list_cloudfront_blocks(install));
    blocks.extend(list_bucket_blocks(install));
    blocks.extend(SERVICE_LINKED_ROLES.map(|(service, role)| {
        let account = &install.target.account;
        let arn = format!("arn:aws:iam::{account}:role/aws-service-role/{service}/{role}");
        TerraformImportBlock::new("aws_iam_service_linked_role", role, &arn)
            .add_remark(format!("{service} made it for the whole account, where it stands: import it only where it is kept for all"))
            .comment_out()
    }));
    let text = render_terraform_import_file(&build_head(install), &blocks, &build_tail());
    Ok(text + "\n")
}

/// Refuses where there is nothing to hand over.
///
/// # Errors
/// Where nothing of this install stands.
pub(super) fn refuse_empty_install(install: &ObservedAwsInstall) -> Result<(), Failure> {
    if !list_function_blocks(install).is_empty() || !list_cloudfront_blocks(install).is_empty() {
        return Ok(());
    }
    Err(Failure::new_generic_failure(
        format!("account {}, bucket {}", install.target.account, install.target.names.bucket_name()),
        "nothing of this install stands there, so there is nothing to hand over",
        format!("create it first: {}", render_proposed_command("enable", &[])),
    ))
}

fn is_ours(ownership: &ResourceOwnership) -> bool {
    *ownership == ResourceOwnership::Ours
}

/// The role, its policy, the key, its alias, and the function.
fn list_function_blocks(install: &ObservedAwsInstall) -> Vec<TerraformImportBlock> {
    let (names, seen) = (&install.target.names, &install.authenticator);
    let mut blocks = Vec::new();
    if let Some(role) = seen.role.as_ref().filter(|role| is_ours(&role.ownership)) {
        blocks.push(TerraformImportBlock::new("aws_iam_role", &role.name, &role.name));
        if role.policy.is_some() {
            let id = format!("{}:{}", role.name, names.function_role_name());
            blocks.push(TerraformImportBlock::new("aws_iam_role_policy", &role.name, &id));
        }
    }
    if let Some(key) = seen.key.as_ref().filter(|key| is_ours(&key.ownership)) {
        let alias = names.kms_alias_name();
        let name = alias.trim_start_matches("alias/");
        blocks.push(
            TerraformImportBlock::new("aws_kms_key", name, &key.id)
                .add_remark("Destroyed, no edge can open the secret any more: set lifecycle { prevent_destroy = true }")
                .add_remark("Where Terraform writes rotation_period_in_days = 0, take that line out: the key isn't rotated"),
        );
        if key.alias {
            blocks.push(TerraformImportBlock::new("aws_kms_alias", name, &alias));
        }
    }
    if seen.function.as_ref().is_some_and(|function| is_ours(&function.ownership)) {
        let name = names.lambda_function_name();
        blocks.push(
            TerraformImportBlock::new("aws_lambda_function", &name, &name)
                .add_remark("Its code can't be read back: name any zip as its filename, and set")
                .add_remark("lifecycle { ignore_changes = [filename, publish] }, so that this program alone publishes versions")
                .add_remark("A provider that doesn't know the runtime yet refuses it: update the provider, or ignore runtime too"),
        );
    }
    blocks
}

/// The role that S3 Batch Operations works as, where a reindex made it; where it can't be asked for it is shown.
fn list_batch_role_blocks(
    names: &ResourceNames,
    batch_role: &Result<Option<IamRole>, Failure>,
) -> Vec<TerraformImportBlock> {
    let name = names.batch_role_name();
    let block = |resource_type, id: &str| TerraformImportBlock::new(resource_type, &name, id);
    match batch_role {
        Ok(Some(role)) if is_ours(&role.ownership) => {
            let mut blocks = vec![block("aws_iam_role", &role.name)];
            if role.policy.is_some() {
                blocks.push(block("aws_iam_role_policy", &format!("{}:{name}", role.name)));
            }
            blocks
        }
        Ok(_) => Vec::new(),
        Err(failure) => vec![
            block("aws_iam_role", &name)
                .add_remark(format!("Whether it stands could not be told: {failure}"))
                .comment_out(),
        ],
    }
}

/// Origin access, both cache policies, and the distribution.
fn list_cloudfront_blocks(install: &ObservedAwsInstall) -> Vec<TerraformImportBlock> {
    let (names, seen) = (&install.target.names, &install.distribution);
    let install_name = names.cache_policy_name(CachePolicyRole::PassThrough);
    let mut blocks = Vec::new();
    if let Some(identity) = &seen.identity {
        blocks.push(TerraformImportBlock::new(
            "aws_cloudfront_origin_access_identity",
            &install_name,
            &identity.id,
        ));
    }
    if let Some(control) = &seen.control {
        blocks.push(
            TerraformImportBlock::new(
                "aws_cloudfront_origin_access_control",
                &names.origin_access_control_name(),
                &control.id,
            )
            .add_remark("Shared by all installs of this account: import it in one configuration alone"),
        );
    }
    let policies = &seen.cache_policies;
    for (role, policy) in [
        (CachePolicyRole::PassThrough, &policies.pass_through),
        (CachePolicyRole::Packages, &policies.packages),
    ] {
        if let Some(policy) = policy.as_ref().filter(|policy| is_ours(&policy.ownership)) {
            blocks.push(
                TerraformImportBlock::new(
                    "aws_cloudfront_cache_policy",
                    &names.cache_policy_name(role),
                    &policy.id,
                )
                .add_remark("Shared by all installs of this account with this suffix: import it in one configuration alone"),
            );
        }
    }
    if let Some(distribution) = seen.distribution.as_ref().filter(|one| is_ours(&one.ownership)) {
        blocks.push(
            TerraformImportBlock::new("aws_cloudfront_distribution", &install_name, &distribution.id)
                .add_remark(
                    "Destroyed or disabled, every link fails: set lifecycle { prevent_destroy = true }",
                ),
        );
    }
    blocks
}

/// The bucket's policy, where it holds our statements, and the bucket, which was there before.
fn list_bucket_blocks(install: &ObservedAwsInstall) -> Vec<TerraformImportBlock> {
    let (names, bucket) = (&install.target.names, &install.distribution.bucket);
    let provider = (bucket.region != EDGE_REGION).then_some(BUCKET_PROVIDER);
    let block = |resource_type| {
        let block =
            TerraformImportBlock::new(resource_type, &bucket_resource_name(names), names.bucket_name());
        TerraformImportBlock { provider, ..block }
    };
    let mut blocks = Vec::new();
    if install.distribution.granted {
        let (read, list) = (names.object_read_statement_sid(), names.bucket_list_statement_sid());
        blocks.push(block("aws_s3_bucket_policy").add_remark(format!(
            "All of the bucket's policy: of this install are the statements {read} and {list} alone"
        )));
    }
    blocks.push(
        block("aws_s3_bucket")
            .add_remark("The bucket was there before, and isn't of this install")
            .comment_out(),
    );
    blocks
}

fn bucket_resource_name(names: &ResourceNames) -> String {
    names.cache_policy_name(CachePolicyRole::Packages)
}

fn build_head(install: &ObservedAwsInstall) -> Vec<String> {
    let target = &install.target;
    let region = &install.distribution.bucket.region;
    let mut head = vec![
        format!(
            "What packagecloud-cloudfront {} found in account {} for bucket {}, to be imported by Terraform 1.5 or newer:",
            env!("CARGO_PKG_VERSION"),
            target.account,
            target.names.bucket_name()
        ),
        "  terraform plan -generate-config-out=packagecloud-cloudfront.tf".to_owned(),
        "writes the resources; look through them, then: terraform apply".to_owned(),
        String::new(),
        format!("The aws provider has to work in {EDGE_REGION}: Lambda@Edge and its key are there."),
    ];
    if region != EDGE_REGION {
        head.push(format!(
            "The bucket is in {region}: it needs a second one, provider \"aws\" {{ alias = \"packages\", region = \"{region}\" }}"
        ));
    }
    head
}

fn build_tail() -> Vec<String> {
    [
        "What can't be imported, or isn't a resource of Terraform's:",
        "- the function's versions, which this program publishes and associates",
        "- the log groups /aws/lambda/us-east-1.<function>, which Lambda@Edge makes in each region where it runs",
        "- cloudfront_secret and the three other values in packagecloud.rb; Terraform holds no secret of this install",
        "- the objects' Cache-Control, which the reindex sets",
        "A resource of these names without this install's tags is somebody else's, and isn't listed until it is adopted.",
    ]
    .map(str::to_owned)
    .to_vec()
}

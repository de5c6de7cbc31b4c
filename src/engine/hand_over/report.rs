//! The report: what stands, since when and by whom as far as the log holds it, and how it is looked after (contract section 11).

use crate::engine::{
    packagecloud::switch::read_cloudfront_on_since,
    resources::{install::ObservedAwsInstall, packages_domain::build_client_firewall_notice},
    session::Session,
};
use crate::host::environment::clock;
use crate::model::{
    aws::{
        account::ResourceOwnership,
        evidence::ObservedPackagecloudConfig,
        names::{self, EDGE_REGION},
    },
    markdown::{MarkdownDocument, escape_markdown_text, render_code_span, render_markdown_link},
    packagecloud::path_cache::CachePolicyRole,
    prices::PRICES_READ_ON,
    run::{aws_change::LoggedAwsChange, proposed_command::render_proposed_command},
    status::cost::{describe_sample_month_in_full, list_price_rows},
};

/// How many request ids are told.
const REQUEST_IDS_MAX: usize = 20;
/// Where the console of the services of the edge is.
const CONSOLE: &str = "https://us-east-1.console.aws.amazon.com";

/// Where the console shows origin access.
const ORIGIN_ACCESS_PATH: &str = "/cloudfront/v4/home#/originAccess";

/// One part of what stands.
#[derive(Debug, Clone)]
struct StandingPart {
    name: &'static str,
    /// An ARN, or what it has in its place.
    id: String,
    link: String,
    /// Calls that make it, the one that counts first.
    made_by: &'static [&'static str],
    is_ours: bool,
}

/// What a report is made from.
pub(super) struct ReportFacts<'a> {
    pub session: &'a Session,
    pub install: &'a ObservedAwsInstall,
    /// packagecloud.rb on each node that could be read.
    pub configs: Vec<ObservedPackagecloudConfig>,
    /// What the log holds of this install's changes, the oldest first.
    pub changes: Vec<LoggedAwsChange>,
}

/// Renders it as Markdown; it holds no secret.
pub(super) fn render_install_report(facts: &ReportFacts<'_>) -> String {
    let mut document = MarkdownDocument::default();
    let bucket = facts.install.target.names.bucket_name();
    document.add_heading(1, &format!("CloudFront for packagecloud: hand-over of bucket {bucket}"));
    add_overview_table(&mut document, facts);
    add_standing_parts(&mut document, facts);
    add_request_ids(&mut document, facts);
    add_costs(&mut document);
    if let Some(domain) = find_packages_domain(facts) {
        document.add_heading(2, "For clients behind a firewall");
        document.add_code_block("text", &build_client_firewall_notice(&domain).lines.join("\n"));
    }
    add_operation_commands(&mut document, facts);
    document.render_markdown()
}

/// What it costs, by the one table of prices.
fn add_costs(document: &mut MarkdownDocument) {
    document.add_heading(2, "What it costs");
    document.add_paragraph(&format!("AWS's list prices, read on {PRICES_READ_ON}:"));
    let rows = list_price_rows().into_iter();
    document
        .add_table(["What", "Price", "Source"], rows.map(|row| row.map(|cell| escape_markdown_text(&cell))));
    document.add_paragraph(&describe_sample_month_in_full());
    document.add_markdown(format!(
        "`status` tells what the last thirty days cost. AWS Billing can show the cost by the tag {}, once that tag is activated under cost allocation tags.",
        render_code_span(names::COST_TAG)
    ));
}

fn find_packages_domain(facts: &ReportFacts<'_>) -> Option<String> {
    let of_file = facts.configs.iter().find_map(|config| config.values.packages_domain.clone());
    of_file.or_else(|| facts.install.distribution.distribution.as_ref().map(|one| one.domain.clone()))
}

fn add_overview_table(document: &mut MarkdownDocument, facts: &ReportFacts<'_>) {
    let target = &facts.install.target;
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut rows = vec![
        row("Looked at", clock::render_utc_time(facts.session.host.clock.read_host_clock())),
        row("By version", render_code_span(env!("CARGO_PKG_VERSION"))),
        row("Account", render_code_span(&target.account)),
        row("Asked as", render_code_span(&target.caller.arn)),
        row("Bucket", render_code_span(target.names.bucket_name())),
        row("Bucket's region", render_code_span(&facts.install.distribution.bucket.region)),
    ];
    if let Some(domain) = find_packages_domain(facts) {
        rows.push(row("Packages domain", render_code_span(&domain)));
    }
    for config in &facts.configs {
        let state = config.describe_cloudfront_unless_off();
        let state = state.unwrap_or_else(|| "CloudFront is off".to_owned());
        rows.push(row(&escape_markdown_text(&state), render_code_span(&config.path)));
    }
    if let Some(since) = read_cloudfront_on_since(facts.session) {
        rows.push(row("Last went live", clock::render_utc_time(since)));
    }
    document.add_table(["What", "Is"], rows);
}

impl StandingPart {
    /// Returns a part of ours, whose page in the console of the edge's services is `path`.
    fn new(name: &'static str, id: &str, path: &str, made_by: &'static [&'static str]) -> Self {
        Self { name, id: id.to_owned(), link: format!("{CONSOLE}{path}"), made_by, is_ours: true }
    }

    fn with_ownership(self, ownership: &ResourceOwnership) -> Self {
        Self { is_ours: *ownership == ResourceOwnership::Ours, ..self }
    }
}

/// The function's parts with their ARNs, linked to the console; one that isn't there is left out.
fn list_function_parts(install: &ObservedAwsInstall) -> Vec<StandingPart> {
    let (seen, names) = (&install.authenticator, &install.target.names);
    let mut parts = Vec::new();
    if let Some(role) = &seen.role {
        let path = format!("/iam/home#/roles/details/{}", role.name);
        let part = StandingPart::new("IAM role", &role.arn, &path, &["iam:CreateRole"]);
        parts.push(part.with_ownership(&role.ownership));
    }
    if let Some(key) = &seen.key {
        let path = format!("/kms/home?region={EDGE_REGION}#/kms/keys/{}", key.id);
        let part = StandingPart::new("KMS key", &key.arn, &path, &["kms:CreateKey"]);
        parts.push(part.with_ownership(&key.ownership));
    }
    if let Some(function) = &seen.function {
        let path = format!("/lambda/home?region={EDGE_REGION}#/functions/{}", names.lambda_function_name());
        let part = StandingPart::new("Lambda function", &function.arn, &path, &["lambda:CreateFunction"]);
        parts.push(part.with_ownership(&function.ownership));
        if let Some(version) = &seen.version {
            let number = version.rsplit(':').next().unwrap_or_default();
            let path = format!("{path}/versions/{number}");
            let made_by = &["lambda:PublishVersion", "lambda:CreateFunction"];
            let part = StandingPart::new("Its version", version, &path, made_by);
            parts.push(part.with_ownership(&function.ownership));
        }
    }
    parts
}

/// The same of CloudFront's parts and the bucket's policy.
fn list_delivery_parts(install: &ObservedAwsInstall) -> Vec<StandingPart> {
    let (seen, account) = (&install.distribution, &install.target.account);
    let mut parts = Vec::new();
    if let Some(identity) = &seen.identity {
        let id = format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {}", identity.id);
        let made_by = &["cloudfront:CreateCloudFrontOriginAccessIdentity"];
        parts.push(StandingPart::new("Origin access identity", &id, ORIGIN_ACCESS_PATH, made_by));
    }
    if let Some(control) = &seen.control {
        let id = format!("arn:aws:cloudfront::{account}:origin-access-control/{}", control.id);
        let made_by = &["cloudfront:CreateOriginAccessControl"];
        parts.push(StandingPart::new("Origin access control", &id, ORIGIN_ACCESS_PATH, made_by));
    }
    for (role, name) in [
        (CachePolicyRole::PassThrough, "Cache policy"),
        (CachePolicyRole::Packages, "Cache policy for packages"),
    ] {
        if let Some(id) = seen.cache_policies.find_policy_id(role) {
            let path = format!("/cloudfront/v4/home#/policies/cache/{id}");
            let arn = format!("arn:aws:cloudfront::{account}:cache-policy/{id}");
            parts.push(StandingPart::new(name, &arn, &path, &["cloudfront:CreateCachePolicy"]));
        }
    }
    if let Some(distribution) = &seen.distribution {
        let path = format!("/cloudfront/v4/home#/distributions/{}", distribution.id);
        let made_by = &["cloudfront:CreateDistribution", "cloudfront:CreateDistributionWithTags"];
        let part = StandingPart::new("Distribution", &distribution.arn, &path, made_by);
        parts.push(part.with_ownership(&distribution.ownership));
    }
    if seen.granted {
        let (bucket, region) = (install.target.names.bucket_name(), &seen.bucket.region);
        let made_by = &["s3:PutBucketPolicy"];
        let name = "Two statements in the bucket's policy";
        let mut policy = StandingPart::new(name, &format!("arn:aws:s3:::{bucket}"), "", made_by);
        policy.link = format!(
            "https://{region}.console.aws.amazon.com/s3/buckets/{bucket}?region={region}&tab=permissions"
        );
        parts.push(policy);
    }
    parts
}

fn add_standing_parts(document: &mut MarkdownDocument, facts: &ReportFacts<'_>) {
    document.add_heading(2, "What stands, since when, and by whom");
    let parts = [list_function_parts(facts.install), list_delivery_parts(facts.install)].concat();
    let entries = parts.into_iter().map(|part| {
        let link = render_markdown_link(&escape_markdown_text(part.name), &part.link);
        let made = facts.changes.iter().rev().find(|change| part.made_by.contains(&change.call.as_str()));
        let since = match made {
            Some(change) if change.by.is_empty() => format!("made {}", change.when),
            Some(change) => format!("made {} by {}", change.when, render_code_span(&change.by)),
            None => "made before this host's log begins".to_owned(),
        };
        let marker = if part.is_ours { "" } else { "; without this install's tags" };
        format!("{link}: {}, {since}{marker}", render_code_span(&part.id))
    });
    document.add_list(entries);
    document.add_paragraph(
        "What was made by another host or before this version stands in that host's log, and in CloudTrail.",
    );
}

fn add_request_ids(document: &mut MarkdownDocument, facts: &ReportFacts<'_>) {
    if facts.changes.is_empty() {
        return;
    }
    document.add_heading(2, "What was changed last in AWS");
    let first = facts.changes.len().saturating_sub(REQUEST_IDS_MAX);
    let rows = facts.changes[first..].iter().rev();
    document.add_table(
        ["When", "Call", "Request id"],
        rows.map(|change| {
            [change.when.clone(), render_code_span(&change.call), render_code_span(&change.request_id)]
        }),
    );
}

fn add_operation_commands(document: &mut MarkdownDocument, facts: &ReportFacts<'_>) {
    document.add_heading(2, "How it is looked after");
    let mut commands = vec![
        ("Prove that packages come through CloudFront, and only with a token".to_owned(), render_proposed_command("verify", &[])),
        ("Switch off: downloads go to S3 again, links that were given out still work, everything in AWS stays".to_owned(), render_proposed_command("disable", &[])),
        ("Switch on again".to_owned(), render_proposed_command("enable", &[])),
        ("Go back to an earlier packagecloud.rb (without a name the backups are listed)".to_owned(), render_proposed_command("roll-back", &[])),
    ];
    if let Some(before) = find_version_before(facts.install) {
        let back = render_proposed_command("roll-back", &["--edge", &before]);
        commands.push(("Go back to the function's version before".to_owned(), back));
    }
    commands.push((
        "Change the secret without one refused link".to_owned(),
        render_proposed_command("rotate-secret", &[]),
    ));
    for (what, command) in commands {
        document.add_paragraph(&format!("{what}:"));
        document.add_code_block("sh", &command);
    }
    let state = facts.session.host.state.state_dir_path().display().to_string();
    document.add_markdown(format!(
        "The log, the policies that were replaced and this report are in {}; the backups of packagecloud.rb lie beside that file.",
        render_code_span(&state)
    ));
}

/// The published version before the one that is right now.
fn find_version_before(install: &ObservedAwsInstall) -> Option<String> {
    let current = install.authenticator.version.as_ref()?;
    let versions = &install.authenticator.function.as_ref()?.versions;
    let place = versions.iter().position(|version| version.arn == *current)?;
    place.checked_sub(1).map(|before| versions[before].arn.clone())
}

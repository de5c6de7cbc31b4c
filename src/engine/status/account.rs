//! What AWS says of the parts: the distribution, the function, its key and the grant, who else uses them.

use futures::FutureExt as _;

use super::{nodes::SeenNodes, soften_while_off};
use crate::aws::find_bucket_distributions;
use crate::edge::bundle::{FunctionVersionDescription, parse_function_version_description};
use crate::engine::{
    delivery::{
        clocks,
        diagnosis::{self, DiagnosisFacts},
        gate,
    },
    resources::{
        authenticator::observe_authenticator_resources, distribution::build_distribution_evidence,
        edge_limits, guard::refuse_unguarded_distributions,
    },
    session::{AwsTarget, Session},
};
use crate::model::{
    aws::{
        account::{FunctionVersion, ResourceOwnership},
        cloudfront::CloudFrontDistribution,
        evidence::{BootstrapStageEvidence, DistributionEvidence},
    },
    failure::Failure,
    iam::policy::find_public_policy_statement,
    run::{
        answers::OperatorAnswers,
        check::{CheckResult, CheckVerdict},
        proposed_command::render_proposed_command,
    },
    status::{CloudFrontSwitchStatus, FindingSeverity, InstallPlace, InstallStatus},
};

/// The account and the bucket, and what stands there.
pub(super) struct SeenAccount {
    pub target: AwsTarget,
    pub authenticator: Result<BootstrapStageEvidence, Failure>,
    pub delivery: Result<SeenDelivery, Failure>,
}

/// What serves the bucket.
pub(super) struct SeenDelivery {
    pub evidence: DistributionEvidence,
    /// Every other distribution of the account.
    pub others: Vec<CloudFrontDistribution>,
}

impl SeenAccount {
    /// Reads all of it; what AWS refuses of it stands in its place.
    ///
    /// # Errors
    /// Fails where no identity is accepted, or no bucket is found.
    pub(super) async fn read_account(session: &Session, answers: &OperatorAnswers) -> Result<Self, Failure> {
        let target = session.get_or_discover_aws_target(answers).await?;
        let (authenticator, resources) = tokio::join!(
            observe_authenticator_resources(session, &target, answers).boxed(),
            target.read_distributions_and_policies().boxed()
        );
        let delivery = match resources {
            Ok(resources) => {
                let nothing = BootstrapStageEvidence::default();
                let below = authenticator.as_ref().unwrap_or(&nothing);
                let mut evidence = build_distribution_evidence(&target, answers, below, &resources);
                if let Some(distribution) = &evidence.distribution {
                    evidence.flat_rate_plan =
                        edge_limits::find_flat_rate_plan(&target, distribution).boxed().await;
                }
                let own = evidence.distribution.as_ref().map(|one| one.id.clone());
                let others = resources.distributions.into_iter().filter(|one| own.as_ref() != Some(&one.id));
                Ok(SeenDelivery { others: others.collect(), evidence })
            }
            Err(failure) => Err(failure),
        };
        Ok(Self { target, authenticator, delivery })
    }

    /// Returns the distribution of this install, where there is one.
    pub(super) fn distribution(&self) -> Option<&CloudFrontDistribution> {
        self.delivery.as_ref().ok()?.evidence.distribution.as_ref()
    }

    /// Returns whether the distribution is this install's, and not somebody else's that could be adopted.
    pub(super) fn is_distribution_ours(&self) -> bool {
        self.distribution().is_some_and(|one| one.ownership == ResourceOwnership::Ours)
    }

    /// Returns the version on the viewer request, where it is one of this install's function.
    pub(super) fn associated_version(&self) -> Option<&FunctionVersion> {
        let arn = self.distribution()?.behaviors.iter().find_map(|one| one.viewer_request.as_ref())?;
        let function = self.authenticator.as_ref().ok()?.function.as_ref()?;
        function.versions.iter().find(|version| version.arn == *arn)
    }

    /// Returns what that version holds, where its description tells.
    pub(super) fn associated_description(&self) -> Option<FunctionVersionDescription> {
        parse_function_version_description(&self.associated_version()?.description)
    }

    /// Returns what tells apart why the edge refuses, for the secret of the first node that was read.
    pub(super) fn build_diagnosis_facts(&self, nodes: &SeenNodes) -> DiagnosisFacts {
        let (Ok(below), Ok(delivery)) = (&self.authenticator, &self.delivery) else {
            return DiagnosisFacts::default();
        };
        let secret = nodes.first_secret();
        DiagnosisFacts::facts_from_observed_install(
            below,
            &delivery.evidence,
            secret,
            &self.target.names,
            &self.target.account,
        )
    }

    /// Says what each part is.
    pub(super) fn add_account_parts(&self, status: &mut InstallStatus, nodes: &SeenNodes) {
        let distribution = self.distribution();
        status.place = Some(InstallPlace {
            account: self.target.account.clone(),
            bucket: self.target.names.bucket_name().to_owned(),
            distribution: distribution.map(|one| one.id.clone()),
            domain: distribution.map(|one| one.domain.clone()),
            function_version: self.associated_version().map(|version| version.number),
        });
        match &self.delivery {
            Ok(delivery) => {
                self.add_distribution(status);
                self.add_other_distributions(status, delivery);
            }
            Err(failure) => {
                status.add_part(
                    super::nodes::build_unknown_part("distribution", failure),
                    FindingSeverity::Refused,
                );
            }
        }
        self.add_public_policy(status);
        match &self.authenticator {
            Ok(below) if distribution.is_some() => self.add_function_and_key(status, below, nodes),
            Ok(_) => {}
            Err(failure) => {
                status.add_part(
                    super::nodes::build_unknown_part("function", failure),
                    FindingSeverity::Refused,
                );
            }
        }
        let severity = soften_while_off(status, FindingSeverity::Refused);
        status.add_part(clocks::check_local_clock(&self.target), severity);
        let ahead = self.target.caller.clock_ahead;
        for node in &nodes.nodes {
            let check = clocks::check_host_clock(&node.session, ahead);
            // That a node was not reached is said of its file already.
            let is_said = |check: &CheckResult| check.result == CheckVerdict::Unknown && node.config.is_err();
            if let Some(check) = check.filter(|check| !is_said(check)) {
                status.add_part(check, severity);
            }
        }
        let held = self.associated_description();
        nodes.add_node_agreement(status, |secret| held.as_ref()?.is_signing_secret_deployed(secret).ok());
        self.add_facts(status, nodes);
    }

    fn add_distribution(&self, status: &mut InstallStatus) {
        let distribution = self.distribution();
        if distribution.is_none() && status.switch == CloudFrontSwitchStatus::Off {
            return;
        }
        let mut check =
            gate::check_distribution_ready(distribution, &self.target.names.lambda_function_name());
        let is_open =
            distribution.is_some_and(|one| one.behaviors.iter().any(|one| one.viewer_request.is_none()));
        if check.has_failed() && distribution.is_some_and(|one| one.status != "Deployed") && !is_open {
            // It passes by itself, and the edges serve as before until then.
            check.result = CheckVerdict::Unknown;
            check.next.clear();
        }
        let severity = if is_open { FindingSeverity::Exposed } else { FindingSeverity::Refused };
        status.add_part(check, soften_while_off(status, severity));
    }

    /// Another distribution that reads the bucket without the authenticator gives it to anybody.
    fn add_other_distributions(&self, status: &mut InstallStatus, delivery: &SeenDelivery) {
        let identity = delivery.evidence.identity.as_ref().map(|identity| identity.id.as_str());
        for other in &delivery.others {
            if let Err(failure) = refuse_unguarded_distributions(other, &self.target.names, identity) {
                let check = CheckResult::new_failed_check(
                    "other-distribution",
                    format!("{}: {}", failure.what, failure.why),
                    failure.next,
                );
                status.add_part(check, FindingSeverity::Exposed);
            }
        }
    }

    fn add_public_policy(&self, status: &mut InstallStatus) {
        let Some(statement) = find_public_policy_statement(self.target.bucket.policy.as_deref()) else {
            return;
        };
        let bucket = self.target.names.bucket_name();
        status.add_part(
            CheckResult::new_failed_check(
                "bucket-closed",
                format!("{statement} of the policy of bucket {bucket} allows public access: who knows a key needs no token"),
                format!("remove that statement from the policy in the S3 console; it was not made by this program: aws s3api get-bucket-policy --bucket {bucket}"),
            ),
            FindingSeverity::Exposed,
        );
    }

    fn add_function_and_key(
        &self,
        status: &mut InstallStatus,
        below: &BootstrapStageEvidence,
        nodes: &SeenNodes,
    ) {
        let severity = soften_while_off(status, FindingSeverity::Refused);
        let known = self.build_diagnosis_facts(nodes);
        let has_secret = nodes.first_secret().is_some();
        for check in diagnosis::check_edge_function_and_key(&known) {
            // Without a secret in the file nothing is signed with one.
            if has_secret || check.name != "edge-secret" {
                status.add_part(check, severity);
            }
        }
        let function = self.target.names.lambda_function_name();
        if below.function.as_ref().is_some_and(|one| one.reserved_concurrency == Some(0)) {
            status.add_part(
                CheckResult::new_failed_check(
                    "concurrency",
                    format!("the reserved concurrency of function {function} is 0: it can't run, and the edge answers 503"),
                    format!("aws lambda delete-function-concurrency --region us-east-1 --function-name {function}"),
                ),
                severity,
            );
        }
        let unready = self.associated_version().filter(|one| !["", "Active"].contains(&one.state.as_str()));
        if let Some(version) = unready {
            let why = format!("function version {} is {}", version.number, version.state);
            status.add_part(CheckResult::new_unknown_check("function", why), severity);
        }
    }

    /// Says who else uses the bucket, the function and the file, and what is under way.
    fn add_facts(&self, status: &mut InstallStatus, nodes: &SeenNodes) {
        let Ok(delivery) = &self.delivery else { return };
        if let (Some(distribution), Some(plan)) = (self.distribution(), &delivery.evidence.flat_rate_plan) {
            status.add_fact(
                "Plan",
                format!("{}.", plan.describe_flat_rate_plan(&format!("distribution {}", distribution.id))),
            );
        }
        if self.distribution().is_some_and(|one| one.ownership != ResourceOwnership::Ours) {
            status.add_fact(
                "Set up by",
                format!(
                    "somebody else, perhaps packagecloud-ctl: differences are not findings then. To adopt it: {}",
                    render_proposed_command("enable", &["--adopt"])
                ),
            );
        }
        let held = self.associated_description().map_or(0, |held| held.fingerprints.len());
        if held > 1
            && let Some(version) = self.associated_version()
        {
            let since = version.modified.get(..16).unwrap_or(&version.modified).replace('T', " ");
            let many = if held == 2 { "Two".to_owned() } else { held.to_string() };
            status.add_fact("Secrets", format!("{many} secrets accepted since {since} UTC."));
        }
        let mut uses = Vec::new();
        let bucket = self.target.names.bucket_name();
        let of_bucket = find_bucket_distributions(&delivery.others, bucket);
        uses.extend(of_bucket.iter().map(|one| format!("distribution {} reads bucket {bucket}", one.id)));
        let function = format!(":function:{}:", self.target.names.lambda_function_name());
        let runs = |one: &&CloudFrontDistribution| {
            one.behaviors
                .iter()
                .any(|one| one.viewer_request.as_ref().is_some_and(|arn| arn.contains(&function)))
        };
        uses.extend(
            delivery
                .others
                .iter()
                .filter(runs)
                .map(|one| format!("distribution {} runs the function", one.id)),
        );
        match count_other_statements(self.target.bucket.policy.as_deref()) {
            0 => {}
            1 => uses.push("1 statement of the bucket policy is not this program's".to_owned()),
            many => uses.push(format!("{many} statements of the bucket policy are not this program's")),
        }
        for node in &nodes.nodes {
            if let Ok(config) = &node.config
                && let Some((tool, how)) = &config.seen.managed
            {
                uses.push(format!("{tool} manages {} ({how})", config.seen.path));
            }
        }
        if !uses.is_empty() {
            status.add_fact("Who else", format!("{}.", uses.join("; ")));
        }
    }
}

/// Counts the statements of a bucket policy without a Sid of this program.
fn count_other_statements(policy: Option<&str>) -> usize {
    let document: Option<serde_json::Value> = policy.and_then(|text| serde_json::from_str(text).ok());
    let statements = document.as_ref().and_then(|one| one["Statement"].as_array());
    let is_own = |one: &&serde_json::Value| {
        one["Sid"].as_str().is_some_and(|sid| sid.starts_with("PackagecloudCloudFront"))
    };
    statements.map_or(0, |all| all.iter().filter(|one| !is_own(one)).count())
}

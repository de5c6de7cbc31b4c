//! What stands of this install: the account and the bucket, the authenticator, and the distribution, observed in this order.

use futures::FutureExt as _;

use super::{
    authenticator::observe_authenticator_resources,
    distribution::{observe_distribution, observe_distribution_and_open_ones},
};
use crate::engine::{
    delivery::diagnosis::DiagnosisFacts,
    session::{AwsTarget, Session},
};
use crate::model::{
    aws::{
        cloudfront::CloudFrontDistribution,
        evidence::{BootstrapStageEvidence, DistributionEvidence},
    },
    failure::Failure,
    run::answers::OperatorAnswers,
    secret::Secret,
};

pub(crate) use super::distribution::build_bucket_reader_from_oai;

/// The account and the bucket, and what stands there of this install.
pub(crate) struct ObservedAwsInstall {
    pub target: AwsTarget,
    pub authenticator: BootstrapStageEvidence,
    pub distribution: DistributionEvidence,
}

/// Reads all of it.
///
/// # Errors
/// Fails where AWS does not answer, or where another distribution could read the bucket without the authenticator.
pub(crate) async fn observe_aws_install(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<ObservedAwsInstall, Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let authenticator = observe_authenticator_resources(session, &target, answers).boxed().await?;
    let distribution = observe_distribution(&target, answers, &authenticator).boxed().await?;
    Ok(ObservedAwsInstall { target, authenticator, distribution })
}

/// Reads the same for what only looks: beside it stands a failure for each other distribution that could read the bucket
/// without the authenticator.
///
/// # Errors
/// Fails where AWS does not answer.
pub(crate) async fn observe_aws_install_and_open_distributions(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<(ObservedAwsInstall, Vec<Failure>), Failure> {
    let target = session.get_or_discover_aws_target(answers).await?;
    let authenticator = observe_authenticator_resources(session, &target, answers).boxed().await?;
    let (distribution, open) =
        observe_distribution_and_open_ones(&target, answers, &authenticator).boxed().await?;
    Ok((ObservedAwsInstall { target, authenticator, distribution }, open))
}

/// Reads the distribution that this install made or adopted; `None` where there is none.
///
/// # Errors
/// Fails as [`observe_aws_install`] does.
pub(crate) async fn find_our_distribution(
    session: &Session,
    answers: &OperatorAnswers,
) -> Result<Option<CloudFrontDistribution>, Failure> {
    Ok(observe_aws_install(session, answers).boxed().await?.distribution.distribution)
}

impl ObservedAwsInstall {
    /// Returns what tells apart why the edge refuses, for packagecloud.rb's `secret`.
    pub(crate) fn build_edge_diagnosis_facts(&self, secret: Option<&Secret>) -> DiagnosisFacts {
        let target = &self.target;
        DiagnosisFacts::facts_from_observed_install(
            &self.authenticator,
            &self.distribution,
            secret,
            &target.names,
            &target.account,
        )
    }
}

//! What the vendor's bootstrap left behind: the same parts under the same names, working, without our marker and on an older runtime.

use packagecloud_cloudfront::{
    model::{
        aws::names::MARKER_TAG,
        run::{
            answers::OperatorAnswers,
            goal::{OperatorGoal, RunStage},
        },
    },
    sandbox::{Sandbox, seed},
};

use crate::engine::run_stages;

/// Which of the parts are left; the others are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorLeftovers {
    pub role: bool,
    pub key: bool,
    pub function: bool,
    pub distribution: bool,
}

pub const ALL_LEFTOVERS: VendorLeftovers =
    VendorLeftovers { role: true, key: true, function: true, distribution: true };
pub const LIVE_STAGES: [RunStage; 5] = [
    RunStage::Secret,
    RunStage::Bootstrap,
    RunStage::Distribution,
    RunStage::Configuration,
    RunStage::GoLive,
];

/// Sets it up, live, and leaves `left` of it in the vendor's name.
pub async fn set_up_vendor_bootstrap(world: &Sandbox, answers: &OperatorAnswers, left: VendorLeftovers) {
    let answers = OperatorAnswers { goal: Some(OperatorGoal::Install), ..answers.clone() };
    let (_, result) = run_stages(world, &answers, &LIVE_STAGES).await;
    result.unwrap();
    world.update_sandbox_state_on_disk(|state| {
        for role in state.iam.roles.values_mut() {
            role.tags.remove(MARKER_TAG);
        }
        for key in state.kms.keys.values_mut() {
            key.tags.remove(MARKER_TAG);
        }
        for function in state.lambda.functions.values_mut() {
            function.tags.remove(MARKER_TAG);
            for version in &mut function.versions {
                for one in [&mut version.configuration, &mut version.of] {
                    one.description.clear();
                    one.runtime = "nodejs20.x".into();
                }
            }
            function.latest.description.clear();
            function.latest.runtime = "nodejs20.x".into();
        }
        for identity in state.cloudfront.identities.values_mut() {
            identity.comment = "packagecloud".into();
            identity.reference = "packagecloud".into();
        }
        for policy in state.cloudfront.policies.values_mut() {
            policy.config = policy.config.replace(&policy.name, "packages");
            policy.name = "packages".into();
        }
        let comment = format!("packagecloud-cloudfront {}", seed::SANDBOX_BUCKET);
        for distribution in state.cloudfront.distributions.values_mut() {
            distribution.tags.remove(MARKER_TAG);
            distribution.config = distribution.config.replace(&comment, "packagecloud packages");
        }
        let policy = &mut state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap().policy;
        *policy = policy.take().map(|text| text.replace("PackagecloudCloudFront", "Vendor"));
        if !left.role {
            state.iam.roles.retain(|name, _| name.starts_with("AWSServiceRole"));
        }
        if !left.key {
            state.kms.keys.clear();
            state.kms.aliases.clear();
        }
        if !left.function {
            state.lambda.functions.clear();
        }
        if !left.distribution {
            state.cloudfront.distributions.clear();
        }
    });
    // This program was never here.
    std::fs::remove_dir_all(world.sandbox_dir().join("state")).unwrap();
}

//! What somebody who doesn't know of the set-up did to it: markers lost, and a part of everything changed.

use packagecloud_cloudfront::{
    model::{
        aws::names::MARKER_TAG,
        run::{
            answers::{OperatorAnswers, OperatorConsents},
            goal::OperatorGoal,
        },
    },
    sandbox::Sandbox,
};
use serde_json::json;

/// What is said to bring it back: yes to taking over, and tokens of another kind, so that there is another version to make.
pub fn repair_answers(goal: OperatorGoal) -> OperatorAnswers {
    let consents = OperatorConsents { adopt: true, ..OperatorConsents::default() };
    OperatorAnswers {
        goal: Some(goal),
        construction: Some("raw:path+expires".parse().unwrap()),
        consents,
        ..OperatorAnswers::default()
    }
}

/// Takes our marker off everything that can carry one, and nothing else.
pub fn remove_markers(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        state.iam.roles.values_mut().for_each(|role| drop(role.tags.remove(MARKER_TAG)));
        state.kms.keys.values_mut().for_each(|key| drop(key.tags.remove(MARKER_TAG)));
        state.lambda.functions.values_mut().for_each(|function| drop(function.tags.remove(MARKER_TAG)));
        state.cloudfront.distributions.values_mut().for_each(|one| drop(one.tags.remove(MARKER_TAG)));
        for policy in state.cloudfront.policies.values_mut() {
            policy.config = policy.config.replace("packagecloud-cloudfront: packages", "packages");
        }
    });
}

/// And changes a part of each.
pub fn disturb_account(world: &Sandbox) {
    remove_markers(world);
    world.update_sandbox_state_on_disk(|state| {
        for role in state.iam.roles.values_mut() {
            role.trust = role.trust.replace("edgelambda", "ec2");
            role.policies.clear();
        }
        let everything = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "kms:*", "Resource": "*"}]});
        state.kms.keys.values_mut().for_each(|key| key.policy = everything.to_string());
        state.lambda.functions.values_mut().for_each(|function| function.latest.memory = 256);
        for policy in state.cloudfront.policies.values_mut() {
            policy.config = policy.config.replace("<MinTTL>0<", "<MinTTL>1<");
        }
    });
}

//! What is planted on a sandbox: its distribution, policy, key, nodes, certificate, versions and traffic changed as somebody else would.

use std::{fs, time::Duration};

use packagecloud_cloudfront::{
    edge::bundle::parse_function_version_description,
    sandbox::{self, Sandbox, edge_traffic::EdgeTrafficHour, packagecloud, seed},
};
use serde_json::Value;

pub fn edit_distribution(world: &Sandbox, edit: impl Fn(&str) -> String) {
    world.update_sandbox_state_on_disk(|state| {
        for one in state.cloudfront.distributions.values_mut() {
            let config = edit(&one.config);
            assert_ne!(config, one.config, "nothing was planted");
            one.config = config;
            one.deployed_before = None;
        }
    });
}

pub fn edit_config_file(world: &Sandbox, edit: impl Fn(&str) -> String) {
    let path = world.sandbox_dir().join("packagecloud.rb");
    let text = fs::read_to_string(&path).unwrap();
    let edited = edit(&text);
    assert_ne!(edited, text, "nothing was planted");
    fs::write(&path, edited).unwrap();
}

pub fn replace_setting(text: &str, setting: &str, value: &str) -> String {
    let start = format!("packagecloud_rails['{setting}']");
    let line = text.lines().find(|line| line.starts_with(&start)).unwrap();
    text.replace(line, &format!("{start} = {value}"))
}

pub fn edit_bucket_policy(world: &Sandbox, edit: impl Fn(&mut Vec<Value>)) {
    world.update_sandbox_state_on_disk(|state| {
        let bucket = state.s3.buckets.get_mut(seed::SANDBOX_BUCKET).unwrap();
        let mut policy: Value = serde_json::from_str(bucket.policy.as_ref().unwrap()).unwrap();
        edit(policy["Statement"].as_array_mut().unwrap());
        bucket.policy = Some(policy.to_string());
    });
}

pub fn set_key_state(world: &Sandbox, to: &str) {
    world.update_sandbox_state_on_disk(|state| {
        state.kms.keys.values_mut().for_each(|key| to.clone_into(&mut key.state));
    });
}

pub fn edit_running_node(world: &Sandbox, edit: impl Fn(&mut packagecloud::SandboxNodeSettings)) {
    world.update_sandbox_state_on_disk(|state| state.packagecloud.nodes.iter_mut().for_each(&edit));
}

/// Has the distribution served under a name of its own, with a certificate that `end` is done to.
pub fn plant_certificate(
    world: &Sandbox,
    end: impl Fn(&mut sandbox::control_plane::acm::SandboxCertificate, Duration),
) {
    const ARN: &str = "arn:aws:acm:us-east-1:999999999999:certificate/planted";
    let now = world.sandbox_unix_time_now();
    world.update_sandbox_state_on_disk(|state| {
        let mut certificate = sandbox::control_plane::acm::SandboxCertificate {
            names: vec!["packages.example.com".to_owned()],
            key: "RSA_2048".to_owned(),
            ..Default::default()
        };
        end(&mut certificate, now);
        state.acm.certificates.insert(ARN.to_owned(), certificate);
    });
    edit_distribution(world, |config| {
        let (before, rest) = config.split_once("<ViewerCertificate>").unwrap();
        let (_, after) = rest.split_once("</ViewerCertificate>").unwrap();
        format!(
            "{before}<ViewerCertificate><ACMCertificateArn>{ARN}</ACMCertificateArn><SSLSupportMethod>sni-only</SSLSupportMethod><MinimumProtocolVersion>TLSv1.2_2021</MinimumProtocolVersion></ViewerCertificate>{after}"
        )
    });
}

/// A second version, whose digest is another, is associated in place of the first.
pub fn associate_another_version(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        for function in state.lambda.functions.values_mut() {
            let mut other = function.versions.last().unwrap().clone();
            other.number += 1;
            let mut described = parse_function_version_description(&other.configuration.description).unwrap();
            described.digest = "f".repeat(64);
            other.configuration.description = described.to_string();
            function.versions.push(other);
        }
    });
    edit_distribution(world, |config| config.replace(":1</LambdaFunctionARN>", ":2</LambdaFunctionARN>"));
}

/// Of what the associated version accepts, its description tells nothing of this host's secret.
pub fn associate_version_of_fewer_secrets(world: &Sandbox) {
    world.update_sandbox_state_on_disk(|state| {
        for version in state.lambda.functions.values_mut().flat_map(|function| &mut function.versions) {
            let mut described =
                parse_function_version_description(&version.configuration.description).unwrap();
            described.fingerprints = vec!["d".repeat(32)];
            version.configuration.description = described.to_string();
        }
    });
}

/// What every distribution's edges served in the hour before.
pub fn plant_traffic(world: &Sandbox, requests: u64, server_errors: u64) {
    let hour = world.sandbox_unix_time_now().as_secs() / 3600 - 1;
    let served =
        EdgeTrafficHour { requests, server_errors, bytes: requests * 5_000_000, ..Default::default() };
    world.update_sandbox_state_on_disk(|state| {
        for id in state.cloudfront.distributions.keys() {
            state.cloudwatch.hours.entry(id.clone()).or_default().insert(hour, served);
        }
    });
}

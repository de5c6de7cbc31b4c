//! `rotate-secret`, `--finish` and `--leaked` by the real binary: what is shown, asked, printed and left behind.

use packagecloud_cloudfront::{
    model::{
        secret::Secret,
        url::token::{TokenMacAlgorithm, UrlTokenConstruction, sign_packages_url},
    },
    sandbox::{self, SandboxOptions, SandboxPropagationDelays},
};

use super::journey_host::JourneyHost;

fn read_secret(host: &JourneyHost) -> Secret {
    Secret::new(host.read_values()["cloudfront_secret"].as_str().unwrap())
}

/// A link that is signed now.
fn sign_link(host: &JourneyHost, secret: &Secret) -> String {
    let values = host.read_values();
    let domain = values["cloudfront_packages_domain"].as_str().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let key = secret.decode_base64_secret_key().unwrap();
    let construction = UrlTokenConstruction::default();
    let package = "1/2/ubuntu/package_files/97310.deb";
    sign_packages_url(&key, package, now + 300, TokenMacAlgorithm::Sha1, construction, domain)
}

/// The status of a link at the edge of the sandbox.
fn fetch_status(host: &JourneyHost, url: &str) -> u16 {
    // At the pace of the binary: what isn't deployed for it isn't for who looks.
    let world = sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: host.sandbox_path(),
        delays: Some(SandboxPropagationDelays::default().scale_delays(0.0)),
        ..SandboxOptions::default()
    })
    .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = packagecloud_cloudfront::app::compose::open_sandbox_session(&world).unwrap();
    runtime.block_on(session.web.send_http_get(url, &[])).unwrap().status
}

#[test]
fn a_rotation_is_planned_asked_about_made_and_finished() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let old = read_secret(&host);
    let planned = host.run_line("plan --goal rotate");
    assert_eq!(planned.code, 3, "{planned:#?}");
    planned
        .assert_contains("a version that accepts a new secret and the current one")
        .assert_contains("rotate-secret");
    let refused = host.run_line("rotate-secret");
    assert_eq!((refused.code, read_secret(&host) == old), (2, true), "{refused:#?}");
    refused.assert_contains("rotate-secret --yes");

    let ran = host.run_successfully("--output json rotate-secret --yes");
    let lines = ran.json_lines();
    assert_eq!(lines[0]["type"], "version");
    assert!(lines.iter().any(|line| line["step"] == "edge-readings"), "{ran:#?}");
    assert_eq!(lines.last().unwrap()["end"], "applied", "{ran:#?}");
    let new = read_secret(&host);
    assert_ne!(new, old);
    assert!(!ran.out.contains(new.expose_secret()) && !ran.err.contains(new.expose_secret()));
    host.run_successfully("verify --all").assert_contains("two secrets accepted since ");
    assert_eq!(fetch_status(&host, &sign_link(&host, &old)), 200);

    // Typed again, it says what is left and from when on.
    host.run_successfully("rotate-secret --yes")
        .assert_contains("to end the old one after 20")
        .assert_contains("rotate-secret --finish");
    assert_eq!(read_secret(&host), new);

    // Its own word, which --yes never gives.
    let refused = host.run_line("rotate-secret --finish --yes");
    assert_eq!(refused.code, 2, "{refused:#?}");
    refused.assert_contains("--no-other-node").assert_contains("each standby, image and backup");
    assert_eq!(fetch_status(&host, &sign_link(&host, &old)), 200);
    host.run_successfully("rotate-secret --finish --no-other-node --yes")
        .assert_contains("roll-back --edge arn:");
    assert_eq!(fetch_status(&host, &sign_link(&host, &old)), 403);
    assert_eq!(fetch_status(&host, &sign_link(&host, &new)), 200);
    host.run_successfully("rotate-secret --finish --no-other-node --yes").assert_contains("nothing to do");
    host.run_successfully("verify --all");
}

#[test]
fn a_leaked_secret_is_replaced_at_once_and_cloudfront_is_on_again() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    let old = read_secret(&host);
    let ran = host.run_successfully("rotate-secret --leaked --yes");
    ran.assert_contains("off since").assert_contains("have only the new secret").assert_contains("on since");
    let new = read_secret(&host);
    assert_ne!(new, old);
    let statuses =
        (fetch_status(&host, &sign_link(&host, &old)), fetch_status(&host, &sign_link(&host, &new)));
    assert_eq!(statuses, (403, 200));
    host.run_successfully("verify --all").assert_contains("10 of 10 redirects go to CloudFront");
    // The function's tag names the secret that leaks next: it is replaced all the same.
    host.run_successfully("rotate-secret --leaked --yes").assert_contains("have only the new secret");
    let third = read_secret(&host);
    assert!(third != new && third != old);
    let statuses =
        (fetch_status(&host, &sign_link(&host, &new)), fetch_status(&host, &sign_link(&host, &third)));
    assert_eq!(statuses, (403, 200));
}

#[test]
fn what_was_off_stays_off() {
    let host = JourneyHost::new();
    host.run_successfully("enable --yes");
    host.run_successfully("disable --yes");
    let old = read_secret(&host);
    for command in ["rotate-secret --yes", "rotate-secret --leaked --yes"] {
        host.run_successfully(command);
        assert_ne!(read_secret(&host), old, "{command}");
        assert_eq!(host.read_values()["cloudfront_enabled"], false, "{command}");
    }
    host.run_successfully("enable --yes").assert_contains("Go live: done");
    host.run_successfully("verify --all");
}

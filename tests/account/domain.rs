//! A domain of one's own for packages: its certificate, its DNS records, and going live that waits for both.

use std::{path::Path, time::Duration};

use packagecloud_cloudfront::{
    model::run::{
        answers::OperatorAnswers,
        event::StageEvent,
        goal::{OperatorGoal, RunStage, StageStep},
        plan::ResourceChangeKind,
    },
    sandbox::{
        self, Sandbox, SandboxOptions, SandboxPropagationDelays, control_plane::acm::SandboxCertificate,
    },
};

use crate::{
    client::{download_package, watch_clients_during},
    engine::{SET_UP_STAGES, look_at_stage, run_stages},
    vendor::LIVE_STAGES,
};

const PACKAGES_DOMAIN: &str = "packages.example.com";

fn open_sandbox_with_faults(dir: &Path, faults: &[&str]) -> Sandbox {
    let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
    sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.to_owned(),
        faults,
        ..SandboxOptions::default()
    })
    .unwrap()
}

fn domain_answers() -> OperatorAnswers {
    OperatorAnswers {
        goal: Some(OperatorGoal::Install),
        packages_domain: Some(PACKAGES_DOMAIN.into()),
        ..OperatorAnswers::default()
    }
}

/// Asks ACM for one, as the operator would; its ARN.
pub async fn request_certificate(world: &Sandbox, name: &str) -> String {
    let acm = aws_sdk_acm::Client::new(&world.build_sandbox_sdk_config());
    let asked = acm.request_certificate().domain_name(name).validation_method("DNS".into()).send().await;
    asked.unwrap().certificate_arn.unwrap()
}

fn progress_texts(said: &[StageEvent]) -> Vec<String> {
    said.iter()
        .filter_map(|event| match event {
            StageEvent::Progress { text, .. } => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_whole_road_waits_for_the_certificate_and_for_the_name_and_then_leads_over_it() {
    let dir = tempfile::tempdir().unwrap();
    // The name leads nowhere the first three times that it is asked for.
    let world = sandbox::open_or_seed_sandbox(&SandboxOptions {
        dir: dir.path().to_owned(),
        faults: vec!["edge:1-3:lost".into()],
        // Validation is what everything waits for.
        delays: Some(SandboxPropagationDelays {
            certificate: Duration::from_mins(2),
            ..SandboxPropagationDelays::default()
        }),
        ..SandboxOptions::default()
    })
    .unwrap();
    let arn = request_certificate(&world, "*.example.com").await;

    let plan = look_at_stage(&world, &domain_answers(), RunStage::Distribution).await.unwrap();
    let line = plan.changes.iter().find(|change| change.step == StageStep::Certificate).unwrap();
    assert_eq!((line.verb, line.target.as_str()), (ResourceChangeKind::Run, arn.as_str()));
    let records = plan.documents.iter().find(|exhibit| exhibit.title.contains("DNS records")).unwrap();
    assert!(records.lines[0].contains("CNAME _5d1f0e9b.acm-validations.aws."), "{records:?}");
    assert!(
        records.lines[1].starts_with("packages.example.com CNAME (the distribution's domain"),
        "{records:?}"
    );

    let (said, result) = Box::pin(run_stages(&world, &domain_answers(), &LIVE_STAGES)).await;
    assert_eq!(result, Ok(()));
    let said = progress_texts(&said);
    let waits =
        |begin: &str, record: &str| said.iter().any(|text| text.starts_with(begin) && text.contains(record));
    assert!(waits("waiting for ACM to issue the certificate", "acm-validations.aws."), "{said:?}");
    let domain = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().domain.clone()
    });
    assert!(
        waits(
            "waiting until packages.example.com leads to the distribution",
            &format!("{PACKAGES_DOMAIN} CNAME {domain}")
        ),
        "{said:?}"
    );

    let config = world.read_sandbox_state_from_disk(|state| {
        state.cloudfront.distributions.values().next().unwrap().config.clone()
    });
    for holds in [
        "<CNAME>packages.example.com</CNAME>",
        &format!("<ACMCertificateArn>{arn}</ACMCertificateArn>"),
        "<SSLSupportMethod>sni-only</SSLSupportMethod>",
        "<MinimumProtocolVersion>TLSv1.2_2021</MinimumProtocolVersion>",
    ] {
        assert!(config.contains(holds), "{holds}: {config}");
    }
    let rb = std::fs::read_to_string(world.sandbox_dir().join("packagecloud.rb")).unwrap();
    assert!(rb.contains("['cloudfront_packages_domain'] = 'packages.example.com'"), "{rb}");
    assert_eq!(download_package(&world).await.unwrap(), (PACKAGES_DOMAIN.to_owned(), 200));

    // Without the option, on another host, the name in the file stays.
    let plain = OperatorAnswers { packages_domain: None, ..domain_answers() };
    for stage in LIVE_STAGES {
        let plan = look_at_stage(&world, &plain, stage).await.unwrap();
        assert!(plan.is_plan_without_changes(), "{stage:?}: {:?}", plan.changes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_install_changes_its_domain_and_no_link_fails_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let plain = OperatorAnswers { packages_domain: None, ..domain_answers() };
    let (_, result) = Box::pin(run_stages(&world, &plain, &LIVE_STAGES)).await;
    assert_eq!(result, Ok(()));
    request_certificate(&world, PACKAGES_DOMAIN).await;
    let ((_, result), wrong) =
        Box::pin(watch_clients_during(&world, true, run_stages(&world, &domain_answers(), &LIVE_STAGES)))
            .await;
    assert_eq!((result, wrong), (Ok(()), None));
    assert_eq!(download_package(&world).await.unwrap(), (PACKAGES_DOMAIN.to_owned(), 200));
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_its_way_is_said_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let world = open_sandbox_with_faults(dir.path(), &[]);
    let none = look_at_stage(&world, &domain_answers(), RunStage::Distribution).await.unwrap_err();
    assert!(none.why.contains("no certificate of ACM in us-east-1 covers it"), "{none:?}");
    assert!(none.next.contains("aws acm request-certificate --region us-east-1"), "{none:?}");

    let other = request_certificate(&world, "*.other.example.com").await;
    let named = OperatorAnswers { certificate: Some(other.clone()), ..domain_answers() };
    let wrong = look_at_stage(&world, &named, RunStage::Distribution).await.unwrap_err();
    assert!(wrong.why.contains("it covers *.other.example.com, and not packages.example.com"), "{wrong:?}");
    let elsewhere = OperatorAnswers {
        certificate: Some("arn:aws:acm:eu-west-1:999999999999:certificate/x".into()),
        ..domain_answers()
    };
    let wrong = look_at_stage(&world, &elsewhere, RunStage::Distribution).await.unwrap_err();
    assert!(wrong.why.contains("no ACM certificate in us-east-1"), "{wrong:?}");

    let arn = request_certificate(&world, PACKAGES_DOMAIN).await;
    world.update_sandbox_state_on_disk(|state| {
        let revoked: &mut SandboxCertificate = state.acm.certificates.get_mut(&arn).unwrap();
        revoked.ended = Some("REVOKED".into());
    });
    let named = OperatorAnswers { certificate: Some(arn), ..domain_answers() };
    let wrong = look_at_stage(&world, &named, RunStage::Distribution).await.unwrap_err();
    assert!(wrong.why.contains("its status is REVOKED"), "{wrong:?}");

    // Another distribution of the account holds the name.
    request_certificate(&world, PACKAGES_DOMAIN).await;
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    let (_, result) = Box::pin(run_stages(&world, &domain_answers(), &SET_UP_STAGES)).await;
    assert_eq!(result, Ok(()));
    let second = OperatorAnswers { suffix: "two".parse().unwrap(), ..domain_answers() };
    let held = look_at_stage(&world, &second, RunStage::Distribution).await.unwrap_err();
    assert!(held.why.contains("holds it, and one name leads to one distribution"), "{held:?}");
    assert!(held.next.contains("take it off there first"), "{held:?}");
    assert_eq!(world.read_sandbox_state_from_disk(|state| state.cloudfront.distributions.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_another_account_holds_is_refused_in_awss_words_with_the_next_move() {
    let dir = tempfile::tempdir().unwrap();
    let fault = "cloudfront:CreateDistributionWithTags:1+:error:CNAMEAlreadyExists=One or more of the CNAMEs you provided are already associated with a different resource.";
    let world = open_sandbox_with_faults(dir.path(), &[fault]);
    request_certificate(&world, PACKAGES_DOMAIN).await;
    let (_, result) = Box::pin(run_stages(&world, &domain_answers(), &SET_UP_STAGES)).await;
    let failure = result.unwrap_err();
    assert!(failure.why.contains("CNAMEAlreadyExists"), "{failure:?}");
    assert!(failure.next.contains("take it off there first"), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_cloudfront_does_not_know_yet_passes_and_one_that_was_revoked_does_not() {
    const CERTIFICATE_NOT_FOUND_FAULT: &str = "error:InvalidViewerCertificate=The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a valid certificate chain.";
    let dir = tempfile::tempdir().unwrap();
    let late = open_sandbox_with_faults(
        dir.path(),
        &[&format!("cloudfront:CreateDistributionWithTags:1-3:{CERTIFICATE_NOT_FOUND_FAULT}")],
    );
    request_certificate(&late, PACKAGES_DOMAIN).await;
    let (said, result) = Box::pin(run_stages(&late, &domain_answers(), &SET_UP_STAGES)).await;
    assert_eq!(result, Ok(()));
    assert!(
        progress_texts(&said)
            .iter()
            .any(|text| text.starts_with("waiting for CloudFront to know the certificate, ")),
        "{said:?}"
    );

    let dir = tempfile::tempdir().unwrap();
    let never = open_sandbox_with_faults(
        dir.path(),
        &[&format!("cloudfront:CreateDistributionWithTags:1+:{CERTIFICATE_NOT_FOUND_FAULT}")],
    );
    request_certificate(&never, PACKAGES_DOMAIN).await;
    let began = tokio::time::Instant::now();
    let (_, result) = Box::pin(run_stages(&never, &domain_answers(), &SET_UP_STAGES)).await;
    let failure = result.unwrap_err();
    assert!(failure.why.contains("s of waiting for CloudFront to know the certificate"), "{failure:?}");
    assert!(began.elapsed().as_secs() < 150, "{:?}", began.elapsed());

    let dir = tempfile::tempdir().unwrap();
    let revoked = open_sandbox_with_faults(
        dir.path(),
        &[&format!("cloudfront:CreateDistributionWithTags:1+:{CERTIFICATE_NOT_FOUND_FAULT}")],
    );
    let arn = request_certificate(&revoked, PACKAGES_DOMAIN).await;
    let revoking = async {
        while revoked.read_sandbox_state_from_disk(|state| state.lambda.functions.is_empty()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(9)).await;
        revoked.update_sandbox_state_on_disk(|state| {
            state.acm.certificates.get_mut(&arn).unwrap().ended = Some("REVOKED".into());
        });
        std::future::pending::<()>().await;
    };
    let given = domain_answers();
    let working = run_stages(&revoked, &given, &SET_UP_STAGES);
    let result = tokio::select! {
        (_, result) = working => result,
        () = revoking => unreachable!("it waits for ever"),
    };
    assert!(result.unwrap_err().why.contains("its status is REVOKED"));
}

//! The function's runtime rolls on: `enable` on one of ours publishes the new one, proven, associated and Deployed, and no link is refused meanwhile.

use packagecloud_cloudfront::{
    edge::bundle::parse_function_version_description,
    model::{
        aws::lambda_runtime::AUTHENTICATOR_RUNTIME,
        run::{
            answers::OperatorAnswers,
            goal::{OperatorGoal, RunStage, StageStep},
            plan::ResourceChangeKind,
        },
    },
    sandbox::{self, Sandbox, SandboxOptions},
};

use crate::{
    client::watch_clients_during,
    engine::{look_at_stage, run_stages},
    vendor::LIVE_STAGES,
};

const OLD_RUNTIME: &str = "nodejs20.x";

fn install_answers() -> OperatorAnswers {
    OperatorAnswers { goal: Some(OperatorGoal::Install), ..OperatorAnswers::default() }
}

/// What an older release left: its versions' runtime, and where `digest` is given, its digest of them.
fn age_authenticator(world: &Sandbox, digest: Option<char>) {
    world.update_sandbox_state_on_disk(|state| {
        for function in state.lambda.functions.values_mut() {
            for version in &mut function.versions {
                for one in [&mut version.configuration, &mut version.of] {
                    one.runtime = OLD_RUNTIME.into();
                    if let (Some(digest), Some(mut described)) =
                        (digest, parse_function_version_description(&one.description))
                    {
                        described.digest = digest.to_string().repeat(64);
                        one.description = described.to_string();
                    }
                }
            }
            function.latest.runtime = OLD_RUNTIME.into();
        }
    });
}

/// The number, runtime and fingerprints of the version that the distribution carries, and the distribution's status.
fn read_associated_version(world: &Sandbox) -> (String, String, Vec<String>) {
    world.read_sandbox_state_from_disk(|state| {
        let config = &state.cloudfront.distributions.values().next().unwrap().config;
        let (_, rest) = config.split_once("<LambdaFunctionARN>").unwrap();
        let arn = rest.split_once('<').unwrap().0;
        let number = arn.rsplit(':').next().unwrap().to_owned();
        let function = state.lambda.functions.values().next().unwrap();
        let version = &function.versions[number.parse::<usize>().unwrap() - 1].configuration;
        let described = parse_function_version_description(&version.description).unwrap();
        (number, version.runtime.clone(), described.fingerprints)
    })
}

#[tokio::test(start_paused = true)]
async fn an_old_runtime_of_ours_rolls_on_while_clients_fetch() {
    for digest in [Some('0'), None] {
        let dir = tempfile::tempdir().unwrap();
        let options = SandboxOptions { dir: dir.path().to_owned(), ..SandboxOptions::default() };
        let world = sandbox::open_or_seed_sandbox(&options).unwrap();
        run_stages(&world, &install_answers(), &LIVE_STAGES).await.1.unwrap();
        age_authenticator(&world, digest);
        let (_, runtime, held) = read_associated_version(&world);
        assert_eq!(runtime, OLD_RUNTIME);

        let plan = look_at_stage(&world, &install_answers(), RunStage::Bootstrap).await.unwrap();
        assert!(plan.confirmations.is_empty(), "it is ours: {:?}", plan.confirmations);
        let function = plan.changes.iter().find(|change| change.step == StageStep::Function).unwrap();
        assert_eq!(function.verb, ResourceChangeKind::Update);
        assert_eq!(function.why, format!("its runtime {OLD_RUNTIME} becomes {AUTHENTICATOR_RUNTIME}"));
        let said: Vec<String> = plan.facts.iter().map(ToString::to_string).collect();
        let said = said.iter().find(|fact| fact.starts_with("The function's runtime")).unwrap();
        for part in ["2026-04-30", AUTHENTICATOR_RUNTIME, "2028-04-30", "roll-back --edge arn:aws:lambda"] {
            assert!(said.contains(part), "{part}: {said}");
        }

        let answers = install_answers();
        let rolling = run_stages(&world, &answers, &LIVE_STAGES);
        let ((said, result), wrong) = Box::pin(watch_clients_during(&world, true, rolling)).await;
        assert_eq!((result, wrong), (Ok(()), None));
        let said = format!("{said:?}");
        let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text}: {said}"));
        assert!(place("step: VersionProof") < place("step: Authenticator"), "{said}");
        assert!(place("step: Authenticator") < place("step: Deployed"), "{said}");
        assert_eq!(read_associated_version(&world), ("2".to_owned(), AUTHENTICATOR_RUNTIME.to_owned(), held));

        let again = look_at_stage(&world, &install_answers(), RunStage::Bootstrap).await.unwrap();
        assert!(again.is_plan_without_changes(), "{:?}", again.changes);
        assert!(!again.facts.iter().any(|fact| fact.topic == "The function's runtime"), "{:?}", again.facts);
    }
}

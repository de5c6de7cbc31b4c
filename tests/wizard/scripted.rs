//! An engine by script: it says what a real one would say of one small installation, as fast as the paused clock allows.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use packagecloud_cloudfront::{
    model::{
        aws::evidence::StageEvidence,
        failure::{Failure, FailureKind},
        run::{
            answers::OperatorAnswers,
            check::{CheckId, CheckResult},
            event::{CredentialRenewalNeed, ProgressStats, StageEnd, StageEvent},
            goal::{OperatorGoal, RunStage, StageStep},
            link_explanation::LinkExplanation,
            other_run::WatchedRunEvent,
            plan::{
                PlanAttachment, PlanConfirmationQuestion, PlanFact, PlannedChange, RequiredConsent,
                ResourceChangeKind, StagePlan,
            },
            tally::CountsByName,
            welcome::{
                AwsIdentitySource, CloudFrontSetUpBy, FoundAwsIdentity, FoundBackup, FoundBucket,
                FoundCloudFront, FoundPackagecloudConfig, FoundRedirects, FoundSwitchState, WelcomeFindings,
            },
        },
        status::{
            CloudFrontSwitchStatus, FindingSeverity, InstallStatus,
            ending::{EndingPart, parse_day},
        },
    },
    tui::{EffectJobContext, theme::Theme},
    wizard::{ClipboardText, CredentialInput, WizardEffect, WizardInput, WizardOutcome, WizardStartOptions},
};
use tokio::{task::JoinHandle, time::sleep};

use crate::player::{ScreenPlayer, play_with_effects, play_with_theme};

/// What the script does otherwise than all going well.
#[derive(Debug, Default)]
pub struct EngineScript {
    /// This step fails when it is applied, the first time.
    pub fails: Option<(StageStep, FailureKind)>,
    pub panics_in: Option<RunStage>,
    /// A permission is missing, until it is looked at again.
    pub denied: bool,
    /// The distribution's plan asks for a consent.
    pub asks: Option<RequiredConsent>,
    /// It asks for these too, as the real one words it.
    pub asks_also: Vec<RequiredConsent>,
    /// AWS no longer accepts the credentials in the middle of the reindex, until something is typed.
    pub expires: Option<CredentialRenewalNeed>,
    /// The profile's role wants a code: the one that is taken.
    pub code: Option<&'static str>,
    /// The first screen otherwise than usual.
    pub welcome: Option<WelcomeFindings>,
    /// What is seen of another run.
    pub watched: Vec<WatchedRunEvent>,
    /// No answer of AWS's ever comes.
    pub silent: bool,
    done: BTreeSet<&'static str>,
    /// What the effects were, in order.
    pub heard: Vec<String>,
    pub copied: Option<ClipboardText>,
}

pub type SharedScript = Arc<Mutex<EngineScript>>;

pub const CONFIG_PATH: &str = "/etc/packagecloud/packagecloud.rb";

pub fn perform_scripted(
    script: &SharedScript,
) -> impl Fn(WizardEffect, EffectJobContext) -> JoinHandle<()> + use<> {
    let script = Arc::clone(script);
    move |effect, sender| tokio::spawn(answer_effect(Arc::clone(&script), effect, sender))
}

/// Plays `part` against the real loop and this script; it must leave the wizard.
pub async fn play_script<P, F>(size: (u16, u16), script: &SharedScript, part: P) -> WizardOutcome
where
    P: FnOnce(ScreenPlayer) -> F,
    F: Future<Output = ()>,
{
    let beginning = WizardStartOptions {
        sandbox: true,
        config_path: CONFIG_PATH.to_owned(),
        ..WizardStartOptions::default()
    };
    play_script_from(beginning, size, script, part).await
}

/// The same in other colours or letters.
pub async fn play_script_with_theme<P, F>(
    size: (u16, u16),
    theme: Theme,
    script: &SharedScript,
    part: P,
) -> WizardOutcome
where
    P: FnOnce(ScreenPlayer) -> F,
    F: Future<Output = ()>,
{
    let beginning = WizardStartOptions {
        sandbox: true,
        config_path: CONFIG_PATH.to_owned(),
        ..WizardStartOptions::default()
    };
    play_with_theme(beginning, size, theme, perform_scripted(script), part).await
}

pub async fn play_script_from<P, F>(
    beginning: WizardStartOptions,
    size: (u16, u16),
    script: &SharedScript,
    part: P,
) -> WizardOutcome
where
    P: FnOnce(ScreenPlayer) -> F,
    F: Future<Output = ()>,
{
    play_with_effects(beginning, size, perform_scripted(script), part).await
}

async fn answer_effect(script: SharedScript, effect: WizardEffect, sender: EffectJobContext) {
    let silent = {
        let mut script = script.lock().unwrap();
        script.heard.push(match &effect {
            WizardEffect::Look(stage, _) | WizardEffect::LookWhileJobRuns(stage, _) => {
                format!("look {}", stage.stage_name())
            }
            WizardEffect::Apply(plan, _) => format!("apply {}", plan.run_stage_of_plan().stage_name()),
            WizardEffect::Welcome(_) => "welcome".to_owned(),
            WizardEffect::Identify(..) => "identify".to_owned(),
            WizardEffect::Status(_) => "status".to_owned(),
            WizardEffect::ExplainLink(link, _) => format!("link {link}"),
            _ => "other".to_owned(),
        });
        script.silent
    };
    if silent && !matches!(effect, WizardEffect::Look(RunStage::Disable, _) | WizardEffect::Apply(..)) {
        std::future::pending::<()>().await;
    }
    sleep(Duration::from_millis(250)).await;
    match effect {
        WizardEffect::Welcome(_) => {
            let found = {
                let script = script.lock().unwrap();
                let usual = if script.code.is_some() { welcome_before_code() } else { scripted_welcome() };
                script.welcome.clone().unwrap_or(usual)
            };
            send_input(&sender, WizardInput::LocalFindings(Box::new(local_part(&found))));
            sleep(Duration::from_millis(250)).await;
            send_input(&sender, WizardInput::Welcome(Ok(Box::new(found))));
        }
        WizardEffect::Status(_) => {
            send_input(&sender, WizardInput::Status(Ok(Box::new(scripted_status()))));
        }
        WizardEffect::ExplainLink(..) => {
            let explained = LinkExplanation {
                findings: vec![("object", "the bucket holds it".to_owned())],
                verdict: CheckResult::new_failed_check(CheckId::Verdict, "it expired 2 h ago", "ask again"),
            };
            send_input(&sender, WizardInput::LinkExplained(Ok(Box::new(explained))));
        }
        WizardEffect::Identify(CredentialInput::Code { code, .. }, _) => {
            let taken = {
                let mut script = script.lock().unwrap();
                script.code.take_if(|good| *good == code.expose_secret()).is_some()
            };
            send_input(
                &sender,
                WizardInput::Identified(Ok(if taken {
                    scripted_welcome().identities.remove(0)
                } else {
                    identity_with_wrong_code()
                })),
            );
        }
        WizardEffect::Watch { .. } => {
            let seen = script.lock().unwrap().watched.clone();
            seen.into_iter().for_each(|seen| send_input(&sender, WizardInput::Watched(Ok(seen))));
            std::future::pending::<()>().await;
        }
        WizardEffect::Identify(credentials, _) => {
            send_input(&sender, WizardInput::Identified(identify_credentials(&credentials)));
        }
        WizardEffect::Look(stage, answers) | WizardEffect::LookWhileJobRuns(stage, answers) => {
            let plan = scripted_plan(&mut script.lock().unwrap(), stage, &answers);
            send_input(&sender, WizardInput::Looked(stage, Ok(Box::new(plan))));
            if stage == RunStage::Disable {
                sleep(Duration::from_millis(500)).await;
                let check = CheckResult::new_passed_check(
                    "s3-link",
                    "a link straight to S3 answers 200: switching off helps",
                );
                let _ = sender.events.send(StageEvent::Check { stage, check });
            }
        }
        WizardEffect::Apply(plan, _) => apply_scripted_plan(&script, &plan, sender).await,
        WizardEffect::Copy(copied) => {
            send_input(&sender, WizardInput::Copied(Ok(format!("/root/copied.txt: {}", copied.title))));
            script.lock().unwrap().copied = Some(copied);
        }
        WizardEffect::Renew(_) => script.lock().unwrap().expires = None,
        WizardEffect::BringToForeground
        | WizardEffect::Stop
        | WizardEffect::Pause(_)
        | WizardEffect::Suspend
        | WizardEffect::Redraw
        | WizardEffect::Leave(_) => {
            unreachable!("the loop does these itself")
        }
    }
}

/// What of it needs no answer of AWS's.
fn local_part(found: &WelcomeFindings) -> WelcomeFindings {
    WelcomeFindings {
        identities: Vec::new(),
        buckets: Vec::new(),
        goal: None,
        failures: Vec::new(),
        cloudfront: FoundCloudFront { switch: found.cloudfront.switch, ..FoundCloudFront::default() },
        ..found.clone()
    }
}

/// An install with one finding, one part that could not be asked, and the rest well.
fn scripted_status() -> InstallStatus {
    let mut status = InstallStatus {
        switch: CloudFrontSwitchStatus::On,
        is_redirect_seen: true,
        is_distribution_seen: true,
        ..InstallStatus::default()
    };
    status.add_part(
        CheckResult::new_passed_check("distribution", "E2EXAMPLE is deployed"),
        FindingSeverity::Refused,
    );
    status.add_part(
        CheckResult::new_unknown_check("traffic", "CloudWatch refuses this identity"),
        FindingSeverity::Refused,
    );
    status.add_part(
        CheckResult::new_failed_check(
            "runtime",
            "nodejs18.x is no longer updated",
            "roll it forward with enable",
        ),
        FindingSeverity::Ending,
    );
    let day = parse_day("2027-04-30").unwrap();
    status.ends = vec![EndingPart { part: "runtime", at: day }, EndingPart { part: "certificate", at: day }];
    status.add_fact("Traffic", "12,480 requests in the last thirty days, 0.1 % of them refused.");
    status
}

fn tally_names(names: &[&str]) -> CountsByName {
    let mut tally = CountsByName::default();
    names.iter().for_each(|name| tally.increment_name_count(name));
    tally
}

fn send_input(sender: &EffectJobContext, news: WizardInput) {
    let _ = sender.inputs.send(news);
}

fn identify_credentials(credentials: &CredentialInput) -> Result<FoundAwsIdentity, Failure> {
    match credentials {
        CredentialInput::Profile(name) => Err(Failure::new(
            FailureKind::Credentials,
            format!("profile {name}"),
            "it stands in neither ~/.aws/config nor ~/.aws/credentials",
            "choose another, or type the keys",
        )),
        CredentialInput::Code { .. } => unreachable!("no profile of the script's wants one"),
        CredentialInput::Keys(keys) => Ok(FoundAwsIdentity {
            source: AwsIdentitySource::Typed,
            found: format!("typed keys {}", keys.access_key_id),
            arn: "arn:aws:iam::123456789012:user/typed".to_owned(),
            account: "123456789012".to_owned(),
            device: None,
            suffices: CheckResult::new_passed_check("permissions", "may do all 31 actions"),
        }),
    }
}

const MFA_DEVICE_ARN: &str = "arn:aws:iam::123456789012:mfa/jo";

/// Before the code was asked for.
fn welcome_before_code() -> WelcomeFindings {
    let mut welcome = scripted_welcome();
    let first = &mut welcome.identities[0];
    (first.arn, first.account, first.device) =
        (String::new(), String::new(), Some(MFA_DEVICE_ARN.to_owned()));
    first.suffices = CheckResult::new_unknown_check(
        "identity",
        format!("its role wants a code of {MFA_DEVICE_ARN}: choose it"),
    );
    welcome.identities.truncate(1);
    (welcome.buckets, welcome.goal, welcome.left) = (Vec::new(), None, None);
    welcome.cloudfront.by = CloudFrontSetUpBy::Unknown;
    welcome.failures.push(Failure::new(
        FailureKind::Credentials,
        "profile operations",
        format!("its role wants a code of {MFA_DEVICE_ARN}, and none was given"),
        "Enter on Install or Upgrade asks for it",
    ));
    welcome
}

fn identity_with_wrong_code() -> FoundAwsIdentity {
    let denied = "role arn:aws:iam::123456789012:role/ops: sts:AssumeRole is denied: MultiFactorAuthentication failed with invalid MFA one time pass code";
    let next = format!("give a fresh code of {MFA_DEVICE_ARN}: each is good once");
    FoundAwsIdentity {
        suffices: CheckResult::new_failed_check("identity", denied, next),
        ..welcome_before_code().identities.remove(0)
    }
}

/// The same, once CloudFront is on and set up by this program.
pub fn live_welcome() -> WelcomeFindings {
    WelcomeFindings {
        cloudfront: FoundCloudFront {
            switch: FoundSwitchState::On,
            by: CloudFrontSetUpBy::Us,
            distribution: "E2EXAMPLE".to_owned(),
            domain: "d111111abcdef8.cloudfront.net".to_owned(),
            on_since: Some("2026-11-20 10:16:02 UTC".to_owned()),
            ..FoundCloudFront::default()
        },
        redirects: FoundRedirects::CloudFront,
        goal: Some((
            OperatorGoal::Upgrade,
            "CloudFront is on: checks what is set up, and completes it".to_owned(),
        )),
        ..scripted_welcome()
    }
}

pub fn scripted_welcome() -> WelcomeFindings {
    WelcomeFindings {
        config: FoundPackagecloudConfig { path: CONFIG_PATH.to_owned(), failure: None, managed: None },
        packagecloud: "packagecloud:enterprise 3.0.5 (Debian package)".to_owned(),
        identities: vec![
            FoundAwsIdentity {
                source: AwsIdentitySource::Profile("operations".to_owned()),
                found: "profile operations".to_owned(),
                arn: "arn:aws:iam::123456789012:user/operations".to_owned(),
                account: "123456789012".to_owned(),
                device: None,
                suffices: CheckResult::new_passed_check("permissions", "may do all 31 actions"),
            },
            FoundAwsIdentity {
                source: AwsIdentitySource::Config,
                found: "aws_access_key in packagecloud.rb".to_owned(),
                arn: "arn:aws:iam::123456789012:user/packagecloud".to_owned(),
                account: "123456789012".to_owned(),
                device: None,
                suffices: CheckResult::new_failed_check(
                    "permissions",
                    "lacks kms:CreateKey and 11 more",
                    "use another identity",
                ),
            },
        ],
        sudo: None,
        buckets: vec![
            FoundBucket {
                name: "acme-packages".to_owned(),
                region: "eu-central-1".to_owned(),
                found: "packagecloud_rails['aws_s3_bucket'] in packagecloud.rb".to_owned(),
                sampled: Some((998, 1000)),
            },
            FoundBucket {
                name: "acme-attic".to_owned(),
                region: String::new(),
                found: "in the account, and looks like packagecloud's".to_owned(),
                sampled: None,
            },
        ],
        cloudfront: FoundCloudFront {
            switch: FoundSwitchState::Off,
            by: CloudFrontSetUpBy::Nobody,
            ..FoundCloudFront::default()
        },
        redirects: FoundRedirects::S3,
        goal: Some((OperatorGoal::Upgrade, "the bucket already holds packages".to_owned())),
        left: None,
        last: None,
        other_run: None,
        backups: vec![
            FoundBackup {
                path: "/etc/packagecloud/packagecloud.rb.20261120T101500Z.bak".to_owned(),
                when: "2026-11-20 10:15 UTC".to_owned(),
                changes: vec!["cloudfront_enabled true becomes false".to_owned()],
            },
            FoundBackup {
                path: "/etc/packagecloud/packagecloud.rb.20260301T080000Z.bak".to_owned(),
                when: "2026-03-01 08:00 UTC".to_owned(),
                changes: Vec::new(),
            },
        ],
        failures: Vec::new(),
        is_aws_silent: false,
    }
}

fn scripted_changes(stage: RunStage) -> Vec<PlannedChange> {
    let line = |step, verb, target: &str, why: &str, calls: &[&str]| PlannedChange {
        stage,
        step,
        verb,
        target: target.to_owned(),
        why: why.to_owned(),
        calls: calls.iter().map(|call| (*call).to_owned()).collect(),
        document: None,
    };
    use ResourceChangeKind::{Attach, Create, Keep, Run, Update};
    use StageStep as S;
    match stage {
        RunStage::Access => vec![
            line(
                S::Identity,
                Keep,
                "arn:aws:iam::123456789012:user/operations",
                "profile operations",
                &["sts:GetCallerIdentity"],
            ),
            line(
                S::Bucket,
                Keep,
                "acme-packages",
                "998 of 1,000 keys look like packagecloud's",
                &["s3:ListBucket"],
            ),
        ],
        RunStage::Overview => [
            RunStage::Reindex,
            RunStage::Secret,
            RunStage::Bootstrap,
            RunStage::Distribution,
            RunStage::Configuration,
            RunStage::GoLive,
        ]
        .into_iter()
        .flat_map(scripted_changes)
        .collect(),
        RunStage::Reindex => vec![line(
            S::Objects,
            Update,
            "s3://acme-packages",
            "12,480 objects, of which most have no Cache-Control",
            &[
                "by hand: packagecloud-ctl reindex-everything in a screen session",
                "s3:ListObjectsV2, HeadObject and CopyObject, object by object",
            ],
        )],
        RunStage::Secret => vec![line(
            S::Secret,
            Create,
            CONFIG_PATH,
            "packagecloud.rb has no cloudfront_secret",
            &["by hand: packagecloud-ctl generate-cloudfront-secret"],
        )],
        RunStage::Bootstrap => vec![
            line(
                S::Role,
                Create,
                "packagecloud_cloudfront_auth",
                "there is none of that name",
                &["iam:GetRole", "iam:CreateRole"],
            ),
            line(
                S::RolePolicy,
                Attach,
                "packagecloud_cloudfront_auth",
                "the role may decrypt with the key, and write its logs",
                &["iam:PutRolePolicy"],
            ),
            line(S::Key, Create, "a KMS key in us-east-1", "no key carries our marker", &["kms:CreateKey"]),
            line(
                S::KeyAlias,
                Create,
                "alias/packagecloud_cloudfront",
                "it names the key",
                &["kms:CreateAlias"],
            ),
            line(
                S::KeyPolicy,
                Update,
                "alias/packagecloud_cloudfront",
                "only the role may decrypt",
                &["kms:PutKeyPolicy"],
            ),
            line(
                S::Function,
                Create,
                "packagecloud_cloudfront_auth",
                "there is none of that name",
                &["lambda:CreateFunction"],
            ),
            line(
                S::FunctionVersion,
                Create,
                "version 1",
                "CloudFront takes published versions only",
                &["lambda:PublishVersion"],
            ),
            line(
                S::OriginAccess,
                Create,
                "packagecloud-cloudfront acme-packages",
                "no identity has this Comment",
                &["cloudfront:CreateCloudFrontOriginAccessIdentity"],
            ),
        ],
        RunStage::Distribution => vec![
            line(
                S::CachePolicy,
                Keep,
                "packagecloud_cloudfront",
                "it is there and right",
                &["cloudfront:ListCachePolicies"],
            ),
            line(
                S::Distribution,
                Create,
                "packagecloud-cloudfront acme-packages",
                "none carries our marker",
                &["cloudfront:CreateDistributionWithTags"],
            ),
            line(
                S::Deployed,
                Run,
                "E2EXAMPLE",
                "waits until every edge has it, about five minutes",
                &["cloudfront:GetDistribution"],
            ),
            line(
                S::BucketPolicy,
                Attach,
                "acme-packages",
                "the identity may read and list, once every behavior checks its links",
                &["s3:PutBucketPolicy"],
            ),
        ],
        RunStage::Configuration => vec![line(
            S::Configuration,
            Update,
            CONFIG_PATH,
            "id and domain are not in it yet",
            &["by hand: add the printed values"],
        )],
        RunStage::GoLive => vec![
            line(S::Gate, Run, "d111111abcdef8.cloudfront.net", "signed probes must pass first", &[]),
            line(S::Switch, Update, CONFIG_PATH, "cloudfront_enabled becomes true", &[]),
            line(S::Reconfigure, Run, "packagecloud-ctl reconfigure", "applies packagecloud.rb", &[]),
            line(S::Restart, Run, "packagecloud-ctl restart", "customers see errors for about a minute", &[]),
            line(
                S::Proof,
                Run,
                "packagecloud's own redirect",
                "must be accepted by the edge within a minute, else it is taken back",
                &[],
            ),
        ],
        RunStage::Verify => vec![line(S::Checks, Run, "all of it", "read-only", &[])],
        RunStage::Rotate => vec![
            line(
                S::FunctionVersion,
                Create,
                "packagecloud_cloudfront_auth",
                "a version that accepts a new secret too",
                &[],
            ),
            line(
                S::Secret,
                Update,
                CONFIG_PATH,
                "cloudfront_secret, and nothing else",
                &["by hand: write the line"],
            ),
        ],
        RunStage::Invalidate => vec![line(S::Invalidation, Run, "E1EXAMPLE", "one path", &[])],
        RunStage::Disable | RunStage::RollBack => vec![
            line(
                S::Switch,
                Update,
                CONFIG_PATH,
                "cloudfront_enabled becomes false",
                &["by hand: set it to false"],
            ),
            line(S::Reconfigure, Run, "packagecloud-ctl reconfigure", "applies packagecloud.rb", &[]),
            line(S::Restart, Run, "packagecloud-ctl restart", "customers see errors for about a minute", &[]),
        ],
    }
}

/// The evidence of a stage, with nothing in it.
fn empty_evidence(stage: RunStage) -> StageEvidence {
    match stage {
        RunStage::Access => StageEvidence::Access,
        RunStage::Overview => StageEvidence::Overview,
        RunStage::Reindex => StageEvidence::Reindex(Box::default()),
        RunStage::Secret => StageEvidence::Secret(Box::default()),
        RunStage::Bootstrap => StageEvidence::Bootstrap(Box::default()),
        RunStage::Distribution => StageEvidence::Distribution(Box::default()),
        RunStage::Configuration => StageEvidence::Configuration(Box::default()),
        RunStage::GoLive => StageEvidence::GoLive(Box::default()),
        RunStage::Verify => StageEvidence::Verify,
        RunStage::Disable => StageEvidence::Disable,
        RunStage::RollBack => StageEvidence::RollBack(Box::default()),
        RunStage::Rotate => StageEvidence::Rotation(Box::default()),
        RunStage::Invalidate => StageEvidence::Invalidate(Box::default()),
    }
}

pub fn scripted_plan(script: &mut EngineScript, stage: RunStage, answers: &OperatorAnswers) -> StagePlan {
    let mut plan = StagePlan::new(empty_evidence(stage));
    plan.changes = scripted_changes(stage);
    if script.done.contains(stage.stage_name()) {
        for change in &mut plan.changes {
            change.verb = ResourceChangeKind::Keep;
            "it is there and right".clone_into(&mut change.why);
        }
    }
    let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    match stage {
        RunStage::Access => {
            plan.checks = vec![
                CheckResult::new_passed_check("iam:CreateRole", "allowed"),
                CheckResult::new_passed_check("kms:CreateKey", "allowed"),
                CheckResult::new_passed_check("lambda:CreateFunction", "allowed"),
                CheckResult::new_unknown_check(
                    "s3:GetBucketPolicyStatus",
                    "simulation is not allowed to this identity",
                ),
                CheckResult::new_passed_check(
                    "packagecloud host",
                    "packagecloud:enterprise 3.0.5, file writable",
                ),
            ];
            if std::mem::take(&mut script.denied) {
                plan.checks[1] = CheckResult::new_failed_check(
                    "kms:CreateKey",
                    "denied by a service control policy",
                    "ask the account's administrator for it, or choose another identity with b",
                );
            }
        }
        RunStage::Overview => {
            plan.notes = text(&["17 changes; nothing is ever deleted."]);
            plan.facts = vec![PlanFact {
                topic: "How long",
                text: "about eight minutes, five of which CloudFront takes to reach every edge.".to_owned(),
            }];
            plan.documents = vec![
                PlanAttachment {
                    title: "What it costs".to_owned(),
                    lines: text(&["$0.08 once, for 12,480 requests to S3; then what CloudFront serves."]),
                    copy: false,
                },
                PlanAttachment {
                    title: "What customers notice".to_owned(),
                    lines: text(&["Nothing until go-live; then errors for about a minute, at the restart."]),
                    copy: false,
                },
                PlanAttachment {
                    title: "How to undo it".to_owned(),
                    lines: text(&["D, at any time: packagecloud sends its clients to S3 again."]),
                    copy: false,
                },
            ];
        }
        RunStage::Configuration | RunStage::Disable | RunStage::RollBack => {
            let enabled = stage == RunStage::Configuration;
            plan.documents = vec![PlanAttachment {
                title: "What changes in packagecloud.rb".to_owned(),
                lines: text(&[
                    "@@ line 41 @@",
                    " packagecloud_rails['aws_s3_bucket'] = 'acme-packages'",
                    if enabled {
                        "-packagecloud_rails['cloudfront_enabled'] = false"
                    } else {
                        "-packagecloud_rails['cloudfront_enabled'] = true"
                    },
                    if enabled {
                        "+packagecloud_rails['cloudfront_enabled'] = true"
                    } else {
                        "+packagecloud_rails['cloudfront_enabled'] = false"
                    },
                ]),
                copy: false,
            }];
            if enabled {
                plan.documents.push(PlanAttachment {
                    title: "The final block".to_owned(),
                    lines: text(&[
                        "packagecloud_rails['cloudfront_enabled'] = true",
                        "packagecloud_rails['cloudfront_secret'] = '(hidden)'",
                        "packagecloud_rails['cloudfront_distribution_id'] = 'E2EXAMPLE'",
                        "packagecloud_rails['cloudfront_packages_domain'] = 'd111111abcdef8.cloudfront.net'",
                    ]),
                    copy: true,
                });
                plan.documents.push(PlanAttachment {
                    title: "Tell customers behind a firewall".to_owned(),
                    lines: text(&["Packages will be downloaded from https://d111111abcdef8.cloudfront.net."]),
                    copy: true,
                });
            }
        }
        _ => {}
    }
    if let (Some(consent), RunStage::Distribution) = (script.asks, stage)
        && !answers.consents.has_consent(consent, "")
    {
        plan.confirmations.push(PlanConfirmationQuestion {
            consent,
            question:
                "Distribution E1VENDOR was set up by packagecloud-ctl. Shall this program take it over?"
                    .to_owned(),
        });
    }
    if matches!(stage, RunStage::Overview | RunStage::Distribution) {
        let asked = script.asks_also.iter().filter(|consent| !answers.consents.has_consent(**consent, ""));
        plan.confirmations.extend(asked.map(|consent| PlanConfirmationQuestion {
            consent: *consent,
            question: word_question(*consent).to_owned(),
        }));
    }
    plan
}

/// A question as long as the real one.
fn word_question(consent: RequiredConsent) -> &'static str {
    match consent {
        RequiredConsent::LiveChange => {
            "Distribution E2EXAMPLE serves links now, and would be changed: origin access goes from identity E1OLD to control E3NEW, and both may read until every edge has changed. Change it?"
        }
        RequiredConsent::AdoptBucketKey => {
            "The bucket is encrypted with the KMS key arn:aws:kms:eu-central-1:123456789012:key/1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901, which isn't this program's. May its policy get one more statement, for CloudFront alone?"
        }
        _ => "Go on all the same?",
    }
}

/// Until somebody has typed what is wanted, or it lies where it comes from.
async fn wait_for_renewal(
    script: &SharedScript,
    stage: RunStage,
    step: StageStep,
    sender: &EffectJobContext,
) {
    let wants = script.lock().unwrap().expires.clone();
    let Some(wants) = wants else { return };
    let next = match &wants {
        CredentialRenewalNeed::Renewal => {
            "type `aws sso login --profile operations` in another terminal; this goes on by itself as soon as AWS accepts them"
        }
        CredentialRenewalNeed::Code(_) => {
            "i takes a fresh code for profile operations; this goes on by itself as soon as AWS accepts them"
        }
        CredentialRenewalNeed::Keys => {
            "i takes other keys of the same account; this goes on by itself as soon as AWS accepts them"
        }
    };
    let failure = Failure::new(
        FailureKind::Credentials,
        "the AWS identity",
        "the credentials have expired (sts:GetCallerIdentity)",
        next,
    );
    let text = format!("stands still: {failure}; next: {next}");
    let _ = sender.events.send(StageEvent::Waiting { stage, step, text, failure, wants });
    while script.lock().unwrap().expires.is_some() && !sender.stop.is_cancelled() {
        sleep(Duration::from_millis(50)).await;
    }
}

async fn apply_scripted_plan(script: &SharedScript, plan: &StagePlan, sender: EffectJobContext) {
    let stage = plan.run_stage_of_plan();
    let say = |event| drop(sender.events.send(event));
    assert_ne!(script.lock().unwrap().panics_in, Some(stage), "told to panic");
    for change in plan.changes.iter().filter(|change| change.verb != ResourceChangeKind::Keep) {
        let step = change.step;
        say(StageEvent::Started { stage, step, text: String::new() });
        sleep(Duration::from_millis(400)).await;
        let fails = script.lock().unwrap().fails.filter(|(failing, _)| *failing == step);
        if let Some((_, kind)) = fails {
            script.lock().unwrap().fails = None;
            let failure = Failure::new(
                kind,
                change.target.clone(),
                "the request was refused",
                "allow it, and look again",
            )
            .add_aws_error_code(Some("AccessDenied".to_owned()), Some("7f3c-19".to_owned()));
            say(StageEvent::Failed { stage, step, failure });
            if step == StageStep::Proof {
                // As the engine does: a go-live that is refused is undone before it ends.
                let (step, text) = (StageStep::TakeBack, "CloudFront is off again".to_owned());
                say(StageEvent::Started { stage, step, text: text.clone() });
                say(StageEvent::Finished { stage, step, text });
            }
            say(StageEvent::Ended { stage, step: Some(step), end: StageEnd::Failed, text: String::new() });
            return;
        }
        if step == StageStep::Objects {
            for tenth in 1..=10u64 {
                while *sender.pause.borrow() && !sender.stop.is_cancelled() {
                    sleep(Duration::from_millis(50)).await;
                }
                if sender.stop.is_cancelled() {
                    say(StageEvent::Finished {
                        stage,
                        step,
                        text: "stopped; it goes on where it is".to_owned(),
                    });
                    say(StageEvent::Ended {
                        stage,
                        step: Some(step),
                        end: StageEnd::Stopped,
                        text: String::new(),
                    });
                    return;
                }
                let pace = ProgressStats {
                    done: Some(tenth * 1248),
                    total: Some(12_480),
                    kept: Some(tenth * 40),
                    skipped: Some(2),
                    reasons: tally_names(&["archived (GLACIER)", "archived (GLACIER)"]),
                    foreign: tally_names(&["backups/", "backups/", "tmp/"]),
                    per_second: Some(900.0 + (tenth % 4) as f64 * 300.0),
                    in_flight: Some(96),
                    slow_downs: Some(3),
                    bytes: Some(tenth * 48_000_000_000),
                    cost: Some(0.008 * tenth as f64),
                    seconds_left: Some(10 - tenth),
                };
                let text = "setting Cache-Control".to_owned();
                say(StageEvent::Progress { stage, step, text, pace: Some(pace) });
                sleep(Duration::from_secs(1)).await;
                if tenth == 6 {
                    wait_for_renewal(script, stage, step, &sender).await;
                }
            }
        }
        if step == StageStep::Checks {
            for (name, detail) in [
                ("distribution", "E2EXAMPLE is deployed with version 1"),
                ("signed-url", "200 with the object's bytes"),
                ("no-token", "403"),
                ("redirect", "10 of 10 go to d111111abcdef8.cloudfront.net"),
                ("verdict", "CloudFront serves this installation"),
            ] {
                say(StageEvent::Check { stage, check: CheckResult::new_passed_check(name, detail) });
                sleep(Duration::from_millis(200)).await;
            }
        }
        if sender.stop.is_cancelled() {
            say(StageEvent::Finished { stage, step, text: "done".to_owned() });
            say(StageEvent::Ended { stage, step: Some(step), end: StageEnd::Stopped, text: String::new() });
            return;
        }
        say(StageEvent::Finished { stage, step, text: format!("{} done", change.target) });
    }
    script.lock().unwrap().done.insert(stage.stage_name());
    say(StageEvent::Ended { stage, step: None, end: StageEnd::Applied, text: String::new() });
}

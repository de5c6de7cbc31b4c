//! One decision in each form that AWS's simulation has had, as a table; and its pages, turned through the SDK.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_iam::types::{OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    runtime_components::RuntimeComponents,
};

use super::*;
use crate::model::run::{
    check::CheckVerdict,
    goal::{RunStage, StageStep},
};

type EvaluationDecision = PolicyEvaluationDecisionType;

const OWN_RESOURCE_ARN: &str = "arn:aws:s3:::packages/1";
const OTHER_RESOURCE_ARN: &str = "arn:aws:s3:::another/1";

fn put_object_need() -> RequiredPermission {
    RequiredPermission {
        stage: RunStage::Reindex,
        step: StageStep::Objects,
        action: "s3:PutObject",
        resource: "arn:aws:s3:::packages/*".to_owned(),
        context: Vec::new(),
        optional: false,
    }
}

/// What is said of one resource.
#[derive(Clone)]
struct ResourceDecision {
    resource: &'static str,
    decision: EvaluationDecision,
    missing: &'static [&'static str],
    by_boundary: Option<bool>,
}

fn resource_decision(resource: &'static str, decision: EvaluationDecision) -> ResourceDecision {
    ResourceDecision { resource, decision, missing: &[], by_boundary: None }
}

fn missing_context_keys(one: &ResourceDecision) -> Vec<String> {
    one.missing.iter().map(|&key| key.to_owned()).collect()
}

fn boundary_detail(one: &ResourceDecision) -> Option<PermissionsBoundaryDecisionDetail> {
    let detail = PermissionsBoundaryDecisionDetail::builder();
    one.by_boundary.map(|allowed| detail.allowed_by_permissions_boundary(allowed).build())
}

/// As it is now: one result an action, the strictest decision on it, the resources' own beneath.
fn current_form_results(all: &[ResourceDecision], organization: Option<bool>) -> Vec<EvaluationResult> {
    let inner = all.iter().map(|one| {
        ResourceSpecificResult::builder()
            .eval_resource_name(one.resource)
            .eval_resource_decision(one.decision.clone())
            .set_missing_context_values(Some(missing_context_keys(one)))
            .set_permissions_boundary_decision_detail(boundary_detail(one))
            .build()
            .unwrap()
    });
    let strictest =
        [EvaluationDecision::ExplicitDeny, EvaluationDecision::ImplicitDeny, EvaluationDecision::Allowed];
    let whole = strictest.into_iter().find(|worst| all.iter().any(|one| one.decision == *worst)).unwrap();
    let detail = organization
        .map(|allowed| OrganizationsDecisionDetail::builder().allowed_by_organizations(allowed).build());
    vec![
        EvaluationResult::builder()
            .eval_action_name("s3:PutObject")
            .eval_resource_name("arn:${Partition}:s3:::${BucketName}/${KeyName}")
            .eval_decision(whole)
            .set_resource_specific_results(Some(inner.collect()))
            .set_organizations_decision_detail(detail)
            .build()
            .unwrap(),
    ]
}

/// As it was: a result for each pair of action and resource, and nothing beneath.
fn older_form_results(all: &[ResourceDecision], organization: Option<bool>) -> Vec<EvaluationResult> {
    let detail = organization
        .map(|allowed| OrganizationsDecisionDetail::builder().allowed_by_organizations(allowed).build());
    let one = |one: &ResourceDecision| {
        EvaluationResult::builder()
            .eval_action_name("s3:PutObject")
            .eval_resource_name(one.resource)
            .eval_decision(one.decision.clone())
            .set_missing_context_values(Some(missing_context_keys(one)))
            .set_permissions_boundary_decision_detail(boundary_detail(one))
            .set_organizations_decision_detail(detail.clone())
            .build()
            .unwrap()
    };
    all.iter().map(one).collect()
}

/// Decisions and what the organization says, with the check's result and a part of its words.
fn list_decisions_and_checks() -> Vec<(Vec<ResourceDecision>, Option<bool>, CheckVerdict, &'static str)> {
    let denied = resource_decision(OWN_RESOURCE_ARN, EvaluationDecision::ImplicitDeny);
    vec![
        (
            vec![resource_decision(OWN_RESOURCE_ARN, EvaluationDecision::Allowed)],
            None,
            CheckVerdict::Pass,
            "allowed on arn:aws:s3:::packages/*",
        ),
        // Another resource's denial is not ours, nor is its being allowed.
        (
            vec![
                resource_decision(OTHER_RESOURCE_ARN, EvaluationDecision::ImplicitDeny),
                resource_decision(OWN_RESOURCE_ARN, EvaluationDecision::Allowed),
            ],
            None,
            CheckVerdict::Pass,
            "allowed on",
        ),
        (
            vec![resource_decision(OTHER_RESOURCE_ARN, EvaluationDecision::Allowed), denied.clone()],
            None,
            CheckVerdict::Fail,
            "no policy allows it",
        ),
        (
            vec![resource_decision(OWN_RESOURCE_ARN, EvaluationDecision::ExplicitDeny)],
            None,
            CheckVerdict::Fail,
            "a policy denies it explicitly",
        ),
        // Its conditions are weighed without what the request carries, so it may err, explicitly too.
        (
            vec![denied.clone()],
            Some(false),
            CheckVerdict::Unknown,
            "IAM's simulation says that the organization doesn't allow it",
        ),
        (
            vec![resource_decision(OWN_RESOURCE_ARN, EvaluationDecision::ExplicitDeny)],
            Some(false),
            CheckVerdict::Unknown,
            "the organization doesn't allow it",
        ),
        (vec![denied.clone()], Some(true), CheckVerdict::Fail, "no policy allows it"),
        (
            vec![ResourceDecision { by_boundary: Some(false), ..denied.clone() }],
            Some(true),
            CheckVerdict::Fail,
            "the permissions boundary doesn't allow it",
        ),
        (
            vec![ResourceDecision { missing: &["aws:SourceIp"], ..denied }],
            None,
            CheckVerdict::Unknown,
            "depends on aws:SourceIp, which only the real request has",
        ),
    ]
}

#[test]
fn both_forms_are_read_to_the_same_end_and_of_the_needs_own_resource() {
    for (all, organization, result, words) in list_decisions_and_checks() {
        for (form, results) in [
            ("present", current_form_results(&all, organization)),
            ("older", older_form_results(&all, organization)),
        ] {
            let check = weigh_put_object(&results, &SucceededActions::default(), None);
            assert_eq!(check.result, result, "{form}: {check:?}");
            assert!(check.detail.contains(words), "{form}: {check:?}");
            assert_eq!(check.has_failed(), !check.next.is_empty(), "{form}: {check:?}");
            assert!(has_simulation_for_resource(&put_object_need(), OWN_RESOURCE_ARN, &results), "{form}");
        }
    }
    // Of an action that isn't in the answer nothing is known.
    assert_eq!(weigh_put_object(&[], &SucceededActions::default(), None).result, CheckVerdict::Unknown);
}

/// The check of `s3:PutObject` by what is known beside the results.
fn weigh_put_object(
    results: &[EvaluationResult],
    succeeded: &SucceededActions,
    bucket_policy: Option<Value>,
) -> CheckResult {
    let known = KnownAccess {
        succeeded,
        bucket_policy,
        principals: ["arn:aws:iam::1:user/jo", "arn:aws:iam::1:user/jo"],
    };
    check_from_simulation(&put_object_need(), OWN_RESOURCE_ARN, results, &known)
}

#[test]
fn what_was_just_done_or_the_bucket_policy_allows_is_no_failed_check() {
    let results = |decision| current_form_results(&[resource_decision(OWN_RESOURCE_ARN, decision)], None);
    let allowing = || {
        serde_json::json!({"Statement": [{"Sid": "Jo", "Effect": "Allow", "Action": "s3:*",
            "Principal": {"AWS": "arn:aws:iam::1:user/jo"}, "Resource": "arn:aws:s3:::packages/*"}]})
    };
    let conditional = || {
        let mut document = allowing();
        document["Statement"][0]["Condition"] =
            serde_json::json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
        document
    };
    let (implicit, explicit) = (EvaluationDecision::ImplicitDeny, EvaluationDecision::ExplicitDeny);
    let none = SucceededActions::default();
    let done = SucceededActions::default();
    done.record_succeeded_call("s3:CopyObject");
    for (decision, succeeded, policy, result, words) in [
        (&implicit, &none, None, CheckVerdict::Fail, "no policy allows it"),
        (
            &implicit,
            &done,
            None,
            CheckVerdict::Unknown,
            "no policy allows it, on arn:aws:s3:::packages/*; yet AWS has just let this run do it, on this resource or another",
        ),
        (&explicit, &done, None, CheckVerdict::Unknown, "yet AWS has just let this run do it"),
        (&implicit, &none, Some(allowing()), CheckVerdict::Unknown, "allows it by statement \"Jo\""),
        (
            &implicit,
            &none,
            Some(conditional()),
            CheckVerdict::Unknown,
            "may allow it, under a condition, by statement \"Jo\"",
        ),
        // No other policy outweighs a denial.
        (&explicit, &none, Some(allowing()), CheckVerdict::Fail, "denies it explicitly"),
    ] {
        let check = weigh_put_object(&results(decision.clone()), succeeded, policy);
        assert_eq!(check.result, result, "{check:?}");
        assert!(check.detail.contains(words), "{check:?}");
    }
}

/// IAM that answers with one action a page, in the older form; which pages were asked for.
#[derive(Debug, Clone, Default)]
struct PagedIamClient(Arc<Mutex<Vec<usize>>>);

const PAGED_ACTIONS: [&str; 3] = ["s3:GetObject", "s3:HeadBucket", "s3:PutObject"];

impl HttpClient for PagedIamClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for PagedIamClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let marker = form.split('&').find_map(|field| field.strip_prefix("Marker="));
        let at: usize = marker.map_or(0, |marker| marker.parse().unwrap());
        self.0.lock().unwrap().push(at);
        let more = if at + 1 < PAGED_ACTIONS.len() {
            format!("<IsTruncated>true</IsTruncated><Marker>{}</Marker>", at + 1)
        } else {
            "<IsTruncated>false</IsTruncated>".to_owned()
        };
        let answer = format!(
            "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
             <EvaluationResults><member><EvalActionName>{}</EvalActionName><EvalResourceName>{OWN_RESOURCE_ARN}</EvalResourceName>\
             <EvalDecision>allowed</EvalDecision></member></EvaluationResults>{more}</SimulatePrincipalPolicyResult>\
             </SimulatePrincipalPolicyResponse>",
            PAGED_ACTIONS[at]
        );
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), answer.into())))
    }
}

#[tokio::test]
async fn every_page_is_turned() {
    let pages = PagedIamClient::default();
    let keys = Credentials::new("AKIA", "s", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(pages.clone())
        .build();
    let needs = PAGED_ACTIONS.map(|action| RequiredPermission { action, ..put_object_need() });
    let checks = AwsClients::new(&config, None)
        .simulate_permissions("arn:aws:iam::1:user/jo", &needs, None)
        .await
        .unwrap();
    assert_eq!(*pages.0.lock().unwrap(), [0, 1, 2]);
    let found: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.result)).collect();
    assert_eq!(found, PAGED_ACTIONS.map(|action| (action, CheckVerdict::Pass)));
}

/// IAM that allows S3 in `eu-west-1`, KMS where the key lies, and all else in `us-east-1`, by the region that it is asked
/// with.
#[derive(Debug, Clone, Default)]
struct RegionBoundIamClient;

impl HttpClient for RegionBoundIamClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for RegionBoundIamClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).replace("%3A", ":");
        let values = |part: &'static str| {
            let fields = form.split('&').filter_map(|field| field.split_once('='));
            fields.filter(move |(name, _)| name.contains(part)).map(|(_, value)| value)
        };
        let asked_with = |region: &str| values("ContextKeyValues").any(|value| value == region);
        let is_allowed = |action: &str| match action.split(':').next() {
            Some("s3") => asked_with("eu-west-1"),
            Some("kms") => values("ResourceArns.member").all(|arn| {
                asked_with(arn.split(':').nth(3).filter(|region| !region.is_empty()).unwrap_or("us-east-1"))
            }),
            _ => asked_with("us-east-1"),
        };
        let results: String = values("ActionNames.member")
            .map(|action| {
                assert!(!action.ends_with('*'), "IAM takes no asterisk: {action}");
                let decision = if is_allowed(action) { "allowed" } else { "explicitDeny" };
                format!(
                    "<member><EvalActionName>{action}</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>{decision}</EvalDecision></member>"
                )
            })
            .collect();
        let answer = format!(
            "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
             <EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>\
             </SimulatePrincipalPolicyResponse>"
        );
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), answer.into())))
    }
}

#[tokio::test]
async fn each_action_is_asked_with_the_region_that_its_request_goes_to() {
    let keys = Credentials::new("AKIA", "s", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(RegionBoundIamClient)
        .build();
    let names = crate::model::aws::names::ResourceNames::new("packages", &"".parse().unwrap_or_default());
    let goal = crate::model::run::goal::OperatorGoal::Upgrade;
    let needs = crate::model::iam::access::list_required_permissions(goal, &names, "123456789012");
    let clients = AwsClients::new(&config, Some("eu-west-1"));
    let checks = clients.simulate_permissions("arn:aws:iam::1:user/jo", &needs, None).await.unwrap();
    assert_eq!(checks.len(), needs.len());
    for (check, need) in checks.iter().zip(&needs) {
        let simulated = !need.action.ends_with('*');
        let result = if simulated { CheckVerdict::Pass } else { CheckVerdict::Unknown };
        assert_eq!((check.name.as_str(), check.result), (need.action, result), "{}", check.detail);
    }
}

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
    check::Verdict,
    goal::{Stage, Step},
};

type Decision = PolicyEvaluationDecisionType;

const OURS: &str = "arn:aws:s3:::packages/1";
const OTHER: &str = "arn:aws:s3:::another/1";

fn need() -> Need {
    Need {
        stage: Stage::Reindex,
        step: Step::Objects,
        action: "s3:PutObject",
        resource: "arn:aws:s3:::packages/*".to_owned(),
        context: Vec::new(),
        optional: false,
    }
}

/// What is said of one resource.
#[derive(Clone)]
struct Of {
    resource: &'static str,
    decision: Decision,
    missing: &'static [&'static str],
    by_boundary: Option<bool>,
}

fn of(resource: &'static str, decision: Decision) -> Of {
    Of { resource, decision, missing: &[], by_boundary: None }
}

fn missing(one: &Of) -> Vec<String> {
    one.missing.iter().map(|&key| key.to_owned()).collect()
}

fn boundary(one: &Of) -> Option<PermissionsBoundaryDecisionDetail> {
    let detail = PermissionsBoundaryDecisionDetail::builder();
    one.by_boundary.map(|allowed| detail.allowed_by_permissions_boundary(allowed).build())
}

/// As it is now: one result an action, the strictest decision on it, the resources' own beneath.
fn present(all: &[Of], organization: Option<bool>) -> Vec<EvaluationResult> {
    let inner = all.iter().map(|one| {
        ResourceSpecificResult::builder()
            .eval_resource_name(one.resource)
            .eval_resource_decision(one.decision.clone())
            .set_missing_context_values(Some(missing(one)))
            .set_permissions_boundary_decision_detail(boundary(one))
            .build()
            .unwrap()
    });
    let strictest = [Decision::ExplicitDeny, Decision::ImplicitDeny, Decision::Allowed];
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
fn older(all: &[Of], organization: Option<bool>) -> Vec<EvaluationResult> {
    let detail = organization
        .map(|allowed| OrganizationsDecisionDetail::builder().allowed_by_organizations(allowed).build());
    let one = |one: &Of| {
        EvaluationResult::builder()
            .eval_action_name("s3:PutObject")
            .eval_resource_name(one.resource)
            .eval_decision(one.decision.clone())
            .set_missing_context_values(Some(missing(one)))
            .set_permissions_boundary_decision_detail(boundary(one))
            .set_organizations_decision_detail(detail.clone())
            .build()
            .unwrap()
    };
    all.iter().map(one).collect()
}

#[test]
fn both_forms_are_read_to_the_same_end_and_of_the_needs_own_resource() {
    let denied = of(OURS, Decision::ImplicitDeny);
    let table = [
        (vec![of(OURS, Decision::Allowed)], None, Verdict::Pass, "allowed on arn:aws:s3:::packages/*"),
        // Another resource's denial is not ours, nor is its being allowed.
        (
            vec![of(OTHER, Decision::ImplicitDeny), of(OURS, Decision::Allowed)],
            None,
            Verdict::Pass,
            "allowed on",
        ),
        (vec![of(OTHER, Decision::Allowed), denied.clone()], None, Verdict::Fail, "no policy allows it"),
        (vec![of(OURS, Decision::ExplicitDeny)], None, Verdict::Fail, "a policy denies it explicitly"),
        (vec![denied.clone()], Some(false), Verdict::Fail, "the organization doesn't allow it"),
        (vec![denied.clone()], Some(true), Verdict::Fail, "no policy allows it"),
        (
            vec![Of { by_boundary: Some(false), ..denied.clone() }],
            Some(true),
            Verdict::Fail,
            "the permissions boundary doesn't allow it",
        ),
        (
            vec![Of { missing: &["aws:SourceIp"], ..denied }],
            None,
            Verdict::Unknown,
            "depends on aws:SourceIp, which only the real request has",
        ),
    ];
    for (all, organization, result, words) in table {
        for (form, results) in
            [("present", present(&all, organization)), ("older", older(&all, organization))]
        {
            let check = judged(&need(), &results);
            assert_eq!(check.result, result, "{form}: {check:?}");
            assert!(check.detail.contains(words), "{form}: {check:?}");
            assert_eq!(check.failed(), !check.next.is_empty(), "{form}: {check:?}");
            assert!(tells(&need(), &results), "{form}");
        }
    }
    // Of an action that isn't in the answer nothing is known.
    assert_eq!(judged(&need(), &[]).result, Verdict::Unknown);
}

/// IAM that answers with one action a page, in the older form; which pages were asked for.
#[derive(Debug, Clone, Default)]
struct Pages(Arc<Mutex<Vec<usize>>>);

const ACTIONS: [&str; 3] = ["s3:GetObject", "s3:HeadBucket", "s3:PutObject"];

impl HttpClient for Pages {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Pages {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let marker = form.split('&').find_map(|field| field.strip_prefix("Marker="));
        let at: usize = marker.map_or(0, |marker| marker.parse().unwrap());
        self.0.lock().unwrap().push(at);
        let more = if at + 1 < ACTIONS.len() {
            format!("<IsTruncated>true</IsTruncated><Marker>{}</Marker>", at + 1)
        } else {
            "<IsTruncated>false</IsTruncated>".to_owned()
        };
        let answer = format!(
            "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
             <EvaluationResults><member><EvalActionName>{}</EvalActionName><EvalResourceName>{OURS}</EvalResourceName>\
             <EvalDecision>allowed</EvalDecision></member></EvaluationResults>{more}</SimulatePrincipalPolicyResult>\
             </SimulatePrincipalPolicyResponse>",
            ACTIONS[at]
        );
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), answer.into())))
    }
}

#[tokio::test]
async fn every_page_is_turned() {
    let pages = Pages::default();
    let keys = Credentials::new("AKIA", "s", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .http_client(pages.clone())
        .build();
    let needs = ACTIONS.map(|action| Need { action, ..need() });
    let checks = Cloud::new(&config, None).simulate("arn:aws:iam::1:user/jo", &needs).await.unwrap();
    assert_eq!(*pages.0.lock().unwrap(), [0, 1, 2]);
    let found: Vec<_> = checks.iter().map(|check| (check.name.as_str(), check.result)).collect();
    assert_eq!(found, ACTIONS.map(|action| (action, Verdict::Pass)));
}

//! ACM: certificates that are requested, validated by DNS after a while, and taken by CloudFront once they are issued.
//!
//! As AWS does, a listing without key types tells of RSA-2048 certificates alone.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    ACCOUNT_ID, PropagationClock, REGION, SandboxAwsError, SignedCaller, build_json_response,
    build_unknown_json_operation_error, generate_random_uuid, get_request_signed_caller, member_check,
    parse_json_request_body, parse_target_header_operation,
};
use crate::sandbox::{Sandbox, SandboxState, service::SandboxService};

/// What is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxAcmState {
    /// By ARN.
    pub certificates: BTreeMap<String, SandboxCertificate>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxCertificate {
    pub names: Vec<String>,
    /// `RSA_2048`, as a request spells it.
    pub key: String,
    pub requested: Duration,
    /// `REVOKED`, `EXPIRED`, … where it isn't what time makes of it.
    pub ended: Option<String>,
    /// Its last day where it isn't 395 days after the request, and what ACM makes of its renewal.
    pub not_after: Option<Duration>,
    pub renewal: Option<String>,
    /// Whether it was imported, so that ACM doesn't renew it.
    pub imported: bool,
}

impl SandboxCertificate {
    fn compute_certificate_status(&self, clock: PropagationClock) -> &str {
        match &self.ended {
            Some(status) => status,
            None if clock.has_delay_passed(self.requested, clock.delays.certificate) => "ISSUED",
            None => "PENDING_VALIDATION",
        }
    }

    fn is_domain_in_sandbox_certificate(&self, domain: &str) -> bool {
        self.names.iter().any(|name| {
            let parent = domain.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            name == domain || parent.as_ref() == Some(name)
        })
    }
}

/// Finds why CloudFront doesn't take a certificate for these names, in its own words.
pub fn explain_sandbox_certificate_rejection(
    state: &SandboxAcmState,
    clock: PropagationClock,
    arn: &str,
    domains: &[&str],
) -> Option<&'static str> {
    let issued = state.certificates.get(arn).filter(|one| one.compute_certificate_status(clock) == "ISSUED");
    match issued {
        None => Some(
            "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a valid certificate chain.",
        ),
        Some(one) if domains.iter().all(|domain| one.is_domain_in_sandbox_certificate(domain)) => None,
        Some(_) => Some(
            "The certificate that is attached to your distribution doesn't cover the alternate domain name (CNAME) that you're trying to add. For more details, see: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/CNAMEs.html#alternate-domain-names-requirements",
        ),
    }
}

/// Returns the operation that the header names: `ListCertificates`, of `CertificateManager.ListCertificates`.
pub fn parse_acm_operation_name(request: &Request<Bytes>) -> &str {
    parse_target_header_operation(request, "CertificateManager.")
}

/// Answers one request to ACM.
#[expect(clippy::unused_async, reason = "every service of the sandbox is asked the same way")]
pub async fn handle_acm_api_call(world: &Sandbox, request: Request<Bytes>) -> Response<Bytes> {
    let result = get_request_signed_caller(&request).and_then(|caller| {
        let input = parse_json_request_body(&request)?;
        let operation = parse_acm_operation_name(&request);
        member_check::check_json_members(SandboxService::Acm, operation, &input)?;
        let ask = SandboxAcmApiCall {
            clock: PropagationClock::propagation_clock_from_sandbox(world),
            caller: &caller,
            input: &input,
        };
        match operation {
            "RequestCertificate" => {
                world.update_sandbox_state_on_disk(|state| ask.handle_request_certificate(state))
            }
            "DescribeCertificate" => {
                world.read_sandbox_state_from_disk(|state| ask.handle_describe_certificate(state))
            }
            "ListCertificates" => {
                world.read_sandbox_state_from_disk(|state| ask.handle_list_certificates(state))
            }
            other => Err(build_unknown_json_operation_error(other)),
        }
    });
    match result {
        Ok(output) => build_json_response(200, "application/x-amz-json-1.1", &output),
        Err(refusal) => refusal.render_aws_error_response(SandboxService::Acm),
    }
}

struct SandboxAcmApiCall<'a> {
    clock: PropagationClock,
    caller: &'a SignedCaller,
    input: &'a Value,
}

type SandboxAcmResult = Result<Value, SandboxAwsError>;

impl SandboxAcmApiCall<'_> {
    fn authorize_acm_call(
        &self,
        state: &SandboxState,
        action: &str,
        resource: &str,
    ) -> Result<(), SandboxAwsError> {
        let context = self.caller.build_caller_condition_context();
        self.caller.authorize_caller(state, SandboxService::Acm, action, resource, &context)
    }

    fn read_request_string_list(&self, field: &str) -> Vec<String> {
        let all = self.input[field].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn handle_request_certificate(&self, state: &mut SandboxState) -> SandboxAcmResult {
        self.authorize_acm_call(state, "acm:RequestCertificate", "*")?;
        let Some(domain) = self.input["DomainName"].as_str() else {
            return Err(SandboxAwsError::new(400, "ValidationException", "DomainName must not be null"));
        };
        let mut names = vec![domain.to_owned()];
        names.extend(
            self.read_request_string_list("SubjectAlternativeNames")
                .into_iter()
                .filter(|name| name != domain),
        );
        let arn = format!("arn:aws:acm:{REGION}:{ACCOUNT_ID}:certificate/{}", generate_random_uuid());
        let key = self.input["KeyAlgorithm"].as_str().unwrap_or("RSA_2048").to_owned();
        let made =
            SandboxCertificate { names, key, requested: self.clock.now, ..SandboxCertificate::default() };
        state.acm.certificates.insert(arn.clone(), made);
        Ok(json!({ "CertificateArn": arn }))
    }

    fn handle_describe_certificate(&self, state: &SandboxState) -> SandboxAcmResult {
        let arn = self.input["CertificateArn"].as_str().unwrap_or_default();
        self.authorize_acm_call(state, "acm:DescribeCertificate", arn)?;
        let Some(found) = state.acm.certificates.get(arn) else {
            let why = format!("Could not find certificate {arn} in account {ACCOUNT_ID}.");
            return Err(SandboxAwsError::new(400, "ResourceNotFoundException", why));
        };
        let validation = found.names.iter().map(|name| {
            let bare = name.trim_start_matches("*.");
            json!({
                "DomainName": name,
                "ValidationMethod": "DNS",
                "ValidationStatus": if found.compute_certificate_status(self.clock) == "ISSUED" { "SUCCESS" } else { "PENDING_VALIDATION" },
                "ResourceRecord": {
                    "Name": format!("_3c8a4a2f.{bare}."),
                    "Type": "CNAME",
                    "Value": "_5d1f0e9b.acm-validations.aws.",
                },
            })
        });
        let mut described = json!({ "Certificate": {
            "CertificateArn": arn,
            "DomainName": found.names[0],
            "SubjectAlternativeNames": found.names,
            "DomainValidationOptions": validation.collect::<Vec<_>>(),
            "Status": found.compute_certificate_status(self.clock),
            "Type": if found.imported { "IMPORTED" } else { "AMAZON_ISSUED" },
            "KeyAlgorithm": found.key.replace("RSA_", "RSA-"),
            "NotAfter": found.not_after.unwrap_or(found.requested + Duration::from_hours(24 * 395)).as_secs(),
        } });
        if let Some(status) = &found.renewal {
            described["Certificate"]["RenewalSummary"] = json!({
                "RenewalStatus": status,
                "DomainValidationOptions": described["Certificate"]["DomainValidationOptions"],
                "UpdatedAt": found.requested.as_secs(),
            });
        }
        Ok(described)
    }

    fn handle_list_certificates(&self, state: &SandboxState) -> SandboxAcmResult {
        self.authorize_acm_call(state, "acm:ListCertificates", "*")?;
        let statuses = self.read_request_string_list("CertificateStatuses");
        let includes = self.input["Includes"]["keyTypes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let fits = |one: &SandboxCertificate| {
            let status = statuses.is_empty()
                || statuses.iter().any(|status| status == one.compute_certificate_status(self.clock));
            let key = if includes.is_empty() {
                one.key == "RSA_2048"
            } else {
                includes.iter().any(|key| *key == one.key.as_str())
            };
            status && key
        };
        let all = state.acm.certificates.iter().filter(|(_, one)| fits(one)).map(|(arn, one)| {
            json!({
                "CertificateArn": arn,
                "DomainName": one.names[0],
                "SubjectAlternativeNameSummaries": one.names.iter().take(1).collect::<Vec<_>>(),
                "HasAdditionalSubjectAlternativeNames": one.names.len() > 1,
                "Status": one.compute_certificate_status(self.clock),
                "KeyAlgorithm": one.key.replace("RSA_", "RSA-"),
            })
        });
        Ok(json!({ "CertificateSummaryList": all.collect::<Vec<_>>() }))
    }
}

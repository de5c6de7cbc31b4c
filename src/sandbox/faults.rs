//! `--sandbox-fault`: makes the n-th request to a service or operation fail in a chosen way.
//!
//! The grammar is `SERVICE[:OPERATION]:WHICH:WHAT`. WHICH counts from 1 and is `3`, `3-5`, `3+` or `*`. WHAT is `throttle`,
//! `deny`, `lost` (it is done, but the reply is a dropped connection), `cut` (it is done, and the first half of the reply
//! comes), `page` (it isn't done: a proxy's page comes instead; `page:403` with that status), `drift` (somebody else's
//! edit comes just before), `hang` (no answer until the client gives up), `panic` (this program itself breaks where it
//! asks; of the service `wizard` each effect is a request, asked from within its loop), `refuse:NAME` (one of AWS's own
//! refusals, by its name in `sandbox/refusals.rs`), or `error:CODE` with `error:CODE=MESSAGE`.

use super::{
    refusals::{SANDBOX_REFUSALS, SandboxRefusal},
    service::SandboxService,
};
use crate::model::failure::Failure;

const FAULT_SYNTAX: &str = "write SERVICE[:OPERATION]:WHICH:WHAT, such as cloudfront:3:throttle or kms:CreateKey:1:lost; \
                     WHAT is throttle, deny, lost, cut, page, drift, hang, panic, refuse:NAME or error:CODE";

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SandboxFault {
    Throttle,
    Deny,
    Lost,
    Cut,
    /// With the status of the page.
    Page(u16),
    Drift,
    Hang,
    Panic,
    Refuse(SandboxRefusal),
    Error {
        code: String,
        message: String,
    },
}

/// What may be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxFaultTarget {
    Service(SandboxService),
    /// The wizard's own loop: each effect is a request.
    Wizard,
}

const WIZARD_TARGET: &str = "wizard";
/// Every service, but not the wizard.
const ANY_SERVICE: &str = "*";

/// In a request's extensions: the service makes somebody else's edit first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxForeignEditInjection;

#[derive(Debug, Clone, PartialEq, Eq)]
struct SandboxFaultRule {
    /// None means every service.
    target: Option<SandboxFaultTarget>,
    operation: Option<String>,
    first: u64,
    last: u64,
    fault: SandboxFault,
    seen: u64,
}

/// The rules, each with its count of requests so far.
#[derive(Debug, Default)]
pub struct SandboxFaultRules(Vec<SandboxFaultRule>);

impl SandboxFaultRules {
    /// Reads every `--sandbox-fault`; one may hold several, with commas between.
    ///
    /// # Errors
    /// Says which one is no fault, why, and how one is written.
    pub fn parse_fault_rules(given: &[String]) -> Result<Self, Failure> {
        // A message may hold commas, so an error with one takes the rest of its argument.
        let mut rules = Vec::new();
        for text in given {
            let mut rest = text.as_str();
            while !rest.is_empty() {
                let comma = rest.find(',').filter(|comma| !rest[..*comma].contains('='));
                let (one, left) = comma.map_or((rest, ""), |comma| (&rest[..comma], &rest[comma + 1..]));
                rules.push(parse_fault_rule(one)?);
                rest = left;
            }
        }
        Ok(Self(rules))
    }

    /// Adds more rules; each counts from now on.
    pub fn add_fault_rules(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// Counts a request, and returns what goes wrong with it.
    pub fn count_request_and_pick_fault(
        &mut self,
        target: SandboxFaultTarget,
        operation: &str,
    ) -> Option<SandboxFault> {
        let mut struck = None;
        for rule in &mut self.0 {
            let meant = rule.target.map_or(target != SandboxFaultTarget::Wizard, |wanted| wanted == target)
                && rule.operation.as_deref().is_none_or(|wanted| wanted == operation);
            if !meant {
                continue;
            }
            rule.seen += 1;
            if struck.is_none() && (rule.first..=rule.last).contains(&rule.seen) {
                struck = Some(rule.fault.clone());
            }
        }
        struck
    }
}

/// Reads a target's name: none is every service.
fn parse_fault_target(name: &str) -> Result<Option<SandboxFaultTarget>, String> {
    match name {
        ANY_SERVICE => Ok(None),
        WIZARD_TARGET => Ok(Some(SandboxFaultTarget::Wizard)),
        _ => {
            if let Some(service) = SandboxService::from_service_name(name) {
                return Ok(Some(SandboxFaultTarget::Service(service)));
            }
            let names: Vec<&str> = SandboxService::ALL
                .map(SandboxService::sandbox_service_name)
                .into_iter()
                .chain([WIZARD_TARGET, ANY_SERVICE])
                .collect();
            Err(format!("{name} is none of {}", names.join(", ")))
        }
    }
}

fn parse_fault_rule(text: &str) -> Result<SandboxFaultRule, Failure> {
    let wrong =
        |why: String| Failure::new_usage_failure(format!("--sandbox-fault {text}"), why, FAULT_SYNTAX);
    let (name, rest) = text.split_once(':').ok_or_else(|| wrong("it has no colon".into()))?;
    let target = parse_fault_target(name).map_err(wrong)?;
    let (head, tail) = rest.split_once(':').ok_or_else(|| wrong("it doesn't say what goes wrong".into()))?;
    let (operation, which, what) = if head.starts_with(|first: char| first.is_ascii_alphabetic()) {
        let (which, what) =
            tail.split_once(':').ok_or_else(|| wrong("it doesn't say what goes wrong".into()))?;
        (Some(head.to_owned()), which, what)
    } else {
        (None, head, tail)
    };
    let (first, last) = parse_fault_occurrence_range(which)
        .ok_or_else(|| wrong(format!("{which} is no count: 3, 3-5, 3+ or *")))?;
    let fault = match what.split_once(':') {
        None => match what {
            "throttle" => SandboxFault::Throttle,
            "deny" => SandboxFault::Deny,
            "lost" => SandboxFault::Lost,
            "cut" => SandboxFault::Cut,
            "page" => SandboxFault::Page(200),
            "drift" => SandboxFault::Drift,
            "hang" => SandboxFault::Hang,
            "panic" => SandboxFault::Panic,
            other => return Err(wrong(format!("{other} is no fault"))),
        },
        Some(("error", said)) if !said.is_empty() => {
            let (code, message) = said.split_once('=').unwrap_or((said, "a fault of the sandbox"));
            SandboxFault::Error { code: code.to_owned(), message: message.to_owned() }
        }
        Some(("page", status)) => SandboxFault::Page(
            status
                .parse()
                .ok()
                .filter(|status| (200..600).contains(status))
                .ok_or_else(|| wrong(format!("{status} is no status")))?,
        ),
        Some(("refuse", name)) => {
            SandboxFault::Refuse(SandboxRefusal::find_refusal_by_name(name).ok_or_else(|| {
                let names: Vec<&str> = SANDBOX_REFUSALS.iter().map(|one| one.name).collect();
                wrong(format!("{name} is none of {}", names.join(", ")))
            })?)
        }
        Some((other, _)) => return Err(wrong(format!("{other} is no fault that takes more"))),
    };
    Ok(SandboxFaultRule { target, operation, first, last, fault, seen: 0 })
}

fn parse_fault_occurrence_range(which: &str) -> Option<(u64, u64)> {
    let count = |text: &str| text.parse::<u64>().ok().filter(|count| *count > 0);
    if which == "*" {
        Some((1, u64::MAX))
    } else if let Some(from) = which.strip_suffix('+') {
        Some((count(from)?, u64::MAX))
    } else if let Some((from, to)) = which.split_once('-') {
        let (from, to) = (count(from)?, count(to)?);
        (from <= to).then_some((from, to))
    } else {
        count(which).map(|at| (at, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_specs(specs: &[&str]) -> Result<SandboxFaultRules, Failure> {
        SandboxFaultRules::parse_fault_rules(&specs.iter().map(|spec| (*spec).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_nth_request_is_struck_and_no_other() {
        let mut faults =
            parse_specs(&["cloudfront:2:throttle,kms:CreateKey:1:lost", "s3:2+:deny", "iam:1-2:hang"])
                .unwrap();
        assert_eq!(
            faults.count_request_and_pick_fault(
                SandboxFaultTarget::Service(SandboxService::CloudFront),
                "GetDistribution"
            ),
            None
        );
        assert_eq!(
            faults.count_request_and_pick_fault(
                SandboxFaultTarget::Service(SandboxService::CloudFront),
                "ListDistributions"
            ),
            Some(SandboxFault::Throttle)
        );
        assert_eq!(
            faults.count_request_and_pick_fault(
                SandboxFaultTarget::Service(SandboxService::CloudFront),
                "ListDistributions"
            ),
            None
        );
        assert_eq!(
            faults.count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::Kms), "ListKeys"),
            None
        );
        assert_eq!(
            faults
                .count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::Kms), "CreateKey"),
            Some(SandboxFault::Lost)
        );
        assert_eq!(
            faults.count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::S3), "GetObject"),
            None
        );
        assert_eq!(
            faults.count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::S3), "GetObject"),
            Some(SandboxFault::Deny)
        );
        assert_eq!(
            faults.count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::S3), "PutObject"),
            Some(SandboxFault::Deny)
        );
        assert_eq!(
            faults.count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::Iam), "GetRole"),
            Some(SandboxFault::Hang)
        );
        assert_eq!(
            faults.count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::Iam), "GetRole"),
            Some(SandboxFault::Hang)
        );
        assert_eq!(
            faults.count_request_and_pick_fault(SandboxFaultTarget::Service(SandboxService::Iam), "GetRole"),
            None
        );
    }

    #[test]
    fn an_error_has_a_code_and_a_message_with_commas() {
        let mut faults =
            parse_specs(&["lambda:CreateFunction:*:error:InvalidParameterValueException=KMS key, invalid"])
                .unwrap();
        let wanted = SandboxFault::Error {
            code: "InvalidParameterValueException".into(),
            message: "KMS key, invalid".into(),
        };
        assert_eq!(
            faults.count_request_and_pick_fault(
                SandboxFaultTarget::Service(SandboxService::Lambda),
                "CreateFunction"
            ),
            Some(wanted)
        );
    }

    #[test]
    fn nonsense_is_refused_with_the_grammar() {
        for spec in [
            "nonsense",
            "ec2:1:deny",
            "iam:0:deny",
            "iam:x",
            "iam:5-3:deny",
            "iam:1:explode",
            "iam:1:error:",
            "kms:CreateKey:1",
            "iam:1:page:99",
            "iam:1:refuse:nothing",
            "iam:1:deny:x",
        ] {
            let failure = parse_specs(&[spec]).unwrap_err();
            assert!(failure.next.contains("SERVICE[:OPERATION]:WHICH:WHAT"), "{spec}");
        }
    }
}

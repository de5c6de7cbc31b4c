//! What ends when: the function's runtime, the packages domain's certificate, the credentials.

use super::account::SeenAccount;
use super::nodes::build_unknown_part;
use crate::engine::session::Session;
use crate::model::{
    aws::account::ResourceOwnership,
    failure::Failure,
    run::proposed_command::render_proposed_command,
    status::{
        FindingSeverity, InstallStatus,
        ending::{CertificateEnd, EndingPart, judge_certificate_end, judge_runtime_end, list_runtime_ends},
    },
};

/// What was read of it.
#[derive(Default)]
pub(super) struct SeenEnds {
    now: u64,
    /// The associated version's, and the command that updates it.
    runtime: Option<(String, String)>,
    certificate: Option<Result<CertificateEnd, Failure>>,
    /// Until when the credentials last, in Unix seconds, where they end by themselves.
    credentials: Option<u64>,
}

/// Reads what the account tells of it.
pub(super) async fn read_ends(session: &Session, account: Option<&SeenAccount>) -> SeenEnds {
    let now = session.host.clock.read_host_clock().as_secs();
    let Some(account) = account else { return SeenEnds { now, ..SeenEnds::default() } };
    let cloud = &account.target.cloud;
    let arn = account.distribution().and_then(|one| one.certificate.clone());
    let certificate = match arn.filter(|arn| arn.starts_with("arn:aws:acm:")) {
        Some(arn) => Some(cloud.read_certificate_end(&arn).await),
        None => None,
    };
    let function = account.authenticator.as_ref().ok().and_then(|below| below.function.as_ref());
    let is_ours = function.is_some_and(|one| one.ownership == ResourceOwnership::Ours);
    let roll = if is_ours && account.is_distribution_ours() {
        render_proposed_command("enable", &[])
    } else {
        render_proposed_command("enable", &["--adopt"])
    };
    let runtime = account
        .associated_version()
        .map(|version| (version.runtime.clone(), format!("this updates it, and no link is refused: {roll}")));
    SeenEnds { now, runtime, certificate, credentials: cloud.read_credentials_end().await }
}

impl SeenEnds {
    /// Says of each whether it ends soon, and when.
    pub(super) fn add_ending_parts(self, status: &mut InstallStatus) {
        if let Some((runtime, next)) = &self.runtime {
            status.ends.extend(list_runtime_ends(runtime));
            status.add_part(judge_runtime_end(runtime, self.now, next), FindingSeverity::Ending);
        }
        match &self.certificate {
            None => {}
            Some(Err(failure)) => {
                status.add_part(build_unknown_part("certificate", failure), FindingSeverity::Ending);
            }
            Some(Ok(certificate)) => {
                let at = certificate.not_after;
                status.ends.extend(at.map(|at| EndingPart { part: "certificate", at }));
                let (severity, check) = judge_certificate_end(certificate, self.now);
                status.add_part(check, super::soften_while_off(status, severity));
            }
        }
        // They are renewed where they come from, or typed anew: no finding.
        status.ends.extend(self.credentials.map(|at| EndingPart { part: "credentials", at }));
    }
}

//! The first probe of the gate: one package after the other is asked for until one is served, and what may pass by itself is asked for again.
//!
//! Right after a bucket policy was written not all of S3 knows it, and a function's first run may be too slow.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::{
    cached_copies::{advise_invalidation, has_expected_object_bytes, is_from_cache},
    diagnosis::{
        diagnose_edge_refusal, diagnose_unreachable_domain, is_not_found_answer_of_s3, judge_edge_refusal,
    },
    gate::EdgeProber,
    probe::LINK_LIFETIME_SECONDS,
};
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::object::ABSENT_KEY,
    run::check::{CheckId, CheckResult},
    url::token::TokenMacAlgorithm,
};

/// For so long a grant that isn't seen everywhere and a cold start are asked again.
const SERVED_WAIT_MAX: Duration = Duration::from_mins(2);
const SERVED_POLL_INTERVAL: Duration = Duration::from_secs(5);
/// However fast a sandbox is.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(20);

/// A link of ours that was not served.
#[derive(Debug)]
pub(super) struct SignedProbeRefusal {
    pub check: CheckResult,
    /// Whether it may be for the object alone, so that another one tells more.
    of_object: bool,
    /// Whether nothing of it is CloudFront's: nobody can read the object.
    unreadable: bool,
    /// Whether it may pass by itself.
    may_pass: bool,
}

/// How one look at all sample packages ended.
struct SamplePackagesRound {
    /// The package that was served, or none where only an absent key could be asked for; and what is said of it.
    served: Option<(Option<String>, CheckResult)>,
    refusals: Vec<SignedProbeRefusal>,
}

impl EdgeProber<'_> {
    /// Finds a package that the edge serves for a link as servers make it; the samples settle on it. In a bucket
    /// without one, S3's 404 for an absent key is as good.
    pub(super) async fn find_served_package(&mut self, say: &(dyn Fn(&str) + Sync)) -> CheckResult {
        let began = Instant::now();
        loop {
            let round = self.probe_sample_packages().await;
            if let Some((key, mut check)) = round.served {
                for refusal in &round.refusals {
                    check.detail.push_str(&format!("; another was not served: {}", refusal.check.detail));
                }
                self.samples.settle_on_sample_package(key.as_deref());
                return check;
            }
            let may_pass = round.refusals.iter().any(|refusal| refusal.may_pass);
            let Some(first) = round.refusals.into_iter().next() else {
                return CheckResult::new_unknown_check(CheckId::SignedUrl, "nothing to ask for");
            };
            if !may_pass || !self.wait_for_next_probe(began, &first.check, say).await {
                return first.check;
            }
        }
    }

    /// Checks that the package settled on is served for a link with this kind of token; `patient`: what may pass is
    /// asked for again.
    pub(super) async fn check_settled_package_served(
        &mut self,
        (mac, name): (TokenMacAlgorithm, &'static str),
        patient: bool,
        say: &(dyn Fn(&str) + Sync),
    ) -> CheckResult {
        let began = Instant::now();
        let key = self.samples.first_sample_package().map(str::to_owned);
        loop {
            match self.probe_signed_object(key.as_deref(), mac, name).await {
                Ok(check) => return check,
                Err(refusal) if patient && refusal.may_pass => {
                    if !self.wait_for_next_probe(began, &refusal.check, say).await {
                        return refusal.check;
                    }
                }
                Err(refusal) => return refusal.check,
            }
        }
    }

    /// Pauses, and says what is waited for; or says that the time is over.
    async fn wait_for_next_probe(
        &self,
        began: Instant,
        refused: &CheckResult,
        say: &(dyn Fn(&str) + Sync),
    ) -> bool {
        if began.elapsed() >= self.session.scale_wait_for_sandbox(SERVED_WAIT_MAX) {
            return false;
        }
        say(&format!("asking again, {} s: {}", began.elapsed().as_secs(), refused.detail));
        sleep(self.session.scale_wait_for_sandbox(SERVED_POLL_INTERVAL).max(POLL_INTERVAL_MIN)).await;
        true
    }

    async fn probe_sample_packages(&mut self) -> SamplePackagesRound {
        let (mac, name) = (TokenMacAlgorithm::Sha1, CheckId::SignedUrl.name());
        let mut refusals = Vec::new();
        for key in self.samples.sample_packages().to_vec() {
            match self.probe_signed_object(Some(&key), mac, name).await {
                Ok(check) => return SamplePackagesRound { served: Some((Some(key), check)), refusals },
                Err(refusal) => {
                    let goes_on = refusal.of_object;
                    refusals.push(refusal);
                    if !goes_on {
                        return SamplePackagesRound { served: None, refusals };
                    }
                }
            }
        }
        let mut served = None;
        // What nobody can read tells nothing of the road: an absent key does.
        if refusals.iter().all(|refusal| refusal.unreadable) {
            match self.probe_signed_object(None, mac, name).await {
                Ok(check) => served = Some((None, check)),
                Err(refusal) => refusals.insert(0, refusal),
            }
        }
        SamplePackagesRound { served, refusals }
    }

    /// A signed URL of a package answers with its bytes; of an absent key, S3's 404.
    async fn probe_signed_object(
        &mut self,
        key: Option<&str>,
        mac: TokenMacAlgorithm,
        name: &'static str,
    ) -> Result<CheckResult, SignedProbeRefusal> {
        let refuse = |why: String, next: String, of_object, may_pass| SignedProbeRefusal {
            check: CheckResult::new_failed_check(name, why, next),
            of_object,
            unreadable: false,
            may_pass,
        };
        let asked = key.unwrap_or(ABSENT_KEY);
        let object = match key {
            Some(key) => Some(self.read_sample_object(key).await),
            None => None,
        };
        if let Some(why) =
            object.as_ref().and_then(|read| read.as_ref().err()).and_then(explain_unreadable_object)
        {
            let next =
                "nothing is wrong with CloudFront: look at the object in S3, or leave it as it is".to_owned();
            let refusal = refuse(format!("{asked} {why}"), next, true, false);
            return Err(SignedProbeRefusal { unreadable: true, ..refusal });
        }
        let answer = match self.sign_probe_path(asked, mac, LINK_LIFETIME_SECONDS.cast_signed()) {
            Ok(path) => self.probe_edge_path(&path).await,
            Err(failure) => return Err(refuse(failure.to_string(), failure.next, false, false)),
        };
        let reply = answer.map_err(|failure| {
            let (why, next) = diagnose_unreachable_domain(self.domain, &failure);
            refuse(why, next, false, false)
        })?;
        match (&object, reply.status) {
            (None, 404) if is_not_found_answer_of_s3(&reply) => Ok(CheckResult::new_passed_check(
                name,
                "no package could be asked for: a signed URL of an absent key answers S3's 404, as it should",
            )),
            (Some(Ok(object)), 200) if has_expected_object_bytes(object, &reply) => {
                Ok(CheckResult::new_passed_check(
                    name,
                    format!("{asked}: 200, {} bytes, the object's own", reply.body.len()),
                ))
            }
            (Some(Err(failure)), 200) => Ok(CheckResult::new_unknown_check(
                name,
                format!("{asked}: 200; the object could not be read from S3 ({})", failure.why),
            )),
            (Some(Ok(_)) | None, 200) => {
                let next = if is_from_cache(&reply) {
                    advise_invalidation()
                } else {
                    "look at what else serves this distribution's domain".to_owned()
                };
                Err(refuse(format!("{asked}: 200, but not with the object's bytes"), next, false, false))
            }
            _ => {
                let (why, next) = diagnose_edge_refusal(&reply, &self.known);
                let (of_object, may_pass) = judge_edge_refusal(&reply, &self.known);
                Err(refuse(format!("{asked}: {why}"), next, of_object, may_pass))
            }
        }
    }

    /// The sampled package's first MiB, as S3 has it; read once.
    async fn read_sample_object(&mut self, key: &str) -> Result<Bytes, Failure> {
        if let Some(read) = self.objects.get(key) {
            return read.clone();
        }
        let read =
            self.target.cloud.read_object_start(self.target.names.bucket_name(), key, 1024 * 1024).await;
        self.objects.insert(key.to_owned(), read.clone());
        read
    }
}

/// Why nobody can read an object at all, where S3 says so; a denial may be of this machine's identity alone.
fn explain_unreadable_object(failure: &Failure) -> Option<&'static str> {
    match failure.code.as_deref() {
        Some("InvalidObjectState") => Some("is archived: nobody is served it until it is restored"),
        // So S3 asks for a customer's key.
        Some("InvalidRequest" | "400") => {
            Some("is encrypted under a customer's own key (SSE-C), which no link can give")
        }
        Some(code) if code.starts_with("KMS.") => {
            Some("is under a KMS key that is disabled or gone: nobody is served it until the key is back")
        }
        _ if failure.kind == FailureKind::Missing => Some("is gone since it was listed"),
        _ => None,
    }
}

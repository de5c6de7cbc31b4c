//! ACM: the certificate for a packages domain of one's own, in us-east-1, where CloudFront takes it from. It is only read.
//!
//! Unasked, ACM lists RSA-2048 certificates alone, and of many names it tells only the first ones.

use aws_sdk_acm::types::{CertificateDetail, CertificateStatus, CertificateSummary, Filters, KeyAlgorithm};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::{AwsClients, WaitProgressReporter, error, retry};
use crate::model::{
    aws::{
        account::{AcmCertificate, DnsRecord, certificate_name_covers},
        names::EDGE_REGION,
    },
    failure::Failure,
    status::ending::CertificateEnd,
};

/// What CloudFront serves with.
const CLOUDFRONT_KEY_ALGORITHMS: [KeyAlgorithm; 5] = [
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
    KeyAlgorithm::Rsa4096,
    KeyAlgorithm::EcPrime256v1,
    KeyAlgorithm::EcSecp384r1,
];
/// How many certificates are asked for their names at once.
const DESCRIBE_CONCURRENCY_MAX: usize = 4;
/// Validation takes minutes once its record is there; the record is the operator's to make.
const CERTIFICATE_ISSUED_WAIT: retry::PollLimits =
    retry::PollLimits::new("ACM to issue the certificate, once its DNS record is there", 3600, 15);

impl AwsClients {
    /// Finds the certificate that covers `domain`: the one named, else the account's best, an issued one before a
    /// pending one, the one that lasts longest first.
    ///
    /// # Errors
    /// Where the one that was named can't serve `domain`.
    pub async fn find_acm_certificate(
        &self,
        domain: &str,
        named: Option<&str>,
    ) -> Result<Option<AcmCertificate>, Failure> {
        if let Some(arn) = named {
            return self.read_certificate_by_arn(domain, arn).await.map(Some);
        }
        let mut found: Vec<CertificateDetail> = Vec::new();
        let mut pages = self
            .acm
            .list_certificates()
            .certificate_statuses(CertificateStatus::Issued)
            .certificate_statuses(CertificateStatus::PendingValidation)
            .includes(Filters::builder().set_key_types(Some(CLOUDFRONT_KEY_ALGORITHMS.to_vec())).build())
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(error::build_aws_action_failure(
                "acm:ListCertificates",
                format!("certificates for {domain} in {EDGE_REGION}"),
            ))?;
            let all = page.certificate_summary_list();
            let arns = all
                .iter()
                .filter(|one| may_listed_certificate_cover_domain(one, domain))
                .filter_map(CertificateSummary::certificate_arn);
            let asked: Vec<_> = arns.map(|arn| self.read_certificate_detail(arn.to_owned())).collect();
            let details: Vec<_> =
                stream::iter(asked).buffered(DESCRIBE_CONCURRENCY_MAX).try_collect().await?;
            found.extend(details);
        }
        found.retain(|one| certificate_from_detail(one).covers_domain(domain));
        found.sort_by_key(|one| {
            let issued = one.status() == Some(&CertificateStatus::Issued);
            (issued, one.not_after().map_or(0, aws_sdk_acm::primitives::DateTime::secs))
        });
        Ok(found.last().map(certificate_from_detail))
    }

    async fn read_certificate_by_arn(&self, domain: &str, arn: &str) -> Result<AcmCertificate, Failure> {
        let refuse = |why: String, next: &str| {
            Err(Failure::new_usage_failure(format!("--certificate {arn}"), why, next))
        };
        if !arn.starts_with(&format!("arn:aws:acm:{EDGE_REGION}:")) {
            return refuse(
                format!("it is no ACM certificate in {EDGE_REGION}, and CloudFront takes no other"),
                "request or import it there, and give its ARN",
            );
        }
        let found = certificate_from_detail(&self.read_certificate_detail(arn.to_owned()).await?);
        if !found.covers_domain(domain) {
            return refuse(
                format!("it covers {}, and not {domain}", found.names.join(", ")),
                "name another certificate, or leave out --certificate: one is looked for",
            );
        }
        if !["ISSUED", "PENDING_VALIDATION"].contains(&found.status.as_str()) {
            return refuse(format!("its status is {}", found.status), "name one that is issued");
        }
        Ok(found)
    }

    /// Reads when a certificate ends, and what ACM makes of its renewal.
    ///
    /// # Errors
    /// Where ACM refuses or doesn't answer.
    pub async fn read_certificate_end(&self, arn: &str) -> Result<CertificateEnd, Failure> {
        let found = self.read_certificate_detail(arn.to_owned()).await?;
        let renewal = found.renewal_summary().map(|summary| summary.renewal_status().as_str().to_owned());
        let not_after = found.not_after().and_then(|at| u64::try_from(at.secs()).ok());
        let kind = found.r#type().map(|kind| kind.as_str().to_owned()).unwrap_or_default();
        let AcmCertificate { arn, status, records, .. } = certificate_from_detail(&found);
        Ok(CertificateEnd { arn, status, kind, not_after, renewal, records })
    }

    async fn read_certificate_detail(&self, arn: String) -> Result<CertificateDetail, Failure> {
        const ACTION: &str = "acm:DescribeCertificate";
        let what = format!("certificate {arn}");
        let asked = self.acm.describe_certificate().certificate_arn(arn).send().await;
        let found = asked.map_err(error::build_aws_action_failure(ACTION, &what))?;
        found
            .certificate
            .ok_or_else(|| error::build_missing_response_part_failure(ACTION, what, "the certificate"))
    }

    /// Waits until ACM has issued it, for an hour at most; the records to make are in what is said.
    ///
    /// # Errors
    /// Where ACM fails it, or an hour has passed.
    pub async fn wait_until_certificate_issued(
        &self,
        seen: &AcmCertificate,
        say: WaitProgressReporter<'_>,
    ) -> Result<AcmCertificate, Failure> {
        let records: Vec<String> = seen.records.iter().map(DnsRecord::render_dns_zone_line).collect();
        let waiting = |text: &str| say(&format!("{text}; make this record: {}", records.join("; ")));
        retry::poll_until(CERTIFICATE_ISSUED_WAIT, &waiting, || async {
            let now = certificate_from_detail(&self.read_certificate_detail(seen.arn.clone()).await?);
            match now.status.as_str() {
                "ISSUED" => Ok(Some(now)),
                "PENDING_VALIDATION" => Ok(None),
                status => Err(Failure::new_generic_failure(
                    format!("certificate {}", now.arn),
                    format!("its status is {status}, so it can't serve"),
                    "request another one in us-east-1, then try again",
                )),
            }
        })
        .await
    }
}

/// Whether it could cover `domain`, as far as the listing tells its names.
fn may_listed_certificate_cover_domain(one: &CertificateSummary, domain: &str) -> bool {
    one.has_additional_subject_alternative_names().unwrap_or(false)
        || one.domain_name().is_some_and(|name| certificate_name_covers(name, domain))
        || one.subject_alternative_name_summaries().iter().any(|name| certificate_name_covers(name, domain))
}

fn certificate_from_detail(found: &CertificateDetail) -> AcmCertificate {
    let mut names = found.subject_alternative_names().to_vec();
    if let Some(first) = found.domain_name().filter(|first| !names.iter().any(|name| name == first)) {
        names.insert(0, first.to_owned());
    }
    let mut records: Vec<DnsRecord> = Vec::new();
    for record in found.domain_validation_options().iter().filter_map(|one| one.resource_record()) {
        let record = DnsRecord {
            name: record.name().to_owned(),
            kind: record.r#type().as_str().to_owned(),
            value: record.value().to_owned(),
        };
        // Names below one another may share a record.
        if !records.contains(&record) {
            records.push(record);
        }
    }
    AcmCertificate {
        arn: found.certificate_arn().unwrap_or_default().to_owned(),
        names,
        status: found.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        records,
    }
}

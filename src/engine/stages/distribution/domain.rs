//! A domain of one's own for packages: its certificate, who else holds it, and the DNS records to make.

use crate::engine::session::AwsTarget;
use crate::model::{
    aws::{
        account::DnsRecord,
        cloudfront::{CloudFrontDistribution, CustomPackagesDomain},
        evidence::DistributionEvidence,
    },
    failure::Failure,
    run::{answers::OperatorAnswers, plan::PlanAttachment},
};

/// Observes what the domain that was asked for needs; `None` where none was.
///
/// # Errors
/// Where another distribution holds it, or no certificate covers it.
pub async fn check_packages_domain_usable(
    target: &AwsTarget,
    answers: &OperatorAnswers,
    distribution: Option<&CloudFrontDistribution>,
) -> Result<Option<CustomPackagesDomain>, Failure> {
    let Some(name) = &answers.packages_domain else { return Ok(None) };
    if distribution.is_some_and(|one| one.domain == *name) {
        return Ok(None);
    }
    let all = target.read_distributions_and_policies().await?.distributions;
    let others = all.iter().filter(|one| distribution.is_none_or(|ours| ours.id != one.id));
    for other in others {
        if other.has_domain_name_or_alias(name) {
            return Err(Failure::new_generic_failure(
                format!("packages domain {name}"),
                format!("distribution {} holds it, and one name leads to one distribution", other.id),
                "take it off there first (its alternate domain names in the CloudFront console), or choose another --packages-domain; nothing was changed",
            ));
        }
    }
    // The certificate that serves it stays, unless another was named.
    let standing =
        distribution.filter(|one| one.has_domain_name_or_alias(name)).and_then(|one| one.certificate.clone());
    let named = answers.certificate.clone().or(standing);
    let found = target.cloud.find_acm_certificate(name, named.as_deref()).await?;
    let certificate = found.ok_or_else(|| {
        Failure::new_generic_failure(
            format!("packages domain {name}"),
            "no certificate of ACM in us-east-1 covers it, and CloudFront takes none from elsewhere",
            format!(
                "request one: aws acm request-certificate --region us-east-1 --validation-method DNS --domain-name {name}; then look again. Or name one with --certificate ARN"
            ),
        )
    })?;
    Ok(Some(CustomPackagesDomain { name: name.clone(), certificate }))
}

/// Shows what DNS must say: the certificate's validation where it is pending, and the name itself.
pub fn render_required_dns_records(seen: &DistributionEvidence) -> Option<PlanAttachment> {
    let domain = seen.packages_domain.as_ref()?;
    let mut lines: Vec<String> = Vec::new();
    if !domain.certificate.is_certificate_issued() {
        lines.extend(domain.certificate.records.iter().map(DnsRecord::render_dns_zone_line));
    }
    let target =
        seen.distribution.as_ref().map_or("(the distribution's domain, once it is made)", |one| &one.domain);
    lines.push(format!("{} CNAME {target}", domain.name));
    Some(PlanAttachment { title: format!("DNS records to make for {}", domain.name), lines, copy: true })
}

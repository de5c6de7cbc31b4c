//! Explains a customer's link: what it says, whether bucket and edge would serve it, and what packagecloud answers now.

use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::timeout;

use super::{
    delivery::{
        diagnosis::{
            DiagnosisFacts, diagnose_edge_refusal, diagnose_unreachable_domain, is_not_found_answer_of_s3,
        },
        redirects::SampledRedirects,
    },
    determine_edge_token_construction,
    resources::{
        accepted_secrets::{read_backup_secrets, read_reached_node_secrets},
        install::{ObservedAwsInstall, observe_aws_install},
    },
    session::Session,
};
use crate::aws::{network::is_loopback_host, web::WebReply};
use crate::model::{
    failure::Failure,
    packagecloud::settings::CloudFrontSettingValues,
    run::{
        answers::OperatorAnswers,
        link_explanation::{LinkDestination, LinkExplanation, LinkFacts, LinkReply, LinkedObject},
    },
    secret::Secret,
    url::{
        redirect::{PackagecloudDownloadReply, RedirectTarget, find_url_host_name},
        token::{InspectedUrl, UrlSigningScheme, UrlTokenConstruction, inspect_url},
    },
};

/// How long AWS is waited for: a link is explained without it, too.
const AWS_WAIT_MAX: Duration = Duration::from_secs(10);
/// Asks for one byte: it tells whether the object is served, and moves no package.
const FIRST_BYTE_RANGE: (&str, &str) = ("range", "bytes=0-0");

/// Explains a link that a customer sent. It changes nothing; what can't be asked is a finding, and no failure.
///
/// A download URL of packagecloud itself is asked for its link, which is explained then.
pub async fn explain_customer_link(
    session: &Session,
    answers: &OperatorAnswers,
    url: &str,
) -> LinkExplanation {
    let reader = LinkReader::read_link_surroundings(session, answers).await;
    let facts = reader.collect_link_facts(url).await;
    // What a client gets when it asks packagecloud is the link that matters.
    if facts.destination == LinkDestination::Packagecloud
        && let Some(link) = reader.ask_packagecloud_for_link(url).await
    {
        let said = (
            "packagecloud",
            format!("answers this address with a link, which is explained here: {}", say_host(&link)),
        );
        let mut explained = reader.collect_link_facts(&link).await.explain_link();
        explained.findings.insert(0, said);
        return explained;
    }
    facts.explain_link()
}

fn say_host(link: &str) -> String {
    find_url_host_name(link).unwrap_or_default()
}

/// What a link is held to.
struct LinkReader<'a> {
    session: &'a Session,
    answers: &'a OperatorAnswers,
    values: CloudFrontSettingValues,
    /// Why packagecloud.rb can't be read though it is there.
    unreadable_config: Option<Failure>,
    /// packagecloud's own address.
    external_url: Option<String>,
    /// Each with the place where it stands.
    secrets: Vec<(String, Secret)>,
    /// `None` where AWS could not be asked.
    install: Option<ObservedAwsInstall>,
}

impl<'a> LinkReader<'a> {
    /// Reads packagecloud.rb of every node, its backups, and what AWS has of the install.
    async fn read_link_surroundings(session: &'a Session, answers: &'a OperatorAnswers) -> Self {
        let (config, unreadable_config) = match session.host.read_packagecloud_config().await {
            Ok(config) => (Some(config), None),
            Err(failure) => (None, Some(failure).filter(|failure| !session.host.is_config_missing(failure))),
        };
        let external_url =
            config.as_ref().and_then(|config| config.file.find_external_url()).map(str::to_owned);
        let mut secrets = read_reached_node_secrets(session).await.unwrap_or_default();
        let held: Vec<Secret> = secrets.iter().map(|(_, secret)| secret.clone()).collect();
        let earlier = read_backup_secrets(session).await;
        secrets.extend(
            earlier
                .into_iter()
                .filter(|secret| !held.contains(secret))
                .map(|secret| ("a backup of packagecloud.rb".to_owned(), secret)),
        );
        let observed = timeout(AWS_WAIT_MAX, observe_aws_install(session, answers).boxed()).await;
        Self {
            session,
            answers,
            values: config.map(|config| config.seen.values).unwrap_or_default(),
            external_url,
            unreadable_config,
            secrets,
            install: observed.ok().and_then(Result::ok),
        }
    }

    /// Returns what the edge accepts: by the associated version, else as this host knows it.
    fn find_accepted_construction(&self) -> UrlTokenConstruction {
        let associated = self.install.as_ref().map(|install| install.authenticator.construction);
        associated.unwrap_or_else(|| determine_edge_token_construction(self.session, self.answers))
    }

    async fn collect_link_facts(&self, url: &str) -> LinkFacts {
        let accepted = self.find_accepted_construction();
        let now = self.session.host.clock.read_host_clock().as_secs();
        let secrets: Vec<Secret> = self.secrets.iter().map(|(_, secret)| secret.clone()).collect();
        let inspected = inspect_url(url, &secrets, now, accepted);
        let signer = inspected.key.and_then(|place| self.secrets.get(place));
        let known = self.diagnose_parts(signer.map(|(_, secret)| secret));
        let destination = self.find_link_destination(&inspected, url);
        LinkFacts {
            object: self.look_for_object(&inspected, destination).await,
            reply: self.ask_for_first_byte(url, destination, &known).await,
            redirect: self.sample_new_link(url, destination).await,
            signer: signer.map(|(place, _)| place.clone()),
            is_signer_accepted: signer.and(known.holds_secret),
            packages_domain: self.find_packages_domain(),
            unreadable_config: self.unreadable_config.clone(),
            inspected,
            accepted,
            destination,
        }
    }

    fn diagnose_parts(&self, secret: Option<&Secret>) -> DiagnosisFacts {
        let known = self.install.as_ref().map(|install| install.build_edge_diagnosis_facts(secret));
        known.unwrap_or_default()
    }

    fn find_packages_domain(&self) -> Option<String> {
        let distribution =
            self.install.as_ref().and_then(|install| install.distribution.distribution.as_ref());
        self.values.packages_domain.clone().or_else(|| distribution.map(|one| one.domain.clone()))
    }

    fn find_link_destination(&self, inspected: &InspectedUrl, url: &str) -> LinkDestination {
        let host = inspected.host.as_str();
        if matches!(inspected.scheme, UrlSigningScheme::S3SigV2 | UrlSigningScheme::S3SigV4) {
            return LinkDestination::Bucket;
        }
        let is_named = |address: Option<&str>| address.and_then(find_url_host_name).as_deref() == Some(host);
        let distribution =
            self.install.as_ref().and_then(|install| install.distribution.distribution.as_ref());
        let edge_override = self.session.web.edge_address_override();
        if self.values.packages_domain.as_deref() == Some(host)
            || distribution.is_some_and(|one| one.has_domain_name_or_alias(host))
            || edge_override.and_then(find_url_host_name).as_deref() == Some(host)
        {
            // A path alone is the distribution's, too: nobody pastes one of packagecloud.
            return LinkDestination::PackagesDomain;
        }
        if host.is_empty() && !url.contains("://") {
            return LinkDestination::PackagesDomain;
        }
        let own_addresses = [
            self.external_url.as_deref(),
            self.answers.probe_url.as_deref(),
            self.session.settings.packagecloud_url.as_deref(),
        ];
        if own_addresses.into_iter().any(is_named) {
            return LinkDestination::Packagecloud;
        }
        // A served sandbox's loopback address stands for the packages domain.
        if self.find_packages_domain().is_none() || is_loopback_host(host) {
            LinkDestination::Untold
        } else {
            LinkDestination::OtherHost
        }
    }

    /// Looks for the object in the bucket, where the link leads there.
    async fn look_for_object(&self, inspected: &InspectedUrl, destination: LinkDestination) -> LinkedObject {
        let Some(target) = self.install.as_ref().map(|install| &install.target) else {
            return LinkedObject::Untold;
        };
        let bucket = target.names.bucket_name();
        let path = inspected.path.trim_start_matches('/');
        let key = match destination {
            LinkDestination::Packagecloud => return LinkedObject::Untold,
            // S3 takes the bucket in the path, too.
            LinkDestination::Bucket => {
                path.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path)
            }
            _ => path,
        };
        if key.is_empty() {
            return LinkedObject::Untold;
        }
        match timeout(AWS_WAIT_MAX, target.cloud.read_object_head(bucket, key)).await {
            Ok(Ok(Some(_))) => LinkedObject::Present,
            Ok(Ok(None)) => LinkedObject::Absent,
            Ok(Err(_)) | Err(_) => LinkedObject::Untold,
        }
    }

    /// Asks the edge, or S3, for the first byte by the link itself. Only what is known as this install's is asked.
    async fn ask_for_first_byte(
        &self,
        url: &str,
        destination: LinkDestination,
        known: &DiagnosisFacts,
    ) -> LinkReply {
        let address = match destination {
            LinkDestination::PackagesDomain if self.session.is_edge_unreachable_for_checks() => {
                return LinkReply::NotAsked(
                    "with --endpoint-url and no --edge-url the edge is out of reach".to_owned(),
                );
            }
            LinkDestination::PackagesDomain => self.build_edge_address(url),
            LinkDestination::Bucket if self.is_link_of_our_bucket(url) => Some(url.to_owned()),
            LinkDestination::Bucket => return LinkReply::NotAsked("it is another bucket's".to_owned()),
            _ => None,
        };
        let Some(address) = address else {
            return LinkReply::NotAsked("only this install's distribution and bucket are asked".to_owned());
        };
        match self.session.web.send_http_get(&address, &[FIRST_BYTE_RANGE]).await {
            Ok(reply) => judge_first_byte(&reply, destination, known),
            Err(failure) => explain_no_answer(&address, &failure),
        }
    }

    /// Returns the link as it is reached from here; of a path alone, that of the packages domain.
    fn build_edge_address(&self, url: &str) -> Option<String> {
        let path = match crate::model::url::redirect::split_host_and_path(url) {
            Some((_, path)) => path.to_owned(),
            None => format!("/{}", url.trim_start_matches('/')),
        };
        let host = find_url_host_name(url).or_else(|| self.find_packages_domain())?;
        Some(self.session.web.build_edge_url(&host, &path))
    }

    /// Whether a presigned link names this install's bucket: nothing is sent to another's.
    fn is_link_of_our_bucket(&self, url: &str) -> bool {
        let reply = PackagecloudDownloadReply { status: 302, location: Some(url.to_owned()) };
        let named = reply.redirect_bucket_name(None);
        let ours = self.install.as_ref().map(|install| install.target.names.bucket_name().to_owned());
        named.is_some() && named == ours
    }

    /// Asks packagecloud once where its links lead now; for its own address, by that very address.
    async fn sample_new_link(
        &self,
        url: &str,
        destination: LinkDestination,
    ) -> Option<(String, RedirectTarget)> {
        let mut answers = self.answers.clone();
        if destination == LinkDestination::Packagecloud {
            answers.probe_url = Some(url.to_owned());
        }
        let sampled = SampledRedirects::sample_packagecloud_redirects(self.session, &answers, None, 1).await;
        let sampled = sampled.ok().flatten()?;
        let said = sampled.describe_distinct_redirects().into_iter().next()?;
        Some((said, sampled.list_sampled_targets().into_iter().next()?))
    }

    /// Asks packagecloud's own address for the link that it gives out.
    async fn ask_packagecloud_for_link(&self, url: &str) -> Option<String> {
        let mut answers = self.answers.clone();
        answers.probe_url = Some(url.to_owned());
        let reply = self.session.probe_packagecloud_redirect(&answers, None).await.ok().flatten()?;
        let is_link = reply.classify_redirect_target() != RedirectTarget::Elsewhere;
        reply.location.filter(|_| is_link)
    }
}

fn judge_first_byte(reply: &WebReply, destination: LinkDestination, known: &DiagnosisFacts) -> LinkReply {
    if matches!(reply.status, 200 | 206) {
        return LinkReply::Served;
    }
    if is_not_found_answer_of_s3(reply) {
        return LinkReply::NotFound;
    }
    // An empty object has no first byte: it is served all the same.
    if reply.status == 416 {
        return LinkReply::Served;
    }
    let (why, next) = if destination == LinkDestination::Bucket {
        explain_s3_refusal(reply)
    } else {
        diagnose_edge_refusal(reply, known)
    };
    LinkReply::Refused { why, next }
}

/// S3 names the cause by its error code.
fn explain_s3_refusal(reply: &WebReply) -> (String, String) {
    let text = String::from_utf8_lossy(&reply.body);
    let code =
        text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let next = match code {
        Some("InvalidAccessKeyId") => {
            "packagecloud's own AWS key is gone or inactive: put a valid one into packagecloud.rb, then reconfigure and restart"
        }
        Some("SignatureDoesNotMatch") => {
            "the link was changed after it was signed, or packagecloud's AWS secret key is wrong: have the client ask packagecloud again"
        }
        Some("RequestTimeTooSkewed" | "AccessDenied") => {
            "see that packagecloud's AWS key may read the bucket, and that the clock of its host is right"
        }
        _ => "have the client ask packagecloud's own address again",
    };
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    (format!("it answers {}{code}", reply.status), next.to_owned())
}

fn explain_no_answer(address: &str, failure: &Failure) -> LinkReply {
    let host = find_url_host_name(address).unwrap_or_default();
    let (why, next) = diagnose_unreachable_domain(&host, failure);
    LinkReply::Unreachable { why, next }
}

//! Asking packagecloud itself for a download: where it redirects tells whether CloudFront is on, and which bucket holds the packages.

use super::{AwsTarget, Session};
use crate::model::{
    failure::{Failure, FailureKind},
    packagecloud::object::ABSENT_KEY,
    run::answers::OperatorAnswers,
    secret::Secret,
    url::redirect::{
        ExpectedPackagesDomain, PackagecloudDownloadReply, ProbeUrlFault, find_probe_url_fault,
        url_path_from_key,
    },
};

impl Session {
    /// Returns the URL to ask packagecloud for: as given, else that of `key` where its address is known.
    fn choose_download_probe_url(&self, answers: &OperatorAnswers, key: Option<&str>) -> Option<String> {
        if let Some(url) = &answers.probe_url {
            return Some(url.clone());
        }
        let site = self.settings.packagecloud_url.as_ref()?;
        Some(format!("{site}{}", url_path_from_key(key.unwrap_or(ABSENT_KEY))))
    }

    /// Returns whether packagecloud's own redirect can be asked for at all.
    #[must_use]
    pub(in crate::engine) fn can_probe_packagecloud_redirect(&self, answers: &OperatorAnswers) -> bool {
        self.choose_download_probe_url(answers, None).is_some()
    }

    /// Returns where packagecloud's links must lead, for this packages domain.
    pub(in crate::engine) fn expect_links_to_domain<'a>(
        &'a self,
        domain: &'a str,
    ) -> ExpectedPackagesDomain<'a> {
        ExpectedPackagesDomain { domain, edge_url: self.web.edge_address_override() }
    }

    /// Finds why what `--probe-url` answers tells nothing of this packagecloud: it is another host's (a usage failure), it
    /// wants a token, or it doesn't answer. `None` where nothing speaks against it, or none was given.
    pub(in crate::engine) async fn find_probe_url_failure(
        &self,
        answers: &OperatorAnswers,
        target: Option<&AwsTarget>,
    ) -> Option<Failure> {
        let url = answers.probe_url.as_deref()?;
        let config = self.host.read_packagecloud_config().await.ok()?;
        let external_url = config.file.find_external_url();
        let reply = self.probe_packagecloud_redirect(answers, None).await;
        let reply = match &reply {
            Ok(reply) => Ok(reply.as_ref()?),
            Err(failure) => Err(failure.why.as_str()),
        };
        let endpoint = match target {
            Some(target) => target.cloud.find_own_s3_endpoint().await,
            None => None,
        };
        let bucket = target.map(|target| target.bucket.name.as_str());
        let fault = find_probe_url_fault(url, external_url, reply, bucket, endpoint.as_deref())?;
        Some(build_probe_url_failure(url, external_url, fault, &self.host.ctl.render_ctl_command_line()))
    }

    /// Asks packagecloud for the probe URL; `None` where no URL is known.
    ///
    /// # Errors
    /// Fails where packagecloud does not answer.
    pub(in crate::engine) async fn probe_packagecloud_redirect(
        &self,
        answers: &OperatorAnswers,
        key: Option<&str>,
    ) -> Result<Option<PackagecloudDownloadReply>, Failure> {
        let Some(url) = self.choose_download_probe_url(answers, key) else { return Ok(None) };
        let authorization = self.render_probe_authorization();
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let reply = self.web.send_http_get(&url, &headers).await?;
        Ok(Some(PackagecloudDownloadReply {
            status: reply.status,
            location: reply.find_header("location").map(str::to_owned),
        }))
    }

    /// Asks the front of the session's own host for the probe URL, on that host; `None` where no URL is known, and for this
    /// machine. The inner error says why it could not be asked, as a lower-case fragment.
    pub(in crate::engine) async fn probe_redirect_on_node(
        &self,
        answers: &OperatorAnswers,
        key: Option<&str>,
    ) -> Option<Result<PackagecloudDownloadReply, String>> {
        let url = self.choose_download_probe_url(answers, key)?;
        let authorization = self.render_probe_authorization();
        self.host.transport.ask_own_front(&url, authorization.as_deref()).await
    }

    fn render_probe_authorization(&self) -> Option<String> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let token = self.settings.probe_token.as_ref().map(Secret::expose_secret)?;
        Some(format!("Basic {}", STANDARD.encode(format!("{token}:"))))
    }
}

/// The next move where packagecloud refuses who asks.
pub(in crate::engine) const PROBE_TOKEN_ADVICE: &str =
    "give a read token of that repository: as login in netrc, or by PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN";

fn build_probe_url_failure(
    url: &str,
    external_url: Option<&str>,
    fault: ProbeUrlFault,
    ctl: &str,
) -> Failure {
    let what = format!("--probe-url {url}");
    let other_url = match external_url {
        Some(own) => {
            format!("give the download URL of a package that begins with {}/", own.trim_end_matches('/'))
        }
        None => "give the download URL of a package as a client asks this packagecloud for it".to_owned(),
    };
    match fault {
        ProbeUrlFault::Foreign(why) => Failure::new_usage_failure(
            what,
            format!("it doesn't lead to this packagecloud: {why}"),
            other_url,
        ),
        ProbeUrlFault::Refused(why) => Failure::new_generic_failure(what, why, PROBE_TOKEN_ADVICE),
        ProbeUrlFault::Silent(why) => Failure::new(
            FailureKind::Unreachable,
            what,
            why,
            format!("see whether packagecloud runs there: {ctl} status; or {other_url}"),
        ),
    }
}

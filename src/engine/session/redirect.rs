//! Asking packagecloud itself for a download: where it redirects tells whether CloudFront is on, and which bucket holds the packages.

use super::Session;
use crate::model::{
    failure::Failure,
    packagecloud::object::ABSENT_KEY,
    run::answers::OperatorAnswers,
    secret::Secret,
    url::redirect::{ExpectedPackagesDomain, PackagecloudDownloadReply, url_path_from_key},
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
        let token = self.settings.probe_token.as_ref().map(Secret::expose_secret);
        let authorization = token.map(|token| {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            format!("Basic {}", STANDARD.encode(format!("{token}:")))
        });
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let reply = self.web.send_http_get(&url, &headers).await?;
        Ok(Some(PackagecloudDownloadReply {
            status: reply.status,
            location: reply.find_header("location").map(str::to_owned),
        }))
    }
}

//! Asking packagecloud itself for a download: where it redirects tells whether CloudFront is on, and which bucket holds the packages.

use super::Session;
use crate::model::{
    failure::Failure,
    packagecloud::object::ABSENT_KEY,
    run::answers::OperatorAnswers,
    secret::Secret,
    url::redirect::{
        ExpectedPackagesDomain, PackagecloudDownloadReply, explain_foreign_download_url, url_path_from_key,
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

    /// Finds why `--probe-url` doesn't lead to this packagecloud: nothing that it answers would tell of it. `None` where it
    /// does, or none was given.
    pub(in crate::engine) async fn find_foreign_probe_url(
        &self,
        answers: &OperatorAnswers,
        bucket: Option<&str>,
    ) -> Option<Failure> {
        let url = answers.probe_url.as_deref()?;
        let config = self.host.read_packagecloud_config().await.ok()?;
        let external_url = config.file.find_external_url();
        let reply = self.probe_packagecloud_redirect(answers, None).await;
        let reply = match &reply {
            Ok(reply) => Ok(reply.as_ref()?),
            Err(failure) => Err(failure.why.as_str()),
        };
        let why = explain_foreign_download_url(url, external_url, reply, bucket)?;
        Some(Failure::new_usage_failure(
            format!("--probe-url {url}"),
            format!("it doesn't lead to this packagecloud: {why}"),
            match external_url {
                Some(own) => format!(
                    "give the download URL of a package that begins with {}/",
                    own.trim_end_matches('/')
                ),
                None => {
                    "give the download URL of a package as a client asks this packagecloud for it".to_owned()
                }
            },
        ))
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

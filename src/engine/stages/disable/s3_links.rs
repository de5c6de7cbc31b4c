//! Whether S3 serves what packagecloud redirects to without CloudFront: asked before switching off.

use std::time::Duration;

use futures::future::join_all;
use percent_encoding::percent_decode_str;

use crate::model::{
    packagecloud::object::ABSENT_KEY,
    run::{answers::OperatorAnswers, check::CheckResult, goal::RunStage},
    url::{
        presign::presign_url_sigv2,
        redirect::{PackagecloudDownloadReply, RedirectTarget, split_host_and_path},
    },
};

use crate::engine::{delivery::probe, run::RunContext, session::Session};

/// What S3 says to a link as packagecloud makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum S3LinkReply {
    Served,
    /// The key is taken; no package was known to ask for.
    KeyAccepted,
    /// Why it is refused, as a sentence's beginning.
    Refused(String),
    /// Another status.
    Odd(u16),
    Untried,
}

/// Judges S3's answer to a link of `key`; `None` for a key that no bucket holds.
fn judge_s3_link_reply(status: u16, body: &str, key: Option<&str>) -> S3LinkReply {
    if body.contains("InvalidAccessKeyId") {
        S3LinkReply::Refused("S3 refuses packagecloud's own AWS key (InvalidAccessKeyId)".into())
    } else if body.contains("SignatureDoesNotMatch") {
        S3LinkReply::Refused(
            "S3 refuses what packagecloud signs (SignatureDoesNotMatch): the aws_secret_key in packagecloud.rb is not that of its aws_access_key".into(),
        )
    } else if body.contains("AccessDenied") {
        match key {
            Some(key) => S3LinkReply::Refused(format!(
                "S3 accepts packagecloud's own AWS key, but refuses to give out {key} (AccessDenied)"
            )),
            // Without the right to list, S3 says so of any key that isn't there.
            None => S3LinkReply::KeyAccepted,
        }
    } else if matches!(status, 200 | 206 | 404) {
        S3LinkReply::Served
    } else {
        S3LinkReply::Odd(status)
    }
}

/// The key that a link to CloudFront is for.
fn read_redirected_key(redirect: &PackagecloudDownloadReply) -> Option<String> {
    if redirect.classify_redirect_target() != RedirectTarget::Edge {
        return None;
    }
    let (_, path) = split_host_and_path(redirect.location.as_deref()?)?;
    let path = path.split(['?', '#']).next()?.strip_prefix('/')?;
    percent_decode_str(path).decode_utf8().ok().map(Into::into)
}

/// Asks S3 for the first byte of what packagecloud redirects to, or would: three seconds at most.
async fn ask_s3_for_packagecloud_link(session: &Session, answers: &OperatorAnswers) -> S3LinkReply {
    let asking = async {
        let redirect = session.probe_packagecloud_redirect(answers, None).await.ok().flatten();
        let to_s3 = redirect.as_ref().filter(|seen| seen.classify_redirect_target() == RedirectTarget::S3);
        let (url, key) = if let Some(location) = to_s3.and_then(|seen| seen.location.clone()) {
            let path = location.split('?').next().unwrap_or_default().to_owned();
            (location, Some(path))
        } else {
            let key = redirect.as_ref().and_then(read_redirected_key);
            let nodes = session.list_all_node_sessions();
            let read = join_all(nodes.iter().map(|node| node.host.read_packagecloud_config())).await;
            let config = read.into_iter().find_map(Result::ok)?;
            let (access, secret) = config.file.find_config_aws_keys()?;
            let (_, bucket) = config.file.find_configured_bucket()?;
            let region = config.file.find_configured_region().unwrap_or("us-east-1");
            let expires = session.host.clock.read_host_clock().as_secs() + probe::LINK_LIFETIME_SECONDS;
            let asked = key.as_deref().unwrap_or(ABSENT_KEY);
            (presign_url_sigv2(bucket, region, asked, &access, &secret, expires), key)
        };
        let reply = session.web.send_http_get(&url, &[("range", "bytes=0-0")]).await.ok()?;
        Some(judge_s3_link_reply(reply.status, &String::from_utf8_lossy(&reply.body), key.as_deref()))
    };
    match tokio::time::timeout(Duration::from_secs(3), asking).await {
        Ok(Some(reply)) => reply,
        _ => S3LinkReply::Untried,
    }
}

/// Checks whether S3 would serve what packagecloud will redirect to: a link presigned as packagecloud does. Three seconds at
/// most; the caller never waits for it, and it fails nothing: who wants CloudFront off is told, and goes on.
pub async fn check_packagecloud_presigned_links(session: &Session, answers: &OperatorAnswers) -> CheckResult {
    const CHECK_NAME: &str = "s3-links";
    let unknown = |detail: String| CheckResult::new_unknown_check(CHECK_NAME, detail);
    let reply = ask_s3_for_packagecloud_link(session, answers).await;
    session.remember_s3_link_refusal(match &reply {
        S3LinkReply::Refused(why) => Some(why.clone()),
        _ => None,
    });
    match reply {
        S3LinkReply::Served => CheckResult::new_passed_check(
            CHECK_NAME,
            "S3 accepts links signed as packagecloud signs them: switching off helps",
        ),
        S3LinkReply::KeyAccepted => CheckResult::new_passed_check(
            CHECK_NAME,
            "S3 accepts packagecloud's own AWS key; whether it gives out packages could not be tried",
        ),
        S3LinkReply::Refused(why) => unknown(format!("{why}: with CloudFront off, downloads would fail too")),
        S3LinkReply::Odd(status) => unknown(format!(
            "S3 answered {status} to a link signed as packagecloud signs them (SigV2): switching off may not help"
        )),
        S3LinkReply::Untried => {
            unknown("whether S3 accepts packagecloud's own links could not be tried".to_owned())
        }
    }
}

/// Says [`check_packagecloud_presigned_links`] as an event of this stage.
pub async fn emit_s3_links_check(session: &Session, answers: &OperatorAnswers, run: &RunContext) {
    let check = check_packagecloud_presigned_links(session, answers).await;
    run.create_stage_run(RunStage::Disable).emit_check_result(check);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_a_package_is_told_from_that_of_a_key_that_is_not_there() {
        let denied = "<Error><Code>AccessDenied</Code></Error>";
        let refused = |reply: S3LinkReply| matches!(reply, S3LinkReply::Refused(_));
        assert_eq!(judge_s3_link_reply(403, denied, None), S3LinkReply::KeyAccepted);
        assert!(refused(judge_s3_link_reply(403, denied, Some("7/8/a.deb"))));
        assert!(refused(judge_s3_link_reply(403, "<Code>InvalidAccessKeyId</Code>", None)));
        assert!(refused(judge_s3_link_reply(403, "<Code>SignatureDoesNotMatch</Code>", None)));
        for status in [200, 206, 404] {
            assert_eq!(judge_s3_link_reply(status, "", Some("k")), S3LinkReply::Served);
        }
        assert_eq!(judge_s3_link_reply(301, "", None), S3LinkReply::Odd(301));
    }

    #[test]
    fn the_package_is_read_off_a_link_to_cloudfront() {
        let link =
            |location: &str| PackagecloudDownloadReply { status: 302, location: Some(location.to_owned()) };
        let token = format!("1618409761_{}", "0".repeat(40));
        let edge = link(&format!("https://d1.cloudfront.net/7/8/a%2Bb.deb?t={token}"));
        assert_eq!(read_redirected_key(&edge).as_deref(), Some("7/8/a+b.deb"));
        assert_eq!(read_redirected_key(&link("https://elsewhere.example/7/8/a.deb")), None);
    }
}

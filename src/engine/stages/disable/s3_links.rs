//! Whether S3 serves what packagecloud redirects to without CloudFront: asked before switching off.

use std::{future::Future, time::Duration};

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

use crate::engine::{
    delivery::probe,
    run::RunContext,
    session::{S3LinkAnswer, Session},
};

/// How long the whole check may take.
const S3_CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long packagecloud may take of that to say where it redirects: the rest is for S3.
const REDIRECT_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

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
    } else if body.contains("InvalidRequest") && body.contains("AWS4-HMAC-SHA256") {
        // A region that takes SigV4 alone says so to every SigV2.
        S3LinkReply::Refused(
            "S3 refuses links that are signed with SigV2, as packagecloud signs them (InvalidRequest: S3 wants AWS4-HMAC-SHA256)".into(),
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

/// Waits for what packagecloud says of its redirect, but no longer than leaves time for S3.
async fn wait_briefly_for_redirect<E>(
    asked: impl Future<Output = Result<Option<PackagecloudDownloadReply>, E>>,
) -> Option<PackagecloudDownloadReply> {
    tokio::time::timeout(REDIRECT_ANSWER_TIMEOUT, asked).await.ok()?.ok()?
}

/// Finds the link to ask S3 by, and the key that it is for where that is an object's: packagecloud's own redirect where it
/// goes to S3, else one presigned as packagecloud does. `None` where no node's file tells what that takes.
async fn find_link_to_s3(session: &Session, answers: &OperatorAnswers) -> Option<(String, Option<String>)> {
    let redirect = wait_briefly_for_redirect(session.probe_packagecloud_redirect(answers, None)).await;
    let to_s3 = redirect.as_ref().filter(|seen| seen.classify_redirect_target() == RedirectTarget::S3);
    if let Some(location) = to_s3.and_then(|seen| seen.location.clone()) {
        let path = location.split('?').next().unwrap_or_default().to_owned();
        return Some((location, Some(path)));
    }
    let key = redirect.as_ref().and_then(read_redirected_key);
    let nodes = session.list_all_node_sessions();
    let read = join_all(nodes.iter().map(|node| node.host.read_packagecloud_config())).await;
    let config = read.into_iter().find_map(Result::ok)?;
    let (access, secret) = config.file.find_config_aws_keys()?;
    let (_, bucket) = config.file.find_configured_bucket()?;
    let region = config.file.find_configured_region().unwrap_or("us-east-1");
    let expires = session.host.clock.read_host_clock().as_secs() + probe::LINK_LIFETIME_SECONDS;
    let asked = key.as_deref().unwrap_or(ABSENT_KEY);
    Some((presign_url_sigv2(bucket, region, asked, &access, &secret, expires), key))
}

/// Asks S3 for the first byte of what packagecloud redirects to, or would: three seconds at most.
async fn ask_s3_for_packagecloud_link(session: &Session, answers: &OperatorAnswers) -> S3LinkReply {
    let asking = async {
        let (url, key) = find_link_to_s3(session, answers).await?;
        let reply = session.web.send_http_get(&url, &[("range", "bytes=0-0")]).await.ok()?;
        Some(judge_s3_link_reply(reply.status, &String::from_utf8_lossy(&reply.body), key.as_deref()))
    };
    match tokio::time::timeout(S3_CHECK_TIMEOUT, asking).await {
        Ok(Some(reply)) => reply,
        _ => S3LinkReply::Untried,
    }
}

impl S3LinkReply {
    /// What is kept of it for the end of switching off.
    fn summarize_s3_link_answer(&self) -> S3LinkAnswer {
        match self {
            Self::Served | Self::KeyAccepted => S3LinkAnswer::Accepted,
            Self::Refused(why) => S3LinkAnswer::Refused(why.clone()),
            Self::Odd(_) | Self::Untried => S3LinkAnswer::Unknown,
        }
    }

    fn build_s3_links_check(self) -> CheckResult {
        const CHECK_NAME: &str = "s3-links";
        let unknown = |detail: String| CheckResult::new_unknown_check(CHECK_NAME, detail);
        match self {
            Self::Served => CheckResult::new_passed_check(
                CHECK_NAME,
                "S3 accepts links signed as packagecloud signs them: switching off helps",
            ),
            Self::KeyAccepted => CheckResult::new_passed_check(
                CHECK_NAME,
                "S3 accepts packagecloud's own AWS key; whether it gives out packages could not be tried",
            ),
            Self::Refused(why) => unknown(format!("{why}: with CloudFront off, downloads would fail too")),
            Self::Odd(status) => unknown(format!(
                "S3 answered {status} to a link as packagecloud makes them: switching off may not help"
            )),
            Self::Untried => {
                unknown("whether S3 accepts packagecloud's own links could not be tried".to_owned())
            }
        }
    }
}

/// Checks whether S3 would serve what packagecloud will redirect to: a link presigned as packagecloud does. Three seconds at
/// most; the caller never waits for it, and it fails nothing: who wants CloudFront off is told, and goes on.
pub async fn check_packagecloud_presigned_links(session: &Session, answers: &OperatorAnswers) -> CheckResult {
    let reply = ask_s3_for_packagecloud_link(session, answers).await;
    session.remember_s3_link_answer(reply.summarize_s3_link_answer());
    reply.build_s3_links_check()
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
        // S3's own words, in a region that takes SigV4 alone.
        let sigv4_alone = "<Error><Code>InvalidRequest</Code><Message>The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.</Message></Error>";
        for key in [None, Some("7/8/a.deb")] {
            let said = judge_s3_link_reply(400, sigv4_alone, key).build_s3_links_check().detail;
            assert!(said.contains("SigV2") && said.contains("downloads would fail too"), "{said}");
        }
        assert_eq!(judge_s3_link_reply(400, "<Code>InvalidRequest</Code>", None), S3LinkReply::Odd(400));
        for status in [200, 206, 404] {
            assert_eq!(judge_s3_link_reply(status, "", Some("k")), S3LinkReply::Served);
        }
        assert_eq!(judge_s3_link_reply(301, "", None), S3LinkReply::Odd(301));
    }

    #[test]
    fn an_odd_answer_says_nothing_of_how_the_link_was_signed() {
        let said = S3LinkReply::Odd(301).build_s3_links_check().detail;
        assert!(said.contains("S3 answered 301") && !said.contains("SigV"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_packagecloud_that_hangs_leaves_time_for_s3() {
        let began = tokio::time::Instant::now();
        assert_eq!(wait_briefly_for_redirect::<()>(std::future::pending()).await, None);
        assert!(began.elapsed() * 2 <= S3_CHECK_TIMEOUT, "{:?}", began.elapsed());
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

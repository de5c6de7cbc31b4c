//! Whether edges hold of packages what lies in S3: a restored database gives its ids out again, and an edge may hold the file of before under one.

use bytes::Bytes;

use super::{gate::EdgeProber, probe::LINK_LIFETIME_SECONDS};
use crate::aws::web::WebReply;
use crate::model::run::proposed_command::render_proposed_command;
use crate::model::{
    aws::bucket::ListedObject, failure::Failure, run::check::CheckResult, url::token::TokenMacAlgorithm,
};

/// So many cached packages are compared (contract section 11).
const COMPARED_COPIES: usize = 3;
const CHECK_NAME: &str = "cached-copies";
/// Asks for one byte: its answer tells tag and size of the whole, and brings nothing into a cache.
const FIRST_BYTE_RANGE: (&str, &str) = ("range", "bytes=0-0");

/// Says what helps where an edge holds another file than S3.
#[must_use]
pub fn advise_invalidation() -> String {
    format!(
        "where packagecloud's database was restored, its ids come again: have every edge forget the files of before: {}",
        render_proposed_command("invalidate", &["--packages"])
    )
}

impl EdgeProber<'_> {
    /// Compares what the edge holds of three packages with what S3 has.
    pub async fn check_cached_copies(&self) -> CheckResult {
        let (mut compared, mut differing, mut unknown) = (0, Vec::new(), None);
        for key in self.samples.sample_packages() {
            if compared == COMPARED_COPIES {
                break;
            }
            match self.is_cached_copy_current(key).await {
                Ok(None) => {}
                Ok(Some(is_current)) => {
                    compared += 1;
                    if !is_current {
                        differing.push(key.as_str());
                    }
                }
                Err(failure) => unknown = unknown.or(Some(failure)),
            }
        }
        summarize_compared_copies(compared, &differing, unknown.as_ref())
    }

    /// Whether what the edge holds is what S3 has; `None` where it holds nothing of it.
    async fn is_cached_copy_current(&self, key: &str) -> Result<Option<bool>, Failure> {
        let held = self.ask_edge_for_package(key, &[FIRST_BYTE_RANGE]).await?;
        if !(held.status == 200 || held.status == 206) || !is_from_cache(&held) {
            return Ok(None);
        }
        let is_same = |etag: &str, size: u64| {
            held.find_header("etag").map(trim_entity_tag) == Some(trim_entity_tag(etag))
                && read_whole_size(&held).is_none_or(|held_size| held_size == size)
        };
        // What was listed spares a request; what is not as listed may have changed since.
        let listed = self.target.list_first_page_of_bucket().await?;
        let is_listed = |one: &&ListedObject| one.key == key && is_same(&one.etag, one.size);
        if listed.iter().any(|one| is_listed(&one)) {
            return Ok(Some(true));
        }
        let bucket = self.target.names.bucket_name();
        let Some(now) = self.target.cloud.read_object_head(bucket, key).await? else {
            // Gone from S3, it can't be told from one that was replaced; nobody is told of it any more.
            return Ok(None);
        };
        if is_same(&now.etag, now.size) {
            return Ok(Some(true));
        }
        if read_whole_size(&held).is_some_and(|size| size != now.size) {
            return Ok(Some(false));
        }
        // A copy of the same bytes may have another tag: under KMS, in parts.
        let object = self.target.cloud.read_object_start(bucket, key, 1024 * 1024).await?;
        let held = self.ask_edge_for_package(key, &[]).await?;
        Ok(is_from_cache(&held).then(|| has_expected_object_bytes(&object, &held)))
    }

    async fn ask_edge_for_package(&self, key: &str, headers: &[(&str, &str)]) -> Result<WebReply, Failure> {
        let path = self.sign_probe_path(key, TokenMacAlgorithm::Sha1, LINK_LIFETIME_SECONDS.cast_signed())?;
        let web = &self.session.web;
        web.send_http_get(&web.build_edge_url(self.domain, &path), headers).await
    }
}

/// Judges what was compared: unknown where nothing was, or where fewer than three were because something couldn't be asked. Where
/// edges hold fewer, those were all.
fn summarize_compared_copies(compared: usize, differing: &[&str], unknown: Option<&Failure>) -> CheckResult {
    if !differing.is_empty() {
        let why = format!("an edge holds another file than S3 has of {}", differing.join(", "));
        return CheckResult::new_failed_check(CHECK_NAME, why, advise_invalidation());
    }
    let text = match compared {
        0 => "the edge that was asked holds none of the sampled packages".to_owned(),
        1 => "the package that an edge holds is S3's".to_owned(),
        more => format!("{more} packages that an edge holds are S3's"),
    };
    match unknown {
        Some(failure) if compared == 0 => CheckResult::new_unknown_check(CHECK_NAME, failure.to_string()),
        Some(failure) if compared < COMPARED_COPIES => {
            CheckResult::new_unknown_check(CHECK_NAME, format!("{text}; of the others: {failure}"))
        }
        _ if compared == 0 => CheckResult::new_unknown_check(CHECK_NAME, text),
        _ => CheckResult::new_passed_check(CHECK_NAME, text),
    }
}

/// Whether the edge answered from what it held.
pub(super) fn is_from_cache(reply: &WebReply) -> bool {
    reply.find_header("x-cache").is_some_and(|said| said.starts_with("Hit"))
}

/// Whether an answer begins as the object does.
pub(super) fn has_expected_object_bytes(object: &Bytes, reply: &WebReply) -> bool {
    let compared = object.len().min(reply.body.len());
    compared > 0 && object[..compared] == reply.body[..compared]
}

/// A tag as it is, whether it was said in quotes or not.
fn trim_entity_tag(tag: &str) -> &str {
    tag.trim_matches('"')
}

/// The size of the whole object, of an answer with a part of it.
fn read_whole_size(reply: &WebReply) -> Option<u64> {
    reply.find_header("content-range")?.rsplit_once('/')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::check::CheckVerdict;

    #[test]
    fn one_that_differs_fails_and_what_could_not_be_asked_is_unknown() {
        let failure = Failure::new_generic_failure("s3:HeadObject", "it was denied", "ask");
        for (compared, differing, unknown, result, said) in [
            (0, &[][..], None, CheckVerdict::Unknown, "holds none of the sampled packages"),
            (0, &[], Some(&failure), CheckVerdict::Unknown, "it was denied"),
            (1, &[], None, CheckVerdict::Pass, "the package that an edge holds is S3's"),
            (
                2,
                &[],
                Some(&failure),
                CheckVerdict::Unknown,
                "2 packages that an edge holds are S3's; of the others: ",
            ),
            (3, &[], Some(&failure), CheckVerdict::Pass, "3 packages that an edge holds are S3's"),
            (3, &["7/8/a.deb"], Some(&failure), CheckVerdict::Fail, "7/8/a.deb"),
            (1, &["7/8/a.deb", "7/8/b.deb"], None, CheckVerdict::Fail, "7/8/a.deb, 7/8/b.deb"),
        ] {
            let check = summarize_compared_copies(compared, differing, unknown);
            assert_eq!(check.result, result, "{check:?}");
            assert!(check.detail.contains(said), "{said}: {check:?}");
        }
    }
}

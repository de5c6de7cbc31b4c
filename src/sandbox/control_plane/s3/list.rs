//! Listings: keys in the order of their bytes, prefixes rolled up, a thousand at a time.
//!
//! A page's token says what was given last, so that writes between two pages neither hide nor repeat a key.

use std::ops::Bound;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{S3Error, S3ErrorCode, S3Result, dto};

use super::{
    ObjectVersionsByKey, SandboxObject, SandboxStorageError, checksums::convert_checksum_type,
    refusal::build_invalid_argument_error, request_parts::find_request_query_parameter,
    store::find_newest_sandbox_object_version,
};
use crate::sandbox::Sandbox;

/// The most that one answer lists.
const LISTED_MAX: i32 = 1000;

/// Returns how many entries an answer has at most, where a request asks for so many.
pub fn clamp_listed_count(asked: Option<i32>) -> i32 {
    asked.unwrap_or(LISTED_MAX).clamp(0, LISTED_MAX)
}

/// What a page of keys is asked by, in either version of the listing.
pub struct ListedPageRequest<'a> {
    pub bucket: &'a str,
    pub prefix: Option<&'a str>,
    pub delimiter: Option<&'a str>,
    pub after: &'a str,
    pub max_keys: Option<i32>,
    pub encoding: Option<&'a dto::EncodingType>,
    /// The canonical user id that each entry names, where it shall.
    pub owner: Option<&'a str>,
}

/// A page of keys as it is answered.
pub struct ListedPage {
    pub contents: Vec<dto::Object>,
    pub prefixes: Vec<dto::CommonPrefix>,
    /// The token that goes on, where there is more.
    pub next: Option<String>,
    pub most: i32,
}

/// Reads a page of a bucket's keys.
///
/// # Errors
/// Says why the disk doesn't give it.
pub fn read_object_page(world: &Sandbox, asked: &ListedPageRequest<'_>) -> S3Result<ListedPage> {
    let most = clamp_listed_count(asked.max_keys);
    let query = SandboxListingQuery {
        prefix: asked.prefix.unwrap_or_default(),
        delimiter: asked.delimiter.unwrap_or_default(),
        after: asked.after,
        most: usize::try_from(most).unwrap_or(0),
    };
    let mut listed = ListedPage { contents: Vec::new(), prefixes: Vec::new(), next: None, most };
    world
        .sandbox_in_memory_state()
        .objects
        .read_sandbox_bucket_from_disk(asked.bucket, |objects| {
            let page = list_stored_objects(objects, &query);
            listed.next = page.next.filter(|_| most > 0);
            for entry in page.entries {
                match entry {
                    SandboxListingEntry::Object(object) => {
                        listed.contents.push(object_to_listing_entry(object, asked));
                    }
                    SandboxListingEntry::Prefix(prefix) => {
                        let prefix = Some(encode_listed_object_key(&prefix, asked.encoding));
                        listed.prefixes.push(dto::CommonPrefix { prefix });
                    }
                }
            }
        })
        .map_err(SandboxStorageError::from)?;
    Ok(listed)
}

/// One entry of a page.
pub enum SandboxListingEntry<'o> {
    Object(&'o SandboxObject),
    Prefix(String),
}

pub struct SandboxListingPage<'o> {
    pub entries: Vec<SandboxListingEntry<'o>>,
    /// The token that goes on, where there is more.
    pub next: Option<String>,
}

#[derive(Clone, Copy)]
pub struct SandboxListingQuery<'a> {
    pub prefix: &'a str,
    pub delimiter: &'a str,
    /// A key, or a rolled up prefix, that lies before the page.
    pub after: &'a str,
    pub most: usize,
}

/// Checks the parameters that all listings share.
///
/// # Errors
/// Refuses an encoding that S3 doesn't know, and more buckets than it lists.
pub fn check_listing_parameters(query: &str) -> S3Result<()> {
    const BUCKETS_MAX: u32 = 10_000;
    let encoding = find_request_query_parameter(query, "encoding-type");
    if let Some(encoding) = encoding.filter(|encoding| encoding != "url") {
        let message = "Invalid Encoding Method specified in Request";
        return Err(build_invalid_argument_error(message, "encoding-type", &encoding));
    }
    let most = find_request_query_parameter(query, "max-buckets");
    if let Some(most) = most.filter(|most| !most.parse().is_ok_and(|most| (1..=BUCKETS_MAX).contains(&most)))
    {
        let message = format!("Argument max-buckets must be an integer between 1 and {BUCKETS_MAX}");
        return Err(build_invalid_argument_error(message, "max-buckets", &most));
    }
    Ok(())
}

/// Lists one page of the newest versions.
pub fn list_stored_objects<'o>(
    objects: &'o ObjectVersionsByKey,
    asked: &SandboxListingQuery<'_>,
) -> SandboxListingPage<'o> {
    let mut page = SandboxListingPage { entries: Vec::new(), next: None };
    let mut last = String::new();
    let start = if asked.after > asked.prefix {
        Bound::Excluded(asked.after.to_owned())
    } else {
        Bound::Included(asked.prefix.to_owned())
    };
    let rolled_before =
        (!asked.delimiter.is_empty() && asked.after.ends_with(asked.delimiter)).then_some(asked.after);
    for key in objects.range((start, Bound::Unbounded)).map(|(key, _)| key) {
        let Some(rest) = key.strip_prefix(asked.prefix) else { break };
        let Some(object) = find_newest_sandbox_object_version(objects, key) else { continue };
        let rolled = (!asked.delimiter.is_empty())
            .then(|| rest.find(asked.delimiter))
            .flatten()
            .map(|at| &key[..asked.prefix.len() + at + asked.delimiter.len()]);
        if let Some(prefix) = rolled
            && (prefix == last || rolled_before == Some(prefix))
        {
            continue;
        }
        if page.entries.len() == asked.most {
            page.next = Some(last);
            break;
        }
        if let Some(prefix) = rolled {
            prefix.clone_into(&mut last);
            page.entries.push(SandboxListingEntry::Prefix(prefix.to_owned()));
        } else {
            key.clone_into(&mut last);
            page.entries.push(SandboxListingEntry::Object(object));
        }
    }
    page
}

/// A page of every version, and where the next begins.
#[derive(Default)]
pub struct SandboxVersionsPage {
    pub versions: Vec<dto::ObjectVersion>,
    pub markers: Vec<dto::DeleteMarkerEntry>,
    pub prefixes: Vec<dto::CommonPrefix>,
    /// The key, or the rolled up prefix, and the version that were given last.
    pub last: Option<(String, String)>,
    pub truncated: bool,
}

/// Where a page of versions begins: behind a key, or behind one version of it.
pub struct SandboxVersionsQuery<'a> {
    pub page: SandboxListingQuery<'a>,
    pub after_version: Option<&'a str>,
    pub owner: &'a str,
    pub encoding: Option<&'a dto::EncodingType>,
}

/// Lists one page of every version, the newest of a key first.
pub fn list_stored_object_versions(
    objects: &ObjectVersionsByKey,
    asked: &SandboxVersionsQuery<'_>,
) -> SandboxVersionsPage {
    let mut page = SandboxVersionsPage::default();
    let SandboxListingQuery { prefix, delimiter, after, most } = asked.page;
    let mut count = 0;
    for (key, all) in objects.range(prefix.max(after).to_owned()..) {
        let Some(rest) = key.strip_prefix(prefix) else { break };
        let rolled = (!delimiter.is_empty())
            .then(|| rest.find(delimiter))
            .flatten()
            .map(|at| &key[..prefix.len() + at + delimiter.len()]);
        if let Some(rolled) = rolled {
            let is_given = page.last.as_ref().is_some_and(|(last, _)| last == rolled);
            if is_given || (!after.is_empty() && rolled <= after) {
                continue;
            }
            if count == most {
                page.truncated = most > 0;
                return page;
            }
            count += 1;
            page.last = Some((rolled.to_owned(), String::new()));
            page.prefixes
                .push(dto::CommonPrefix { prefix: Some(encode_listed_object_key(rolled, asked.encoding)) });
            continue;
        }
        let newest_first = all.iter().enumerate().rev();
        let skipped = match (key.as_str() == after, asked.after_version) {
            (false, _) => 0,
            (true, None) => all.len(),
            (true, Some(version)) => {
                newest_first.clone().position(|(_, one)| one.version == version).map_or(0, |at| at + 1)
            }
        };
        for (at, object) in newest_first.skip(skipped) {
            if count == most {
                page.truncated = most > 0;
                return page;
            }
            count += 1;
            page.last = Some((key.clone(), object.version.clone()));
            push_listed_version(&mut page, object, at + 1 == all.len(), asked);
        }
    }
    page
}

fn push_listed_version(
    page: &mut SandboxVersionsPage,
    object: &SandboxObject,
    is_latest: bool,
    asked: &SandboxVersionsQuery<'_>,
) {
    let key = Some(encode_listed_object_key(&object.key, asked.encoding));
    let version_id = Some(object.version.clone());
    let last_modified = Some(unix_seconds_to_s3_timestamp(object.modified));
    let owner = Some(dto::Owner { id: Some(asked.owner.to_owned()), ..Default::default() });
    if object.marker {
        page.markers.push(dto::DeleteMarkerEntry {
            key,
            version_id,
            is_latest: Some(is_latest),
            last_modified,
            owner,
        });
        return;
    }
    page.versions.push(dto::ObjectVersion {
        key,
        version_id,
        is_latest: Some(is_latest),
        last_modified,
        owner,
        e_tag: Some(dto::ETag::Strong(object.etag.clone())),
        size: i64::try_from(object.size).ok(),
        storage_class: Some(object.get_storage_class_name().into()),
        checksum_algorithm: object.checksum.as_ref().map(|sum| vec![sum.algorithm.clone().into()]),
        checksum_type: convert_checksum_type(object.checksum.as_ref()),
        ..Default::default()
    });
}

/// Writes the token of a page that begins after a key.
pub fn encode_continuation_token(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

/// Reads the key after which a page begins.
///
/// # Errors
/// Refuses what is no token.
pub fn decode_continuation_token(token: &str) -> S3Result<String> {
    URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        S3Error::with_message(S3ErrorCode::InvalidArgument, "The continuation token provided is incorrect")
    })
}

/// Writes a key as a listing shows it: with `encoding-type=url` a space is a plus, and a plus `%2B`.
pub fn encode_listed_object_key(text: &str, encoding: Option<&dto::EncodingType>) -> String {
    const ENCODED_CHARACTERS: &percent_encoding::AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/').remove(b' ');
    match encoding {
        Some(_) => utf8_percent_encode(text, ENCODED_CHARACTERS).to_string().replace(' ', "+"),
        None => text.to_owned(),
    }
}

fn object_to_listing_entry(object: &SandboxObject, asked: &ListedPageRequest<'_>) -> dto::Object {
    dto::Object {
        key: Some(encode_listed_object_key(&object.key, asked.encoding)),
        owner: asked.owner.map(|id| dto::Owner { id: Some(id.to_owned()), ..Default::default() }),
        e_tag: Some(dto::ETag::Strong(object.etag.clone())),
        size: i64::try_from(object.size).ok(),
        last_modified: Some(unix_seconds_to_s3_timestamp(object.modified)),
        storage_class: Some(object.get_storage_class_name().into()),
        checksum_algorithm: object.checksum.as_ref().map(|sum| vec![sum.algorithm.clone().into()]),
        checksum_type: convert_checksum_type(object.checksum.as_ref()),
        ..dto::Object::default()
    }
}

/// Converts unix seconds into the time of an answer.
pub fn unix_seconds_to_s3_timestamp(unix: u64) -> dto::Timestamp {
    dto::Timestamp::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_on_after_what_was_given_and_roll_prefixes_up_once() {
        let mut objects = ObjectVersionsByKey::new();
        for key in ["1/2/a", "1/2/b+c", "1/3/x/y", "1/3/x/z", "2/z", "a b"] {
            let object = SandboxObject { key: key.to_owned(), ..SandboxObject::default() };
            objects.insert(key.to_owned(), vec![object]);
        }
        objects.get_mut("2/z").unwrap().push(SandboxObject { marker: true, ..SandboxObject::default() });
        for (prefix, delimiter, most, pages) in [
            ("", "", 2, vec!["1/2/a 1/2/b+c", "1/3/x/y 1/3/x/z", "a b"]),
            ("", "/", 1, vec!["1/", "a b"]),
            ("1/", "/", 1, vec!["1/2/", "1/3/"]),
            ("1/3/x/", "/", 9, vec!["1/3/x/y 1/3/x/z"]),
            ("nothing", "", 9, vec![""]),
        ] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let page = list_stored_objects(
                    &objects,
                    &SandboxListingQuery { prefix, delimiter, after: &after, most },
                );
                let names: Vec<&str> = page
                    .entries
                    .iter()
                    .map(|entry| match entry {
                        SandboxListingEntry::Object(object) => object.key.as_str(),
                        SandboxListingEntry::Prefix(prefix) => prefix,
                    })
                    .collect();
                found.push(names.join(" "));
                let Some(next) = page.next else { break };
                after = super::decode_continuation_token(&encode_continuation_token(&next)).unwrap();
            }
            assert_eq!(found, pages, "{prefix} {delimiter} {most}");
        }
    }

    #[test]
    fn versions_page_by_version_and_roll_prefixes_up() {
        let mut objects = ObjectVersionsByKey::new();
        for (key, versions) in [("a/1", vec!["x"]), ("a/2", vec!["y"]), ("b", vec!["1", "2", "3"])] {
            let all = versions.into_iter().map(|version| SandboxObject {
                key: key.to_owned(),
                version: version.to_owned(),
                ..SandboxObject::default()
            });
            objects.insert(key.to_owned(), all.collect());
        }
        let (mut found, mut after, mut version) = (Vec::new(), String::new(), None);
        loop {
            let page = list_stored_object_versions(
                &objects,
                &SandboxVersionsQuery {
                    page: SandboxListingQuery { prefix: "", delimiter: "/", after: &after, most: 2 },
                    after_version: version.as_deref(),
                    owner: "",
                    encoding: None,
                },
            );
            found.push((
                page.prefixes.into_iter().filter_map(|one| one.prefix).collect::<Vec<_>>().join(" "),
                page.versions.into_iter().filter_map(|one| one.version_id).collect::<Vec<_>>().join(" "),
            ));
            let Some((key, last)) = page.last.filter(|_| page.truncated) else { break };
            (after, version) = (key, Some(last));
        }
        assert_eq!(found, [("a/".to_owned(), "3".to_owned()), (String::new(), "2 1".to_owned())]);
    }

    #[test]
    fn a_plus_and_a_space_stay_apart_in_an_encoded_listing() {
        let url = dto::EncodingType::from_static(dto::EncodingType::URL);
        assert_eq!(encode_listed_object_key("a b+c/\u{e9}%", Some(&url)), "a+b%2Bc/%C3%A9%25");
        assert_eq!(encode_listed_object_key("a b+c", None), "a b+c");
    }
}

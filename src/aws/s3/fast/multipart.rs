//! The copy of an object over 5 GB onto itself, in parts.
//!
//! The parts are conditional on the ETag that was seen, and so is their completion; where anything fails, what was
//! begun is aborted, so that nothing is stored and charged for.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderValue, Method};
use percent_encoding::utf8_percent_encode;

use super::{
    attributes::ObjectAttributes,
    client::{
        QUERY_ENCODE_SET, S3ObjectClient, S3RequestClass, check_s3_reply_root_element,
        new_http_header_with_static_name,
    },
    error::{S3RequestError, find_xml_element_text},
    sign::SignedRequestHeaderList,
};

/// How large a part is at least: a large object takes few requests.
const PART_MIN_BYTES: u64 = 512 << 20;
/// S3's limit on the parts of one upload.
const PARTS_MAX: u64 = 10_000;

/// Returns the parts of an object of `size` bytes: first and last byte of each.
pub fn split_into_copy_parts(size: u64) -> impl Iterator<Item = (u64, u64)> {
    let part = PART_MIN_BYTES.max(size.div_ceil(PARTS_MAX));
    (0..size.div_ceil(part)).map(move |index| (index * part, ((index + 1) * part).min(size) - 1))
}

impl S3ObjectClient {
    /// Begins a copy in parts, and returns the upload's id.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn create_multipart_upload(
        &self,
        key: &str,
        head: &ObjectAttributes,
        attributes: &SignedRequestHeaderList,
    ) -> Result<String, S3RequestError> {
        let mut headers = attributes.clone();
        if let (Some(kind), Some(algorithm)) =
            (head.headers.get("x-amz-checksum-type"), head.object_checksum_algorithm())
        {
            // SHA checksums of parts only add up to a composite one.
            let kind = if algorithm.starts_with("SHA") {
                HeaderValue::from_static("COMPOSITE")
            } else {
                kind.clone()
            };
            headers.push(new_http_header_with_static_name("x-amz-checksum-type", kind));
        }
        // HEAD counts them only for who may read them: asked for always, so that who may not is told, and loses none.
        let tags = self.read_object_tags_as_header(key).await?;
        if !tags.is_empty() {
            headers.push(new_http_header_with_static_name("x-amz-tagging", tags));
        }
        let reply = self
            .send_s3_request(
                S3RequestClass::Copy,
                Method::POST,
                &self.object_url_path(key),
                "uploads=",
                headers,
                Bytes::new(),
            )
            .await?;
        find_xml_element_text(&String::from_utf8_lossy(&reply.body), "UploadId")
            .ok_or_else(|| S3RequestError::Broken("an upload without an id".to_owned()))
    }

    /// The object's tags as a header says them: `a=1&b=2`.
    async fn read_object_tags_as_header(&self, key: &str) -> Result<HeaderValue, S3RequestError> {
        let reply = self
            .send_s3_request(
                S3RequestClass::Other,
                Method::GET,
                &self.object_url_path(key),
                "tagging=",
                SignedRequestHeaderList::new(),
                Bytes::new(),
            )
            .await;
        let reply = match reply {
            // A store without tags has none to lose.
            Err(S3RequestError::Unsupported(_)) => return Ok(HeaderValue::from_static("")),
            reply => reply?,
        };
        let body = String::from_utf8_lossy(&reply.body);
        let mut said = String::new();
        for tag in body.split("<Tag>").skip(1) {
            let encoded = |name| {
                utf8_percent_encode(&find_xml_element_text(tag, name).unwrap_or_default(), QUERY_ENCODE_SET)
                    .to_string()
            };
            let _ = write!(
                said,
                "{}{}={}",
                if said.is_empty() { "" } else { "&" },
                encoded("Key"),
                encoded("Value")
            );
        }
        HeaderValue::from_str(&said)
            .map_err(|error| S3RequestError::build_unwritable_header_error("tags", &error))
    }

    /// Completes a copy of which every part is done. What fails leaves the upload for
    /// [`Self::abort_multipart_upload`].
    ///
    /// # Errors
    /// Where the object changed meanwhile, or S3 refuses.
    pub async fn complete_multipart_upload(
        &self,
        key: &str,
        head: &ObjectAttributes,
        upload: &str,
        done: &[String],
    ) -> Result<(), S3RequestError> {
        let body = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}</CompleteMultipartUpload>",
            done.concat()
        );
        let query = format!("uploadId={}", utf8_percent_encode(upload, QUERY_ENCODE_SET));
        let condition = vec![(http::header::IF_MATCH, head.etag.clone())];
        let reply = self
            .send_s3_request(
                S3RequestClass::Copy,
                Method::POST,
                &self.object_url_path(key),
                &query,
                condition,
                Bytes::from(body),
            )
            .await?;
        check_s3_reply_root_element(&reply, b"CompleteMultipartUploadResult")
    }

    /// Copies one part, and returns its line in the completion.
    ///
    /// # Errors
    /// Where the object changed meanwhile, or S3 refuses.
    pub async fn copy_object_part(
        &self,
        key: &str,
        head: &ObjectAttributes,
        upload: &str,
        number: usize,
        (first, last): (u64, u64),
    ) -> Result<String, S3RequestError> {
        let range = HeaderValue::from_str(&format!("bytes={first}-{last}")).expect("digits");
        let headers = vec![
            new_http_header_with_static_name("x-amz-copy-source", self.build_copy_source_header(key)?),
            new_http_header_with_static_name("x-amz-copy-source-if-match", head.etag.clone()),
            new_http_header_with_static_name("x-amz-copy-source-range", range),
        ];
        let query = format!("partNumber={number}&uploadId={}", utf8_percent_encode(upload, QUERY_ENCODE_SET));
        let reply = self
            .send_s3_request(
                S3RequestClass::Copy,
                Method::PUT,
                &self.object_url_path(key),
                &query,
                headers,
                Bytes::new(),
            )
            .await?;
        check_s3_reply_root_element(&reply, b"CopyPartResult")?;
        let body = String::from_utf8_lossy(&reply.body);
        let etag = find_xml_element_text(&body, "ETag")
            .ok_or_else(|| S3RequestError::Broken("a part without an ETag".to_owned()))?;
        let mut line = format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag>",
            quick_xml::escape::escape(&etag)
        );
        if let Some(algorithm) = head.object_checksum_algorithm() {
            let name = format!("Checksum{algorithm}");
            if let Some(value) = find_xml_element_text(&body, &name) {
                let _ = write!(line, "<{name}>{value}</{name}>");
            }
        }
        line.push_str("</Part>");
        Ok(line)
    }

    /// Drops what was begun; that it is gone already is as good.
    ///
    /// # Errors
    /// Where S3 refuses or doesn't answer.
    pub async fn abort_multipart_upload(&self, key: &str, upload: &str) -> Result<(), S3RequestError> {
        let query = format!("uploadId={}", utf8_percent_encode(upload, QUERY_ENCODE_SET));
        match self
            .send_s3_request(
                S3RequestClass::Other,
                Method::DELETE,
                &self.object_url_path(key),
                &query,
                SignedRequestHeaderList::new(),
                Bytes::new(),
            )
            .await
        {
            Ok(_) | Err(S3RequestError::Gone) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once_and_are_never_too_many() {
        for size in [
            (5 << 30) + 1,
            6 << 30,
            PART_MIN_BYTES * PARTS_MAX,
            PART_MIN_BYTES * PARTS_MAX + 1,
            50_000_000_000_000,
        ] {
            let all: Vec<_> = split_into_copy_parts(size).collect();
            assert!(all.len() as u64 <= PARTS_MAX, "{size}");
            assert_eq!((all[0].0, all[all.len() - 1].1), (0, size - 1));
            assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
            assert!(all.iter().all(|(first, last)| last - first < 5 << 30), "a part is at most 5 GB");
        }
    }
}

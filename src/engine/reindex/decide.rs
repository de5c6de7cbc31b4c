//! What happens to an object, from its class and what HEAD shows: pure.
//!
//! What is right already is left alone; what can't keep its attributes is left alone too, and says why.

pub(crate) use crate::aws::s3::fast::{ObjectAttributes, SINGLE_COPY_MAX_BYTES};
use crate::model::packagecloud::object::ObjectCacheClass;

/// What to do with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReindexDecision {
    /// Its Cache-Control is right.
    Keep,
    /// It can't be changed; why.
    Skip(String),
    /// One copy gives it this Cache-Control.
    Copy(&'static str),
    /// Over 5 GB: a copy in parts.
    CopyMultipart(&'static str),
}

/// Decides what is done to an object, by its class and its attributes.
pub fn decide_object_reindex(class: ObjectCacheClass, head: &ObjectAttributes) -> ReindexDecision {
    let Some(cache_control) = class.expected_cache_control() else { return ReindexDecision::Keep };
    // A header that isn't text isn't one that we know.
    if class.is_correct_cache_control(head.object_header_value("cache-control")) {
        return ReindexDecision::Keep;
    }
    if let Some(why) = head.explain_archived_object() {
        return ReindexDecision::Skip(why);
    }
    if let Some(count) = head.object_header_value("x-amz-missing-meta") {
        return ReindexDecision::Skip(format!(
            "{count} of its user metadata can't be read, and would be lost"
        ));
    }
    if head.object_header_value("x-amz-server-side-encryption-customer-algorithm").is_some() {
        return ReindexDecision::Skip("encrypted with a customer-provided key (SSE-C)".to_owned());
    }
    if head.size > SINGLE_COPY_MAX_BYTES {
        ReindexDecision::CopyMultipart(cache_control)
    } else {
        ReindexDecision::Copy(cache_control)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn sample_head(size: u64, headers: &[(&'static str, &'static str)]) -> ObjectAttributes {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut map: HeaderMap = headers.iter().map(pair).collect();
        map.insert("etag", HeaderValue::from_static("\"e\""));
        map.insert("content-length", HeaderValue::from(size));
        ObjectAttributes::from_head_response_headers(map).unwrap()
    }

    #[test]
    fn each_kind_of_object_is_treated_as_it_must_be() {
        let package = ObjectCacheClass::Package.expected_cache_control().unwrap();
        let metadata = ObjectCacheClass::Metadata.expected_cache_control().unwrap();
        fn decide_with_headers(
            class: ObjectCacheClass,
            size: u64,
            headers: &[(&'static str, &'static str)],
        ) -> ReindexDecision {
            decide_object_reindex(class, &sample_head(size, headers))
        }
        assert_eq!(decide_with_headers(ObjectCacheClass::Package, 1, &[]), ReindexDecision::Copy(package));
        assert_eq!(
            decide_with_headers(ObjectCacheClass::Package, 0, &[]),
            ReindexDecision::Copy(package),
            "an empty one"
        );
        assert_eq!(
            decide_with_headers(ObjectCacheClass::Package, 5 << 30, &[]),
            ReindexDecision::Copy(package),
            "just fits"
        );
        assert_eq!(
            decide_with_headers(ObjectCacheClass::Package, (5 << 30) + 1, &[]),
            ReindexDecision::CopyMultipart(package)
        );
        assert_eq!(
            decide_with_headers(
                ObjectCacheClass::Metadata,
                1,
                &[("cache-control", "public, max-age=31536000, immutable")]
            ),
            ReindexDecision::Copy(metadata)
        );
        assert_eq!(
            decide_with_headers(
                ObjectCacheClass::Package,
                1,
                &[("cache-control", "public, max-age=31536000, immutable")]
            ),
            ReindexDecision::Keep
        );
        assert_eq!(
            decide_with_headers(
                ObjectCacheClass::Metadata,
                1,
                &[("cache-control", "no-store"), ("x-amz-storage-class", "GLACIER")]
            ),
            ReindexDecision::Keep
        );
        assert_eq!(decide_with_headers(ObjectCacheClass::Foreign, 1, &[]), ReindexDecision::Keep);
        for (headers, why) in [
            ([("x-amz-storage-class", "DEEP_ARCHIVE")], "archived"),
            ([("x-amz-missing-meta", "1")], "lost"),
            ([("x-amz-server-side-encryption-customer-algorithm", "AES256")], "SSE-C"),
        ] {
            let ReindexDecision::Skip(said) = decide_with_headers(ObjectCacheClass::Package, 1, &headers)
            else {
                panic!("{headers:?}")
            };
            assert!(said.contains(why), "{said}");
        }
    }
}

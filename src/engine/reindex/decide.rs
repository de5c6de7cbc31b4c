//! What happens to an object, from its class and what HEAD shows: pure.
//!
//! What is right already is left alone; what can't keep its attributes is left alone too, and says why.

pub(crate) use crate::aws::s3::fast::{Head, ONE_COPY};
use crate::model::packagecloud::object::Class;

/// What to do with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Its Cache-Control is right.
    Keep,
    /// It can't be changed; why.
    Skip(String),
    /// One copy gives it this Cache-Control.
    Copy(&'static str),
    /// Over 5 GB: a copy in parts.
    CopyInParts(&'static str),
}

pub fn decide(class: Class, head: &Head) -> Decision {
    let Some(cache_control) = class.cache_control() else { return Decision::Keep };
    // A header that isn't text isn't one that we know.
    if class.right(head.text("cache-control")) {
        return Decision::Keep;
    }
    if let Some(why) = head.archived() {
        return Decision::Skip(why);
    }
    if let Some(count) = head.text("x-amz-missing-meta") {
        return Decision::Skip(format!("{count} of its user metadata can't be read, and would be lost"));
    }
    if head.text("x-amz-server-side-encryption-customer-algorithm").is_some() {
        return Decision::Skip("encrypted with a customer-provided key (SSE-C)".to_owned());
    }
    if head.size > ONE_COPY { Decision::CopyInParts(cache_control) } else { Decision::Copy(cache_control) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn head(size: u64, headers: &[(&'static str, &'static str)]) -> Head {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut map: HeaderMap = headers.iter().map(pair).collect();
        map.insert("etag", HeaderValue::from_static("\"e\""));
        map.insert("content-length", HeaderValue::from(size));
        Head::read(map).unwrap()
    }

    #[test]
    fn each_kind_of_object_is_treated_as_it_must_be() {
        let package = Class::Package.cache_control().unwrap();
        let metadata = Class::Metadata.cache_control().unwrap();
        fn decided(class: Class, size: u64, headers: &[(&'static str, &'static str)]) -> Decision {
            decide(class, &head(size, headers))
        }
        assert_eq!(decided(Class::Package, 1, &[]), Decision::Copy(package));
        assert_eq!(decided(Class::Package, 0, &[]), Decision::Copy(package), "an empty one");
        assert_eq!(decided(Class::Package, 5 << 30, &[]), Decision::Copy(package), "just fits");
        assert_eq!(decided(Class::Package, (5 << 30) + 1, &[]), Decision::CopyInParts(package));
        assert_eq!(
            decided(Class::Metadata, 1, &[("cache-control", "public, max-age=31536000, immutable")]),
            Decision::Copy(metadata)
        );
        assert_eq!(
            decided(Class::Package, 1, &[("cache-control", "public, max-age=31536000, immutable")]),
            Decision::Keep
        );
        assert_eq!(
            decided(Class::Metadata, 1, &[("cache-control", "no-store"), ("x-amz-storage-class", "GLACIER")]),
            Decision::Keep
        );
        assert_eq!(decided(Class::Foreign, 1, &[]), Decision::Keep);
        for (headers, why) in [
            ([("x-amz-storage-class", "DEEP_ARCHIVE")], "archived"),
            ([("x-amz-missing-meta", "1")], "lost"),
            ([("x-amz-server-side-encryption-customer-algorithm", "AES256")], "SSE-C"),
        ] {
            let Decision::Skip(said) = decided(Class::Package, 1, &headers) else { panic!("{headers:?}") };
            assert!(said.contains(why), "{said}");
        }
    }
}

//! Tags of objects and buckets: as a header and as a document, and in what words S3 refuses them.

use s3s::S3Result;

use super::refusal::{build_bad_request_error, build_invalid_argument_error, build_malformed_xml_error};
use crate::sandbox::control_plane::xml::XmlElement;

/// Reads `a=b&c=d`, percent-encoded, as tags stand in a header.
///
/// # Errors
/// Refuses a name that is there twice, and what can't be a name or a value.
pub fn parse_object_tagging_header(header: &str) -> S3Result<Vec<(String, String)>> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    let tags: Vec<(String, String)> = header
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            pair.split_once('=')
                .map_or_else(|| (decode(pair), String::new()), |(k, v)| (decode(k), decode(v)))
        })
        .collect();
    let odd = tags.iter().any(|(name, value)| !is_tag_text(name) || !is_tag_text(value));
    if odd || find_doubled_name(&tags).is_some() {
        return Err(build_invalid_argument_error(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
            "x-amz-tagging",
            header,
        ));
    }
    Ok(tags)
}

/// Reads a `<Tagging>` document; of what is refused, `of_bucket` chooses the words.
///
/// # Errors
/// Refuses what is no such document, and tags that may not be.
pub fn parse_tagging_document(text: &str, of_bucket: bool) -> S3Result<Vec<(String, String)>> {
    let root = XmlElement::parse_xml(text).map_err(|_| build_malformed_xml_error())?;
    let mut tags = Vec::new();
    for tag in root.find_child("TagSet").into_iter().flat_map(|set| &set.children) {
        let member = |name: &str| tag.find_child(name).map(|member| member.text.clone());
        match (member("Key"), member("Value")) {
            (Some(key), Some(value)) if !key.is_empty() => tags.push((key, value)),
            _ => return Err(build_malformed_xml_error()),
        }
    }
    if let Some(name) = find_doubled_name(&tags) {
        let message = "Cannot provide multiple Tags with the same key";
        return Err(build_bad_request_error("InvalidTag", message, &[("TagKey", name)]));
    }
    for (name, value) in &tags {
        if !is_tag_text(name) {
            let message = "The TagKey you have provided is invalid";
            return Err(build_bad_request_error("InvalidTag", message, &[("TagKey", name)]));
        }
        if !is_tag_text(value) {
            let message = "The TagValue you have provided is invalid";
            let details = [("TagKey", name.as_str()), ("TagValue", value.as_str())];
            return Err(build_bad_request_error("InvalidTag", message, &details));
        }
        if name.starts_with("aws:") {
            let message = if of_bucket {
                "System tags cannot be added/updated by requester"
            } else {
                "Your TagKey cannot be prefixed with aws:"
            };
            return Err(build_bad_request_error("InvalidTag", message, &[("TagKey", name)]));
        }
    }
    Ok(tags)
}

fn find_doubled_name(tags: &[(String, String)]) -> Option<&str> {
    tags.iter()
        .enumerate()
        .find(|(at, (name, _))| tags[..*at].iter().any(|(other, _)| other == name))
        .map(|(_, (name, _))| name.as_str())
}

/// Letters, digits, spaces and `+ - = . _ : / @`, by S3's API reference.
fn is_tag_text(text: &str) -> bool {
    text.chars().all(|one| one.is_alphanumeric() || one.is_whitespace() || "+-=._:/@".contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of recorded answers.
    #[test]
    fn tags_are_refused_in_s3s_words() {
        let tag = |key: &str, value: &str| format!("<Tag>{key}{value}</Tag>");
        let (key, value) =
            (|text: &str| format!("<Key>{text}</Key>"), |text: &str| format!("<Value>{text}</Value>"));
        for (tags, of_bucket, code, message) in [
            (
                tag(&key("a"), &value("b")).repeat(2),
                true,
                "InvalidTag",
                "Cannot provide multiple Tags with the same key",
            ),
            (tag(&key("a,b"), &value("c")), false, "InvalidTag", "The TagKey you have provided is invalid"),
            (tag(&key("a"), &value("b,c")), true, "InvalidTag", "The TagValue you have provided is invalid"),
            (
                tag(&key("aws:a"), &value("b")),
                true,
                "InvalidTag",
                "System tags cannot be added/updated by requester",
            ),
            (
                tag(&key("aws:a"), &value("b")),
                false,
                "InvalidTag",
                "Your TagKey cannot be prefixed with aws:",
            ),
            (
                tag("", &value("b")),
                false,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            ),
            (
                tag(&key("a"), ""),
                true,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            ),
        ] {
            let document = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
            let error = parse_tagging_document(&document, of_bucket).unwrap_err();
            assert_eq!((error.code().as_str(), error.message()), (code, Some(message)), "{document}");
        }
        assert_eq!(parse_tagging_document("<Tagging/>", false).unwrap(), vec![]);
        for header in ["key1=val1&key1=val2", "key1=val1,key2=val2"] {
            assert_eq!(parse_object_tagging_header(header).unwrap_err().code().as_str(), "InvalidArgument");
        }
        let two = [("key1".to_owned(), String::new()), ("key2".to_owned(), String::new())];
        assert_eq!(parse_object_tagging_header("key1&&&key2").unwrap(), two);
    }
}

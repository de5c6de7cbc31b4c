//! One page of a listing, read as S3 writes it: keys URL-encoded, so that every key survives XML.
//!
//! A `+` in an encoded key is a space, `%2B` a plus.

use quick_xml::{Reader, events::Event};

use crate::aws::s3::listed_key::decode_url_encoded_key;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectListingEntry {
    pub key: String,
    pub size: u64,
    pub storage_class: S3StorageClass,
}

/// As far as it decides what a rewrite means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum S3StorageClass {
    #[default]
    Standard,
    /// Infrequent access, Glacier instant retrieval, intelligent tiering: read at a fee, kept a minimum of time.
    Cool,
    /// Not readable before it is restored.
    Archived,
}

impl S3StorageClass {
    /// Returns the storage class of this name.
    pub fn parse_storage_class_name(name: &str) -> Self {
        match name {
            "GLACIER" | "DEEP_ARCHIVE" => Self::Archived,
            "STANDARD_IA" | "ONEZONE_IA" | "GLACIER_IR" | "INTELLIGENT_TIERING" => Self::Cool,
            _ => Self::Standard,
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct ObjectListingPage {
    pub entries: Vec<ObjectListingEntry>,
    pub prefixes: Vec<String>,
    /// Whether keys follow after this page's last one.
    pub more: bool,
}

impl ObjectListingPage {
    /// Reads a page of a listing.
    ///
    /// # Errors
    /// The reason why it can't be read.
    pub fn from_listing_xml(body: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
        let mut reader = Reader::from_str(text);
        let (mut page, mut entry, mut whole) = (Self::default(), None::<ObjectListingEntry>, false);
        let (mut in_prefixes, mut encoded) = (false, false);
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(tag) => {
                    let name = tag.name();
                    match name.as_ref() {
                        b"Contents" => {
                            entry = Some(ObjectListingEntry {
                                key: String::new(),
                                size: 0,
                                storage_class: S3StorageClass::default(),
                            });
                        }
                        b"CommonPrefixes" => in_prefixes = true,
                        b"Key" | b"Size" | b"StorageClass" | b"Prefix" | b"IsTruncated" | b"EncodingType" => {
                            let value = reader.read_text(name).map_err(|error| error.to_string())?;
                            let value = value.decode().map_err(|error| error.to_string())?;
                            match (name.as_ref(), entry.as_mut()) {
                                (b"Key", Some(entry)) => entry.key = value.into_owned(),
                                (b"Size", Some(entry)) => {
                                    entry.size = value.parse().map_err(|_| format!("a size of {value}"))?;
                                }
                                (b"StorageClass", Some(entry)) => {
                                    entry.storage_class = S3StorageClass::parse_storage_class_name(&value);
                                }
                                (b"Prefix", None) if in_prefixes => page.prefixes.push(value.into_owned()),
                                (b"IsTruncated", None) => page.more = value == "true",
                                (b"EncodingType", None) => encoded = value == "url",
                                _ => {}
                            }
                        }
                        _ => {}
                    }
                }
                Event::End(tag) => match tag.name().as_ref() {
                    b"Contents" => page.entries.extend(entry.take()),
                    b"CommonPrefixes" => in_prefixes = false,
                    b"ListBucketResult" => whole = true,
                    _ => {}
                },
                Event::Eof => break,
                _ => {}
            }
        }
        if !whole {
            return Err("the listing ends in the middle".to_owned());
        }
        let keys = page.entries.iter_mut().map(|entry| &mut entry.key);
        for key in keys.chain(&mut page.prefixes) {
            *key = decode_listed_key(key, encoded)?;
        }
        Ok(page)
    }
}

fn decode_listed_key(key: &str, encoded: bool) -> Result<String, String> {
    let text = quick_xml::escape::unescape(key).map_err(|error| error.to_string())?;
    if encoded { decode_url_encoded_key(&text) } else { Ok(text.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_as_s3_writes_it() {
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix>7%2F</Prefix><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>\
            <Contents><Key>7/8/a%2Bb+c%25%C3%A4&amp;</Key><Size>12</Size><StorageClass>GLACIER</StorageClass></Contents>\
            <Contents><Key>7/8/plain</Key><Size>0</Size></Contents>\
            <CommonPrefixes><Prefix>7/9/</Prefix></CommonPrefixes></ListBucketResult>";
        let page = ObjectListingPage::from_listing_xml(body.as_bytes()).unwrap();
        assert_eq!(
            page.entries[0],
            ObjectListingEntry {
                key: "7/8/a+b c%ä&".into(),
                size: 12,
                storage_class: S3StorageClass::Archived
            }
        );
        assert_eq!(page.entries[1].key, "7/8/plain");
        assert_eq!((page.prefixes, page.more), (vec!["7/9/".to_owned()], true));
    }

    #[test]
    fn keys_that_were_not_encoded_are_taken_as_they_are() {
        let body = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>7/8/a+b%20&lt;</Key><Size>1</Size></Contents></ListBucketResult>";
        assert_eq!(
            ObjectListingPage::from_listing_xml(body.as_bytes()).unwrap().entries[0].key,
            "7/8/a+b%20<"
        );
    }

    #[test]
    fn half_a_page_is_no_page() {
        assert!(
            ObjectListingPage::from_listing_xml(b"<ListBucketResult><IsTruncated>false</IsTruncated>")
                .is_err()
        );
        assert!(ObjectListingPage::from_listing_xml(b"").is_err());
    }
}

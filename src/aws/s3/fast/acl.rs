//! An object's access control list, as GetObjectAcl writes it and as a copy's headers set it.
//!
//! A list that only gives the owner everything is what a copy gets anyway: it needs no header.

use http::{HeaderName, HeaderValue};
use quick_xml::{Reader, events::Event};

use super::sign::SignedRequestHeaderList;

#[derive(Debug, Default, PartialEq, Eq)]
struct ObjectAclGrant {
    /// `id="…"`, `uri="…"` or `emailAddress="…"`.
    grantee: String,
    permission: String,
}

const ALL_USERS_URI: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS_URI: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

/// Returns the headers that give a copy the list in `body`.
///
/// # Errors
/// The reason why the list can't be read.
pub fn acl_headers_from_xml(body: &[u8]) -> Result<SignedRequestHeaderList, String> {
    let (owner, grants) = parse_object_acl(body)?;
    let owner = format!("id=\"{owner}\"");
    let full = |grant: &ObjectAclGrant| grant.grantee == owner && grant.permission == "FULL_CONTROL";
    let rest: Vec<_> = grants.iter().filter(|grant| !full(grant)).collect();
    if grants.iter().any(full) {
        let mut said: Vec<_> =
            rest.iter().map(|grant| (grant.grantee.as_str(), grant.permission.as_str())).collect();
        said.sort_unstable();
        let (users, authenticated) =
            (format!("uri=\"{ALL_USERS_URI}\""), format!("uri=\"{AUTHENTICATED_USERS_URI}\""));
        let canned = match said.as_slice() {
            [] => return Ok(SignedRequestHeaderList::new()),
            [(who, "READ")] if *who == users => Some("public-read"),
            [(who, "READ"), (also, "WRITE")] if *who == users && *also == users => Some("public-read-write"),
            [(who, "READ")] if *who == authenticated => Some("authenticated-read"),
            _ => None,
        };
        if let Some(canned) = canned {
            return Ok(vec![(HeaderName::from_static("x-amz-acl"), HeaderValue::from_static(canned))]);
        }
    }
    let mut said = SignedRequestHeaderList::new();
    for (permission, header) in [
        ("FULL_CONTROL", "x-amz-grant-full-control"),
        ("READ", "x-amz-grant-read"),
        ("READ_ACP", "x-amz-grant-read-acp"),
        ("WRITE_ACP", "x-amz-grant-write-acp"),
    ] {
        let to: Vec<_> = grants
            .iter()
            .filter(|grant| grant.permission == permission)
            .map(|grant| grant.grantee.as_str())
            .collect();
        if !to.is_empty() {
            let value = HeaderValue::from_str(&to.join(", ")).map_err(|error| error.to_string())?;
            said.push((HeaderName::from_static(header), value));
        }
    }
    Ok(said)
}

/// Returns whether such headers grant something to everybody, or to everybody with an AWS account.
#[must_use]
pub fn has_public_acl_header(headers: &SignedRequestHeaderList) -> bool {
    const PUBLIC_VALUES: [&str; 5] =
        [ALL_USERS_URI, AUTHENTICATED_USERS_URI, "public-read", "public-read-write", "authenticated-read"];
    headers.iter().any(|(name, value)| {
        let is_grant = *name == "x-amz-acl" || name.as_str().starts_with("x-amz-grant-");
        is_grant
            && value.to_str().is_ok_and(|value| PUBLIC_VALUES.iter().any(|public| value.contains(public)))
    })
}

fn parse_object_acl(body: &[u8]) -> Result<(String, Vec<ObjectAclGrant>), String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let mut reader = Reader::from_str(text);
    let (mut owner, mut grants, mut grant) = (None, Vec::new(), None::<ObjectAclGrant>);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => {
                let name = tag.name();
                match name.as_ref() {
                    b"Grant" => grant = Some(ObjectAclGrant::default()),
                    b"ID" | b"URI" | b"EmailAddress" | b"Permission" => {
                        let value = reader.read_text(name).map_err(|error| error.to_string())?;
                        let value = value.decode().map_err(|error| error.to_string())?;
                        let value = quick_xml::escape::unescape(&value).map_err(|error| error.to_string())?;
                        match (name.as_ref(), grant.as_mut()) {
                            (b"ID", None) => owner = Some(value.into_owned()),
                            (b"ID", Some(grant)) => grant.grantee = format!("id=\"{value}\""),
                            (b"URI", Some(grant)) => grant.grantee = format!("uri=\"{value}\""),
                            (b"EmailAddress", Some(grant)) => {
                                grant.grantee = format!("emailAddress=\"{value}\"");
                            }
                            (b"Permission", Some(grant)) => grant.permission = value.into_owned(),
                            _ => {}
                        }
                    }
                    _ => {}
                }
            }
            Event::End(tag) if tag.name().as_ref() == b"Grant" => grants.extend(grant.take()),
            Event::Eof => break,
            _ => {}
        }
    }
    owner.map(|owner| (owner, grants)).ok_or_else(|| "no owner in the access control list".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl_headers_from_grants(grants: &[(&str, &str)]) -> Vec<(String, String)> {
        use std::fmt::Write as _;
        let mut list = String::new();
        for (who, permission) in grants {
            let _ = write!(
                list,
                "<Grant><Grantee xmlns:xsi=\"x\" xsi:type=\"y\">{who}</Grantee><Permission>{permission}</Permission></Grant>"
            );
        }
        let body = format!(
            "<?xml version=\"1.0\"?><AccessControlPolicy><Owner><ID>me</ID><DisplayName>d</DisplayName></Owner><AccessControlList>{list}</AccessControlList></AccessControlPolicy>"
        );
        let headers = acl_headers_from_xml(body.as_bytes()).unwrap();
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn each_list_comes_back_as_it_was() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mine = ("<ID>me</ID>", "FULL_CONTROL");
        let users = format!("<URI>{ALL_USERS_URI}</URI>");
        assert_eq!(acl_headers_from_grants(&[mine]), []);
        assert_eq!(acl_headers_from_grants(&[mine, (&users, "READ")]), [pair("x-amz-acl", "public-read")]);
        assert_eq!(
            acl_headers_from_grants(&[mine, (&users, "WRITE"), (&users, "READ")]),
            [pair("x-amz-acl", "public-read-write")]
        );
        assert_eq!(
            acl_headers_from_grants(&[mine, ("<ID>you</ID>", "READ"), (&users, "READ")]),
            [
                pair("x-amz-grant-full-control", "id=\"me\""),
                pair("x-amz-grant-read", &format!("id=\"you\", uri=\"{ALL_USERS_URI}\""))
            ]
        );
        assert_eq!(
            acl_headers_from_grants(&[("<ID>you</ID>", "READ_ACP")]),
            [pair("x-amz-grant-read-acp", "id=\"you\"")],
            "not even the owner's"
        );
        assert!(acl_headers_from_xml(b"<AccessControlPolicy/>").is_err());
    }
}

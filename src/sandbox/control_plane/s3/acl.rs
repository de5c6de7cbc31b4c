//! Access control lists as they are put, by header or as a document, of objects and of buckets; and in what words S3 refuses them.

use http::HeaderMap;
use s3s::{S3Error, S3ErrorCode, S3Result, dto};

use super::{
    SandboxAclGrant, SandboxBucket,
    object::{compute_account_canonical_user_id, get_header_text, parse_acl_header_grants},
    refusal::{
        MALFORMED_XML_MESSAGE, build_acls_off_error, build_bad_request_error, build_invalid_argument_error,
    },
};
use crate::sandbox::control_plane::xml::{XmlElement, escape_xml};

const CANNED_ACLS: [&str; 8] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];
const GRANT_HEADERS: [&str; 5] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];
const GROUPS: [&str; 3] = ["global/AllUsers", "global/AuthenticatedUsers", "s3/LogDelivery"];
const GROUP_PREFIX: &str = "http://acs.amazonaws.com/groups/";
const PERMISSIONS: [&str; 5] = ["FULL_CONTROL", "READ", "READ_ACP", "WRITE", "WRITE_ACP"];

/// A list as it was put: the grants beyond the owner's own, and whether he keeps his.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAccessControlList {
    pub grants: Vec<SandboxAclGrant>,
    pub without_owner_grant: bool,
}

/// Checks the name of a canned list.
///
/// # Errors
/// Refuses one that S3 doesn't know; it gives no message.
pub fn check_canned_acl(canned: Option<&str>) -> S3Result<()> {
    match canned {
        Some(name) if !CANNED_ACLS.contains(&name) => {
            Err(build_invalid_argument_error("", "x-amz-acl", name))
        }
        _ => Ok(()),
    }
}

/// Reads the list that a request puts.
///
/// # Errors
/// Refuses what S3 refuses, in its order: two forms at once, unknown grantees, a document that is none.
pub fn parse_put_acl(
    headers: &HeaderMap,
    body: &str,
    bucket: &SandboxBucket,
) -> S3Result<PutAccessControlList> {
    let canned = get_header_text(headers, "x-amz-acl");
    check_canned_acl(canned)?;
    let granted: Vec<(&str, &str)> =
        GRANT_HEADERS.iter().filter_map(|name| Some((*name, get_header_text(headers, name)?))).collect();
    if canned.is_some() && !granted.is_empty() {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "Specifying both Canned ACLs and Header Grants is not allowed",
        ));
    }
    if (canned.is_some() || !granted.is_empty()) && !body.is_empty() {
        return Err(build_bad_request_error(
            "UnexpectedContent",
            "This request does not support content",
            &[],
        ));
    }
    for (header, text) in &granted {
        check_header_grantees(header, text)?;
    }
    let owner = compute_account_canonical_user_id(&bucket.owner);
    let list = if canned.is_some() {
        PutAccessControlList { grants: parse_acl_header_grants(headers), without_owner_grant: false }
    } else if !granted.is_empty() {
        separate_owner_grant(parse_acl_header_grants(headers), &owner)
    } else if body.is_empty() {
        return Err(build_bad_request_error(
            "MissingSecurityHeader",
            "Your request was missing a required header",
            &[("MissingHeaderName", "x-amz-acl")],
        ));
    } else {
        separate_owner_grant(parse_acl_document(body)?, &owner)
    };
    if !bucket.are_object_acls_enabled() && (!list.grants.is_empty() || list.without_owner_grant) {
        return Err(build_acls_off_error());
    }
    Ok(list)
}

fn separate_owner_grant(grants: Vec<SandboxAclGrant>, owner: &str) -> PutAccessControlList {
    let is_own = |grant: &SandboxAclGrant| grant.grantee == owner && grant.permission == "FULL_CONTROL";
    let without_owner_grant = !grants.iter().any(is_own);
    PutAccessControlList {
        grants: grants.into_iter().filter(|grant| !is_own(grant)).collect(),
        without_owner_grant,
    }
}

fn check_header_grantees(header: &str, text: &str) -> S3Result<()> {
    for one in text.split(',') {
        let (kind, name) = one.split_once('=').unwrap_or((one, ""));
        let name = name.trim().trim_matches('"');
        match kind.trim() {
            "uri" if !is_group(name) => {
                return Err(build_invalid_argument_error("Invalid group uri", "uri", name));
            }
            "id" if !is_canonical_user_id(name) => {
                return Err(build_invalid_argument_error("Invalid id", "id", name));
            }
            "uri" | "id" | "emailAddress" => {}
            _ => {
                return Err(build_invalid_argument_error("Argument format not recognized", header, text));
            }
        }
    }
    Ok(())
}

fn is_group(uri: &str) -> bool {
    uri.strip_prefix(GROUP_PREFIX).is_some_and(|group| GROUPS.contains(&group))
}

fn is_canonical_user_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn build_malformed_acl_error() -> S3Error {
    S3Error::with_message(S3ErrorCode::MalformedACLError, MALFORMED_XML_MESSAGE)
}

fn parse_acl_document(body: &str) -> S3Result<Vec<SandboxAclGrant>> {
    let root = XmlElement::parse_xml(body).map_err(|_| build_malformed_acl_error())?;
    let owner = root.find_text_at_path("Owner/ID").ok_or_else(build_malformed_acl_error)?;
    let mut grants = Vec::new();
    let listed =
        root.find_child("AccessControlList").map(|list| list.children.as_slice()).unwrap_or_default();
    for grant in listed {
        let permission = grant.find_text_at_path("Permission").unwrap_or_default();
        let grantee = grant.find_child("Grantee").ok_or_else(build_malformed_acl_error)?;
        let kind = grantee
            .attributes
            .split_once("xsi:type=\"")
            .and_then(|(_, rest)| rest.split('"').next())
            .unwrap_or_default();
        let member = match kind {
            "CanonicalUser" => "ID",
            "Group" => "URI",
            "AmazonCustomerByEmail" => "EmailAddress",
            _ => return Err(build_malformed_acl_error()),
        };
        if !PERMISSIONS.contains(&permission) {
            return Err(build_malformed_acl_error());
        }
        let name = grantee.find_text_at_path(member).ok_or_else(build_malformed_acl_error)?;
        grants
            .push((member, SandboxAclGrant { grantee: name.to_owned(), permission: permission.to_owned() }));
    }
    let user = |id: &str| build_invalid_argument_error("Invalid id", "CanonicalUser/ID", id);
    if !is_canonical_user_id(owner) {
        return Err(user(owner));
    }
    for (member, SandboxAclGrant { grantee, .. }) in &grants {
        match *member {
            "ID" if !is_canonical_user_id(grantee) => return Err(user(grantee)),
            "URI" if !is_group(grantee) => {
                return Err(build_invalid_argument_error("Invalid group uri", "Group/URI", grantee));
            }
            _ => {}
        }
    }
    Ok(grants.into_iter().map(|(_, grant)| grant).collect())
}

/// Returns the owner's own grant, unless a list took it away, and the grants of the list; `list` is none where nothing was put.
pub fn list_all_grants(
    owner: &str,
    list: Option<&PutAccessControlList>,
) -> impl Iterator<Item = SandboxAclGrant> {
    let own = SandboxAclGrant { grantee: owner.to_owned(), permission: "FULL_CONTROL".to_owned() };
    let keeps_own = list.is_none_or(|list| !list.without_owner_grant);
    let grants = list.map(|list| list.grants.clone()).unwrap_or_default();
    keeps_own.then_some(own).into_iter().chain(grants)
}

fn is_group_grant(grant: &SandboxAclGrant) -> bool {
    grant.grantee.starts_with("http")
}

/// Writes a grant as s3s answers it.
pub fn convert_acl_grant(grant: &SandboxAclGrant) -> dto::Grant {
    let group = is_group_grant(grant);
    let grantee = dto::Grantee {
        display_name: None,
        email_address: None,
        id: (!group).then(|| grant.grantee.clone()),
        uri: group.then(|| grant.grantee.clone()),
        type_: dto::Type::from_static(if group { "Group" } else { "CanonicalUser" }),
    };
    dto::Grant { grantee: Some(grantee), permission: Some(grant.permission.clone().into()) }
}

/// Writes a list as S3 answers it; `list` is none where nothing was put.
pub fn render_acl_document(owner: &str, list: Option<&PutAccessControlList>) -> String {
    const XSI: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    let grants: String = list_all_grants(owner, list)
        .map(|grant| {
            let (kind, member) =
                if is_group_grant(&grant) { ("Group", "URI") } else { ("CanonicalUser", "ID") };
            format!(
                "<Grant><Grantee {XSI} xsi:type=\"{kind}\"><{member}>{}</{member}></Grantee><Permission>{}</Permission></Grant>",
                escape_xml(&grant.grantee),
                grant.permission
            )
        })
        .collect();
    format!(
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(headers: &[(&'static str, &'static str)], body: &str) -> (String, Option<String>) {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let error = parse_put_acl(&headers, body, &SandboxBucket::new("1", "us-east-1", 0)).unwrap_err();
        (error.code().as_str().to_owned(), error.message().map(str::to_owned))
    }

    /// Facts of recorded answers.
    #[test]
    fn lists_are_refused_in_s3s_words() {
        let owner = "a".repeat(64);
        let document = |owner: &str, kind: &str, member: &str, permission: &str| {
            format!(
                "<AccessControlPolicy>{owner}<AccessControlList><Grant><Grantee xsi:type=\"{kind}\">{member}</Grantee><Permission>{permission}</Permission></Grant></AccessControlList></AccessControlPolicy>"
            )
        };
        let own = format!("<Owner><ID>{owner}</ID></Owner>");
        let group = "<URI>http://acs.amazonaws.com/groups/s3/LogDelivery</URI>";
        let fake = "<URI>http://acs.amazonaws.com/groups/s3/FakeGroup</URI>";
        let malformed =
            "The XML you provided was not well-formed or did not validate against our published schema";
        for (headers, body, code, message) in [
            (vec![("x-amz-acl", "fake-acl")], String::new(), "InvalidArgument", ""),
            (
                vec![("x-amz-grant-write", "uri=\"http://x\"")],
                String::new(),
                "InvalidArgument",
                "Invalid group uri",
            ),
            (
                vec![("x-amz-grant-write", "fakekey=\"1\"")],
                String::new(),
                "InvalidArgument",
                "Argument format not recognized",
            ),
            (vec![("x-amz-grant-write", "id=\"wrong\"")], String::new(), "InvalidArgument", "Invalid id"),
            (vec![], String::new(), "MissingSecurityHeader", "Your request was missing a required header"),
            (
                vec![("x-amz-acl", "private"), ("x-amz-grant-read", "id=\"wrong\"")],
                String::new(),
                "InvalidRequest",
                "Specifying both Canned ACLs and Header Grants is not allowed",
            ),
            (
                vec![("x-amz-acl", "private")],
                own.clone(),
                "UnexpectedContent",
                "This request does not support content",
            ),
            (vec![], document("", "Group", group, "WRITE"), "MalformedACLError", malformed),
            (vec![], document(&own, "Group", group, "WRONG"), "MalformedACLError", malformed),
            (
                vec![],
                document("<Owner><ID>wrong</ID></Owner>", "Group", group, "READ"),
                "InvalidArgument",
                "Invalid id",
            ),
            (vec![], document(&own, "Group", fake, "READ"), "InvalidArgument", "Invalid group uri"),
            (
                vec![],
                document(&own, "CanonicalUser", "<ID>wrong</ID>", "READ"),
                "InvalidArgument",
                "Invalid id",
            ),
            (vec![], document(&own, "BadType", "<ID>wrong</ID>", "READ"), "MalformedACLError", malformed),
            (
                vec![],
                document(&own, "Group", group, "READ"),
                "AccessControlListNotSupported",
                "The bucket does not allow ACLs",
            ),
        ] {
            let expected = (code.to_owned(), Some(message.to_owned()));
            assert_eq!(refuse(&headers, &body), expected, "{headers:?} {body}");
        }
    }
}

//! The names of CloudFront's operations that the sandbox lacks: CloudFront names them after their paths.

use http::{Method, Uri};

use crate::sandbox::control_plane::describe_unknown_operation;

/// Turns `cache-policy` into `CachePolicy`.
fn convert_path_to_name(part: &str) -> String {
    part.split('-')
        .map(|word| match word {
            "cloudfront" => "CloudFront".to_owned(),
            word => {
                let mut letters = word.chars();
                letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
            }
        })
        .collect()
}

fn build_plural(name: &str) -> String {
    match name.strip_suffix('y') {
        Some(start) => format!("{start}ies"),
        None => format!("{name}s"),
    }
}

/// Names an operation by its method and its path, as CloudFront's API reference does.
pub fn name_unplayed_cloudfront_operation(method: &Method, uri: &Uri) -> String {
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').skip(1).collect();
    let query = uri.query().unwrap_or_default();
    let name = match parts.first() {
        Some(&"tagging") => {
            return if query.contains("Untag") { "UntagResource" } else { "TagResource" }.to_owned();
        }
        Some(&"origin-access-identity") => "CloudFrontOriginAccessIdentity".to_owned(),
        Some(part) => convert_path_to_name(part),
        None => String::new(),
    };
    let rest: Vec<&str> = parts.iter().skip(1).copied().filter(|part| *part != "cloudfront").collect();
    match (method.as_str(), rest.as_slice()) {
        ("POST", []) => format!("Create{name}"),
        ("GET", []) => format!("List{}", build_plural(&name)),
        ("GET", [_]) => format!("Get{name}"),
        ("GET", [_, "config"]) => format!("Get{name}Config"),
        ("PUT", [_] | [_, "config"]) => format!("Update{name}"),
        ("DELETE", [_]) => format!("Delete{name}"),
        ("POST", [_, action]) => format!("{}{name}", convert_path_to_name(action)),
        ("GET", [_, what]) => format!("Get{}", convert_path_to_name(what)),
        _ => describe_unknown_operation(method, uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_after_their_paths() {
        for (method, path, name) in [
            ("POST", "/2020-05-31/function", "CreateFunction"),
            ("GET", "/2020-05-31/origin-request-policy", "ListOriginRequestPolicies"),
            ("GET", "/2020-05-31/key-group/k/config", "GetKeyGroupConfig"),
            ("DELETE", "/2020-05-31/distribution/E1", "DeleteDistribution"),
            (
                "DELETE",
                "/2020-05-31/origin-access-identity/cloudfront/E1",
                "DeleteCloudFrontOriginAccessIdentity",
            ),
            ("PUT", "/2020-05-31/origin-access-control/E1/config", "UpdateOriginAccessControl"),
            ("POST", "/2020-05-31/tagging?Operation=Untag&Resource=a", "UntagResource"),
            ("POST", "/2020-05-31/function/f/publish", "PublishFunction"),
        ] {
            let uri: Uri = path.parse().unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(name_unplayed_cloudfront_operation(&method, &uri), name);
        }
    }
}

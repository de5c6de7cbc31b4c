//! The content types that packagecloud gives its objects.

/// Returns the content type that packagecloud gives a key, by its name.
pub fn content_type_for_key(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or(key);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("deb" | "udeb" | "ddeb") => "application/vnd.debian.binary-package",
        Some("rpm" | "drpm") => "application/x-rpm",
        Some("gz" | "tgz") => "application/gzip",
        Some("bz2") => "application/x-bzip2",
        Some("xz") => "application/x-xz",
        Some("xml" | "pom") => "application/xml",
        Some("json") => "application/json",
        Some("html") => "text/html",
        Some("gpg" | "asc") => "application/pgp-keys",
        Some("zip" | "whl" | "jar" | "war" | "ear" | "egg") => "application/zip",
        _ if name.is_empty() => "text/html",
        _ if ["Release", "InRelease", "Packages", "Sources"].contains(&name) => "text/plain",
        _ => "application/octet-stream",
    }
}

//! What an S3 object is to a package manager, by its key alone, and which Cache-Control that calls for (contract section 6).
//!
//! Where it isn't sure, the answer is repository metadata: an index that is cached breaks installations, a package
//! that isn't cached only costs money.

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::model::failure::Failure;

/// A day, in seconds: what a package's max-age is at least.
const DAY_SECONDS: u64 = 86_400;

/// What a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectCacheClass {
    /// Never changes once written: cached for a year.
    Package,
    /// Rewritten in place by the server: never cached.
    Metadata,
    /// Not of packagecloud's layout: a backup, say. Left alone.
    Foreign,
}

impl ObjectCacheClass {
    /// Returns the Cache-Control that is written where the one that stands isn't right; nothing for what is left alone.
    #[must_use]
    pub fn expected_cache_control(self) -> Option<&'static str> {
        match self {
            Self::Package => Some("public, max-age=31536000, immutable"),
            Self::Metadata => Some("no-cache, no-store, max-age=0, must-revalidate"),
            Self::Foreign => None,
        }
    }

    /// Returns whether `header`, an object's Cache-Control as it stands, is right.
    #[must_use]
    pub fn is_correct_cache_control(self, header: Option<&str>) -> bool {
        let said = CacheDirectives::parse_cache_control(header.unwrap_or_default());
        match self {
            Self::Package => {
                said.max_age.is_some_and(|age| age >= DAY_SECONDS)
                    && !said.no_store
                    && !said.no_cache
                    && !said.private
                    && said.shared_max_age.is_none_or(|age| age >= DAY_SECONDS)
            }
            Self::Metadata => {
                said.no_store
                    || said.no_cache && !said.qualified
                    || said.max_age == Some(0) && said.shared_max_age.is_none_or(|age| age == 0)
            }
            Self::Foreign => true,
        }
    }
}

/// How keys are classed: by the layout, unless the operator's globs say otherwise.
#[derive(Debug, Clone, Default)]
pub struct ObjectClassifier {
    all_keys: bool,
    packages: GlobSet,
    metadata: GlobSet,
}

impl ObjectClassifier {
    /// Builds the classifier. `all_keys`: keys that don't begin with two numbers too. A glob's `*` also matches `/`.
    ///
    /// # Errors
    /// Names a glob that can't be read.
    pub fn new(all_keys: bool, packages: &[String], metadata: &[String]) -> Result<Self, Failure> {
        Ok(Self {
            all_keys,
            packages: build_object_key_globs("--package-glob", packages)?,
            metadata: build_object_key_globs("--metadata-glob", metadata)?,
        })
    }

    /// Returns what `key` names. Where both kinds of globs match, it is metadata.
    #[must_use]
    pub fn classify_object_key(&self, key: &str) -> ObjectCacheClass {
        if key.starts_with(BATCH_KEY_PREFIX) || !self.all_keys && !is_packagecloud_object_key(key) {
            ObjectCacheClass::Foreign
        } else if self.metadata.is_match(key) {
            ObjectCacheClass::Metadata
        } else if self.packages.is_match(key) || is_package_key(key) {
            ObjectCacheClass::Package
        } else {
            ObjectCacheClass::Metadata
        }
    }
}

fn build_object_key_globs(option: &str, patterns: &[String]) -> Result<GlobSet, Failure> {
    let unreadable = |pattern: &str, error: &globset::Error| {
        Failure::new_usage_failure(
            format!("{option} {pattern}"),
            error.kind().to_string(),
            "write it as a shell glob, such as '*/installers/*'",
        )
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|error| unreadable(pattern, &error))?);
    }
    set.build().map_err(|error| unreadable(&patterns.join(" "), &error))
}

/// A key that no repository has: what it is answered tells whether a request gets through.
pub const ABSENT_KEY: &str = "0/0/packagecloud-cloudfront/absent.deb";

/// Below it lie the manifests and reports of S3 Batch Operations: no objects of packagecloud's, whatever the options.
pub const BATCH_KEY_PREFIX: &str = "packagecloud-cloudfront/";

/// Returns whether `key` is `<owner id>/<repository id>/…`.
#[must_use]
pub fn is_packagecloud_object_key(key: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = key.splitn(3, '/');
    parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.next().is_some()
}

const PACKAGE_FOLDERS: [&str; 2] = ["package_files", "java_artifact"];
const PACKAGE_SUFFIXES: [&str; 22] = [
    ".deb", ".udeb", ".ddeb", ".rpm", ".drpm", ".gem", ".whl", ".egg", ".jar", ".war", ".ear", ".aar",
    ".apk", ".nupkg", ".tgz", ".zip", ".dsc", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".crate",
];
const METADATA_FOLDERS: [&str; 5] = ["dists", "repodata", "gpg", "simple", "quick"];
const METADATA_FILE_NAMES: [&str; 7] = [
    "specs.4.8.gz",
    "latest_specs.4.8.gz",
    "prerelease_specs.4.8.gz",
    "APKINDEX.tar.gz",
    "index.yaml",
    "maven-metadata.xml",
    "InRelease",
];
const METADATA_PREFIXES: [&str; 4] = ["Packages", "Sources", "Contents-", "Release"];
/// Signatures, checksums, and Maven's project files, which are rewritten for snapshots.
const METADATA_SUFFIXES: [&str; 19] = [
    ".asc",
    ".sig",
    ".sign",
    ".gpg",
    ".minisig",
    ".sigstore",
    ".p7s",
    ".md5",
    ".sha1",
    ".sha224",
    ".sha256",
    ".sha384",
    ".sha512",
    ".md5sum",
    ".sha1sum",
    ".sha256sum",
    ".sha512sum",
    "SUMS",
    ".pom",
];

fn is_package_key(key: &str) -> bool {
    let (folders, name) = key.rsplit_once('/').unwrap_or(("", key));
    let lies_in = |any: &[&str]| folders.split('/').any(|folder| any.contains(&folder));
    let ends = |any: &[&str]| any.iter().any(|end| ends_with_ignoring_case(name, end));
    (lies_in(&PACKAGE_FOLDERS) || ends(&PACKAGE_SUFFIXES) || ends_with_ignoring_case(name, ".conda"))
        && !lies_in(&METADATA_FOLDERS)
        && !METADATA_FILE_NAMES.contains(&name)
        && !METADATA_PREFIXES.iter().any(|start| name.starts_with(start))
        && !ends(&METADATA_SUFFIXES)
        && !key.contains("-SNAPSHOT")
}

fn ends_with_ignoring_case(name: &str, end: &str) -> bool {
    name.len() >= end.len() && name.as_bytes()[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}

/// What a Cache-Control says, as far as it matters here. Of a directive that stands twice the stricter counts.
#[derive(Debug, Default)]
struct CacheDirectives {
    no_store: bool,
    no_cache: bool,
    /// `no-cache="field"`, which forbids less than it seems to.
    qualified: bool,
    private: bool,
    max_age: Option<u64>,
    shared_max_age: Option<u64>,
}

impl CacheDirectives {
    fn parse_cache_control(header: &str) -> Self {
        let mut said = Self::default();
        let stricter = |had: Option<u64>, value: &str| {
            let value = value.trim_matches('"').parse().unwrap_or(0);
            Some(had.map_or(value, |had| had.min(value)))
        };
        for directive in header.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => said.no_store = true,
                "no-cache" => {
                    said.no_cache = true;
                    said.qualified |= !value.is_empty();
                }
                "private" => said.private = true,
                "max-age" => said.max_age = stricter(said.max_age, value),
                "s-maxage" => said.shared_max_age = stricter(said.shared_max_age, value),
                _ => {}
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_own_examples() {
        let classes = ObjectClassifier::default();
        let table = [
            (ObjectCacheClass::Package, "7/8/debian/package_files/97310.deb"),
            (ObjectCacheClass::Package, "7/11/el/8/package_files/78137.rpm"),
            (ObjectCacheClass::Package, "144/18748/java_artifact/1646086.war"),
            (ObjectCacheClass::Package, "7/8/package_files/1234"),
            (ObjectCacheClass::Package, "7/8/gems/rails-7.0.gem"),
            (ObjectCacheClass::Package, "7/8/conda/linux-64/numpy.conda"),
            (ObjectCacheClass::Package, "7/8/pypi/FOO.ZIP"),
            (ObjectCacheClass::Metadata, "7/8/ubuntu/dists/jammy/InRelease"),
            (ObjectCacheClass::Metadata, "7/8/debian/dists/buster/main/binary-amd64/Packages.bz2"),
            (ObjectCacheClass::Metadata, "7/8/el/7/x86_64/repodata/0a1b-repomd.xml"),
            (ObjectCacheClass::Metadata, "7/8/gpg/key.pub.gpg"),
            (ObjectCacheClass::Metadata, "7/8/pypi/simple/foo/foo-1.0.whl"),
            (ObjectCacheClass::Metadata, "7/8/quick/Marshal.4.8/a.gem"),
            (ObjectCacheClass::Metadata, "7/8/specs.4.8.gz"),
            (ObjectCacheClass::Metadata, "7/8/package_files/latest_specs.4.8.gz"),
            (ObjectCacheClass::Metadata, "7/8/package_files/prerelease_specs.4.8.gz"),
            (ObjectCacheClass::Metadata, "7/8/alpine/v3/APKINDEX.tar.gz"),
            (ObjectCacheClass::Metadata, "7/8/package_files/index.yaml"),
            (ObjectCacheClass::Metadata, "7/8/java_artifact/maven-metadata.xml"),
            (ObjectCacheClass::Metadata, "7/8/package_files/Sources.gz"),
            (ObjectCacheClass::Metadata, "7/8/package_files/Contents-amd64.tar.gz"),
            (ObjectCacheClass::Metadata, "7/8/package_files/Release.gpg"),
            (ObjectCacheClass::Metadata, "7/8/package_files/9.deb.asc"),
            (ObjectCacheClass::Metadata, "7/8/java_artifact/9.jar.sha1"),
            (ObjectCacheClass::Metadata, "7/8/java_artifact/9.pom"),
            (ObjectCacheClass::Metadata, "7/8/java_artifact/a-1.0-SNAPSHOT.jar"),
            (ObjectCacheClass::Metadata, "7/8/readme"),
            (ObjectCacheClass::Metadata, "7/8/"),
            (ObjectCacheClass::Foreign, "backups/2021-01-01.tar.gz"),
            (ObjectCacheClass::Foreign, "7/x/package_files/1.deb"),
            (ObjectCacheClass::Foreign, "7/8"),
            (ObjectCacheClass::Foreign, "/7/8/package_files/1.deb"),
            (ObjectCacheClass::Foreign, ""),
        ];
        for (class, key) in table {
            assert_eq!(classes.classify_object_key(key), class, "{key}");
        }
    }

    #[test]
    fn globs_overrule_and_metadata_wins() {
        let text = |text: &str| vec![text.to_owned()];
        let classes = ObjectClassifier::new(false, &text("*/installers/*"), &text("*.run")).unwrap();
        assert_eq!(classes.classify_object_key("7/8/installers/a"), ObjectCacheClass::Package);
        assert_eq!(classes.classify_object_key("7/8/installers/a.run"), ObjectCacheClass::Metadata);
        assert_eq!(
            classes.classify_object_key("installers/a"),
            ObjectCacheClass::Foreign,
            "globs class keys, they don't take in others"
        );
        let all = ObjectClassifier::new(true, &[], &text("*.deb")).unwrap();
        assert_eq!(all.classify_object_key("backups/a.tar.gz"), ObjectCacheClass::Package);
        assert_eq!(all.classify_object_key("7/8/package_files/1.deb"), ObjectCacheClass::Metadata);
        assert!(ObjectClassifier::new(false, &text("["), &[]).unwrap_err().what.contains("--package-glob ["));
    }

    #[test]
    fn what_is_right_already_is_recognised() {
        let table = [
            (ObjectCacheClass::Package, "max-age=86400", true),
            (ObjectCacheClass::Package, "public, max-age=31536000, immutable", true),
            (ObjectCacheClass::Package, "Public, Max-Age=\"99999\"", true),
            (ObjectCacheClass::Package, "max-age=86400, s-maxage=86400", true),
            (ObjectCacheClass::Package, "max-age=86399", false),
            (ObjectCacheClass::Package, "max-age=86400, no-store", false),
            (ObjectCacheClass::Package, "max-age=86400, no-cache", false),
            (ObjectCacheClass::Package, "max-age=86400, private", false),
            (ObjectCacheClass::Package, "max-age=86400, s-maxage=60", false),
            (ObjectCacheClass::Package, "max-age=31536000, max-age=60", false),
            (ObjectCacheClass::Package, "max-age=soon", false),
            (ObjectCacheClass::Package, "public", false),
            (ObjectCacheClass::Package, "", false),
            (ObjectCacheClass::Metadata, "no-cache, no-store, max-age=0, must-revalidate", true),
            (ObjectCacheClass::Metadata, "NO-STORE", true),
            (ObjectCacheClass::Metadata, "no-cache", true),
            (ObjectCacheClass::Metadata, "max-age=0", true),
            (ObjectCacheClass::Metadata, "no-cache=\"set-cookie\"", false),
            (ObjectCacheClass::Metadata, "max-age=0, s-maxage=600", false),
            (ObjectCacheClass::Metadata, "max-age=1", false),
            (ObjectCacheClass::Metadata, "must-revalidate", false),
            (ObjectCacheClass::Metadata, "", false),
        ];
        for (class, header, right) in table {
            assert_eq!(class.is_correct_cache_control(Some(header)), right, "{class:?} {header}");
        }
        for class in [ObjectCacheClass::Package, ObjectCacheClass::Metadata] {
            assert!(
                class.is_correct_cache_control(class.expected_cache_control()),
                "what is written is right: {class:?}"
            );
            assert!(!class.is_correct_cache_control(None), "{class:?}");
        }
        assert!(
            ObjectCacheClass::Foreign.is_correct_cache_control(None)
                && ObjectCacheClass::Foreign.expected_cache_control().is_none()
        );
    }
}

//! No spelling of a path brings repository metadata under the packages' policy: random and hostile keys, both readings.

use std::collections::BTreeMap;

use globset::Glob;

use super::*;
use crate::model::{
    packagecloud::object::{ObjectCacheClass, ObjectClassifier},
    url::token::{
        TokenMacAlgorithm, UrlTokenConstruction, ViewerRequest, check_viewer_request_token,
        encode_canonical_path, sign_url_token,
    },
};

const READINGS: [PathSpellingReading; 2] = [PathSpellingReading::Raw, PathSpellingReading::UnreservedDecoded];
const FOLDERS: [&str; 24] = [
    "dists",
    "repodata",
    "gpg",
    "simple",
    "quick",
    "package_files",
    "java_artifact",
    "pool",
    "gems",
    "alpine",
    "x86_64",
    "Dists",
    "dists.deb",
    "REPODATA",
    "package_files.deb",
    "conda",
    "a b",
    "ä",
    "r+1",
    "1.0-SNAPSHOT",
    "nightly",
    "%64ists",
    "jammy",
    "8",
];
const NAMES: [&str; 22] = [
    "InRelease",
    "Release",
    "Release.gpg",
    "Packages",
    "Packages.bz2",
    "Packages.gz",
    "Sources.xz",
    "Contents-amd64.tar.gz",
    "APKINDEX.tar.gz",
    "index.yaml",
    "maven-metadata.xml",
    "specs.4.8.gz",
    "latest_specs.4.8.gz",
    "repomd.xml",
    "0a1b-primary.sqlite.bz2",
    "repodata.json.zst",
    "key.pub.gpg",
    "a-1.0-SNAPSHOT",
    "97310",
    "readme",
    "rails-7.0",
    "a deb",
];
const SUFFIXES: [&str; 14] = [
    "", "", "", ".asc", ".sha256", ".pom", ".jar", ".war", ".tar.gz", ".DEB", ".run", ".deb.asc", "%2edeb",
    ".deb?",
];
const GLOBS: [&str; 6] = ["*.run", "*/nightly/*", "7/?/pool/*", "*.deb", "*-1.0*", "*/dists/*"];

/// Draws keys, and spellings of their paths.
struct HostileKeyGenerator(fastrand::Rng);

impl HostileKeyGenerator {
    fn pick<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.0.usize(..all.len())]
    }

    fn draw_key(&mut self) -> String {
        let mut parts = vec![self.0.u32(1..200).to_string(), self.0.u32(1..30).to_string()];
        for _ in 0..self.0.usize(0..4) {
            parts.push(self.pick(&FOLDERS).to_owned());
        }
        let suffix = if self.0.u8(..3) == 0 {
            self.pick(&PACKAGE_ENDINGS_CACHED_BY_PATH)
        } else {
            self.pick(&SUFFIXES)
        };
        parts.push(format!("{}{suffix}", self.pick(&NAMES)));
        parts.join("/")
    }

    fn draw_globs(&mut self) -> Vec<String> {
        (0..self.0.usize(0..3)).map(|_| self.pick(&GLOBS).to_owned()).collect()
    }

    /// The same path in another spelling: what needs none is escaped, what is escaped is in lower case or stands as it is.
    fn respell(&mut self, key: &str) -> String {
        let often = [0.02, 0.1, 0.5, 1.0][self.0.usize(..4)];
        let mut path = String::from("/");
        for byte in key.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
            let may_stand = plain || b"!$&'()*+,;=:@".contains(&byte);
            if may_stand && self.0.f64() >= often {
                path.push(char::from(byte));
            } else if self.0.bool() {
                path.push_str(&format!("%{byte:02X}"));
            } else {
                path.push_str(&format!("%{byte:02x}"));
            }
        }
        path
    }
}

/// What the rules are held to, by the key alone.
struct MetadataOracle {
    classes: ObjectClassifier,
    globs: Vec<globset::GlobMatcher>,
}

impl MetadataOracle {
    fn new(globs: &[String]) -> Self {
        Self {
            classes: ObjectClassifier::default(),
            globs: globs.iter().map(|glob| Glob::new(glob).unwrap().compile_matcher()).collect(),
        }
    }

    /// An index, or what belongs to one: it is metadata by section 6, is no package archive by its ending, and lies in no folder
    /// where each file is written once. No spelling may have it cached by its path.
    fn is_index(&self, key: &str) -> bool {
        let is_archive = PACKAGE_ENDINGS_CACHED_BY_PATH.iter().any(|ending| key.ends_with(ending));
        let (folders, _) = key.rsplit_once('/').unwrap();
        self.classes.classify_object_key(key) == ObjectCacheClass::Metadata
            && !is_archive
            && !folders.split('/').skip(2).any(|folder| folder == "package_files")
    }

    /// What isn't cached by its path as packagecloud itself spells it: an index, and whatever lies where indexes do, is a
    /// snapshot, or was named by a glob.
    fn is_kept_out(&self, key: &str) -> bool {
        let (folders, _) = key.rsplit_once('/').unwrap();
        self.is_index(key)
            || folders
                .split('/')
                .any(|folder| ["dists", "repodata", "gpg", "simple", "quick"].contains(&folder))
            || key.contains("-SNAPSHOT")
            || self.globs.iter().any(|glob| glob.is_match(key))
    }
}

/// Sends each key in several spellings through the rules and the function into one cache; returns the first that was kept under
/// the packages' policy and must not be, and how many requests were judged.
fn find_cached_metadata(
    seed: u64,
    keys: usize,
    alter: impl Fn(Vec<PathCacheRule>) -> Vec<PathCacheRule>,
) -> (Option<String>, usize) {
    let secret = [7_u8; 32];
    let mut draw = HostileKeyGenerator(fastrand::Rng::with_seed(seed));
    let (construction, now) = (UrlTokenConstruction::default(), 1_700_000_000);
    let mut judged = 0;
    for _ in 0..keys {
        let globs = draw.draw_globs();
        let rules = alter(build_path_cache_rules(&globs).unwrap());
        let oracle = MetadataOracle::new(&globs);
        let key = draw.draw_key();
        let token = sign_url_token(&secret, &key, now + 300, TokenMacAlgorithm::Sha1, construction, "d");
        let canonical = encode_canonical_path(&format!("/{key}"));
        let spellings = [canonical.clone(), draw.respell(&key), draw.respell(&key)];
        for reading in READINGS {
            // What all behaviors share: by which policy an answer was kept, under the uri that the function leaves.
            let mut cache: BTreeMap<String, CachePolicyRole> = BTreeMap::new();
            for (nth, path) in spellings.iter().enumerate() {
                let request =
                    ViewerRequest { uri: path, querystring: &format!("t={token}"), method: "GET", host: "d" };
                let Ok(uri) = check_viewer_request_token(&request, &[secret], now, construction) else {
                    continue;
                };
                assert_eq!(uri, canonical, "{path}: one object has one entry");
                judged += 1;
                let role = find_policy_for_viewer_path(&rules, path, reading);
                let kept = cache.entry(uri).or_insert(role);
                *kept = (*kept).max(role);
                let is_as_emitted = nth == 0;
                if *kept == CachePolicyRole::Packages
                    && (oracle.is_index(&key) || is_as_emitted && oracle.is_kept_out(&key))
                {
                    return (Some(format!("{key} by {path}, {reading:?}, globs {globs:?}")), judged);
                }
            }
        }
    }
    (None, judged)
}

/// How many keys, and by which seed: `PATH_CACHE_COUNT`, `PATH_CACHE_SEED`.
fn read_count_and_seed() -> (usize, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = number("PATH_CACHE_COUNT").and_then(|count| usize::try_from(count).ok());
    (count.unwrap_or(6_000), number("PATH_CACHE_SEED").unwrap_or(18))
}

#[test]
fn no_spelling_brings_repository_metadata_under_the_packages_policy() {
    let (count, seed) = read_count_and_seed();
    let (found, judged) = find_cached_metadata(seed, count, |rules| rules);
    println!("{count} keys, {judged} requests judged, seed {seed}");
    assert_eq!(found, None);
    assert!(judged > count * 2, "the function let {judged} of {count} keys' spellings through");
}

#[test]
fn without_the_exclusions_metadata_would_be_cached_by_its_path() {
    let alone = |rules: Vec<PathCacheRule>| {
        rules.into_iter().filter(|rule| rule.role == CachePolicyRole::Packages).collect()
    };
    let (found, _) = find_cached_metadata(18, 6_000, alone);
    assert!(found.is_some(), "the exclusions hold nothing");
    // An ending with which an index ends would open a way round them.
    let with_ending = |mut rules: Vec<PathCacheRule>| {
        rules.push(PathCacheRule { pattern: "*.tar.gz".to_owned(), role: CachePolicyRole::Packages });
        rules
    };
    let (found, _) = find_cached_metadata(18, 6_000, with_ending);
    assert!(found.is_some_and(|found| found.contains(".tar.gz")), "APKINDEX.tar.gz");
}

#[test]
fn the_layouts_own_packages_are_cached_by_their_path_and_its_metadata_is_not() {
    let rules = build_path_cache_rules(&["*.run".to_owned()]).unwrap();
    for (path, role) in [
        ("/7/8/debian/package_files/97310.deb", CachePolicyRole::Packages),
        ("/7/11/el/8/package_files/78137.rpm", CachePolicyRole::Packages),
        ("/7/8/package_files/1234", CachePolicyRole::Packages),
        ("/7/8/pypi/package_files/9.tar.gz", CachePolicyRole::Packages),
        ("/7/8/gems/rails-7.0.gem", CachePolicyRole::Packages),
        ("/7/8/package_files/x.run", CachePolicyRole::PassThrough),
        ("/144/18748/java_artifact/1646086.war", CachePolicyRole::PassThrough),
        ("/7/8/pypi/FOO.ZIP", CachePolicyRole::PassThrough),
        ("/7/8/ubuntu/dists/jammy/InRelease", CachePolicyRole::PassThrough),
        ("/7/8/ubuntu/dists/jammy/a.deb", CachePolicyRole::PassThrough),
        ("/7/8/alpine/v3/APKINDEX.tar.gz", CachePolicyRole::PassThrough),
        ("/7/8/el/7/x86_64/repodata/0a1b-repomd.xml", CachePolicyRole::PassThrough),
        ("/7/8/a-1.0-SNAPSHOT.zip", CachePolicyRole::PassThrough),
    ] {
        for reading in READINGS {
            assert_eq!(find_policy_for_viewer_path(&rules, path, reading), role, "{path} {reading:?}");
        }
    }
    let escaped = "/7/8/%64ists/jammy/a.deb";
    assert_eq!(
        READINGS.map(|reading| find_policy_for_viewer_path(&rules, escaped, reading)),
        [CachePolicyRole::Packages, CachePolicyRole::PassThrough],
        "the two readings differ, and what slips past an exclusion is a package archive"
    );
    let packages = rules.iter().filter(|rule| rule.role == CachePolicyRole::Packages).count();
    assert!(packages <= 20, "{packages}");
}

#[test]
fn a_glob_that_no_pattern_can_say_is_named() {
    for glob in ["*.{run,sh}", "[ab]*", "a b*", "ä*", "*.deb!", "", "a\\*", "7/8/50%*"] {
        let why = build_path_cache_rules(&[glob.to_owned()]).unwrap_err();
        assert!(why.contains(&format!("--metadata-glob '{glob}'")), "{why}");
    }
    let rules = build_path_cache_rules(&["7/?/x-??*.bin".to_owned(), "*/dists/*".to_owned()]).unwrap();
    let patterns: Vec<&str> = rules.iter().map(|rule| rule.pattern.as_str()).collect();
    assert!(patterns.contains(&"7/*/x-*.bin"), "{patterns:?}");
    assert_eq!(patterns.iter().filter(|pattern| **pattern == "*/dists/*").count(), 1, "none stands twice");
    let many: Vec<String> = (0..60).map(|nth| format!("*.e{nth}")).collect();
    assert!(build_path_cache_rules(&many).unwrap_err().contains("75"));
}

#[test]
fn patterns_match_as_cloudfronts_do() {
    for (pattern, path, matches) in [
        ("*.deb", "/7/8/a.deb", true),
        ("*.deb", "/7/8/a.DEB", false),
        ("*.deb", "/7/8/a.deb.asc", false),
        ("/images/*", "/images/", true),
        ("images/*", "/images/a/b", true),
        ("*/dists/*", "/dists/x", false),
        ("*/dists/*", "/7/8/dists/", true),
        ("a?c", "/abc", true),
        ("a?c", "/ac", false),
        ("*a*b*", "/xaxbx", true),
        ("*a*b", "/xabxb", true),
        ("*", "/", true),
    ] {
        assert_eq!(matches_path_pattern(pattern, path), matches, "{pattern} {path}");
    }
}

#[test]
fn a_foreign_behavior_overlaps_where_a_packages_path_could_match_it() {
    let rules = build_path_cache_rules(&[]).unwrap();
    for (pattern, overlaps) in [
        ("*.deb", true),
        ("/*", true),
        ("7/*", true),
        ("?/8/*", true),
        ("*/package_files/1*", true),
        ("*.d?b", true),
        ("images/*", false),
        ("*.html", true),
        ("7/8/readme", false),
        ("static/*.deb", false),
        ("/api/?/*", false),
    ] {
        assert_eq!(find_overlapping_pattern(&rules, [pattern]).is_some(), overlaps, "{pattern}");
    }
}

#[test]
fn our_behaviors_are_known_among_foreign_ones() {
    let behavior = |pattern, policy, on_bucket| StandingPathBehavior { pattern, policy, on_bucket };
    let (ours, theirs) = (Some("pass"), Some("theirs"));
    let standing = [
        behavior("*.deb", theirs, true),
        behavior("*/dists/*", ours, true),
        behavior("*-SNAPSHOT*", ours, true),
        behavior("*.run", ours, true),
        behavior("/api/*", theirs, false),
        behavior("*/package_files/*", Some("packages"), true),
        behavior("*.deb", theirs, true),
        behavior("*.rpm", Some("packages"), false),
        behavior("/later/*", ours, true),
    ];
    assert_eq!(
        find_own_path_behaviors(&standing, ours),
        [false, true, true, true, false, true, true, false, false]
    );
    assert_eq!(find_own_path_behaviors(&standing, None), [false; 9], "without the policy nothing is ours");
    assert_eq!(find_own_path_behaviors(&standing[2..], ours), [false; 7], "without the first exclusion");
}

//! Which paths CloudFront may cache although their objects say nothing: those of packages, by path patterns (contract section 5).
//!
//! The exclusions stand first, since the first pattern that matches wins. Whatever no pattern names is not cached unless the
//! object says so.

use std::collections::{BTreeSet, VecDeque};

/// How many behaviors a distribution may have, the default one counted (aws-facts section 10).
pub const BEHAVIORS_MAX: usize = 75;
/// How long a path pattern may be, in characters: CloudFront's limit.
const PATH_PATTERN_CHARS_MAX: usize = 255;

/// Which of the two cache policies a behavior has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CachePolicyRole {
    /// What says nothing about caching isn't cached.
    PassThrough,
    /// What says nothing about caching is cached for a day, and then asked for by If-None-Match.
    Packages,
}

/// One behavior of ours: what CloudFront compares the path with, and what it caches by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathCacheRule {
    pub pattern: String,
    pub role: CachePolicyRole,
}

/// Which packages are cached by their path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathCachingChoice {
    /// By these behaviors, in this order, after whatever else a distribution has.
    ByPath(Vec<PathCacheRule>),
    /// None, and why: a lower-case fragment.
    Nothing(String),
}

impl Default for PathCachingChoice {
    fn default() -> Self {
        Self::Nothing(String::new())
    }
}

impl PathCachingChoice {
    /// Returns the behaviors; none where nothing is cached by its path.
    #[must_use]
    pub fn path_cache_rules(&self) -> &[PathCacheRule] {
        match self {
            Self::ByPath(rules) => rules,
            Self::Nothing(_) => &[],
        }
    }
}

/// A behavior that stands beside the default one, as far as it tells whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingPathBehavior<'a> {
    pub pattern: &'a str,
    /// Its cache policy's id.
    pub policy: Option<&'a str>,
    /// Whether its origin is the bucket.
    pub on_bucket: bool,
}

/// Finds which of the behaviors that stand are ours, each by its place: from the first exclusion on, those with a pattern of
/// ours, and exclusions by a glob, which stand before the first pattern of packages. `pass_through` is the id of that policy.
#[must_use]
pub fn find_own_path_behaviors(
    standing: &[StandingPathBehavior<'_>],
    pass_through: Option<&str>,
) -> Vec<bool> {
    let first_exclusion = |one: &StandingPathBehavior<'_>| {
        one.pattern == METADATA_FOLDER_PATTERNS[0] && one.on_bucket && one.policy == pass_through
    };
    let Some(begin) = standing.iter().position(first_exclusion).filter(|_| pass_through.is_some()) else {
        return vec![false; standing.len()];
    };
    let packages = standing.iter().position(|one| one.pattern == PACKAGE_FOLDER_PATTERN);
    let is_fixed = |pattern: &str| {
        METADATA_FOLDER_PATTERNS.contains(&pattern)
            || [SNAPSHOT_PATTERN, PACKAGE_FOLDER_PATTERN].contains(&pattern)
            || PACKAGE_ENDINGS_CACHED_BY_PATH.iter().any(|ending| pattern == format!("*{ending}"))
    };
    let is_own = |(place, one): (usize, &StandingPathBehavior<'_>)| {
        let is_globs = packages.is_some_and(|packages| place < packages) && one.policy == pass_through;
        place >= begin && one.on_bucket && (is_fixed(one.pattern) || is_globs)
    };
    standing.iter().enumerate().map(is_own).collect()
}

/// Where repository metadata lies, whatever its files are called: the folders of contract section 6.
const METADATA_FOLDER_PATTERNS: [&str; 5] =
    ["*/dists/*", "*/repodata/*", "*/gpg/*", "*/simple/*", "*/quick/*"];
/// What is published again under its own name.
const SNAPSHOT_PATTERN: &str = "*-SNAPSHOT*";
/// Where packagecloud writes each file once, under a number of its own.
const PACKAGE_FOLDER_PATTERN: &str = "*/package_files/*";
/// The endings of section 6 that no repository metadata has. Left out: `.jar`, `.war`, `.ear` and `.aar`, since the names of
/// Java artifacts aren't established, and `.tar.gz`, with which `APKINDEX.tar.gz` ends.
pub const PACKAGE_ENDINGS_CACHED_BY_PATH: [&str; 18] = [
    ".deb", ".udeb", ".ddeb", ".rpm", ".drpm", ".gem", ".whl", ".egg", ".apk", ".nupkg", ".tgz", ".zip",
    ".dsc", ".tar.bz2", ".tar.xz", ".tar.zst", ".crate", ".conda",
];

/// Builds the behaviors of ours, in order: exclusions, then packages.
///
/// # Errors
/// Returns why nothing can be cached by its path: a glob that no path pattern can say, or too many of them.
pub fn build_path_cache_rules(metadata_globs: &[String]) -> Result<Vec<PathCacheRule>, String> {
    let mut excluded: Vec<String> = METADATA_FOLDER_PATTERNS.map(str::to_owned).to_vec();
    excluded.push(SNAPSHOT_PATTERN.to_owned());
    for glob in metadata_globs {
        let pattern = convert_glob_to_path_pattern(glob).ok_or_else(|| {
            format!(
                "no path pattern of CloudFront can say --metadata-glob '{glob}', only *, ?, letters, digits and any of - . _ ~ / can stand in one"
            )
        })?;
        excluded.push(pattern);
    }
    let packages = std::iter::once(PACKAGE_FOLDER_PATTERN.to_owned())
        .chain(PACKAGE_ENDINGS_CACHED_BY_PATH.iter().map(|ending| format!("*{ending}")));
    let rule = |role| move |pattern| PathCacheRule { pattern, role };
    let mut seen = BTreeSet::new();
    // CloudFront refuses a pattern that stands twice, and the first one would win.
    let rules: Vec<PathCacheRule> = excluded
        .into_iter()
        .map(rule(CachePolicyRole::PassThrough))
        .chain(packages.map(rule(CachePolicyRole::Packages)))
        .filter(|rule| seen.insert(rule.pattern.clone()))
        .collect();
    if rules.len() >= BEHAVIORS_MAX {
        return Err(format!(
            "{} --metadata-glob would make {} behaviors, and a distribution may have {BEHAVIORS_MAX}",
            metadata_globs.len(),
            rules.len() + 1
        ));
    }
    Ok(rules)
}

/// Converts a glob to the pattern of an exclusion; `None` where it holds more than `*`, `?` and characters that every spelling
/// of a path leaves as they are. A `?` becomes `*`: one character of a key may be several of a path.
fn convert_glob_to_path_pattern(glob: &str) -> Option<String> {
    let is_sayable = |char: char| is_unreserved_char(char) || "/*?".contains(char);
    let fits = !glob.is_empty() && glob.len() <= PATH_PATTERN_CHARS_MAX && glob.chars().all(is_sayable);
    fits.then(|| {
        let mut pattern = glob.replace('?', "*");
        while pattern.contains("**") {
            pattern = pattern.replace("**", "*");
        }
        pattern
    })
}

fn is_unreserved_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-._~".contains(char)
}

/// Returns whether CloudFront's `pattern` matches `path`: `*` is any characters, `/` too, `?` is one, and case counts. The first
/// slash of both may be left out.
#[must_use]
pub fn matches_path_pattern(pattern: &str, path: &str) -> bool {
    let pattern = pattern.strip_prefix('/').unwrap_or(pattern).as_bytes();
    let path = path.strip_prefix('/').unwrap_or(path).as_bytes();
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < path.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if pattern.get(at).is_some_and(|char| *char == b'?' || *char == path[from]) {
            at += 1;
            from += 1;
        } else if let Some((wildcard, taken)) = star {
            // The star takes one character more.
            star = Some((wildcard, taken + 1));
            at = wildcard + 1;
            from = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|char| *char == b'*')
}

/// Finds the first of `patterns` that a path of packagecloud's layout could match together with a path that `rules` cache:
/// a behavior of somebody else's that takes packages.
pub fn find_overlapping_pattern<'p>(
    rules: &[PathCacheRule],
    patterns: impl IntoIterator<Item = &'p str>,
) -> Option<&'p str> {
    let packages = || rules.iter().filter(|rule| rule.role == CachePolicyRole::Packages);
    patterns.into_iter().find(|pattern| packages().any(|rule| can_share_a_path(pattern, &rule.pattern)))
}

/// What every key of packagecloud's begins with, as states: digits, a slash, digits, a slash, anything.
fn advance_layout_state(state: u8, char: u8) -> Option<u8> {
    match (state, char) {
        (0 | 1, b'0'..=b'9') => Some(1),
        (1, b'/') => Some(2),
        (2 | 3, b'0'..=b'9') => Some(3),
        (3, b'/') | (4, _) => Some(4),
        _ => None,
    }
}

/// Returns whether some path of packagecloud's layout matches both patterns: a walk over where both can stand at once.
fn can_share_a_path(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| text.strip_prefix('/').unwrap_or(text).as_bytes());
    let mut chars: BTreeSet<u8> = one.iter().chain(other).copied().collect();
    // One of each kind stands for what only wildcards match.
    chars.extend(*b"0/x");
    chars.retain(|char| !b"*?".contains(char));
    let mut seen = BTreeSet::from([(0, 0, 0)]);
    let mut open = VecDeque::from([(0, 0, 0)]);
    while let Some((a, b, layout)) = open.pop_front() {
        if a == one.len() && b == other.len() && layout == 4 {
            return true;
        }
        let mut next: Vec<(usize, usize, u8)> = Vec::new();
        // A star may match nothing more.
        next.extend((one.get(a) == Some(&b'*')).then_some((a + 1, b, layout)));
        next.extend((other.get(b) == Some(&b'*')).then_some((a, b + 1, layout)));
        for &char in &chars {
            let step = |pattern: &[u8], at: usize| match pattern.get(at) {
                Some(b'*') => Some(at),
                Some(b'?') => Some(at + 1),
                Some(literal) if *literal == char => Some(at + 1),
                _ => None,
            };
            let moved = (step(one, a), step(other, b), advance_layout_state(layout, char));
            if let (Some(a), Some(b), Some(layout)) = moved {
                next.push((a, b, layout));
            }
        }
        for state in next {
            if seen.insert(state) {
                open.push_back(state);
            }
        }
    }
    false
}

/// How CloudFront may read a path before it compares it with a pattern. AWS documents neither (aws-facts section 10), so what is
/// built holds under both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PathSpellingReading {
    /// As the viewer wrote it.
    #[default]
    Raw,
    /// With the escapes of unreserved characters decoded.
    UnreservedDecoded,
}

impl PathSpellingReading {
    /// Returns the path as it is compared.
    #[must_use]
    pub fn read_viewer_path(self, path: &str) -> String {
        match self {
            Self::Raw => path.to_owned(),
            Self::UnreservedDecoded => decode_unreserved_escapes(path),
        }
    }
}

fn decode_unreserved_escapes(path: &str) -> String {
    let mut whole = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        whole.push_str(&rest[..at]);
        let escaped = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(char) = escaped.map(char::from).filter(|char| is_unreserved_char(*char)) {
            whole.push(char);
            rest = &rest[at + 3..];
        } else {
            whole.push('%');
            rest = &rest[at + 1..];
        }
    }
    whole.push_str(rest);
    whole
}

/// Returns the policy that a viewer's path is served by.
#[must_use]
pub fn find_policy_for_viewer_path(
    rules: &[PathCacheRule],
    path: &str,
    reading: PathSpellingReading,
) -> CachePolicyRole {
    let read = reading.read_viewer_path(path);
    let first = rules.iter().find(|rule| matches_path_pattern(&rule.pattern, &read));
    first.map_or(CachePolicyRole::PassThrough, |rule| rule.role)
}

#[cfg(test)]
mod tests;

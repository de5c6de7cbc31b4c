//! The paths of an invalidation: under which CloudFront's edges hold what lies in S3 under some keys (aws-facts section 3).

use std::collections::BTreeSet;

use super::token::can_link_carry_key;
use crate::model::{
    failure::Failure,
    prices::{FREE_INVALIDATION_PATHS, INVALIDATION_PATH},
};

/// The path that stands for all that the edges hold. Repository metadata is never among it, so it is all packages.
pub const ALL_PATHS: &str = "/*";
/// How many single files a distribution's invalidations in progress may have, all together (CloudFront's developer guide,
/// "Concurrent invalidation request maximum").
const FILE_PATHS_MAX: usize = 3000;
/// How many paths that end with `*` they may have, whatever the count of single files (the same page).
const WILDCARD_PATHS_MAX: usize = 15;
/// An S3 key has no more bytes.
const KEY_MAX_BYTES: usize = 1024;

/// Returns the paths under which the edges hold the objects with these keys, each once; `all_packages_command` is proposed
/// where there are too many.
///
/// An edge holds them as the function leaves their path: in canonical encoding. Where a function changes a path, the guide
/// ("What you need to know when invalidating files") has both forms invalidated; of a key of plain bytes they are one. Which
/// spellings an invalidation takes for the same file is documented for none but plain letters, and `~` is refused; so a key
/// with another byte is forgotten with all that begins as it does up to that byte.
///
/// # Errors
/// Where a key names no object that an edge can hold, or there are more than CloudFront takes at once.
pub fn build_invalidation_paths(keys: &[String], all_packages_command: &str) -> Result<Vec<String>, Failure> {
    let paths: BTreeSet<String> =
        keys.iter().map(|key| build_invalidation_path(key)).collect::<Result<_, _>>()?;
    let wide: Vec<&str> = paths.iter().filter_map(|path| path.strip_suffix('*')).collect();
    let is_covered = |path: &str| {
        let whole = path.strip_suffix('*').unwrap_or(path);
        wide.iter().any(|start| whole.starts_with(start) && *start != whole)
    };
    let paths: Vec<String> = paths.iter().filter(|path| !is_covered(path)).cloned().collect();
    let wildcards = paths.iter().filter(|path| path.ends_with('*')).count();
    for (count, most, what) in [
        (paths.len() - wildcards, FILE_PATHS_MAX, "keys"),
        (wildcards, WILDCARD_PATHS_MAX, "keys with other bytes than letters, digits and -._/"),
    ] {
        if count > most {
            return Err(Failure::new_usage_failure(
                "the keys to forget",
                format!("these are {count} {what}, and CloudFront takes {most} at once"),
                format!(
                    "give fewer at a time, or let it forget all packages, which is one path: {all_packages_command}"
                ),
            ));
        }
    }
    Ok(paths)
}

fn build_invalidation_path(given: &str) -> Result<String, Failure> {
    const KEY_ADVICE: &str = "give an S3 key, like 7/8/debian/package_files/97310.deb";
    let refuse = |why: &str| Err(Failure::new_usage_failure(format!("the key {given:?}"), why, KEY_ADVICE));
    let key = given.trim_start_matches('/');
    if key.is_empty() {
        return refuse("it names no object");
    }
    if key.contains("://") || key.contains("?t=") {
        return refuse("it is a link, not a key");
    }
    if key.len() > KEY_MAX_BYTES {
        return refuse("it is longer than the 1,024 bytes of an S3 key");
    }
    if !can_link_carry_key(key) {
        return refuse("no link can carry it, so no edge holds it");
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    Ok(match key.bytes().position(|byte| !is_plain(byte)) {
        None => format!("/{key}"),
        Some(at) => format!("/{}*", &key[..at]),
    })
}

/// Says what that many paths cost.
#[must_use]
pub fn render_invalidation_cost(paths: usize) -> String {
    let counted = if paths == 1 { "one path".to_owned() } else { format!("{paths} paths") };
    let price = paths as f64 * INVALIDATION_PATH.dollars;
    format!(
        "{counted}: nothing while the account stays within {FREE_INVALIDATION_PATHS} paths a month, else ${price:.3}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::FailureKind;

    const ALL_COMMAND: &str = "the command for all";

    fn build(keys: &[&str]) -> Result<Vec<String>, Failure> {
        build_invalidation_paths(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>(), ALL_COMMAND)
    }

    #[test]
    fn a_plain_key_is_its_path_and_any_other_is_all_that_begins_like_it() {
        for (keys, paths) in [
            (&["7/8/debian/package_files/97310.deb"][..], &["/7/8/debian/package_files/97310.deb"][..]),
            (&["/7/8/a.deb", "7/8/a.deb"], &["/7/8/a.deb"]),
            (&["7/8/pool/a~rc1.deb"], &["/7/8/pool/a*"]),
            (&["7/8/pool/g++.deb"], &["/7/8/pool/g*"]),
            (&["7/8/pool/ü.deb", "7/8/pool/b.deb"], &["/7/8/pool/*"]),
            (&["7/8/*"], &["/7/8/*"]),
            (&["7/8/a b.deb", "7/8/a.deb", "7/8/b.deb"], &["/7/8/a*", "/7/8/b.deb"]),
            (&["~", "7/8/a b"], &["/*"]),
            (&["7/8/a+", "7/8/a%"], &["/7/8/a*"]),
        ] {
            assert_eq!(build(keys).unwrap(), paths, "{keys:?}");
        }
    }

    #[test]
    fn what_no_edge_can_hold_is_refused_in_a_sentence() {
        for (key, why) in [
            ("", "names no object"),
            ("//", "names no object"),
            ("https://d1.cloudfront.net/7/8/a.deb?t=1_2", "is a link"),
            ("7/8/a.deb?t=1_2", "is a link"),
            ("7/8//a.deb", "no link can carry it"),
            ("7/8/../a.deb", "no link can carry it"),
            ("7/8/a\u{7}.deb", "no link can carry it"),
            (&"7/".repeat(600), "longer than"),
        ] {
            let failure = build(&[key]).unwrap_err();
            assert!(failure.why.contains(why) && failure.kind == FailureKind::Usage, "{key}: {failure:?}");
        }
    }

    #[test]
    fn more_than_cloudfront_takes_at_once_is_all_packages() {
        let keys = |most: usize, end: &str| -> Vec<String> {
            (0..most).map(|number| format!("7/8/{number:05}/a{end}.deb")).collect()
        };
        assert_eq!(build_invalidation_paths(&keys(3000, ""), ALL_COMMAND).unwrap().len(), 3000);
        assert_eq!(build_invalidation_paths(&keys(15, "+"), ALL_COMMAND).unwrap().len(), 15);
        let elsewhere = keys(15, "+").iter().map(|key| key.replacen("7/8", "9/8", 1)).collect();
        let mixed: Vec<String> = [keys(3000, ""), elsewhere].concat();
        assert_eq!(build_invalidation_paths(&mixed, ALL_COMMAND).unwrap().len(), 3015, "each has its own");
        for keys in [keys(3001, ""), keys(16, "+")] {
            let failure = build_invalidation_paths(&keys, ALL_COMMAND).unwrap_err();
            assert!(failure.next.ends_with(ALL_COMMAND), "{failure:?}");
        }
    }

    /// Whatever a key holds, its path covers what an edge holds it under.
    #[test]
    fn every_key_that_a_link_carries_is_covered_by_its_path() {
        let mut random = fastrand::Rng::with_seed(18);
        let mut covered = 0;
        for _ in 0..20_000 {
            let key: String = (0..random.usize(1..24))
                .map(|_| {
                    *random.choice(&['a', '7', '/', '.', '~', '+', '%', '*', ' ', 'ü', '&', '?']).unwrap()
                })
                .collect();
            let Ok(paths) = build(&[&key]) else { continue };
            let held = crate::model::url::redirect::url_path_from_key(key.trim_start_matches('/'));
            let is_held = paths
                .iter()
                .any(|path| path.strip_suffix('*').map_or(*path == held, |start| held.starts_with(start)));
            assert!(is_held && paths[0].bytes().all(|byte| byte.is_ascii_graphic()), "{key:?}: {paths:?}");
            covered += 1;
        }
        assert!(covered > 1000, "{covered}");
    }
}

//! AWS's configuration files as far as the SDK doesn't tell of them: which profiles there are, what one says, how one signs in.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// How far a chain of source profiles is followed.
const SOURCE_PROFILES_MAX: usize = 8;

/// AWS's configuration and credentials files as they stand; empty where there is none.
fn read_aws_config_files() -> [String; 2] {
    let file = |variable: &str, name: &str| {
        let given = std::env::var_os(variable).map(PathBuf::from);
        let path = given.or_else(|| std::env::home_dir().map(|home| home.join(".aws").join(name)))?;
        std::fs::read_to_string(path).ok()
    };
    [
        file("AWS_CONFIG_FILE", "config").unwrap_or_default(),
        file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default(),
    ]
}

/// Reads the names of the profiles, sorted.
#[must_use]
pub fn read_aws_profile_names() -> Vec<String> {
    let [config, credentials] = read_aws_config_files();
    parse_aws_profile_names(&config, &credentials)
}

fn parse_aws_profile_names(config: &str, credentials: &str) -> Vec<String> {
    let sections = |text: &str| -> Vec<String> {
        let inside = |line: &str| Some(line.trim().strip_prefix('[')?.split_once(']')?.0.trim().to_owned());
        text.lines().filter_map(inside).collect()
    };
    let in_config =
        sections(config).into_iter().filter_map(|section| match section.split_once(char::is_whitespace) {
            Some(("profile", name)) => Some(name.trim().to_owned()),
            None if section == "default" => Some(section),
            _ => None,
        });
    let all: BTreeSet<String> = in_config.chain(sections(credentials)).collect();
    all.into_iter().collect()
}

/// Reads what a profile says, in either file.
pub(super) fn read_aws_profile_settings(profile: &str) -> BTreeMap<String, String> {
    let [config, credentials] = read_aws_config_files();
    parse_aws_profile_settings(&config, &credentials, profile)
}

/// Reads what a profile says in the text of such files.
pub(super) fn parse_aws_profile_settings(
    config: &str,
    credentials: &str,
    profile: &str,
) -> BTreeMap<String, String> {
    let mut all = parse_ini_section(credentials, profile);
    let named = if profile == "default" { profile.to_owned() } else { format!("profile {profile}") };
    all.extend(parse_ini_section(config, &named));
    all
}

fn parse_ini_section(text: &str, name: &str) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut all = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            inside = title.0.split_whitespace().collect::<Vec<_>>().join(" ") == name;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) {
            all.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    all
}

/// Finds the command that signs a profile in again, or the one that it has its credentials from; none where it signs
/// in nowhere.
#[must_use]
pub fn find_profile_sign_in_command(profile: &str) -> Option<String> {
    let [config, credentials] = read_aws_config_files();
    parse_profile_sign_in_command(&config, &credentials, profile)
}

fn parse_profile_sign_in_command(config: &str, credentials: &str, profile: &str) -> Option<String> {
    let mut name = profile.to_owned();
    for _ in 0..SOURCE_PROFILES_MAX {
        let said = parse_aws_profile_settings(config, credentials, &name);
        if said.contains_key("sso_session") || said.contains_key("sso_start_url") {
            return Some(format!("aws sso login --profile {name}"));
        }
        if said.contains_key("login_session") {
            return Some(format!("aws login --profile {name}"));
        }
        name.clone_from(said.get("source_profile").filter(|source| **source != name)?);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_from_both_files() {
        let config = "[default]\nregion=x\n[profile  work]\n[sso-session corp]\n# [profile no]\n";
        assert_eq!(parse_aws_profile_names(config, "[ci]\n[default]\n"), ["ci", "default", "work"]);
    }

    #[test]
    fn a_profile_signs_in_where_its_credentials_come_from() {
        let config = "[profile sso]\nsso_session = corp\n[profile old]\nsso_start_url = https://x\n\
            [profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = sso\n\
            [profile console]\nlogin_session = arn:aws:iam::1:user/jo\n\
            [profile loop]\nsource_profile = pool\n[profile pool]\nsource_profile = loop\n\
            [profile self]\nsource_profile = self\nrole_arn = x\n[default]\nsso_session = corp\n";
        for (profile, command) in [
            ("sso", Some("aws sso login --profile sso")),
            ("old", Some("aws sso login --profile old")),
            ("role", Some("aws sso login --profile sso")),
            ("console", Some("aws login --profile console")),
            ("default", Some("aws sso login --profile default")),
            ("loop", None),
            ("self", None),
            ("keys", None),
        ] {
            assert_eq!(
                parse_profile_sign_in_command(config, "[keys]\naws_access_key_id = A\n", profile).as_deref(),
                command
            );
        }
    }
}

//! AWS's configuration files, put together: which profiles there are, what one says, how one signs in, and the text that the SDK takes.
//!
//! The SDK gets them as a text of its own, since it knows neither a name with blanks nor an indented setting.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    config_text::{AwsConfigSection, parse_aws_config_text},
    source::{CredentialSource, check_credential_source_keys, find_access_key_fault},
};
use crate::aws::home_path::expand_home_path;
use crate::model::failure::{Failure, FailureKind};

/// How far a chain of source profiles is followed.
const SOURCE_PROFILES_MAX: usize = 8;

/// The profile that is meant where none is named.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// The settings that are a part of a key.
const KEY_SETTINGS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

/// What is said of one that isn't there.
const NO_PROFILE_ADVICE: &str = "create it with `aws configure --profile NAME`, or give keys by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// A setting of a section, and where it stands.
#[derive(Debug, Clone)]
struct PlacedAwsSetting {
    value: String,
    file: PathBuf,
    line: usize,
    swallowed_line: Option<usize>,
}

type PlacedAwsSettings = BTreeMap<String, PlacedAwsSetting>;

/// AWS's configuration and credentials files as they stand; empty where there is none.
#[derive(Debug, Default)]
pub struct AwsConfigFiles {
    profiles: BTreeMap<String, PlacedAwsSettings>,
    /// Sections that profiles name, such as `[sso-session corp]`: what they are, and their names.
    named_sections: BTreeMap<(String, String), PlacedAwsSettings>,
    /// `[work]` in the configuration file, which is no profile there: the name and where it stands.
    unprefixed: Vec<(String, String)>,
    /// Where they are, each with what is wrong with it, where something is.
    places: Vec<String>,
}

impl AwsConfigFiles {
    /// Reads both.
    ///
    /// # Errors
    /// Where one can't be read or parsed: with its line.
    pub fn read_aws_config_files() -> Result<Self, Failure> {
        let mut files = Self::default();
        for (variable, name) in
            [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")]
        {
            let named = std::env::var(variable).ok().filter(|path| !path.is_empty());
            let usual = || Some(std::env::home_dir()?.join(".aws").join(name));
            let Some(path) = named.as_deref().map(expand_home_path).or_else(usual) else { continue };
            let place = match (fs::read(&path), &named) {
                (Ok(bytes), _) => {
                    files.add_config_file_text(&path, &String::from_utf8_lossy(&bytes), name == "config")?;
                    path.display().to_string()
                }
                (Err(error), Some(_)) if error.kind() == ErrorKind::NotFound => {
                    format!("{}, which {variable} names and isn't there", path.display())
                }
                (Err(error), None) if error.kind() == ErrorKind::NotFound => path.display().to_string(),
                (Err(error), _) => {
                    return Err(Failure::new(
                        FailureKind::Credentials,
                        path.display().to_string(),
                        format!("AWS's profiles can't be read: {error}"),
                        "make it readable for this user, or name another file with AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE",
                    ));
                }
            };
            files.places.push(place);
        }
        Ok(files)
    }

    fn add_config_file_text(&mut self, file: &Path, text: &str, is_config: bool) -> Result<(), Failure> {
        let sections = parse_aws_config_text(text).map_err(|problem| {
            Failure::new(
                FailureKind::Credentials,
                format!("{}, line {}", file.display(), problem.line),
                format!("the line can't be read: {}", problem.why),
                "correct that line: the aws command can't read the file either",
            )
        })?;
        // As the SDK has it, `[profile default]` counts more.
        let outdone = sections.iter().any(|section| {
            parse_section_title(&section.title).is_some_and(|title| title == ["profile", DEFAULT_PROFILE])
        });
        for section in sections {
            if !is_config {
                add_settings(self.profiles.entry(section.title.clone()).or_default(), section, file);
                continue;
            }
            match parse_section_title(&section.title) {
                Some([kind, name]) if kind == "profile" => {
                    add_settings(self.profiles.entry(name).or_default(), section, file);
                }
                Some([kind, name]) => {
                    add_settings(self.named_sections.entry((kind, name)).or_default(), section, file);
                }
                _ if section.title == DEFAULT_PROFILE && outdone => {}
                _ if section.title == DEFAULT_PROFILE => {
                    add_settings(self.profiles.entry(section.title.clone()).or_default(), section, file);
                }
                _ => self
                    .unprefixed
                    .push((section.title, format!("{}, line {}", file.display(), section.line))),
            }
        }
        Ok(())
    }

    /// Puts together what these texts of both files say.
    #[cfg(test)]
    pub(super) fn from_config_texts(config: &str, credentials: &str) -> Self {
        let mut files = Self::default();
        files.add_config_file_text(Path::new("/c"), config, true).expect("it can be read");
        files.add_config_file_text(Path::new("/s"), credentials, false).expect("it can be read");
        files
    }

    /// Returns what a profile sets `name` to; an empty value is none.
    pub(super) fn find_profile_setting(&self, profile: &str, name: &str) -> Option<&str> {
        self.profiles
            .get(profile)?
            .get(name)
            .map(|setting| setting.value.as_str())
            .filter(|text| !text.is_empty())
    }

    /// Lists a profile and those that it has its credentials from, one after the other; each must be there but the first.
    fn list_source_profiles<'a>(&'a self, profile: &'a str) -> Vec<&'a str> {
        let mut all = vec![profile];
        while all.len() < SOURCE_PROFILES_MAX {
            let last = all[all.len() - 1];
            let source = self.find_profile_setting(last, "source_profile");
            // Without a role it is for nothing.
            match source.filter(|_| self.find_profile_setting(last, "role_arn").is_some()) {
                Some(next) if !all.contains(&next) => all.push(next),
                _ => break,
            }
        }
        all
    }

    /// Finds what keeps a profile from being used, before the SDK says it in its own words.
    ///
    /// # Errors
    /// Where it or one that it has its credentials from isn't there, or says what can't be meant: with its place.
    pub(super) fn check_profile_can_be_used(&self, profile: &str) -> Result<(), Failure> {
        let chain = self.list_source_profiles(profile);
        for (at, name) in chain.iter().enumerate() {
            let Some(settings) = self.profiles.get(*name) else {
                let from =
                    at.checked_sub(1).and_then(|before| self.profiles[chain[before]].get("source_profile"));
                return Err(self.build_no_profile_failure(name, from));
            };
            for (setting_name, setting) in settings {
                find_setting_fault(setting_name, setting).map_or(Ok(()), Err)?;
            }
            self.find_sso_session_fault(settings).map_or(Ok(()), Err)?;
            let source = self.find_profile_setting(name, "credential_source");
            if source.is_some_and(|source| source.eq_ignore_ascii_case("environment")) {
                check_credential_source_keys(&CredentialSource::Environment)?;
            }
        }
        Ok(())
    }

    fn find_sso_session_fault(&self, settings: &PlacedAwsSettings) -> Option<Failure> {
        let setting = settings.get("sso_session").filter(|setting| !setting.value.is_empty())?;
        let name = &setting.value;
        if !self.named_sections.contains_key(&("sso-session".to_owned(), name.clone())) {
            return Some(build_setting_failure(
                setting,
                format!("sso_session is {name}, and there is no section [sso-session {name}]"),
                "correct the name, or make the section with: aws configure sso-session",
            ));
        }
        // Its sign-in is kept by its name, which the SDK must know as it stands.
        (name_for_sdk(name) != *name).then(|| {
            build_setting_failure(
                setting,
                format!("the name of the session, {name}, holds what this program can't look up a sign-in by"),
                "rename it here and in its section [sso-session …] to letters, digits, - and _, then sign in again",
            )
        })
    }

    fn build_no_profile_failure(&self, name: &str, named_by: Option<&PlacedAwsSetting>) -> Failure {
        let mut why = format!("AWS's configuration files have no such profile ({})", self.places.join("; "));
        if let Some(setting) = named_by {
            let _ =
                write!(why, "; source_profile in {}, line {} names it", setting.file.display(), setting.line);
        }
        if let Some((_, place)) = self.unprefixed.iter().find(|(title, _)| title == name) {
            let _ = write!(why, "; {place}, has [{name}], which is a profile there only as [profile {name}]");
        }
        let next = if self.profiles.is_empty() {
            NO_PROFILE_ADVICE.to_owned()
        } else {
            let known: Vec<_> = self.profiles.keys().map(|one| shell_words::quote(one)).collect();
            let verb = if named_by.is_some() { "set source_profile to" } else { "choose" };
            format!("{verb} one of {}", known.join(", "))
        };
        Failure::new(FailureKind::Credentials, format!("profile {name}"), why, next)
    }

    /// Finds the command that signs a profile in again, or the one that it has its credentials from; none where it signs
    /// in nowhere.
    pub(super) fn find_sign_in_command(&self, profile: &str) -> Option<String> {
        self.list_source_profiles(profile).into_iter().find_map(|name| {
            let says = |setting| self.find_profile_setting(name, setting).is_some();
            let quoted = shell_words::quote(name);
            if says("sso_session") || says("sso_start_url") {
                Some(format!("aws sso login --profile {quoted}"))
            } else {
                says("login_session").then(|| format!("aws login --profile {quoted}"))
            }
        })
    }

    /// Finds the file with a token that a profile, or the one that it has its credentials from, signs in by.
    pub(super) fn find_web_identity_file(&self, profile: &str) -> Option<PathBuf> {
        let chain = self.list_source_profiles(profile);
        chain
            .into_iter()
            .find_map(|name| self.find_profile_setting(name, "web_identity_token_file"))
            .map(expand_home_path)
    }

    /// Renders all of it as a configuration file that the SDK can read; its names are those of [`name_for_sdk`].
    pub(super) fn render_config_for_sdk(&self) -> String {
        let profiles = self.profiles.iter().map(|(name, settings)| ("profile", name, settings));
        let others =
            self.named_sections.iter().map(|((kind, name), settings)| (kind.as_str(), name, settings));
        let mut text = String::new();
        for (kind, name, settings) in profiles.chain(others) {
            let _ = writeln!(text, "[{kind} {}]", name_for_sdk(name));
            for (name, setting) in settings.iter().filter(|(_, setting)| !setting.value.is_empty()) {
                let value = match name.as_str() {
                    "source_profile" | "services" => name_for_sdk(&setting.value),
                    "web_identity_token_file" => expand_home_path(&setting.value).display().to_string(),
                    _ => setting.value.replace('\n', "\n  "),
                };
                let _ = writeln!(text, "{name} = {value}");
            }
        }
        text
    }
}

/// Returns the name by which the SDK gets a profile: it takes no others than letters, digits and a few signs.
pub(super) fn name_for_sdk(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/.@:+".contains(&byte);
    name.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn add_settings(to: &mut PlacedAwsSettings, section: AwsConfigSection, file: &Path) {
    to.extend(section.settings.into_iter().map(|setting| {
        let placed = PlacedAwsSetting {
            value: setting.value,
            file: file.to_owned(),
            line: setting.line,
            swallowed_line: setting.swallowed_line,
        };
        (setting.name, placed)
    }));
}

/// Splits a title as a shell splits words: what it is, and its name; a name with blanks that isn't quoted counts too.
fn parse_section_title(title: &str) -> Option<[String; 2]> {
    let (kind, rest) = title.split_once(char::is_whitespace)?;
    let name = shell_words::split(rest).map_or_else(|_| rest.trim().to_owned(), |words| words.join(" "));
    Some([kind.to_owned(), name])
}

fn find_setting_fault(name: &str, setting: &PlacedAwsSetting) -> Option<Failure> {
    if let Some(line) = setting.swallowed_line {
        return Some(build_setting_failure(
            setting,
            format!("line {line} stands deeper than {name}, so it counts as a part of its value"),
            format!("take away the blanks at the beginning of line {line}"),
        ));
    }
    let fault = find_access_key_fault(&setting.value).filter(|_| KEY_SETTINGS.contains(&name))?;
    Some(build_setting_failure(setting, format!("{name} {fault}"), "write it again, in one piece"))
}

fn build_setting_failure(setting: &PlacedAwsSetting, why: String, next: impl Into<String>) -> Failure {
    let place = format!("{}, line {}", setting.file.display(), setting.line);
    Failure::new(FailureKind::Credentials, place, why, next)
}

/// Finds the command that signs a profile in again, or the one that it has its credentials from; none where it signs
/// in nowhere.
#[must_use]
pub fn find_profile_sign_in_command(profile: &str) -> Option<String> {
    AwsConfigFiles::read_aws_config_files().ok()?.find_sign_in_command(profile)
}

#[cfg(test)]
mod tests;

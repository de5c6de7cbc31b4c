//! What packagecloud.rb comes to for the sandbox's packagecloud: plain literals as they stand, more than those by Ruby.
//!
//! So a mistake of the product's reading shows as what it is: the redirects follow what Ruby says (contract section 10).

use std::{fmt::Write as _, path::Path};

use serde_json::{Map, Value};

use crate::model::packagecloud::{config_file::ConfigFile, settings::RAILS_HASH};

use super::{
    SandboxNodeSettings,
    plain_literals::holds_plain_literals_only,
    ruby::{RubyEvaluation, evaluate_packagecloud_rb},
};

/// How packagecloud.rb was read, and what came of it.
pub struct NodeSettingsReading {
    /// Which reading it was, and what the file printed meanwhile.
    pub notices: Vec<String>,
    /// What the node shall run on, or why packagecloud can't read the file.
    pub settings: Result<SandboxNodeSettings, String>,
}

impl NodeSettingsReading {
    /// Reads the file; holds the thread up while Ruby runs.
    pub fn read_packagecloud_rb(path: &Path) -> Self {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                return Self { notices: vec![], settings: Err(format!("{}: {error}", path.display())) };
            }
        };
        if holds_plain_literals_only(&bytes) {
            return Self {
                notices: vec!["packagecloud.rb holds plain literals: read as they stand".to_owned()],
                settings: read_as_the_product_does(path, &bytes),
            };
        }
        let notice = |reading: &str| format!("packagecloud.rb holds more than plain literals: {reading}");
        let by_ruby = |version: &str, printed: &str| {
            let reading = notice(&format!(
                "evaluated by Ruby {version}, which could write nothing, start nothing and reach no network"
            ));
            let mut notices = vec![reading];
            notices.extend(printed.lines().map(str::to_owned));
            notices
        };
        match evaluate_packagecloud_rb(path) {
            RubyEvaluation::Values { ruby, rails, printed } => Self {
                notices: by_ruby(&ruby, &printed),
                settings: Ok(SandboxNodeSettings::from_config_file(&ConfigFile::parse_packagecloud_rb(
                    render_plain_packagecloud_rb(&rails).as_bytes(),
                ))),
            },
            RubyEvaluation::Raised { ruby, why, printed } => {
                Self { notices: by_ruby(&ruby, &printed), settings: Err(why) }
            }
            RubyEvaluation::Unavailable(why) => Self {
                notices: vec![notice(&format!("read by this program, since {why}"))],
                settings: read_as_the_product_does(path, &bytes),
            },
            RubyEvaluation::NotShutIn(why) => Self {
                notices: vec![notice(&format!("read by this program, since ruby can't be shut in: {why}"))],
                settings: read_as_the_product_does(path, &bytes),
            },
        }
    }
}

fn read_as_the_product_does(path: &Path, bytes: &[u8]) -> Result<SandboxNodeSettings, String> {
    let file = ConfigFile::parse_packagecloud_rb(bytes);
    match file.syntax_error_line() {
        Some(line) => {
            Err(format!("SyntaxError: {}:{line}: syntax error, unexpected end-of-input", path.display()))
        }
        None => Ok(SandboxNodeSettings::from_config_file(&file)),
    }
}

/// A packagecloud.rb that sets the same values by nothing but plain literals.
fn render_plain_packagecloud_rb(rails: &Map<String, Value>) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    rails.iter().fold(String::new(), |mut lines, (key, value)| {
        let literal = match value {
            Value::String(text) => quoted(text),
            Value::Null => "nil".to_owned(),
            other => other.to_string(),
        };
        let _ = writeln!(lines, "{RAILS_HASH}[{}] = {literal}", quoted(key));
        lines
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ruby_says_comes_through_whatever_stands_in_it() {
        let rails = serde_json::json!({
            "cloudfront_enabled": "true",
            "cloudfront_secret": "it's \\ a 'secret\\'",
            "cloudfront_packages_domain": "d1.cloudfront.net",
            "aws_s3_bucket": "b",
            "it's": "a 'key'\n__END__\n",
            "unset": null,
            "workers": 4,
        });
        let text = render_plain_packagecloud_rb(rails.as_object().unwrap());
        let settings =
            SandboxNodeSettings::from_config_file(&ConfigFile::parse_packagecloud_rb(text.as_bytes()));
        assert!(settings.enabled, "{text}");
        assert_eq!(settings.secret.as_deref(), Some("it's \\ a 'secret\\'"));
        assert_eq!(settings.domain.as_deref(), Some("d1.cloudfront.net"));
        assert_eq!((settings.bucket.as_str(), settings.distribution_id), ("b", None));
    }
}

//! The four values as chef, puppet and ansible want them written: for hosts whose packagecloud.rb such a tool writes.
//!
//! Each sets the assignments in the file that the tool templates; a secret belongs into the tool's own vault.

use super::settings::{HASH, Key, Values};

fn pairs(values: &Values) -> Vec<(&'static str, String)> {
    Key::ALL.iter().filter_map(|&key| values.ruby(key).map(|value| (key.name(), value))).collect()
}

/// As `tool` wants them; as Ruby for one that isn't known.
#[must_use]
pub fn of(tool: &str, values: &Values) -> String {
    match tool {
        "chef" => chef(values),
        "puppet" => puppet(values),
        "ansible" => ansible(values),
        _ => values.lines().join("\n"),
    }
}

/// Attributes for a chef recipe or role.
#[must_use]
pub fn chef(values: &Values) -> String {
    let lines: Vec<String> = pairs(values)
        .iter()
        .map(|(key, value)| format!("default['packagecloud']['rails']['{key}'] = {value}"))
        .collect();
    lines.join("\n")
}

/// `file_line` resources, which puppetlabs-stdlib has.
#[must_use]
pub fn puppet(values: &Values) -> String {
    let resources: Vec<String> = pairs(values)
        .iter()
        .map(|(key, value)| {
            let line = format!("{HASH}['{key}'] = {value}").replace('\\', "\\\\").replace('\'', "\\'");
            format!(
                "file_line {{ 'packagecloud {key}':\n  path  => '/etc/packagecloud/packagecloud.rb',\n  line  => '{line}',\n  match => \"^{HASH}\\\\[.{key}.\\\\]\",\n}}"
            )
        })
        .collect();
    resources.join("\n")
}

/// A task for ansible.builtin.lineinfile.
#[must_use]
pub fn ansible(values: &Values) -> String {
    // The assignment itself, at a line's start: a comment that names the key is no assignment.
    let mut text = format!(
        "- name: CloudFront in packagecloud.rb\n  ansible.builtin.lineinfile:\n    path: /etc/packagecloud/packagecloud.rb\n    regexp: \"^{HASH}\\\\[.{{{{ item.key }}}}.\\\\]\"\n    line: \"{{{{ item.line }}}}\"\n  loop:\n",
    );
    for (key, value) in pairs(values) {
        let line = format!("{HASH}['{key}'] = {value}").replace('"', "\\\"");
        text.push_str(&format!("    - key: '{key}'\n      line: \"{line}\"\n"));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn each_tool_gets_all_four() {
        let values = Values {
            enabled: Some(true),
            secret: Some(Secret::new("c2Vj")),
            distribution_id: Some("E1".into()),
            packages_domain: Some("d1.cloudfront.net".into()),
        };
        for text in [chef(&values), puppet(&values), ansible(&values)] {
            for key in Key::ALL {
                assert!(text.contains(key.name()), "{text}");
            }
            assert!(text.contains("d1.cloudfront.net"), "{text}");
        }
        for text in [puppet(&values), ansible(&values)] {
            assert!(
                text.contains(r#""^packagecloud_rails\\[."#),
                "no comment is taken for an assignment: {text}"
            );
        }
    }
}

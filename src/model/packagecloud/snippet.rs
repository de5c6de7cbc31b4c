//! The four values as chef, puppet and ansible want them written: for hosts whose packagecloud.rb such a tool writes.
//!
//! Each sets the assignments in the file that the tool templates; a secret belongs into the tool's own vault.

use super::settings::{CloudFrontSettingKey, CloudFrontSettingValues, RAILS_HASH};

fn render_setting_ruby_pairs(values: &CloudFrontSettingValues) -> Vec<(&'static str, String)> {
    CloudFrontSettingKey::ALL
        .iter()
        .filter_map(|&key| values.render_setting_as_ruby(key).map(|value| (key.setting_name(), value)))
        .collect()
}

/// Renders the values as `tool` wants them; as Ruby for one that isn't known.
#[must_use]
pub fn render_config_snippet(tool: &str, values: &CloudFrontSettingValues) -> String {
    match tool {
        "chef" => render_chef_snippet(values),
        "puppet" => render_puppet_snippet(values),
        "ansible" => render_ansible_snippet(values),
        _ => values.render_setting_assignments().join("\n"),
    }
}

/// Attributes for a chef recipe or role.
#[must_use]
pub fn render_chef_snippet(values: &CloudFrontSettingValues) -> String {
    let lines: Vec<String> = render_setting_ruby_pairs(values)
        .iter()
        .map(|(key, value)| format!("default['packagecloud']['rails']['{key}'] = {value}"))
        .collect();
    lines.join("\n")
}

/// Renders `file_line` resources, which puppetlabs-stdlib has.
#[must_use]
pub fn render_puppet_snippet(values: &CloudFrontSettingValues) -> String {
    let resources: Vec<String> = render_setting_ruby_pairs(values)
        .iter()
        .map(|(key, value)| {
            let line = format!("{RAILS_HASH}['{key}'] = {value}").replace('\\', "\\\\").replace('\'', "\\'");
            format!(
                "file_line {{ 'packagecloud {key}':\n  path  => '/etc/packagecloud/packagecloud.rb',\n  line  => '{line}',\n  match => \"^{RAILS_HASH}\\\\[.{key}.\\\\]\",\n}}"
            )
        })
        .collect();
    resources.join("\n")
}

/// Renders a task for ansible.builtin.lineinfile.
#[must_use]
pub fn render_ansible_snippet(values: &CloudFrontSettingValues) -> String {
    // The assignment itself, at a line's start: a comment that names the key is no assignment.
    let mut text = format!(
        "- name: CloudFront in packagecloud.rb\n  ansible.builtin.lineinfile:\n    path: /etc/packagecloud/packagecloud.rb\n    regexp: \"^{RAILS_HASH}\\\\[.{{{{ item.key }}}}.\\\\]\"\n    line: \"{{{{ item.line }}}}\"\n  loop:\n",
    );
    for (key, value) in render_setting_ruby_pairs(values) {
        let line = format!("{RAILS_HASH}['{key}'] = {value}").replace('"', "\\\"");
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
        let values = CloudFrontSettingValues {
            enabled: Some(true),
            secret: Some(Secret::new("c2Vj")),
            distribution_id: Some("E1".into()),
            packages_domain: Some("d1.cloudfront.net".into()),
        };
        for text in
            [render_chef_snippet(&values), render_puppet_snippet(&values), render_ansible_snippet(&values)]
        {
            for key in CloudFrontSettingKey::ALL {
                assert!(text.contains(key.setting_name()), "{text}");
            }
            assert!(text.contains("d1.cloudfront.net"), "{text}");
        }
        for text in [render_puppet_snippet(&values), render_ansible_snippet(&values)] {
            assert!(
                text.contains(r#""^packagecloud_rails\\[."#),
                "no comment is taken for an assignment: {text}"
            );
        }
    }
}

//! What a reconfigure applied, as omnibus packages write it down in JSON: read for whether CloudFront is on.

use serde_json::Value;

use super::settings::{CloudFrontSettingKey, RAILS_HASH};

/// Returns whether `cloudfront_enabled` of packagecloud's hash is on in the JSON; `None` where that isn't said.
///
/// Names count with dashes too, as chef's attributes have them, at any depth.
#[must_use]
pub fn find_running_cloudfront_switch(json: &[u8]) -> Option<bool> {
    let root: Value = serde_json::from_slice(json).ok()?;
    let mut open = vec![&root];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if name.replace('-', "_") == RAILS_HASH
                        && let Some(enabled) = find_enabled_member(member)
                    {
                        return Some(enabled);
                    }
                    open.push(member);
                }
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    None
}

fn find_enabled_member(hash: &Value) -> Option<bool> {
    let name = CloudFrontSettingKey::Enabled.setting_name();
    match hash.as_object()?.iter().find(|(key, _)| key.replace('-', "_") == name)?.1 {
        Value::Bool(on) => Some(*on),
        Value::String(text) => text.parse().ok(),
        Value::Null => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_found_however_it_is_nested() {
        for (json, on) in [
            (r#"{"packagecloud":{"packagecloud_rails":{"cloudfront_enabled":true}}}"#, Some(true)),
            (r#"{"packagecloud":{"packagecloud-rails":{"cloudfront-enabled":false}}}"#, Some(false)),
            (r#"{"packagecloud_rails":{"cloudfront_enabled":"true"}}"#, Some(true)),
            (r#"{"packagecloud_rails":{"cloudfront_enabled":null}}"#, Some(false)),
            (r#"[{"a":[{"packagecloud_rails":{"cloudfront_enabled":true}}]}]"#, Some(true)),
            (r#"{"packagecloud_rails":{"cloudfront_secret":"x"}}"#, None),
            (r#"{"nginx":{"cloudfront_enabled":true}}"#, None),
            ("not json", None),
        ] {
            assert_eq!(find_running_cloudfront_switch(json.as_bytes()), on, "{json}");
        }
    }
}

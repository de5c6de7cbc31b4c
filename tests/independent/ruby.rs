//! Real Ruby agrees with what is read from packagecloud.rb, and with what an edit of it does.
//!
//! The file is run before and after by Debian's ruby against stub hashes; it fails where ruby is missing.

use std::process::Command;

use packagecloud_cloudfront::model::packagecloud::{
    config_file::{ConfigFile, RubyExpressionEditMode},
    settings::{CloudFrontSettingKey, RAILS_HASH},
};
use serde_json::{Map, Value};

const CONFIG_FIXTURE: &str = include_str!("../fixtures/packagecloud.rb");

/// Runs a file as packagecloud does, and says what each hash holds: the top's names are hashes that spring up.
const RUBY_STUB: &str = r"
require 'json'
class Top
  def initialize = @hashes = Hash.new { |all, name| all[name] = {} }
  def method_missing(name, *args) = args.empty? ? @hashes[name.to_s] : @hashes[''].store(name.to_s, args.first)
  def respond_to_missing?(*) = true
end
puts JSON.generate(ARGV.map { |path|
  top = Top.new
  top.instance_eval(File.binread(path).force_encoding('UTF-8').sub(/\A\uFEFF/, ''), path)
  top.instance_variable_get(:@hashes)
})
";

/// What each of the files makes of the hashes; one ruby runs them all.
fn evaluate_with_ruby<T: AsRef<[u8]>>(files: &[T]) -> Vec<Map<String, Value>> {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..files.len()).map(|index| dir.path().join(format!("{index}.rb"))).collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    let out = Command::new("ruby")
        .args(["-W0", "-e", RUBY_STUB])
        .args(&paths)
        .output()
        .expect("ruby is installed: apt-get install ruby");
    let failed = String::from_utf8_lossy(&out.stderr);
    for (path, bytes) in paths.iter().zip(files) {
        assert!(
            !failed.contains(path.to_str().unwrap()),
            "{failed}\n{}",
            String::from_utf8_lossy(bytes.as_ref())
        );
    }
    assert!(out.status.success(), "{failed}");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn config_variants() -> Vec<String> {
    let mut files = vec![
        CONFIG_FIXTURE.to_owned(),
        CONFIG_FIXTURE.replace('\n', "\r\n"),
        CONFIG_FIXTURE.trim_end().to_owned(),
    ];
    for (name, key) in
        [("cloudfront_enabled", "true"), ("cloudfront_secret", "'old'"), ("cloudfront_enabled", "'no'")]
    {
        for spelling in [
            format!("packagecloud_rails['{name}'] = {key}"),
            format!("packagecloud_rails[ \"{name}\" ]={key} # why\n"),
            format!("packagecloud_rails[%q({name})] =\n  {key}\n__END__\nx"),
            format!("packagecloud_rails['{name}'] = 1\npackagecloud_rails['{name}'] = {key}; a = 1\n"),
            format!("packagecloud_rails['{name}'] = {key} if 1 > 2"),
            format!("packagecloud_rails['{name}'] ||= {key}\n"),
            format!("packagecloud_rails['{name}'] = ENV['NOWHERE'] || {key}\n"),
            format!("packagecloud_rails.merge!('{name}' => {key})\n"),
            format!("['{name}'].each {{ |key| packagecloud_rails[key] = {key} }}\n"),
            format!("packagecloud_rails['x'], packagecloud_rails['{name}'] = 1, {key}\n"),
            format!("begin\n packagecloud_rails['{name}'] = {key}\nend while false"),
            format!(
                "x = <<A + <<'B'\n  packagecloud_rails['{name}'] = 1\nA\n__END__\nB\npackagecloud_rails['{name}'] = {key}\n"
            ),
            format!("\u{feff}packagecloud_rails['{name}'] = {key}\n"),
            format!(
                "packagecloud_rails['{name}'] = {key} unless 1 < 2\r\n__END__\r\npackagecloud_rails['{name}'] = 1"
            ),
            format!("=begin\r\npackagecloud_rails['{name}'] = {key}\r\n=end\r\nx = 1"),
            format!("-> {{ packagecloud_rails['{name}'] = {key} }}.call\n"),
            format!("for name in %w[{name}] do packagecloud_rails[name] = {key} end"),
            format!("packagecloud_rails.update({name}: {key})\npackagecloud_rails['{name}'] = 3"),
            format!("packagecloud_rails['{name}'] = {key}\npackagecloud_rails.delete('{name}')\n"),
            format!("packagecloud_rails['{name}'] = packagecloud_rails['b'] = {key}\n"),
            format!("1 > 2 and packagecloud_rails['{name}'] = {key}\n"),
            format!("packagecloud_rails['{name}'] = {key} rescue 1\n"),
            format!("case 1 when 1\n  packagecloud_rails['{name}'] = {key}\nend\n"),
            format!("packagecloud_rails['{name}'] = %q[a[b]c]\nx = ?'; y = /'/; z = `true` # '\n"),
            format!("packagecloud_rails['{name}'] = \"\\x41\\u00e9\\s\\\"\"; # \\\n"),
            format!("packagecloud_rails['{name}'] = 'a\nb'\n# {key} \\\n=begin\n=end"),
            format!("packagecloud_rails['{name}'] = {key}\n__END__x = 1 if false\n"),
            format!("packagecloud_rails[ '{name}' ]  =\\\n  {key}"),
        ] {
            files.push(spelling);
        }
    }
    files
}

#[test]
fn a_plain_value_is_what_ruby_makes_of_it() {
    let files = config_variants();
    for (text, ruby) in files.iter().zip(evaluate_with_ruby(&files)) {
        let file = ConfigFile::parse_packagecloud_rb(text.as_bytes());
        assert!(!file.has_ruby_syntax_error(), "{text}");
        for (hash, values) in &ruby {
            for (key, value) in values.as_object().unwrap() {
                if let Some(read) = file.find_ruby_string_setting(hash, key) {
                    assert_eq!(value.as_str(), Some(read), "{hash}[{key}] of\n{text}");
                }
            }
        }
        let enabled = ruby.get(RAILS_HASH).and_then(|hash| hash.get("cloudfront_enabled"));
        if let Some(read) = file.cloudfront_setting_values().enabled {
            assert_eq!(enabled, Some(&Value::Bool(read)), "{text}");
        }
    }
}

#[test]
fn after_an_edit_ruby_sees_what_was_wanted_and_all_else_as_before() {
    let texts = config_variants();
    let all_before = evaluate_with_ruby(&texts);
    for (key, ruby, value) in [
        (CloudFrontSettingKey::Enabled, "true", Value::Bool(true)),
        (CloudFrontSettingKey::Enabled, "false", Value::Bool(false)),
        (CloudFrontSettingKey::Secret, r"'it\'s \\ new'", Value::String(r"it's \ new".into())),
        (CloudFrontSettingKey::DistributionId, "'E1'", Value::String("E1".into())),
    ] {
        let edit = |text: &String| {
            ConfigFile::parse_packagecloud_rb(text.as_bytes())
                .render_config_with_values(&[(key, ruby.to_owned())], RubyExpressionEditMode::Append)
                .unwrap_or_else(|refusal| panic!("{refusal:?}\n{text}"))
        };
        let edited: Vec<Vec<u8>> = texts.iter().map(edit).collect();
        for ((mut after, mut before), edited) in
            evaluate_with_ruby(&edited).into_iter().zip(all_before.clone()).zip(&edited)
        {
            let shown = String::from_utf8_lossy(edited);
            let take = |all: &mut Map<String, Value>| {
                all.entry(RAILS_HASH)
                    .or_insert_with(|| Map::new().into())
                    .as_object_mut()
                    .unwrap()
                    .remove(key.setting_name())
            };
            assert_eq!(take(&mut after), Some(value.clone()), "{shown}");
            take(&mut before);
            assert_eq!(before, after, "{shown}");
        }
    }
}

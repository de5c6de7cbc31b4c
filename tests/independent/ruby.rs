//! Real Ruby agrees with what is read from packagecloud.rb, and with what an edit of it does.
//!
//! The file is run before and after by Debian's ruby against stub hashes; it fails where ruby is missing.

use std::{path::Path, process::Command};

use packagecloud_cloudfront::model::packagecloud::{
    config_file::{ConfigFile, RubyExpressionEditMode},
    settings::{CloudFrontSettingKey, RAILS_HASH},
};
use serde_json::{Map, Value};

use super::forms::{CONFIG_HEAD, ENABLING_FORMS, FILES_READ_IN, PLAIN_VALUES, RANDOM_PIECES};

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
        if !file.may_cloudfront_be_on() {
            assert!(is_off(enabled), "{text}");
        }
        let unsettled = file.find_unsettled_settings();
        if let Some(read) = file.cloudfront_setting_values().enabled
            && unsettled.iter().all(|(key, ..)| *key != CloudFrontSettingKey::Enabled)
        {
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
                .config_file_bytes()
                .to_vec()
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

/// What is evaluated on a host without a role, and on a web host: how it ended, and what each hash holds.
type EvaluatedConfig = [(String, Map<String, Value>); 2];

/// Evaluates files as an omnibus package does.
fn evaluate_as_omnibus<T: AsRef<[u8]>>(dir: &Path, files: &[T]) -> Vec<EvaluatedConfig> {
    let paths: Vec<_> = (0..files.len()).map(|index| dir.join(format!("{index}.pcrb"))).collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    let out = Command::new("ruby")
        .args(["-W0", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/independent/omnibus.rb")])
        .args(&paths)
        .output()
        .expect("ruby is installed: apt-get install ruby");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn is_off(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::Null | Value::Bool(false)))
        || value.is_some_and(|text| text == "false")
}

fn find_rails_value<'a>(settings: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    settings.get(RAILS_HASH)?.get(key)
}

/// All that isn't one of `keys`.
fn remove_settings(settings: &Map<String, Value>, keys: &[CloudFrontSettingKey]) -> Map<String, Value> {
    let mut rest = settings.clone();
    let hash = rest.entry(RAILS_HASH).or_insert_with(|| Map::new().into()).as_object_mut().unwrap();
    hash.retain(|key, _| keys.iter().all(|ours| ours.setting_name() != key));
    rest
}

/// What the four values are in these files, before and after.
const LITERALS: [&str; 12] = [
    "'true'",
    "true",
    "false",
    "nil",
    "'MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI='",
    "'c2VjcmV0c2VjcmV0c2VjcmV0'",
    "'E1'",
    "'E2'",
    "'E9'",
    "'d1.cloudfront.net'",
    "'d9.cloudfront.net'",
    "''",
];

/// Asserts that nothing but lines of ours and literals of ours tells two texts apart.
fn assert_only_our_bytes_differ(before: &str, after: &str) {
    let diff = similar::TextDiff::from_lines(before, after);
    let (mut removed, mut added) = (String::new(), String::new());
    for change in diff.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Delete => removed += change.value(),
            similar::ChangeTag::Insert => added += change.value(),
            similar::ChangeTag::Equal => {}
        }
    }
    // Without literals, marks and lines of ours what was taken out is what was put in.
    let plain = |text: &str| {
        let mut text = text.to_owned();
        for key in CloudFrontSettingKey::ALL {
            for own in ["self.", ""] {
                for value in LITERALS {
                    let line = format!("{own}{RAILS_HASH}['{}'] = {value}", key.setting_name());
                    text = text.replace(&format!("{line}; "), "").replace(&line, "");
                }
            }
        }
        let lines =
            text.lines().map(|line| line.split(" # packagecloud-cloudfront:").next().unwrap_or_default());
        let lines = lines.filter(|line| !line.starts_with("# packagecloud-cloudfront:"));
        let text: String = lines.collect();
        LITERALS.iter().fold(text, |text, literal| text.replace(literal, "")).replace([' ', '\t'], "")
    };
    assert_eq!(plain(&removed), plain(&added), "of\n{before}\n=>\n{after}");
}

fn edit_text(text: &str, wanted: &[(CloudFrontSettingKey, String)]) -> String {
    let edited = ConfigFile::parse_packagecloud_rb(text.as_bytes())
        .render_config_with_values(wanted, RubyExpressionEditMode::Append)
        .unwrap_or_else(|refusal| panic!("{refusal:?} of\n{text}"));
    let edited = String::from_utf8(edited.config_file_bytes().to_vec()).unwrap();
    assert_only_our_bytes_differ(text, &edited);
    let again = ConfigFile::parse_packagecloud_rb(edited.as_bytes())
        .render_config_with_values(wanted, RubyExpressionEditMode::Refuse)
        .unwrap_or_else(|refusal| panic!("{refusal:?} again of\n{edited}"));
    assert_eq!(String::from_utf8_lossy(again.config_file_bytes()), edited, "again changes nothing");
    edited
}

fn write_files_read_in(dir: &Path) {
    for (name, text) in FILES_READ_IN {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

/// Switches each file off, on, and back, and lets Ruby judge what each of them says then, on both hosts.
fn assert_off_on_and_back(dir: &Path, texts: &[String], all_are_on: bool) {
    let off = [(CloudFrontSettingKey::Enabled, "false".to_owned())];
    let on = [
        (CloudFrontSettingKey::Enabled, "true".to_owned()),
        (CloudFrontSettingKey::Secret, "'c2VjcmV0c2VjcmV0c2VjcmV0'".to_owned()),
        (CloudFrontSettingKey::DistributionId, "'E9'".to_owned()),
        (CloudFrontSettingKey::PackagesDomain, "'d9.cloudfront.net'".to_owned()),
    ];
    let before = evaluate_as_omnibus(dir, texts);
    for (text, hosts) in texts.iter().zip(&before) {
        for (ended, settings) in hosts {
            assert!(!ended.starts_with("broken"), "{ended}\n{text}");
            let may_be_on = ConfigFile::parse_packagecloud_rb(text.as_bytes()).may_cloudfront_be_on();
            assert!(
                may_be_on || is_off(find_rails_value(settings, "cloudfront_enabled")),
                "read as off:\n{text}"
            );
        }
        let is_on = |(_, settings): &(String, Map<String, Value>)| {
            !is_off(find_rails_value(settings, "cloudfront_enabled"))
        };
        assert!(!all_are_on || hosts.iter().any(is_on), "the form itself is not on:\n{text}");
    }
    let disabled: Vec<String> = texts.iter().map(|text| edit_text(text, &off)).collect();
    let enabled: Vec<String> = disabled.iter().map(|text| edit_text(text, &on)).collect();
    let enabled_at_once: Vec<String> = texts.iter().map(|text| edit_text(text, &on)).collect();
    for (index, after) in evaluate_as_omnibus(dir, &disabled).iter().enumerate() {
        for ((was, old), (is, new)) in before[index].iter().zip(after) {
            let shown = &disabled[index];
            assert!(is_off(find_rails_value(new, "cloudfront_enabled")), "still on:\n{shown}");
            let keys = &[CloudFrontSettingKey::Enabled];
            assert_eq!((was, remove_settings(old, keys)), (is, remove_settings(new, keys)), "{shown}");
        }
    }
    for all in [enabled, enabled_at_once] {
        for (index, after) in evaluate_as_omnibus(dir, &all).iter().enumerate() {
            for ((was, old), (is, new)) in before[index].iter().zip(after) {
                let (shown, keys) = (&all[index], &CloudFrontSettingKey::ALL);
                assert_eq!((was, remove_settings(old, keys)), (is, remove_settings(new, keys)), "{shown}");
                if is == "failed" {
                    continue; // The reconfigure fails, and packagecloud stays as it was.
                }
                assert_eq!(find_rails_value(new, "cloudfront_enabled"), Some(&Value::Bool(true)), "{shown}");
                for (key, value) in &on[1..] {
                    let value = Value::String(value.trim_matches('\'').to_owned());
                    assert_eq!(find_rails_value(new, key.setting_name()), Some(&value), "{shown}");
                }
            }
        }
    }
    for (text, disabled) in texts.iter().zip(&disabled) {
        let (then, now) = (
            ConfigFile::parse_packagecloud_rb(text.as_bytes()),
            ConfigFile::parse_packagecloud_rb(disabled.as_bytes()),
        );
        assert!(
            now.differs_only_in_our_lines(&then, true),
            "rolling back gives the bytes back:\n{text}\n=>\n{disabled}"
        );
    }
}

#[test]
fn off_is_off_and_on_is_on_however_the_file_says_it() {
    let dir = tempfile::tempdir().unwrap();
    write_files_read_in(dir.path());
    assert!(ENABLING_FORMS.len() >= 60);
    let mut texts = Vec::new();
    for form in ENABLING_FORMS {
        let form = form.replace("@DIR@", dir.path().to_str().unwrap());
        texts.push(format!("{CONFIG_HEAD}{PLAIN_VALUES}{form}"));
        // Of a heredoc in a heredoc the parser loses its place after CRLF: then an edit is refused, not done wrong.
        if !form.contains('\r') && !form.contains("<<~INNER") {
            texts.push(format!("\u{feff}{CONFIG_HEAD}{form}").replace('\n', "\r\n"));
        }
    }
    assert_off_on_and_back(dir.path(), &texts, true);
}

#[test]
fn off_is_off_and_on_is_on_in_files_put_together_at_random() {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (seed, count) = (number("RUBY_FORMS_SEED", 15), number("RUBY_FORMS_COUNT", 200));
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    write_files_read_in(dir.path());
    let texts: Vec<String> = (0..count)
        .map(|_| {
            let pieces = (0..random.usize(1..12))
                .map(|_| RANDOM_PIECES[random.usize(0..RANDOM_PIECES.len())])
                .collect::<String>();
            format!("{CONFIG_HEAD}{pieces}").replace("@DIR@", dir.path().to_str().unwrap())
        })
        .collect();
    assert_off_on_and_back(dir.path(), &texts, false);
}

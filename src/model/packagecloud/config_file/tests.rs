//! Tables of what is read from packagecloud.rb, and of what an edit makes of it.

use super::*;

const PACKAGECLOUD_RB: &[u8] = include_bytes!("../../../../tests/fixtures/packagecloud.rb");
const BLOCK: &str = "# packagecloud-cloudfront: begin";
const ENABLED_LINE: &str = "packagecloud_rails['cloudfront_enabled'] = true\n";

fn desired_values(enabled: bool) -> Vec<(CloudFrontSettingKey, String)> {
    vec![
        (CloudFrontSettingKey::Enabled, enabled.to_string()),
        (CloudFrontSettingKey::Secret, "'c2VjcmV0'".to_owned()),
        (CloudFrontSettingKey::DistributionId, "'E1'".to_owned()),
        (CloudFrontSettingKey::PackagesDomain, "'d1.cloudfront.net'".to_owned()),
    ]
}

fn render_with_value(
    before: &str,
    key: CloudFrontSettingKey,
    ruby: &str,
    how: RubyExpressionEditMode,
) -> Result<String, ConfigEditRefusal> {
    let edited = ConfigFile::parse_packagecloud_rb(before.as_bytes())
        .render_config_with_values(&[(key, ruby.to_owned())], how)?;
    Ok(read_config_text(&edited))
}

fn read_config_text(file: &ConfigFile) -> String {
    String::from_utf8(file.config_file_bytes().to_vec()).unwrap()
}

#[test]
fn the_realistic_file_is_read() {
    let file = ConfigFile::parse_packagecloud_rb(PACKAGECLOUD_RB);
    assert_eq!(file.syntax_error_line(), None);
    assert_eq!(
        file.cloudfront_setting_values(),
        CloudFrontSettingValues::default(),
        "comments, =begin and heredocs assign nothing"
    );
    assert_eq!(file.find_setting_expressions(), []);
    assert_eq!(file.find_unsettled_settings(), []);
    assert!(!file.may_cloudfront_be_on());
    assert_eq!(file.find_configured_bucket(), Some(("aws_s3_bucket", "example-packages")));
    assert_eq!(file.find_configured_region(), Some("eu-central-1"));
    assert_eq!(file.find_external_url(), Some("https://packages.example.com"));
    assert_eq!(file.find_packagecloud_rails_string("support_email"), Some("packages@example.com"));
    assert_eq!(file.find_packagecloud_rails_string("smtp_password"), Some("it's a \\ secret"));
    assert_eq!(file.find_packagecloud_rails_string("db_host"), None, "an expression is no string");
    let (id, secret) = file.find_config_aws_keys().unwrap();
    assert_eq!(
        (id.as_str(), secret.expose_secret()),
        ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    );
    for secret in ["ldap-bind-password", "fallback-db-password", "it's a \\ secret", "it\\'s a \\\\ secret"] {
        assert!(file.known_secrets().iter().any(|known| known == secret), "{secret}");
    }
    assert!(file.known_secrets().iter().any(|known| known.starts_with("MIIEvQIBADANBg")), "a key's lines");
    assert!(file.known_secrets().iter().any(|known| known.starts_with("je7MtGb")), "any hash's");
}

#[test]
fn a_value_is_read_however_it_is_assigned() {
    for (line, enabled) in [
        ("packagecloud_rails['cloudfront_enabled'] = true", Some(true)),
        ("packagecloud_rails[\"cloudfront_enabled\"]=false", Some(false)),
        ("packagecloud_rails[ %q(cloudfront_enabled) ]   =\ttrue # on", Some(true)),
        ("packagecloud_rails['cloudfront_enabled'] =\n  true", Some(true)),
        ("packagecloud_rails['cloudfront_enabled'] = true; x = 1", Some(true)),
        ("packagecloud_rails['cloudfront_enabled'] = 'true'", Some(true)),
        ("packagecloud_rails['cloudfront_enabled'] = nil", None),
        ("# packagecloud_rails['cloudfront_enabled'] = true", None),
        ("=begin\npackagecloud_rails['cloudfront_enabled'] = true\n=end", None),
        ("x = <<X\npackagecloud_rails['cloudfront_enabled'] = true\nX", None),
        ("__END__\npackagecloud_rails['cloudfront_enabled'] = true", None),
        ("backups['cloudfront_enabled'] = true", None),
        (
            "packagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_enabled'] = false",
            Some(false),
        ),
        (
            "packagecloud_rails['cloudfront_enabled'] = true if x\npackagecloud_rails['cloudfront_enabled'] = false",
            Some(false),
        ),
    ] {
        let file = ConfigFile::parse_packagecloud_rb(line.as_bytes());
        assert_eq!(file.cloudfront_setting_values().enabled, enabled, "{line}");
        assert_eq!(file.find_setting_expressions(), [], "{line}");
    }
}

#[test]
fn a_string_is_decoded_as_ruby_does() {
    for (ruby, text) in [
        ("'a'", Some("a")),
        (r"'a\'b\\c\n'", Some(r"a'b\c\n")),
        (r#""a\"b\\c\td""#, Some("a\"b\\c\td")),
        ("%q(a b)", Some("a b")),
        ("%q[it's]", Some("it's")),
        ("%(a)", Some("a")),
        ("\"a#{1}\"", None),
        (r#""\u0041""#, None),
        ("'a' 'b'", None),
        ("('a')", None),
        ("''", None),
        ("'a'.freeze", None),
    ] {
        let file = ConfigFile::parse_packagecloud_rb(
            format!("packagecloud_rails['cloudfront_secret'] = {ruby}").as_bytes(),
        );
        assert_eq!(file.find_packagecloud_rails_string("cloudfront_secret"), text, "{ruby}");
    }
}

#[test]
fn what_only_running_would_tell_is_an_expression_with_its_line() {
    for line in [
        "packagecloud_rails['cloudfront_secret'] = ENV['X']",
        "packagecloud_rails['cloudfront_secret'] = ENV['X'] || 'fallback'",
        "packagecloud_rails['cloudfront_secret'] ||= 'fallback'",
        "packagecloud_rails['cloudfront_secret'] = 'fallback' if x",
        "packagecloud_rails['cloudfront_secret'] = 'fallback' unless x",
        "packagecloud_rails['cloudfront_secret'] = x ? 'fallback' : 'fallback'",
        "packagecloud_rails['cloudfront_secret'] = \"fallback#{x}\"",
        "packagecloud_rails['cloudfront_secret'] = 'fallback'.strip",
        "packagecloud_rails['cloudfront_secret'] = 'fallback', 1",
        "packagecloud_rails['cloudfront_secret'], x = 'fallback', 1",
        "x = packagecloud_rails['cloudfront_secret'] = 'fallback'",
        "packagecloud_rails['cloudfront_secret'] = 'fallback' and x",
        "packagecloud_rails.merge!('cloudfront_secret' => 'fallback')",
        "packagecloud_rails.store('cloudfront_secret', 'x')",
        "packagecloud_rails.delete('cloudfront_secret')",
        "if x then packagecloud_rails['cloudfront_secret'] = 'fallback' end",
        "begin; packagecloud_rails['cloudfront_secret'] = 'fallback'; end",
        "packagecloud_rails['cloudfront_secret'] = <<X\nfallback\nX",
    ] {
        let file = ConfigFile::parse_packagecloud_rb(format!("# one\n{line}\n").as_bytes());
        assert!(!file.has_ruby_syntax_error(), "{line}");
        let found = file.find_setting_expressions();
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!((found[0].0, found[0].1), (CloudFrontSettingKey::Secret, 2), "{line}");
        assert!(!found[0].2.contains("fallback"), "{} shows a secret", found[0].2);
        assert_eq!(file.cloudfront_setting_values().secret, None, "{line}");
    }
    let read = "if packagecloud_rails['cloudfront_enabled']\n  x['y'] = 1\nend\n";
    assert_eq!(
        ConfigFile::parse_packagecloud_rb(read.as_bytes()).find_setting_expressions(),
        [],
        "reading is no writing"
    );
}

#[test]
fn a_long_line_is_shown_by_its_beginning() {
    let file = ConfigFile::parse_packagecloud_rb(format!("a = '{}'\n", "ä".repeat(200)).as_bytes());
    let shown = file.redact_config_line(1);
    assert_eq!((shown.chars().count(), shown.ends_with("ä…")), (81, true), "{shown}");
    let zeros = ConfigFile::parse_packagecloud_rb(format!("a = 1\n{}", "\0".repeat(5000)).as_bytes());
    assert_eq!(zeros.count_zero_bytes(), 5000);
    assert!(ConfigFile::parse_packagecloud_rb(b"\xff\xfea\0").is_utf16_text());
}

#[test]
fn what_is_no_ruby_is_told_with_its_line_and_not_edited() {
    for (text, line) in [
        ("a = 1\nb = 'x\n", 2),
        ("if x\n", 1),
        ("a = 1\n<<<<<<< HEAD\n", 2),
        ("a = 1\n=begin\nb\n", 2),
        ("a = 1\n__END__ \n", 2),
        ("a = 1\nb = 2\0\n", 2),
    ] {
        let file = ConfigFile::parse_packagecloud_rb(text.as_bytes());
        let problem = if text.contains('\0') {
            ConfigReadProblem::RefusedBytes(line)
        } else {
            ConfigReadProblem::NotRuby(line)
        };
        assert_eq!(file.read_problem(), Some(problem), "{text:?}");
        assert_eq!(
            file.render_config_with_values(&desired_values(true), RubyExpressionEditMode::Append)
                .map(|edited| read_config_text(&edited)),
            Err(ConfigEditRefusal::Unreadable(problem)),
            "{text:?}"
        );
    }
}

#[test]
fn a_standing_assignment_is_changed_in_place_and_nothing_else() {
    for (before, after) in [
        (
            "packagecloud_rails['cloudfront_enabled'] = true",
            "packagecloud_rails['cloudfront_enabled'] = false",
        ),
        (
            "a = 1\r\npackagecloud_rails[ \"cloudfront_enabled\"]=true # é\r\n",
            "a = 1\r\npackagecloud_rails[ \"cloudfront_enabled\"]=false # é\r\n",
        ),
        (
            "packagecloud_rails['cloudfront_enabled'] = nil;b=2",
            "packagecloud_rails['cloudfront_enabled'] = false;b=2",
        ),
        (
            "packagecloud_rails['cloudfront_enabled'] = 'true'\n",
            "packagecloud_rails['cloudfront_enabled'] = false\n",
        ),
        (
            "\u{feff}packagecloud_rails['cloudfront_enabled'] = true",
            "\u{feff}packagecloud_rails['cloudfront_enabled'] = false",
        ),
        (
            "packagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_enabled'] = true\n__END__\nx",
            "packagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_enabled'] = false\n__END__\nx",
        ),
        (
            "packagecloud_rails['cloudfront_enabled'] = false",
            "packagecloud_rails['cloudfront_enabled'] = false",
        ),
        (
            "packagecloud_rails['cloudfront_enabled'] = true\nexit\npackagecloud_rails['cloudfront_enabled'] = true",
            "packagecloud_rails['cloudfront_enabled'] = false\nexit\npackagecloud_rails['cloudfront_enabled'] = true",
        ),
        (
            "packagecloud_rails[:'cloudfront_enabled'] = true\n",
            "packagecloud_rails[:'cloudfront_enabled'] = false\n",
        ),
        (
            "self.packagecloud_rails['cloudfront_enabled'] = true\nnginx['a'] = ENV['B'].to_i\n",
            "self.packagecloud_rails['cloudfront_enabled'] = false\nnginx['a'] = ENV['B'].to_i\n",
        ),
    ] {
        assert_eq!(
            render_with_value(before, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse)
                .unwrap(),
            after
        );
    }
}

#[test]
fn what_is_absent_joins_one_marked_block() {
    let block = |eol: &str| {
        [
            "# packagecloud-cloudfront: begin",
            "packagecloud_rails['cloudfront_enabled'] = true",
            "# packagecloud-cloudfront: end",
            "",
        ]
        .join(eol)
    };
    for (before, after) in [
        ("", block("\n")),
        ("a = 1", format!("a = 1\n\n{}", block("\n"))),
        ("a = 1\n", format!("a = 1\n\n{}", block("\n"))),
        ("a = 1\r\nb = 2\r\n", format!("a = 1\r\nb = 2\r\n\r\n{}", block("\r\n"))),
        ("a = 1\n__END__\ndata", format!("a = 1\n\n{}__END__\ndata", block("\n"))),
        ("a = 1\n__END__", format!("a = 1\n\n{}__END__", block("\n"))),
        ("__END__\ndata", format!("{}__END__\ndata", block("\n"))),
        ("a = <<X\ntext\nX", format!("a = <<X\ntext\nX\n\n{}", block("\n"))),
        (
            "a = <<X\n# packagecloud-cloudfront: begin\n# packagecloud-cloudfront: end\nX\n",
            format!(
                "a = <<X\n# packagecloud-cloudfront: begin\n# packagecloud-cloudfront: end\nX\n\n{}",
                block("\n")
            ),
        ),
        ("\u{feff}", format!("\u{feff}{}", block("\n"))),
        ("# only a comment", format!("# only a comment\n\n{}", block("\n"))),
    ] {
        let once =
            render_with_value(before, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Refuse)
                .unwrap();
        assert_eq!(once, after);
        let more = render_with_value(
            &once,
            CloudFrontSettingKey::DistributionId,
            "'E1'",
            RubyExpressionEditMode::Refuse,
        )
        .unwrap();
        assert_eq!(
            more.matches("cloudfront: begin").count(),
            once.matches("cloudfront: begin").count(),
            "{more}"
        );
        let line = "packagecloud_rails['cloudfront_distribution_id'] = 'E1'";
        assert_eq!(more.replace(&format!("{line}\r\n"), "").replace(&format!("{line}\n"), ""), once);
        assert_eq!(
            render_with_value(
                &more,
                CloudFrontSettingKey::DistributionId,
                "'E1'",
                RubyExpressionEditMode::Refuse
            )
            .unwrap(),
            more,
            "again changes nothing"
        );
    }
}

#[test]
fn an_expression_is_overridden_only_with_consent_or_to_switch_off() {
    let before = "packagecloud_rails['cloudfront_enabled'] = ENV['CF'] == '1'\n__END__\n";
    assert_eq!(
        render_with_value(before, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Refuse),
        Err(ConfigEditRefusal::Expressions(vec![(
            CloudFrontSettingKey::Enabled,
            1,
            "packagecloud_rails['cloudfront_enabled'] = ENV['CF'] == '1'".to_owned()
        )]))
    );
    for (ruby, how) in [("true", RubyExpressionEditMode::Append), ("false", RubyExpressionEditMode::Refuse)] {
        let after = render_with_value(before, CloudFrontSettingKey::Enabled, ruby, how).unwrap();
        assert_eq!(
            after,
            format!(
                "packagecloud_rails['cloudfront_enabled'] = ENV['CF'] == '1'\npackagecloud_rails['cloudfront_enabled'] = {ruby} # packagecloud-cloudfront: overrides line 1\n__END__\n"
            )
        );
        let back =
            render_with_value(&after, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse)
                .unwrap();
        assert_eq!(back.matches("overrides").count(), 1, "the same line is changed again");
        assert!(
            !ConfigFile::parse_packagecloud_rb(back.as_bytes()).cloudfront_setting_values().enabled.unwrap()
        );
    }
    assert!(
        render_with_value(before, CloudFrontSettingKey::Secret, "'x'", RubyExpressionEditMode::Refuse)
            .is_ok(),
        "another key isn't held up"
    );
}

#[test]
fn what_is_appended_stands_before_what_ends_the_file() {
    let line = "packagecloud_rails['cloudfront_enabled'] = true";
    let block = format!("{BLOCK}\n{line}\n# packagecloud-cloudfront: end\n");
    for (before, after) in [
        ("exit\n", format!("{block}exit\n")),
        ("a = 1; return\n", format!("a = 1; {line}; return\n")),
        ("a = 1\n  raise 'x'\nb = 2\n", format!("a = 1\n\n{block}  raise 'x'\nb = 2\n")),
        ("abort('x')\n", format!("{block}abort('x')\n")),
    ] {
        assert_eq!(
            render_with_value(before, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Refuse),
            Ok(after),
            "{before}"
        );
    }
    assert!(
        render_with_value(
            "a = 1 + \\",
            CloudFrontSettingKey::Enabled,
            "true",
            RubyExpressionEditMode::Append
        )
        .is_err(),
        "an open end"
    );
}

#[test]
fn the_realistic_file_keeps_every_other_byte() {
    for crlf in [false, true] {
        let text = String::from_utf8(PACKAGECLOUD_RB.to_vec()).unwrap();
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let on = ConfigFile::parse_packagecloud_rb(text.as_bytes())
            .render_config_with_values(&desired_values(true), RubyExpressionEditMode::Refuse)
            .unwrap();
        assert!(on.config_file_bytes().starts_with(text.as_bytes()));
        let off = on
            .render_config_with_values(
                &[(CloudFrontSettingKey::Enabled, "false".into())],
                RubyExpressionEditMode::Refuse,
            )
            .unwrap();
        let on = read_config_text(&on);
        let (head, tail) = on.split_at(text.len());
        let expected = format!(
            "{head}{}",
            tail.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false")
        );
        assert_eq!(read_config_text(&off), expected);
    }
}

#[test]
fn a_diff_shows_the_change_and_no_secret() {
    let file = ConfigFile::parse_packagecloud_rb(PACKAGECLOUD_RB);
    let on = file.render_config_with_values(&desired_values(true), RubyExpressionEditMode::Refuse).unwrap();
    let lines = render_redacted_diff(&file, &on);
    assert!(lines.contains(&"+packagecloud_rails['cloudfront_enabled'] = true".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"+packagecloud_rails['cloudfront_secret'] = '(hidden)'".to_owned()));
    assert!(lines[0].starts_with("@@ -"));
    assert_eq!(lines.iter().filter(|line| line.starts_with('-')).count(), 0);
    let secret = "x['p_secret'] = 'multi\nfirst-piece'\n";
    let both = render_redacted_diff(
        &ConfigFile::parse_packagecloud_rb(format!("{secret}{ENABLED_LINE}").as_bytes()),
        &ConfigFile::parse_packagecloud_rb(secret.as_bytes()),
    )
    .join("\n");
    assert!(!both.contains("first-piece"), "{both}");
    assert_eq!(render_redacted_diff(&file, &file), Vec::<String>::new());
}

#[test]
fn what_was_not_there_before_is_taken_out_again() {
    let none: Vec<(CloudFrontSettingKey, Option<String>)> =
        CloudFrontSettingKey::ALL.into_iter().map(|key| (key, None)).collect();
    for before in ["", "a = 1\n", "a = 1\r\nb = 2\r\n", "a = 1\n__END__\nx", "\u{feff}a = 1\n", "\u{feff}"] {
        let on = ConfigFile::parse_packagecloud_rb(before.as_bytes())
            .render_config_with_values(&desired_values(true), RubyExpressionEditMode::Refuse)
            .unwrap();
        let back = on.render_config_with_restored_values(&none).unwrap();
        assert_eq!(read_config_text(&back), before);
    }
    for (before, after) in [
        ("packagecloud_rails['cloudfront_enabled'] =\n  true # on\na = 1\n", Some("a = 1\n")),
        (
            "packagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_enabled'] = false",
            Some(""),
        ),
        ("a = 1; packagecloud_rails['cloudfront_enabled'] = true\n", None),
        ("packagecloud_rails['cloudfront_enabled'] = true; a = 1\n", Some("a = 1\n")),
        ("packagecloud_rails['cloudfront_enabled'] = true if a\n", None),
    ] {
        let back =
            ConfigFile::parse_packagecloud_rb(before.as_bytes()).render_config_with_restored_values(&none);
        assert_eq!(back.ok().map(|file| read_config_text(&file)).as_deref(), after, "{before}");
    }
}

#[test]
fn whatever_may_change_a_value_later_is_followed_by_a_marked_line() {
    let on = "packagecloud_rails['cloudfront_enabled'] = true\n";
    for after in [
        "from_file '/etc/packagecloud/local.rb'",
        "eval File.read('x')",
        "load 'x.rb'",
        "require_relative 'x'",
        "instance_eval(File.read('x'))",
        "Dir['conf.d/*.rb'].sort.each { |f| from_file f }",
        "packagecloud_rails.merge!(YAML.load_file('x'))",
        "packagecloud_rails.update(cdn)",
        "packagecloud_rails.replace('a' => 1)",
        "packagecloud_rails.tap { |c| c['cloudfront_enabled'] = true }",
        "packagecloud_rails.each { |k, v| v }",
        "packagecloud_rails.send(:[]=, 'a', 1)",
        "send(:packagecloud_rails)['cloudfront_enabled'] = true",
        "rails = packagecloud_rails",
        "x = self",
        "Packagecloud['packagecloud_rails']['cloudfront_enabled'] = true",
        "h = Packagecloud['packagecloud_rails']",
        "node.override['packagecloud']['rails']['cloudfront_enabled'] = true",
        "packagecloud_rails(\"cloudfront_enabled\" => true)",
        "self.packagecloud_rails = { 'cloudfront_enabled' => true }",
        "packagecloud_rails[\"cloudfront_#{x}\"] = true",
        "packagecloud_rails[:cloudfront_enabled] = ENV['X']",
        "packagecloud_rails['cloudfront_enabled'] = true if x",
        "packagecloud_rails['cloudfront_enabled'] &&= x",
        "def on; packagecloud_rails['cloudfront_enabled'] = true; end\non",
        "on = -> { packagecloud_rails['cloudfront_enabled'] = true }\non.call",
        "@r = packagecloud_rails\n@r['cloudfront_enabled'] = true",
        "nginx['a'], packagecloud_rails['cloudfront_enabled'] = 1, true",
        "r = packagecloud_rails\nr = {} if r.nil?\npackagecloud_rails['cloudfront_enabled'] = false\nr['cloudfront_enabled'] = true",
        "a, r = 1, packagecloud_rails\npackagecloud_rails['cloudfront_enabled'] = false\nr['cloudfront_enabled'] = true",
        "def cdn; on; end\ndef on; packagecloud_rails['cloudfront_enabled'] = true; end\ncdn",
        "class Hash; def []=(k, v); end; end",
        "packagecloud_rails['cloudfront_secret'] << 'x'\nfoo bar",
    ] {
        let text = format!("{on}{after}\n");
        let file = ConfigFile::parse_packagecloud_rb(text.as_bytes());
        assert!(file.may_cloudfront_be_on(), "{text}");
        let off =
            render_with_value(&text, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse)
                .unwrap_or_else(|refusal| panic!("{refusal:?} of\n{text}"));
        let added = off.strip_prefix(&text).unwrap_or_else(|| panic!("{off}"));
        assert!(
            added.starts_with(
                "packagecloud_rails['cloudfront_enabled'] = false # packagecloud-cloudfront: overrides line "
            ),
            "{off}"
        );
        let once = ConfigFile::parse_packagecloud_rb(off.as_bytes());
        assert!(!once.may_cloudfront_be_on(), "{off}");
        assert_eq!(
            render_with_value(&off, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse),
            Ok(off.clone()),
            "again changes nothing"
        );
        assert!(
            render_with_value(&text, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Refuse)
                .is_err(),
            "enabling asks: {text}"
        );
        assert_eq!(
            render_with_value(&off, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Refuse),
            Ok(off.replace("= false # packagecloud", "= true # packagecloud")),
        );
    }
}

#[test]
fn the_line_that_is_always_put_last_is_put_once() {
    for end in ["return\n", "exit\n", "return if x\n", ""] {
        let text = format!("packagecloud_rails['cloudfront_enabled'] = true\n{end}");
        let append = |text: &str| {
            render_with_value(
                text,
                CloudFrontSettingKey::Enabled,
                "false",
                RubyExpressionEditMode::AppendAlways,
            )
            .unwrap()
        };
        let once = append(&text);
        assert_ne!(once, text);
        assert_eq!(append(&once), once);
    }
}

#[test]
fn what_surely_changes_nothing_leaves_a_value_settled() {
    let on = "packagecloud_rails['cloudfront_enabled'] = true\n";
    for after in [
        "external_url 'https://p.example.com'",
        "nginx['listen_port'] = ENV['PORT'] || 80",
        "packagecloud_rails['site_name'] = \"a#{ENV['X']}\"",
        "packagecloud_rails['db_host'] = File.read('/etc/host').strip if File.exist?('/etc/host')",
        "host = `hostname`.strip\nnginx['server_name'] = host",
        "%w[a b].each { |n| unicorn[n] = true }",
        "mine = { 'cloudfront_enabled' => true }\nmine['cloudfront_enabled'] = true",
        "if packagecloud_rails['cloudfront_enabled']\n  nginx['x'] = 1\nend",
        "packagecloud_rails.merge!('site' => 'x', :b => { 'c' => 1 })",
        "packagecloud_rails['hosts'] ||= []",
        "nginx['list'] << 'x'",
        "def unused; packagecloud_rails['cloudfront_enabled'] = true; end",
        "=begin\nfrom_file 'x'\n=end\n# from_file 'y'",
        "puts 'x'\nunless ENV['A']\n  warn 'b'\nend",
        "packagecloud_rails['x']['cloudfront_enabled'] = 1",
        "node['a']",
        "packagecloud_rails['motd'] = <<~X\n  from_file 'x' #{1 + 1}\nX",
    ] {
        let text = format!("{on}{after}\n");
        let file = ConfigFile::parse_packagecloud_rb(text.as_bytes());
        assert_eq!(
            (file.find_setting_expressions(), file.find_unsettled_settings()),
            (vec![], vec![]),
            "{text}"
        );
        assert_eq!(
            render_with_value(&text, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse),
            Ok(text.replacen("= true", "= false", 1)),
        );
    }
}

#[test]
fn a_line_stands_before_each_statement_that_may_end_the_file() {
    let mark = "packagecloud_rails['cloudfront_enabled'] = false";
    for (before, after) in [
        // Settled before it: in place is enough.
        (
            "packagecloud_rails['cloudfront_enabled'] = true\nreturn unless ENV['A']\nx = 1\n",
            "packagecloud_rails['cloudfront_enabled'] = false\nreturn unless ENV['A']\nx = 1\n".to_owned(),
        ),
        (
            "from_file 'x'\nreturn if ENV['A']\npackagecloud_rails['cloudfront_enabled'] = true\n",
            format!(
                "from_file 'x'\n{mark} # packagecloud-cloudfront: overrides line 1\nreturn if ENV['A']\npackagecloud_rails['cloudfront_enabled'] = false\n"
            ),
        ),
        // Nothing sets it where the file ends early.
        (
            "abort 'no' unless ENV['A']\npackagecloud_rails['cloudfront_enabled'] = true\n",
            "abort 'no' unless ENV['A']\npackagecloud_rails['cloudfront_enabled'] = false\n".to_owned(),
        ),
        (
            "packagecloud_rails['cloudfront_enabled'] = true\nif ENV['A']\n  packagecloud_rails['cloudfront_enabled'] = 1\n  from_file 'x'\n  exit\nend\n",
            format!(
                "packagecloud_rails['cloudfront_enabled'] = true\nif ENV['A']\n  packagecloud_rails['cloudfront_enabled'] = 1\n  from_file 'x'\n  {mark} # packagecloud-cloudfront: overrides line 4\n  exit\nend\n{mark} # packagecloud-cloudfront: overrides line 4\n"
            ),
        ),
        (
            "from_file 'x'; return if ENV['A']; y = 1\n",
            format!("from_file 'x'; {mark}; return if ENV['A']; y = 1\n"),
        ),
    ] {
        let off =
            render_with_value(before, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse);
        assert_eq!(off, Ok(after.clone()), "{before}");
        assert!(!ConfigFile::parse_packagecloud_rb(after.as_bytes()).may_cloudfront_be_on(), "{after}");
        assert_eq!(
            render_with_value(&after, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse),
            Ok(after.clone()),
            "again changes nothing"
        );
    }
    let guarded = "return unless ENV['ROLE'] == 'web'\nx = 1\n";
    assert!(matches!(
        render_with_value(guarded, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Refuse),
        Err(ConfigEditRefusal::Expressions(_))
    ));
    assert_eq!(
        render_with_value(guarded, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Append),
        Ok(format!(
            "packagecloud_rails['cloudfront_enabled'] = true # packagecloud-cloudfront: before the file may end here\n{guarded}"
        ))
    );
    assert_eq!(
        render_with_value(
            "packagecloud_rails.merge!(x) and return\n",
            CloudFrontSettingKey::Enabled,
            "false",
            RubyExpressionEditMode::Append
        ),
        Err(ConfigEditRefusal::EarlyExit(1))
    );
}

#[test]
fn a_variable_of_the_hashs_name_hides_it() {
    let text = "packagecloud_rails = { 'cloudfront_enabled' => true }\nself.packagecloud_rails = packagecloud_rails\n";
    assert_eq!(
        render_with_value(text, CloudFrontSettingKey::Enabled, "false", RubyExpressionEditMode::Refuse),
        Ok(format!(
            "{text}self.packagecloud_rails['cloudfront_enabled'] = false # packagecloud-cloudfront: overrides line 2\n"
        ))
    );
}

#[test]
fn only_false_nil_and_nothing_are_off() {
    for (value, on) in [
        ("false", false),
        ("nil", false),
        ("'false'", false),
        ("true", true),
        ("'true'", true),
        ("1", true),
        ("'no'", true),
        ("''", true),
    ] {
        let text = format!("packagecloud_rails['cloudfront_enabled'] = {value}\n");
        assert_eq!(ConfigFile::parse_packagecloud_rb(text.as_bytes()).may_cloudfront_be_on(), on, "{value}");
    }
    assert!(!ConfigFile::parse_packagecloud_rb(b"").may_cloudfront_be_on());
}

#[test]
fn bytes_that_ruby_refuses_are_told_with_their_line() {
    for (text, line) in [
        (&b"a = 1\nb = 'caf\xe9'\n"[..], Some(2)),
        (b"a = 1 # caf\xe9\n", None),
        (b"=begin\ncaf\xe9\n=end\na = 1\n", None),
        (b"a = 1\n__END__\ncaf\xe9\n", None),
        (b"# -*- coding: iso-8859-1 -*-\nb = 'caf\xe9'\n", None),
        (b"# coding: utf-8\nb = 'caf\xe9'\n", Some(2)),
        (b"b = /caf\xe9/ # \xe9\n", Some(1)),
        ("b = 'caf\u{e9}'\n".as_bytes(), None),
    ] {
        let file = ConfigFile::parse_packagecloud_rb(text);
        assert_eq!(
            file.read_problem(),
            line.map(ConfigReadProblem::RefusedBytes),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn reading_is_bounded_by_size_and_ends_when_it_is_told_to() {
    let large = vec![b'#'; (2 << 20) + 1];
    let file = ConfigFile::parse_packagecloud_rb(&large);
    assert_eq!(file.read_problem(), Some(ConfigReadProblem::TooLarge(large.len())));
    let text = "x = 1 + 1\n".repeat(20_000);
    let mut looks = 0;
    let file = ConfigFile::parse_packagecloud_rb_while(text.as_bytes(), &mut || {
        looks += 1;
        looks < 3
    });
    assert_eq!((file.read_problem(), looks), (Some(ConfigReadProblem::TooSlow), 3));
    // The last look of a whole reading is one in the walk over the tree, long after the parse.
    let mut all = 0;
    let whole = ConfigFile::parse_packagecloud_rb_while(text.as_bytes(), &mut || {
        all += 1;
        true
    });
    looks = 0;
    let file = ConfigFile::parse_packagecloud_rb_while(text.as_bytes(), &mut || {
        looks += 1;
        looks < all
    });
    assert_eq!((whole.read_problem(), file.read_problem()), (None, Some(ConfigReadProblem::TooSlow)));
}

#[test]
fn the_time_to_read_a_file_is_in_proportion_to_its_size() {
    let visits = |text: String| {
        let mut looks = 0_u32;
        let file = ConfigFile::parse_packagecloud_rb_while(text.as_bytes(), &mut || {
            looks += 1;
            true
        });
        assert_eq!(file.read_problem(), None);
        looks
    };
    for piece in ["# a comment\n", "x['a'] = 'b'\n", "return if x\n", "y << { 'a' => [1] }\n"] {
        let (small, large) = (visits(piece.repeat(1_000)), visits(piece.repeat(10_000)));
        assert!(large <= small * 12 + 12, "{piece}: {small} looks for 1,000, {large} for 10,000");
    }
    visits(format!("x = 1{}\n", " + 1".repeat(100_000)));
    visits(format!("x = {}1{}\n", "[".repeat(5_000), "]".repeat(5_000)));
}

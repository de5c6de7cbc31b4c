//! Tables of what is read from packagecloud.rb, and of what an edit makes of it.

use super::*;

const PACKAGECLOUD_RB: &[u8] = include_bytes!("../../../../tests/fixtures/packagecloud.rb");
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
    Ok(String::from_utf8(edited).unwrap())
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
        "packagecloud_rails[:cloudfront_secret] = 'fallback'",
        "packagecloud_rails['cloudfront_secret'], x = 'fallback', 1",
        "x = packagecloud_rails['cloudfront_secret'] = 'fallback'",
        "packagecloud_rails['cloudfront_secret'] = 'fallback' and x",
        "packagecloud_rails.merge!('cloudfront_secret' => 'fallback')",
        "packagecloud_rails.store('cloudfront_secret', 'x')",
        "packagecloud_rails.delete('cloudfront_secret')",
        "['cloudfront_secret'].each { |key| packagecloud_rails[key] = 'x' }",
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
        assert_eq!(file.syntax_error_line(), Some(line), "{text:?}");
        assert_eq!(
            file.render_config_with_values(&desired_values(true), RubyExpressionEditMode::Append),
            Err(ConfigEditRefusal::NotRuby(line)),
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
            "exit\npackagecloud_rails['cloudfront_enabled'] = true",
            "exit\npackagecloud_rails['cloudfront_enabled'] = false",
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
fn a_line_that_would_not_be_run_is_not_appended() {
    for leaves in ["exit\n", "a = 1; return\n", "raise 'x'\n", "abort('x')\n"] {
        assert_eq!(
            render_with_value(leaves, CloudFrontSettingKey::Enabled, "true", RubyExpressionEditMode::Refuse),
            Err(ConfigEditRefusal::EarlyExit(1)),
            "{leaves}"
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
        assert!(on.starts_with(text.as_bytes()));
        let off = ConfigFile::parse_packagecloud_rb(&on)
            .render_config_with_values(
                &[(CloudFrontSettingKey::Enabled, "false".into())],
                RubyExpressionEditMode::Refuse,
            )
            .unwrap();
        let on = String::from_utf8(on).unwrap();
        let (head, tail) = on.split_at(text.len());
        let expected = format!(
            "{head}{}",
            tail.replace("['cloudfront_enabled'] = true", "['cloudfront_enabled'] = false")
        );
        assert_eq!(String::from_utf8(off).unwrap(), expected);
    }
}

#[test]
fn a_diff_shows_the_change_and_no_secret() {
    let on = ConfigFile::parse_packagecloud_rb(PACKAGECLOUD_RB)
        .render_config_with_values(&desired_values(true), RubyExpressionEditMode::Refuse)
        .unwrap();
    let lines = render_redacted_diff(PACKAGECLOUD_RB, &on);
    assert!(lines.contains(&"+packagecloud_rails['cloudfront_enabled'] = true".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"+packagecloud_rails['cloudfront_secret'] = '(hidden)'".to_owned()));
    assert!(lines[0].starts_with("@@ -"));
    assert_eq!(lines.iter().filter(|line| line.starts_with('-')).count(), 0);
    let secret = "x['p_secret'] = 'multi\nfirst-piece'\n";
    let both =
        render_redacted_diff(format!("{secret}{ENABLED_LINE}").as_bytes(), secret.as_bytes()).join("\n");
    assert!(!both.contains("first-piece"), "{both}");
    assert_eq!(render_redacted_diff(PACKAGECLOUD_RB, PACKAGECLOUD_RB), Vec::<String>::new());
}

#[test]
fn what_was_not_there_before_is_taken_out_again() {
    let none: Vec<(CloudFrontSettingKey, Option<String>)> =
        CloudFrontSettingKey::ALL.into_iter().map(|key| (key, None)).collect();
    for before in ["", "a = 1\n", "a = 1\r\nb = 2\r\n", "a = 1\n__END__\nx", "\u{feff}a = 1\n", "\u{feff}"] {
        let on = ConfigFile::parse_packagecloud_rb(before.as_bytes())
            .render_config_with_values(&desired_values(true), RubyExpressionEditMode::Refuse)
            .unwrap();
        let back = ConfigFile::parse_packagecloud_rb(&on).render_config_with_restored_values(&none).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), before);
    }
    for (before, after) in [
        ("packagecloud_rails['cloudfront_enabled'] =\n  true # on\na = 1\n", Some("a = 1\n")),
        (
            "packagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['cloudfront_enabled'] = false",
            Some(""),
        ),
        ("a = 1; packagecloud_rails['cloudfront_enabled'] = true\n", None),
        ("packagecloud_rails['cloudfront_enabled'] = true; a = 1\n", None),
        ("packagecloud_rails['cloudfront_enabled'] = true if a\n", None),
    ] {
        let back =
            ConfigFile::parse_packagecloud_rb(before.as_bytes()).render_config_with_restored_values(&none);
        assert_eq!(back.ok().map(|bytes| String::from_utf8(bytes).unwrap()).as_deref(), after, "{before}");
    }
}

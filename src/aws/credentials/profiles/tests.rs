//! What AWS's two files come to, as a table of texts.

use super::*;

fn read(config: &str, credentials: &str) -> AwsConfigFiles {
    AwsConfigFiles::from_config_texts(config, credentials)
}

#[test]
fn profiles_are_read_from_both_files_by_every_form_of_their_names() {
    for (config, credentials, names) in [
        (
            "[default]\nregion=x\n[profile  work]\n[sso-session corp]\n# [profile no]\n",
            "[ci]\n[default]\n",
            &["ci", "default", "work"][..],
        ),
        ("[profile 'ops team']\n[profile \"b c\"]\n", "[ops team]\n", &["b c", "ops team"]),
        ("[profile ops team]\n[profile bob's]\n", "", &["bob's", "ops team"]),
        ("[work]\n", "[prod-ü]\n", &["prod-ü"]),
    ] {
        let files = read(config, credentials);
        assert_eq!(files.profiles.keys().collect::<Vec<_>>(), names, "{config}");
    }
}

#[test]
fn the_credentials_file_counts_more_and_what_is_empty_is_not_set() {
    let files = read(
        "[profile a]\naws_access_key_id = config\nregion =\n[default]\nregion = x\n[profile default]\nregion = y\n",
        "[a]\naws_access_key_id = credentials\n",
    );
    assert_eq!(files.find_profile_setting("a", "aws_access_key_id"), Some("credentials"));
    assert_eq!(files.find_profile_setting("a", "region"), None);
    assert_eq!(files.find_profile_setting("default", "region"), Some("y"));
}

#[test]
fn the_sdk_gets_names_and_values_that_it_can_read() {
    let config = "[profile 'ops team']\n    region = x # why\n    source_profile = prod-ü\n    mfa =\n    s3 =\n        a=b\n\
        [services 's v']\ns3 =\n  endpoint_url = http://x\n[sso-session corp]\nsso_region=y\n";
    assert_eq!(
        read(config, "[prod-ü]\nservices = s v\n").render_config_for_sdk(),
        "[profile ops%20team]\nregion = x\ns3 = \n  a = b\nsource_profile = prod-%C3%BC\n\
         [profile prod-%C3%BC]\nservices = s%20v\n\
         [services s%20v]\ns3 = \n  endpoint_url = http://x\n[sso-session corp]\nsso_region = y\n"
    );
    let token = read("[profile ci]\nweb_identity_token_file = ~/token\n", "");
    let path = token.find_web_identity_file("ci").unwrap();
    assert!(path.ends_with("token") && path.is_absolute(), "{}", path.display());
    assert_eq!(
        token.render_config_for_sdk(),
        format!("[profile ci]\nweb_identity_token_file = {}\n", path.display())
    );
    for (name, given) in
        [("work", "work"), ("a b", "a%20b"), ("a%20b", "a%2520b"), ("jo@x/y.z:1+2-3_4", "jo@x/y.z:1+2-3_4")]
    {
        assert_eq!(name_for_sdk(name), given);
    }
}

#[test]
fn a_profile_signs_in_where_its_credentials_come_from() {
    let config = "[profile sso]\nsso_session = corp\n[profile old]\nsso_start_url = https://x\n\
        [profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = sso\n\
        [profile console]\nlogin_session = arn:aws:iam::1:user/jo\n\
        [profile 'ops team']\nlogin_session = x\n[profile by-ops]\nrole_arn = x\nsource_profile = ops team\n\
        [profile loop]\nrole_arn = x\nsource_profile = pool\n[profile pool]\nrole_arn = x\nsource_profile = loop\n\
        [profile self]\nsource_profile = self\nrole_arn = x\n[default]\nsso_session = corp\n";
    let files = read(config, "[keys]\naws_access_key_id = A\n");
    for (profile, command) in [
        ("sso", Some("aws sso login --profile sso")),
        ("old", Some("aws sso login --profile old")),
        ("role", Some("aws sso login --profile sso")),
        ("console", Some("aws login --profile console")),
        ("by-ops", Some("aws login --profile 'ops team'")),
        ("default", Some("aws sso login --profile default")),
        ("loop", None),
        ("self", None),
        ("keys", None),
    ] {
        assert_eq!(files.find_sign_in_command(profile).as_deref(), command, "{profile}");
    }
}

#[test]
fn what_a_profile_cant_mean_is_said_with_its_place() {
    let config = "[profile deep]\nregion = x\n  output = json\n[profile role]\nrole_arn = x\nsource_profile = gone\n\
        [profile split]\naws_access_key_id = AKIA EXAMPLE\n[profile s]\nsso_session = none\n\
        [profile t]\nsso_session = my corp\n[sso-session 'my corp']\n[work]\n[profile good]\n    region = x\n\
        [profile over]\nrole_arn = x\nsource_profile = deep\n";
    let files = read(config, "");
    for (profile, said) in [
        (
            "deep",
            &["/c, line 2", "line 3 stands deeper than region", "blanks at the beginning of line 3"][..],
        ),
        ("over", &["/c, line 2", "line 3"]),
        ("role", &["profile gone", "source_profile in /c, line 6 names it", "set source_profile to one of"]),
        ("split", &["/c, line 8", "aws_access_key_id holds a blank"]),
        ("s", &["/c, line 10", "no section [sso-session none]"]),
        ("t", &["/c, line 12", "my corp", "rename"]),
        (
            "work",
            &["profile work", "has [work], which is a profile there only as [profile work]", "deep, good"],
        ),
    ] {
        let failure = files.check_profile_can_be_used(profile).unwrap_err();
        let text = format!("{failure} {}", failure.next);
        assert!(said.iter().all(|words| text.contains(words)), "{profile}: {text}");
        assert!(!text.contains("EXAMPLE"), "{text}");
    }
    files.check_profile_can_be_used("good").unwrap();
}

#[test]
fn a_file_that_cant_be_parsed_is_named_with_its_line() {
    let failure = AwsConfigFiles::default()
        .add_config_file_text(Path::new("/r/.aws/config"), "[a]\nx\n", true)
        .unwrap_err();
    assert_eq!((failure.kind, failure.what.as_str()), (FailureKind::Credentials, "/r/.aws/config, line 2"));
}

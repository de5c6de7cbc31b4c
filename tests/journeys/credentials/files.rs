//! AWS's files and variables as people write them: taken as the aws command takes them, or the failure names what can't be.

use std::{fs, process::Command};

use packagecloud_cloudfront::sandbox::control_plane::iam::{ACCESS_KEY, SECRET_KEY};

use super::credentials_host::{CredentialsHost, run_to_end};

/// One way in which somebody wrote it down.
#[derive(Default)]
struct WrittenDown<'a> {
    config: &'a str,
    credentials: &'a str,
    variables: &'a [(&'a str, &'a str)],
    profile: Option<&'a str>,
}

/// What `check` makes of it; `KEY` and `SECRET` stand for the keys. No region is given.
fn check_as_written(host: &CredentialsHost, written: &WrittenDown) -> (i32, String) {
    let keyed = |text: &str| text.replace("KEY", ACCESS_KEY).replace("SECRET", SECRET_KEY);
    fs::write(host.file_path(".aws/config"), keyed(written.config)).unwrap();
    fs::write(host.file_path(".aws/credentials"), keyed(written.credentials)).unwrap();
    let profile: Vec<&str> = written.profile.iter().flat_map(|name| ["--profile", *name]).collect();
    let given = host.build_command(&[&profile[..], &["check", "--all"]].concat());
    let mut command = Command::new(given.get_program());
    let words: Vec<_> = given.get_args().collect();
    let region = words.iter().position(|word| *word == "--region").unwrap();
    command.env_clear().args(words[..region].iter().chain(&words[region + 2..]));
    command.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.envs(written.variables.iter().map(|(name, value)| (name, keyed(value))));
    run_to_end(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_aws_command_takes_is_taken() {
    let host = CredentialsHost::new(3).await;
    let keys = "aws_access_key_id = KEY\naws_secret_access_key = SECRET\n";
    let wrong = "aws_access_key_id = AKIAWRONGACCOUNT0000\naws_secret_access_key = wrong\n";
    let elsewhere = host.file_path("elsewhere");
    fs::write(&elsewhere, format!("[e]\n{keys}").replace("KEY", ACCESS_KEY).replace("SECRET", SECRET_KEY))
        .unwrap();
    let indented = keys.replace("aws_", "    aws_");
    let spaced = keys.replace('\n', " \t\r\n");
    let empty = [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CA_BUNDLE",
        "HTTPS_PROXY",
        "https_proxy",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "PACKAGECLOUD_CLOUDFRONT_PROFILE",
        "PACKAGECLOUD_CLOUDFRONT_CERTIFICATE",
        "PACKAGECLOUD_CLOUDFRONT_OUTPUT",
    ]
    .map(|name| (name, ""));
    let texts = [
        format!("[profile 'ops team']\nregion = us-east-1\n{keys}"),
        format!("[ops team]\n{keys}"),
        format!("[prod-ü]\n{keys}"),
        format!("[profile work]  # of the ops team\n    region = us-east-1\n{indented}"),
        format!("[profile work]\n{keys}[profile other]\n    region = eu-west-1\n"),
        format!("[default]\n{wrong}[prod]\n{keys}"),
        format!("[work]\r\n{spaced}aws_session_token =\r\n"),
        format!("[default]\n{keys}region = us-east-1\n"),
    ];
    let [quoted, blank, umlaut, deep, beside, default, ends, plain] = &texts;
    for (what, written) in [
        (
            "a quoted name",
            WrittenDown { config: quoted, profile: Some("ops team"), ..WrittenDown::default() },
        ),
        (
            "quoted in one file, as it is in the other",
            WrittenDown {
                config: "[profile 'ops team']\nregion = us-east-1\n",
                credentials: blank,
                profile: Some("ops team"),
                ..WrittenDown::default()
            },
        ),
        (
            "letters of a language",
            WrittenDown { credentials: umlaut, profile: Some("prod-ü"), ..WrittenDown::default() },
        ),
        ("indented", WrittenDown { config: deep, profile: Some("work"), ..WrittenDown::default() }),
        (
            "another one indented",
            WrittenDown { config: beside, profile: Some("work"), ..WrittenDown::default() },
        ),
        (
            "the command's own variable",
            WrittenDown {
                credentials: default,
                variables: &[("AWS_DEFAULT_PROFILE", "prod")],
                ..WrittenDown::default()
            },
        ),
        (
            "line ends and blanks in the file",
            WrittenDown { credentials: ends, profile: Some("work"), ..WrittenDown::default() },
        ),
        ("empty variables", WrittenDown { credentials: plain, variables: &empty, ..WrittenDown::default() }),
        (
            "line ends in variables",
            WrittenDown {
                variables: &[
                    ("AWS_ACCESS_KEY_ID", "KEY\r"),
                    ("AWS_SECRET_ACCESS_KEY", " SECRET\r\n"),
                    ("AWS_REGION", "us-east-1\r"),
                ],
                ..WrittenDown::default()
            },
        ),
        (
            "a file below the home",
            WrittenDown {
                variables: &[("AWS_SHARED_CREDENTIALS_FILE", "~/elsewhere"), ("AWS_PROFILE", "e")],
                ..WrittenDown::default()
            },
        ),
    ] {
        let (code, text) = check_as_written(&host, &written);
        assert_eq!(code, 0, "{what}: {text}");
        assert!(text.contains("user/sandbox"), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cant_be_taken_is_named_with_what_helps() {
    let host = CredentialsHost::new(3).await;
    let config_path = host.file_path(".aws/config").display().to_string();
    let token = host.file_path("no/token").display().to_string();
    let web_identity =
        format!("[profile ci]\nrole_arn = arn:aws:iam::1:role/ci\nweb_identity_token_file = {token}\n");
    let sign_in = "[sso-session corp]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n\
        [profile 's o']\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n\
        [profile by-sso]\nrole_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = s o\n\
        [profile console]\nlogin_session = arn:aws:iam::123456789012:user/jo\nregion = us-east-1\n\
        [profile by-console]\nrole_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = console\n\
        [default]\nlogin_session = arn:aws:iam::123456789012:user/al\n";
    let broken = "[default]\nregion = us-east-1\nSECRET\n";
    let deep = "[profile work]\naws_access_key_id = KEY\n  aws_secret_access_key = SECRET\n";
    let with = |config, profile| WrittenDown { config, profile, ..WrittenDown::default() };
    for (written, said) in [
        (with(sign_in, Some("s o")), vec!["`aws sso login --profile 's o'` in another terminal"]),
        (with(sign_in, Some("by-sso")), vec!["`aws sso login --profile 's o'` in another terminal"]),
        (with(sign_in, Some("console")), vec!["`aws login --profile console` in another terminal"]),
        (with(sign_in, Some("by-console")), vec!["`aws login --profile console` in another terminal"]),
        (with(sign_in, None), vec!["`aws login --profile default` in another terminal"]),
        (with(broken, None), vec![&*config_path, ", line 3", "neither a [section] nor a setting"]),
        (with(broken, Some("work")), vec![&*config_path, ", line 3"]),
        (with(deep, Some("work")), vec![&*config_path, "line 3 stands deeper than aws_access_key_id"]),
        (with("[work]\n", Some("work")), vec!["only as [profile work]"]),
        (with(&web_identity, Some("ci")), vec![&*token, "web_identity_token_file of profile ci"]),
        (
            WrittenDown {
                variables: &[
                    ("AWS_WEB_IDENTITY_TOKEN_FILE", "~/no/token"),
                    ("AWS_ROLE_ARN", "arn:aws:iam::1:role/ci"),
                ],
                ..WrittenDown::default()
            },
            vec![&*token, "AWS_WEB_IDENTITY_TOKEN_FILE"],
        ),
        (
            WrittenDown {
                variables: &[("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_SECRET_ACCESS_KEY", "SEC\r\nRET")],
                ..WrittenDown::default()
            },
            vec!["AWS_SECRET_ACCESS_KEY in the environment", "a blank or a line end"],
        ),
        (
            WrittenDown {
                variables: &[("AWS_CONFIG_FILE", "~/gone"), ("AWS_PROFILE", "x")],
                ..WrittenDown::default()
            },
            vec!["profile x", "/gone, which AWS_CONFIG_FILE names and isn't there"],
        ),
    ] {
        let (code, text) = check_as_written(&host, &written);
        assert_eq!(code, 1, "{text}");
        assert!(said.iter().all(|words| text.contains(words)), "{said:?}: {text}");
        assert!(
            text.contains("next: ") && !text.contains("panicked") && !text.contains(SECRET_KEY),
            "{text}"
        );
    }
}

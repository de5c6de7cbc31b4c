//! The road a package takes, by the clients themselves: apt, dnf, pip, curl, wget and, in `more_clients`, zypper, npm, gem, uv
//! and maven through packagecloud's front, CloudFront, the function and S3; and the program against a served sandbox as
//! against a live installation.

mod bad_links;
mod more_clients;
mod repo_server;
mod upgrade;

use std::{fs, io::Write as _, process::Stdio, sync::Arc};

use packagecloud_cloudfront::model::{
    packagecloud::config_file::ConfigFile,
    url::token::{self, TokenMacAlgorithm, UrlTokenConstruction},
};
use repo_server::{APT_PREFIX, PYPI_PREFIX, READ_TOKEN, RPM_PREFIX, RepoServer, read_file, run_program};

const DEB_KEY: &str = "1/2/debian/pool/hello++_1:2.0~rc1+b1_all.deb";
const RPM_KEY: &str = "1/3/el/9/x86_64/package_files/hello+rpm-1.0~rc1-1+b2.noarch.rpm";
const WHEEL_KEY: &str = "1/4/pypi/package_files/shop_wheel-1.0+local.1-py3-none-any.whl";

/// A packagecloud that sells two Debian packages, an RPM and a wheel.
fn build_shop() -> RepoServer {
    let server = RepoServer::new();
    server.build_deb("hello++", "1:2.0~rc1+b1");
    server.build_deb("lib+x.y", "3~beta");
    server.build_apt_index();
    server.build_rpm("hello+rpm", "1.0~rc1");
    server.build_rpm_index();
    server.build_wheel("1.0+local.1");
    server
}

/// What `x-cache` says to one who follows the front's redirect, as the first line and then the body's size.
#[track_caller]
fn fetch_x_cache(server: &RepoServer, key: &str) -> String {
    let link = server.fetch_redirect_link(key);
    assert!(link.starts_with(&server.edge) && link.contains("?t="), "{link}");
    let said = run_program("curl", &["-sS", "-o", "/dev/null", "-D", "-", &link]).expect_success();
    let found = said.lines().find_map(|line| line.strip_prefix("x-cache: "));
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    found.unwrap_or_default().trim().to_owned()
}

/// The status of a link, and why the edge refuses it.
#[track_caller]
fn fetch_refusal(link: &str) -> (String, String) {
    let said = run_program("curl", &["-sS", "-o", "/dev/null", "-D", "-", link]).expect_success();
    let status = said.split(' ').nth(1).unwrap_or_default().to_owned();
    let why = said.lines().find_map(|line| line.strip_prefix("x-packagecloud-cloudfront: "));
    (status, why.unwrap_or_default().trim().to_owned())
}

/// Every client fetches, each from a root of its own named after `round`.
fn fetch_with_every_client(server: &RepoServer, round: &str) {
    let apt = server.create_apt_root(&format!("apt-{round}"));
    apt.run_apt_get(&["update"]).expect_success();
    apt.run_apt_get(&["-y", "install", "--download-only", "hello++=1:2.0~rc1+b1", "lib+x.y"])
        .expect_success();
    assert_eq!(
        apt.read_archive("hello++_1%3a2.0~rc1+b1_all.deb"),
        read_file(&server.file_path("repository").join(DEB_KEY))
    );
    let dnf = server.create_dnf_root(&format!("dnf-{round}"));
    dnf.install_package("hello+rpm-1.0~rc1").expect_success();
    assert_eq!(dnf.read_installed_file("hello+rpm").trim(), "1.0~rc1");
    server.download_with_pip("==1.0+local.1", &format!("pip-{round}")).expect_success();
    let name = WHEEL_KEY.rsplit('/').next().unwrap();
    assert_eq!(
        read_file(&server.file_path(&format!("pip-{round}")).join(name)),
        read_file(&server.file_path("repository").join(WHEEL_KEY))
    );
    let url = format!("{}/{}", server.front, DEB_KEY.replace('+', "%2B"));
    let (curled, got) =
        (server.path_string(&format!("curled-{round}")), server.path_string(&format!("got-{round}")));
    run_program("curl", &["-fsSL", "-u", &format!("{READ_TOKEN}:"), "-o", &curled, &url]).expect_success();
    let user = format!("--user={READ_TOKEN}");
    run_program("wget", &["-q", "-O", &got, &user, "--password=x", &url]).expect_success();
    for file in [curled, got] {
        assert_eq!(
            read_file(file.as_ref()),
            read_file(&server.file_path("repository").join(DEB_KEY)),
            "{file}"
        );
    }
}

/// The checks of a `verify --output json`, as name and result; and the whole for a failure's words.
fn parse_checks(said: &repo_server::ProgramOutput) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let lines = said.json_lines();
    lines
        .iter()
        .filter(|line| line["type"] == "check")
        .map(|line| (text(&line["name"]), text(&line["result"])))
        .collect()
}

#[tokio::test]
async fn package_managers_fetch_through_cloudfront_and_after_disable_through_s3() {
    let mut server = build_shop();
    server.import_repository();
    server.run_in_sandbox(&["enable", "--upgrade", "--yes"]).expect_success();
    server.start_server(&[]);
    server.put_simple_index(&["1.0+local.1"]).await;

    assert_eq!(fetch_x_cache(&server, "1/2/debian/pool/lib+x.y_3~beta_all.deb"), "Miss from cloudfront");
    fetch_with_every_client(&server, "first");
    // Each client's fetch left its package in the edge's cache: whoever comes second is answered from there.
    for key in [DEB_KEY, RPM_KEY, WHEEL_KEY] {
        assert_eq!(fetch_x_cache(&server, key), "Hit from cloudfront", "{key}");
    }
    fetch_with_every_client(&server, "second");

    assert_bad_links_refused(&server);
    assert_every_client_refused(&mut server, "on").await;
    assert_changes_seen_at_once(&server).await;
    assert_program_works_through_server(&server);
    verify_on_live_host(&server);
    sign_and_inspect_without_aws(&server);

    server.run_in_sandbox(&["disable", "--yes"]).expect_success();
    let link = server.fetch_redirect_link(DEB_KEY);
    assert!(link.starts_with(&server.aws) && link.contains("AWSAccessKeyId="), "{link}");
    fetch_with_every_client(&server, "s3");
    // Unsigned, S3 gives nothing to anybody.
    assert_eq!(fetch_refusal(link.split('?').next().unwrap()).0, "403");

    server.run_in_sandbox(&["enable", "--yes"]).expect_success();
    fetch_with_every_client(&server, "again");
    assert_bad_links_refused(&server);
    assert_every_client_refused(&mut server, "again").await;
}

/// The packages that a fresh sandbox brings along, by the clients that they are for.
#[test]
fn what_a_fresh_sandbox_holds_installs() {
    let mut server = RepoServer::new();
    server.run_in_sandbox(&["enable", "--upgrade", "--yes"]).expect_success();
    server.start_server(&[]);
    for round in ["once", "again"] {
        let index = server.front.replace("http://", &format!("http://{READ_TOKEN}:x@")) + "/1/4/pypi/simple/";
        server.download_with_pip_from(&index, "hello-sandbox", round).expect_success();
        assert!(server.file_path(round).join("hello_sandbox-1.0-py3-none-any.whl").exists());
        // Served anew, it is reached at another address, and its pages say so.
        server.stop_server();
        server.start_server(&[]);
    }
}

#[test]
fn of_two_web_nodes_one_lags_behind() {
    let mut server = RepoServer::new();
    // What is about to be published was tried first, and the events say so.
    let enabled = server.run_in_sandbox(&["--output", "json", "enable", "--yes"]).expect_success();
    let tried = enabled.lines().find(|line| line.contains("self-test: ")).expect(&enabled);
    let (passed, rest) = tried.split_once("self-test: ").unwrap().1.split_once(" of ").unwrap();
    assert!(passed.parse::<u32>().unwrap() > 1000 && rest.starts_with(&format!("{passed}\"")), "{tried}");
    server.start_server(&["--lagging-node"]);
    assert!(
        server
            .run_in_sandbox(&["verify", "--all"])
            .expect_success()
            .contains("10 of 10 redirects go to CloudFront")
    );

    let off = server.run_in_sandbox(&["disable", "--yes"]);
    let said = format!("{}{}", off.out, off.err);
    assert_eq!(off.code, 3, "{said}");
    for part in ["another web node", "packagecloud-ctl reconfigure && packagecloud-ctl restart"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let verify = server.run_in_sandbox(&["--output", "json", "verify", "--all"]);
    let verdict = verify.json_lines().pop().unwrap();
    assert_eq!((verify.code, verdict["name"].as_str()), (3, Some("verdict")), "{}", verify.out);
    let detail = verdict["detail"].as_str().unwrap();
    for part in ["5 of 10 redirects go to CloudFront", "302 to S3", "another web node"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }

    // Served again without the option there is one node, and it is off.
    server.stop_server();
    server.start_server(&[]);
    assert!(server.run_in_sandbox(&["verify", "--all"]).expect_success().contains("CloudFront is off"));
}

/// The link with another last digit.
fn forge_link(mut link: String) -> String {
    let last = if link.pop() == Some('0') { '1' } else { '0' };
    link.push(last);
    link
}

/// Signs as this packagecloud does: a key's link that lives for so many seconds from now, or has been dead for them.
fn link_signer(server: &RepoServer) -> impl Fn(&str, i64) -> String + Send + Sync + use<> {
    let config =
        ConfigFile::parse_packagecloud_rb(&fs::read(server.file_path("sandbox/packagecloud.rb")).unwrap())
            .cloudfront_setting_values();
    let (way, edge) = (UrlTokenConstruction::default(), server.edge.clone());
    let key = way.key.derive_hmac_key(&config.secret.unwrap()).unwrap();
    let domain = config.packages_domain.unwrap();
    move |object, seconds| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let expires = now.checked_add_signed(seconds).unwrap();
        token::sign_packages_url(&key, object, expires, TokenMacAlgorithm::Sha1, way, &domain)
            .replace(&format!("https://{domain}"), &edge)
    }
}

fn assert_bad_links_refused(server: &RepoServer) {
    let good = server.fetch_redirect_link(DEB_KEY);
    let signed = link_signer(server);
    assert_eq!(fetch_refusal(&forge_link(good.clone())), ("403".into(), "bad-signature".into()));
    assert_eq!(fetch_refusal(&signed(DEB_KEY, 60)), ("200".into(), String::new()), "the same with time left");
    assert_eq!(fetch_refusal(&signed(DEB_KEY, -1)), ("403".into(), "expired".into()));
    assert_eq!(fetch_refusal(good.split('?').next().unwrap()), ("403".into(), "missing-token".into()));
    let nobody = run_program(
        "curl",
        &["-sS", "-o", "/dev/null", "-w", "%{http_code}", &format!("{}/{DEB_KEY}", server.front)],
    );
    assert_eq!(nobody.expect_success(), "401");
}

/// Each client is given links to packages that are forged, then expired; those to their indexes are good.
async fn assert_every_client_refused(server: &mut RepoServer, when: &str) {
    let front = server.front.clone();
    type SpoilLink = fn(&dyn Fn(&str, i64) -> String, &str) -> String;
    let ways: [(&str, SpoilLink); 2] =
        [("forged", |signed, key| forge_link(signed(key, 60))), ("expired", |signed, key| signed(key, -1))];
    for (way, spoilt) in ways {
        let round = format!("{when}-{way}");
        let signed = link_signer(server);
        server.front = bad_links::start_bad_front(Arc::new(move |key| {
            let package = [".deb", ".rpm", ".whl"].iter().any(|end| key.ends_with(end));
            if package { spoilt(&signed, key) } else { signed(key, 60) }
        }));
        server.put_simple_index(&["1.0+local.1"]).await;
        let apt = server.create_apt_root(&format!("apt-{round}"));
        apt.run_apt_get(&["update"]).expect_success();
        let said = apt.run_apt_get(&["-y", "install", "--download-only", "lib+x.y"]);
        assert!(said.code == 100 && said.err.contains("403"), "{round}: {}{}", said.out, said.err);
        assert!(apt.read_archive("lib+x.y_3~beta_all.deb").is_empty());
        let dnf = server.create_dnf_root(&format!("dnf-{round}"));
        let said = dnf.install_package("hello+rpm-1.0~rc1");
        let told = format!("{}{}", said.out, said.err);
        assert!(said.code == 1 && told.contains("Status code: 403"), "{round}: {told}");
        assert_eq!(dnf.read_installed_file("hello+rpm"), "");
        let said = server.download_with_pip("==1.0+local.1", &format!("pip-{round}"));
        assert!(said.code == 1 && said.err.contains("403"), "{round}: {}{}", said.out, said.err);
        let url = format!("{}/{}", server.front, DEB_KEY.replace('+', "%2B"));
        assert_eq!(
            run_program("curl", &["-fsSL", "-o", "/dev/null", &url]).code,
            22,
            "{round}: an HTTP error"
        );
        assert_eq!(
            run_program("wget", &["-q", "-O", "/dev/null", &url]).code,
            8,
            "{round}: a server's refusal"
        );
    }
    server.front = front;
    server.put_simple_index(&["1.0+local.1"]).await;
}

async fn assert_changes_seen_at_once(server: &RepoServer) {
    let (apt, dnf) = (server.create_apt_root("apt-second"), server.create_dnf_root("dnf-second"));
    server.build_deb("hello++", "1:2.0+b2");
    server.build_apt_index();
    server.build_rpm("hello+rpm", "2.0");
    server.build_rpm_index();
    server.build_wheel("2.0+local.1");
    server.import_repository();
    server.put_simple_index(&["1.0+local.1", "2.0+local.1"]).await;
    apt.run_apt_get(&["update"]).expect_success();
    apt.run_apt_get(&["-y", "install", "--download-only", "hello++"]).expect_success();
    let new =
        read_file(&server.file_path("repository").join(APT_PREFIX).join("pool/hello++_1:2.0+b2_all.deb"));
    assert_eq!(apt.read_archive("hello++_1%3a2.0+b2_all.deb"), new);
    dnf.install_package("hello+rpm-2.0").expect_success();
    assert_eq!(dnf.read_installed_file("hello+rpm").trim(), "2.0");
    server.download_with_pip("", "pip-changed").expect_success();
    assert!(server.file_path("pip-changed/shop_wheel-2.0+local.1-py3-none-any.whl").exists());
    for index in [
        format!("{APT_PREFIX}/dists/shop/Release"),
        format!("{RPM_PREFIX}/repodata/repomd.xml"),
        format!("{PYPI_PREFIX}/simple/shop-wheel/"),
    ] {
        for _ in 0..2 {
            let said = fetch_x_cache(server, &index);
            assert_ne!(said, "Hit from cloudfront", "{index}");
        }
    }
}

/// While it is served: the same objects, the same edge, the same function instances; and no second server.
fn assert_program_works_through_server(server: &RepoServer) {
    let fault = server.run_in_sandbox(&["--sandbox-fault", "sts:1:deny", "verify", "--all"]);
    assert!(fault.code == 2 && fault.err.contains("is being served"), "{} {}", fault.code, fault.err);
    let again =
        server.build_command().args(["sandbox", "serve", &server.path_string("sandbox")]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("serves it already"));
    // What was imported carries no attributes: by its path it is cached all the same, and once they are set too.
    let new = format!("{APT_PREFIX}/pool/hello++_1:2.0+b2_all.deb");
    fetch_x_cache(server, &new);
    assert_eq!(fetch_x_cache(server, &new), "Hit from cloudfront");
    server.run_in_sandbox(&["reindex-everything", "--rescan", "--yes"]).expect_success();
    fetch_x_cache(server, &new);
    assert_eq!(fetch_x_cache(server, &new), "Hit from cloudfront");
    let said = server.run_in_sandbox(&["--output", "json", "verify", "--all"]);
    let all = parse_checks(&said);
    assert!(said.code == 0 && all.iter().all(|(_, result)| result == "pass"), "{}", said.out);
    assert!(all.len() > 10 && all.last().unwrap().0 == "verdict", "{all:?}");
    server.run_in_sandbox(&["enable", "--yes"]).expect_success();
}

fn verify_on_live_host(server: &RepoServer) {
    let netrc = server.file_path("netrc");
    let host = server.front.strip_prefix("http://").unwrap().split(':').next().unwrap();
    fs::write(&netrc, format!("machine {host} login {READ_TOKEN} password x\n")).unwrap();
    let probe = format!("{}/{}", server.front, DEB_KEY.replace('+', "%2B"));
    let at = [
        "--output",
        "json",
        "--endpoint-url",
        &server.aws,
        "--edge-url",
        &server.edge,
        "--probe-url",
        &probe,
        "verify",
    ];
    let said = server.run_on_live_host(|command| _ = command.env("NETRC", &netrc), &at);
    let all = parse_checks(&said);
    assert!(said.code == 0 && all.iter().all(|(_, result)| result == "pass"), "{}\n{}", said.out, said.err);
    for name in [
        "signed-url",
        "package-cached",
        "metadata-fresh",
        "expired-token",
        "bucket-closed",
        "clock",
        "packagecloud-redirect",
    ] {
        assert!(all.iter().any(|(one, _)| one == name), "{name} in {all:?}");
    }
    // A read token that packagecloud doesn't take is packagecloud's matter.
    let wrong = server.run_on_live_host(
        |command| _ = command.env("PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN", "wrong-token"),
        &at,
    );
    let verdict = wrong.json_lines().pop().unwrap();
    assert_eq!((wrong.code, verdict["name"].as_str()), (3, Some("verdict")), "{}", wrong.out);
    assert!(
        verdict["detail"].as_str().unwrap().contains("CloudFront is fine; packagecloud itself answers 401"),
        "{verdict}"
    );
    assert!(!format!("{}{}", wrong.out, wrong.err).contains("wrong-token"));
    // Without the edge's address nothing is sent to the packages domain.
    let blind = ["--output", "json", "--endpoint-url", &server.aws, "--probe-url", &probe, "verify", "--all"];
    let blind = server.run_on_live_host(|command| _ = command.env("NETRC", &netrc), &blind);
    assert!(
        blind.code == 0 && parse_checks(&blind).contains(&("signed-url".into(), "unknown".into())),
        "{}",
        blind.out
    );
}

fn sign_and_inspect_without_aws(server: &RepoServer) {
    // Nobody answers there: whoever asks AWS fails, or waits.
    let nowhere = ["--endpoint-url", "http://127.0.0.1:1"];
    let url = server.run_on_live_host(|_| (), &[&nowhere[..], &["sign", DEB_KEY]].concat()).expect_success();
    let url = url.trim();
    let (domain, rest) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
    assert!(domain.ends_with(".cloudfront.net"), "{url}");
    assert_eq!(fetch_refusal(&format!("{}/{rest}", server.edge)).0, "200");

    let inspected = |url: &str| server.run_on_live_host(|_| (), &[&nowhere[..], &["inspect", url]].concat());
    let found = inspected(url).expect_success();
    for part in ["HMAC-SHA-256", "the current secret", "decoded:path+expires", "accepts it"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let mut forged = url.to_owned();
    forged.pop();
    let forged = inspected(&forged);
    assert!(forged.code == 3 && forged.out.contains("malformed-token"), "{} {}", forged.code, forged.out);
    assert!(inspected(&server.fetch_redirect_link(DEB_KEY)).expect_success().contains("HMAC-SHA-1"));

    let mut child = server
        .build_command()
        .args([
            "--config",
            &server.path_string("sandbox/packagecloud.rb"),
            "--state-dir",
            &server.path_string("live-state"),
        ])
        .args(["--output", "json", "inspect"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let old = "https://shop.s3.amazonaws.com/7/8/a.deb?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1618409761&Signature=x";
    writeln!(child.stdin.take().unwrap(), "{old}").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.code() == Some(3)
            && text.contains("Signature Version 2")
            && text.contains("refuses it"),
        "{text}"
    );
}

//! The road a package takes, by the clients themselves: apt, dnf, pip, curl and wget through packagecloud's front,
//! CloudFront, the function and S3; and the program against a served sandbox as against a live installation.

mod delivery {
    pub mod crooked;
    pub mod shop;
}

use std::{fs, io::Write as _, process::Stdio, sync::Arc};

use delivery::{
    crooked,
    shop::{APT, PYPI, RPM, Shop, TOKEN, read, run},
};
use packagecloud_cloudfront::model::{
    packagecloud::config_file::ConfigFile,
    url::token::{self, Construction, Mac},
};

const DEB: &str = "1/2/debian/pool/hello++_1:2.0~rc1+b1_all.deb";
const PACKAGE: &str = "1/3/el/9/x86_64/package_files/hello+rpm-1.0~rc1-1+b2.noarch.rpm";
const WHEEL: &str = "1/4/pypi/package_files/shop_wheel-1.0+local.1-py3-none-any.whl";

/// What `x-cache` says to one who follows the front's redirect, as the first line and then the body's size.
#[track_caller]
fn x_cache(shop: &Shop, key: &str) -> String {
    let link = shop.link(key);
    assert!(link.starts_with(&shop.edge) && link.contains("?t="), "{link}");
    let said = run("curl", &["-sS", "-o", "/dev/null", "-D", "-", &link]).well();
    let found = said.lines().find_map(|line| line.strip_prefix("x-cache: "));
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    found.unwrap_or_default().trim().to_owned()
}

/// The status of a link, and why the edge refuses it.
#[track_caller]
fn refused(link: &str) -> (String, String) {
    let said = run("curl", &["-sS", "-o", "/dev/null", "-D", "-", link]).well();
    let status = said.split(' ').nth(1).unwrap_or_default().to_owned();
    let why = said.lines().find_map(|line| line.strip_prefix("x-packagecloud-cloudfront: "));
    (status, why.unwrap_or_default().trim().to_owned())
}

/// Every client fetches, each from a root of its own named after `round`.
fn everybody_fetches(shop: &Shop, round: &str) {
    let apt = shop.apt(&format!("apt-{round}"));
    apt.get(&["update"]).well();
    apt.get(&["-y", "install", "--download-only", "hello++=1:2.0~rc1+b1", "lib+x.y"]).well();
    assert_eq!(apt.has("hello++_1%3a2.0~rc1+b1_all.deb"), read(&shop.path("repository").join(DEB)));
    let dnf = shop.dnf(&format!("dnf-{round}"));
    dnf.install("hello+rpm-1.0~rc1").well();
    assert_eq!(dnf.installed("hello+rpm").trim(), "1.0~rc1");
    shop.pip("==1.0+local.1", &format!("pip-{round}")).well();
    let name = WHEEL.rsplit('/').next().unwrap();
    assert_eq!(
        read(&shop.path(&format!("pip-{round}")).join(name)),
        read(&shop.path("repository").join(WHEEL))
    );
    let url = format!("{}/{}", shop.front, DEB.replace('+', "%2B"));
    let (curled, got) = (shop.text(&format!("curled-{round}")), shop.text(&format!("got-{round}")));
    run("curl", &["-fsSL", "-u", &format!("{TOKEN}:"), "-o", &curled, &url]).well();
    // In the URL, not by --user: that goes along to wherever the redirect leads, and S3 takes no second signature.
    let named = url.replace("http://", &format!("http://{TOKEN}:x@"));
    run("wget", &["-q", "-O", &got, &named]).well();
    for file in [curled, got] {
        assert_eq!(read(file.as_ref()), read(&shop.path("repository").join(DEB)), "{file}");
    }
}

/// The checks of a `verify --output json`, as name and result; and the whole for a failure's words.
fn checks(said: &delivery::shop::Said) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let lines = said.lines();
    lines
        .iter()
        .filter(|line| line["type"] == "check")
        .map(|line| (text(&line["name"]), text(&line["result"])))
        .collect()
}

#[tokio::test]
async fn package_managers_fetch_through_cloudfront_and_after_disable_through_s3() {
    let mut shop = Shop::new();
    shop.deb("hello++", "1:2.0~rc1+b1");
    shop.deb("lib+x.y", "3~beta");
    shop.apt_index();
    shop.rpm("hello+rpm", "1.0~rc1");
    shop.rpm_index();
    shop.wheel("1.0+local.1");
    shop.import();
    shop.does(&["enable", "--upgrade", "--yes"]).well();
    shop.serve(&[]);
    shop.simple(&["1.0+local.1"]).await;

    assert_eq!(x_cache(&shop, "1/2/debian/pool/lib+x.y_3~beta_all.deb"), "Miss from cloudfront");
    everybody_fetches(&shop, "first");
    // Each client's fetch left its package in the edge's cache: whoever comes second is answered from there.
    for key in [DEB, PACKAGE, WHEEL] {
        assert_eq!(x_cache(&shop, key), "Hit from cloudfront", "{key}");
    }
    everybody_fetches(&shop, "second");

    refuses(&shop);
    every_client_is_refused(&mut shop).await;
    a_changed_repository_is_seen_at_once(&shop).await;
    the_program_works_through_the_server(&shop);
    verify_as_on_a_live_host(&shop);
    sign_and_inspect_without_aws(&shop);

    shop.does(&["disable", "--yes"]).well();
    let link = shop.link(DEB);
    assert!(link.starts_with(&shop.aws) && link.contains("AWSAccessKeyId="), "{link}");
    everybody_fetches(&shop, "s3");
    // Unsigned, S3 gives nothing to anybody.
    assert_eq!(refused(link.split('?').next().unwrap()).0, "403");
}

/// The packages that a fresh sandbox brings along, by the clients that they are for.
#[test]
fn what_a_fresh_sandbox_holds_installs() {
    let mut shop = Shop::new();
    shop.does(&["enable", "--upgrade", "--yes"]).well();
    shop.serve(&[]);
    for round in ["once", "again"] {
        let index = shop.front.replace("http://", &format!("http://{TOKEN}:x@")) + "/1/4/pypi/simple/";
        shop.pip_from(&index, "hello-sandbox", round).well();
        assert!(shop.path(round).join("hello_sandbox-1.0-py3-none-any.whl").exists());
        // Served anew, it is reached at another address, and its pages say so.
        shop.close();
        shop.serve(&[]);
    }
}

#[test]
fn of_two_web_nodes_one_lags_behind() {
    let mut shop = Shop::new();
    // What is about to be published was tried first, and the events say so.
    let enabled = shop.does(&["--output", "json", "enable", "--yes"]).well();
    let tried = enabled.lines().find(|line| line.contains("self-test: ")).expect(&enabled);
    let (passed, rest) = tried.split_once("self-test: ").unwrap().1.split_once(" of ").unwrap();
    assert!(passed.parse::<u32>().unwrap() > 1000 && rest.starts_with(&format!("{passed}\"")), "{tried}");
    shop.serve(&["--lagging-node"]);
    assert!(shop.does(&["verify"]).well().contains("10 of 10 redirects go to CloudFront"));

    let off = shop.does(&["disable", "--yes"]);
    let said = format!("{}{}", off.out, off.err);
    assert_eq!(off.code, 3, "{said}");
    for part in ["another web node", "packagecloud-ctl reconfigure && packagecloud-ctl restart"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let verify = shop.does(&["--output", "json", "verify"]);
    let verdict = verify.lines().pop().unwrap();
    assert_eq!((verify.code, verdict["name"].as_str()), (3, Some("verdict")), "{}", verify.out);
    let detail = verdict["detail"].as_str().unwrap();
    for part in ["5 of 10 redirects go to CloudFront", "302 to S3", "another web node"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }

    // Served again without the option there is one node, and it is off.
    shop.close();
    shop.serve(&[]);
    assert!(shop.does(&["verify"]).well().contains("CloudFront is off"));
}

/// The link with another last digit.
fn forged(mut link: String) -> String {
    let last = if link.pop() == Some('0') { '1' } else { '0' };
    link.push(last);
    link
}

/// Signs as this packagecloud does: a key's link that lives for so many seconds from now, or has been dead for them.
fn signer(shop: &Shop) -> impl Fn(&str, i64) -> String + Send + Sync + use<> {
    let config = ConfigFile::parse(&fs::read(shop.path("sandbox/packagecloud.rb")).unwrap()).values();
    let (way, edge) = (Construction::default(), shop.edge.clone());
    let key = way.key.key(&config.secret.unwrap()).unwrap();
    let domain = config.packages_domain.unwrap();
    move |object, seconds| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let expires = now.checked_add_signed(seconds).unwrap();
        token::signed_url(&key, object, expires, Mac::Sha1, way, &domain)
            .replace(&format!("https://{domain}"), &edge)
    }
}

fn refuses(shop: &Shop) {
    let good = shop.link(DEB);
    let signed = signer(shop);
    assert_eq!(refused(&forged(good.clone())), ("403".into(), "bad-signature".into()));
    assert_eq!(refused(&signed(DEB, 60)), ("200".into(), String::new()), "the same with time left");
    assert_eq!(refused(&signed(DEB, -1)), ("403".into(), "expired".into()));
    assert_eq!(refused(good.split('?').next().unwrap()), ("403".into(), "missing-token".into()));
    let nobody =
        run("curl", &["-sS", "-o", "/dev/null", "-w", "%{http_code}", &format!("{}/{DEB}", shop.front)]);
    assert_eq!(nobody.well(), "401");
}

/// Each client is given links to packages that are forged, then expired; those to their indexes are good.
async fn every_client_is_refused(shop: &mut Shop) {
    let front = shop.front.clone();
    type Spoilt = fn(&dyn Fn(&str, i64) -> String, &str) -> String;
    let ways: [(&str, Spoilt); 2] =
        [("forged", |signed, key| forged(signed(key, 60))), ("expired", |signed, key| signed(key, -1))];
    for (round, spoilt) in ways {
        let signed = signer(shop);
        shop.front = crooked::open(Arc::new(move |key| {
            let package = [".deb", ".rpm", ".whl"].iter().any(|end| key.ends_with(end));
            if package { spoilt(&signed, key) } else { signed(key, 60) }
        }));
        shop.simple(&["1.0+local.1"]).await;
        let apt = shop.apt(&format!("apt-{round}"));
        apt.get(&["update"]).well();
        let said = apt.get(&["-y", "install", "--download-only", "lib+x.y"]);
        assert!(said.code == 100 && said.err.contains("403"), "{round}: {}{}", said.out, said.err);
        assert!(apt.has("lib+x.y_3~beta_all.deb").is_empty());
        let dnf = shop.dnf(&format!("dnf-{round}"));
        let said = dnf.install("hello+rpm-1.0~rc1");
        let told = format!("{}{}", said.out, said.err);
        assert!(said.code == 1 && told.contains("Status code: 403"), "{round}: {told}");
        assert_eq!(dnf.installed("hello+rpm"), "");
        let said = shop.pip("==1.0+local.1", &format!("pip-{round}"));
        assert!(said.code == 1 && said.err.contains("403"), "{round}: {}{}", said.out, said.err);
        let url = format!("{}/{}", shop.front, DEB.replace('+', "%2B"));
        assert_eq!(run("curl", &["-fsSL", "-o", "/dev/null", &url]).code, 22, "{round}: an HTTP error");
        assert_eq!(run("wget", &["-q", "-O", "/dev/null", &url]).code, 8, "{round}: a server's refusal");
    }
    shop.front = front;
    shop.simple(&["1.0+local.1"]).await;
}

async fn a_changed_repository_is_seen_at_once(shop: &Shop) {
    let (apt, dnf) = (shop.apt("apt-second"), shop.dnf("dnf-second"));
    shop.deb("hello++", "1:2.0+b2");
    shop.apt_index();
    shop.rpm("hello+rpm", "2.0");
    shop.rpm_index();
    shop.wheel("2.0+local.1");
    shop.import();
    shop.simple(&["1.0+local.1", "2.0+local.1"]).await;
    apt.get(&["update"]).well();
    apt.get(&["-y", "install", "--download-only", "hello++"]).well();
    let new = read(&shop.path("repository").join(APT).join("pool/hello++_1:2.0+b2_all.deb"));
    assert_eq!(apt.has("hello++_1%3a2.0+b2_all.deb"), new);
    dnf.install("hello+rpm-2.0").well();
    assert_eq!(dnf.installed("hello+rpm").trim(), "2.0");
    shop.pip("", "pip-changed").well();
    assert!(shop.path("pip-changed/shop_wheel-2.0+local.1-py3-none-any.whl").exists());
    for index in [
        format!("{APT}/dists/shop/Release"),
        format!("{RPM}/repodata/repomd.xml"),
        format!("{PYPI}/simple/shop-wheel/"),
    ] {
        for _ in 0..2 {
            let said = x_cache(shop, &index);
            assert_ne!(said, "Hit from cloudfront", "{index}");
        }
    }
}

/// While it is served: the same objects, the same edge, the same function instances; and no second server.
fn the_program_works_through_the_server(shop: &Shop) {
    let fault = shop.does(&["--sandbox-fault", "sts:1:deny", "verify"]);
    assert!(fault.code == 2 && fault.err.contains("is being served"), "{} {}", fault.code, fault.err);
    let again = shop.program().args(["sandbox", "serve", &shop.text("sandbox")]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("serves it already"));
    // What was imported carries no attributes; set through the server, it is cached there.
    let new = format!("{APT}/pool/hello++_1:2.0+b2_all.deb");
    // Asked at S3 each time, whether or not the bytes have to be sent again.
    for _ in 0..3 {
        assert_ne!(x_cache(shop, &new), "Hit from cloudfront");
    }
    shop.does(&["reindex-everything", "--rescan", "--yes"]).well();
    x_cache(shop, &new);
    assert_eq!(x_cache(shop, &new), "Hit from cloudfront");
    let said = shop.does(&["--output", "json", "verify"]);
    let all = checks(&said);
    assert!(said.code == 0 && all.iter().all(|(_, result)| result == "pass"), "{}", said.out);
    assert!(all.len() > 10 && all.last().unwrap().0 == "verdict", "{all:?}");
    shop.does(&["enable", "--yes"]).well();
}

fn verify_as_on_a_live_host(shop: &Shop) {
    let netrc = shop.path("netrc");
    let host = shop.front.strip_prefix("http://").unwrap().split(':').next().unwrap();
    fs::write(&netrc, format!("machine {host} login {TOKEN} password x\n")).unwrap();
    let probe = format!("{}/{}", shop.front, DEB.replace('+', "%2B"));
    let at = [
        "--output",
        "json",
        "--endpoint-url",
        &shop.aws,
        "--edge-url",
        &shop.edge,
        "--probe-url",
        &probe,
        "verify",
    ];
    let said = shop.does_live(|command| _ = command.env("NETRC", &netrc), &at);
    let all = checks(&said);
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
    let wrong =
        shop.does_live(|command| _ = command.env("PACKAGECLOUD_CLOUDFRONT_PROBE_TOKEN", "wrong-token"), &at);
    let verdict = wrong.lines().pop().unwrap();
    assert_eq!((wrong.code, verdict["name"].as_str()), (3, Some("verdict")), "{}", wrong.out);
    assert!(
        verdict["detail"].as_str().unwrap().contains("CloudFront is fine; packagecloud itself answers 401"),
        "{verdict}"
    );
    assert!(!format!("{}{}", wrong.out, wrong.err).contains("wrong-token"));
    // Without the edge's address nothing is sent to the packages domain.
    let blind = ["--output", "json", "--endpoint-url", &shop.aws, "--probe-url", &probe, "verify"];
    let blind = shop.does_live(|command| _ = command.env("NETRC", &netrc), &blind);
    assert!(
        blind.code == 0 && checks(&blind).contains(&("signed-url".into(), "unknown".into())),
        "{}",
        blind.out
    );
}

fn sign_and_inspect_without_aws(shop: &Shop) {
    // Nobody answers there: whoever asks AWS fails, or waits.
    let nowhere = ["--endpoint-url", "http://127.0.0.1:1"];
    let url = shop.does_live(|_| (), &[&nowhere[..], &["sign", DEB]].concat()).well();
    let url = url.trim();
    let (domain, rest) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
    assert!(domain.ends_with(".cloudfront.net"), "{url}");
    assert_eq!(refused(&format!("{}/{rest}", shop.edge)).0, "200");

    let inspected = |url: &str| shop.does_live(|_| (), &[&nowhere[..], &["inspect", url]].concat()).well();
    let found = inspected(url);
    for part in ["HMAC-SHA-256", "the current secret", "decoded:path+expires", "accepts it"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let mut forged = url.to_owned();
    forged.pop();
    assert!(inspected(&forged).contains("malformed-token"), "{}", inspected(&forged));
    assert!(inspected(&shop.link(DEB)).contains("HMAC-SHA-1"));

    let mut child = shop
        .program()
        .args(["--config", &shop.text("sandbox/packagecloud.rb"), "--state-dir", &shop.text("live-state")])
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
        output.status.success() && text.contains("Signature Version 2") && text.contains("refuses it"),
        "{text}"
    );
}

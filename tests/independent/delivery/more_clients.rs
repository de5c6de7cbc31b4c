//! zypper, npm, gem, uv and maven: what they are sold, how they fetch, and what they say of a link that the edge refuses.
//!
//! Each works in folders of its own below the server's: nothing of the machine's is read or changed.

use std::{fs, sync::Arc};

use super::{
    bad_links, forge_link, link_signer,
    repo_server::{PYPI_PREFIX, ProgramOutput, READ_TOKEN, RPM_PREFIX, RepoServer, run_program},
};

const NPM_PREFIX: &str = "1/5/npm";
const GEM_PREFIX: &str = "1/6/rubygems";
const MAVEN_PREFIX: &str = "1/7/java/maven2";
const NPM_ARCHIVE: &str = "shop-npm-1.0.0-rc.1+b1.tgz";
const UV_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/emulators/bin/uv");
/// What of all this is a package: links to these are spoilt.
const PACKAGE_ENDINGS: [&str; 5] = [".rpm", ".tgz", ".gem", ".whl", ".jar"];

/// What all of these take, in the repository that is imported.
fn build_repository(server: &RepoServer) {
    server.build_rpm("hello+rpm", "1.0~rc1");
    server.build_rpm_index();
    server.build_wheel("1.0+local.1");
    let at = |path: &str| server.file_path("repository").join(path);
    let packed = at(&format!("{NPM_PREFIX}/package_files"));
    let (source, text) = (server.file_path("npm-source"), r#"{"name":"shop-npm","version":"1.0.0-rc.1+b1"}"#);
    fs::create_dir_all(&packed).unwrap();
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("package.json"), text).unwrap();
    let (packed, source) = (packed.to_str().unwrap(), source.to_str().unwrap());
    run_at_home(server, "npm", &["pack", "--silent", source, "--pack-destination", packed]).expect_success();
    build_gem(server, at(GEM_PREFIX).to_str().unwrap());
    build_maven_repository(server, &at(MAVEN_PREFIX));
}

/// A gem, and the indexes as RubyGems writes them: its own command for that is gone in newer ones.
fn build_gem(server: &RepoServer, folder: &str) {
    let spec = server.path_string("shop.gemspec");
    let text = "Gem::Specification.new { |s| s.name = 'shop-gem'; s.version = '1.0.0.rc1'; s.summary = 'sold'; s.authors = ['shop']; s.files = []; s.license = 'MIT'; s.homepage = 'https://example.com' }";
    fs::write(&spec, text).unwrap();
    fs::create_dir_all(format!("{folder}/gems")).unwrap();
    fs::create_dir_all(format!("{folder}/quick/Marshal.4.8")).unwrap();
    let gem = format!("{folder}/gems/shop-gem-1.0.0.rc1.gem");
    run_at_home(server, "gem", &["build", "-q", &spec, "-o", &gem]).expect_success();
    let script = "require 'zlib'
root, gem = ARGV
spec = Gem::Package.new(gem).spec
[['specs', []], ['latest_specs', []], ['prerelease_specs', [[spec.name, spec.version, 'ruby']]]].each do |name, list|
  Zlib::GzipWriter.open(\"#{root}/#{name}.4.8.gz\") { |out| out.write Marshal.dump(list) }
end
File.binwrite \"#{root}/quick/Marshal.4.8/#{spec.full_name}.gemspec.rz\", Zlib::Deflate.deflate(Marshal.dump(spec))";
    run_program("ruby", &["-rrubygems/package", "-e", script, folder, &gem]).expect_success();
}

/// A parent and an extension, which maven fetches by itself: anything else takes a plugin, which it would fetch from elsewhere.
fn build_maven_repository(server: &RepoServer, root: &std::path::Path) {
    for (group, name, version, packaging) in [
        ("com.example.shop", "parent", "1.0", "pom"),
        ("com.example.shop", "tool", "1.0", "jar"),
        // It adds this one to any extension.
        ("org.codehaus.plexus", "plexus-utils", "1.1", "jar"),
    ] {
        let folder = root.join(group.replace('.', "/")).join(name).join(version);
        fs::create_dir_all(&folder).unwrap();
        let file = |ending: &str| folder.join(format!("{name}-{version}.{ending}"));
        let pom = format!(
            "<project><modelVersion>4.0.0</modelVersion><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version><packaging>{packaging}</packaging></project>"
        );
        fs::write(file("pom"), pom).unwrap();
        if packaging == "jar" {
            let script = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('META-INF/MANIFEST.MF', 'Manifest-Version: 1.0\\n')";
            run_program("python3", &["-c", script, file("jar").to_str().unwrap()]).expect_success();
        }
    }
    let script = "cd \"$1\"; find . -name '*.jar' -o -name '*.pom' | while read -r file; do sha1sum \"$file\" | head -c 40 >\"$file.sha1\"; done";
    run_program("sh", &["-c", script, "sh", root.to_str().unwrap()]).expect_success();
    let project = "<project><modelVersion>4.0.0</modelVersion><parent><groupId>com.example.shop</groupId><artifactId>parent</artifactId><version>1.0</version><relativePath/></parent><artifactId>buyer</artifactId><packaging>pom</packaging><build><extensions><extension><groupId>com.example.shop</groupId><artifactId>tool</artifactId><version>1.0</version></extension></extensions></build></project>";
    fs::write(server.file_path("pom.xml"), project).unwrap();
}

/// The pages whose links are whole: they hold the front's address.
async fn put_pages(server: &RepoServer) {
    server.put_simple_index(&["1.0+local.1"]).await;
    let archive = server.file_path("repository").join(format!("{NPM_PREFIX}/package_files/{NPM_ARCHIVE}"));
    let script = "import base64, hashlib, sys; print(base64.b64encode(hashlib.sha512(open(sys.argv[1], 'rb').read()).digest()).decode())";
    let sum = run_program("python3", &["-c", script, archive.to_str().unwrap()]).expect_success();
    let version = "1.0.0-rc.1+b1";
    let url = format!("{}/{NPM_PREFIX}/package_files/{}", server.front, NPM_ARCHIVE.replace('+', "%2B"));
    let page = serde_json::json!({
        "name": "shop-npm",
        "dist-tags": {"latest": version},
        "versions": {version: {
            "name": "shop-npm", "version": version,
            "dist": {"tarball": url, "integrity": format!("sha512-{}", sum.trim())},
        }},
    });
    server.put_object(&format!("{NPM_PREFIX}/shop-npm"), "application/json", page.to_string()).await;
}

/// A client whose home is the server's folder.
fn run_at_home(server: &RepoServer, program: &str, arguments: &[&str]) -> ProgramOutput {
    let home = format!("HOME={}", server.root.path().display());
    run_program("env", &[&[home.as_str(), program][..], arguments].concat())
}

/// One client of a round: what it said, and whether it has what it was to fetch.
struct ClientFetch {
    name: &'static str,
    said: ProgramOutput,
    has_package: bool,
}

/// Each fetches into folders of its own named after `round`.
fn fetch_with_each_client(server: &RepoServer, round: &str) -> Vec<ClientFetch> {
    let root = |name: &str| server.path_string(&format!("{name}-{round}"));
    let named = server.front.replace("http://", &format!("http://{READ_TOKEN}:x@"));
    let fetch = |name, said, file: String| ClientFetch { name, said, has_package: fs::exists(file).unwrap() };
    vec![
        fetch(
            "zypper",
            install_with_zypper(server, &root("zypper"), &named),
            format!("{}/usr/share/shop/hello+rpm", root("zypper")),
        ),
        fetch(
            "npm",
            install_with_npm(server, &root("npm")),
            format!("{}/node_modules/shop-npm/package.json", root("npm")),
        ),
        fetch(
            "gem",
            install_with_gem(server, &root("gem"), &named),
            format!("{}/gems/shop-gem-1.0.0.rc1", root("gem")),
        ),
        fetch(
            "uv",
            install_with_uv(server, &root("uv"), &named),
            format!("{}/target/shop_wheel.py", root("uv")),
        ),
        fetch(
            "maven",
            validate_with_maven(server, &root("maven")),
            format!("{}/repository/com/example/shop/tool/1.0/tool-1.0.jar", root("maven")),
        ),
    ]
}

fn install_with_zypper(server: &RepoServer, root: &str, front: &str) -> ProgramOutput {
    let repos = format!("{root}/etc/zypp/repos.d");
    fs::create_dir_all(&repos).unwrap();
    let text =
        format!("[shop]\nname=shop\nbaseurl={front}/{RPM_PREFIX}\ngpgcheck=0\nenabled=1\nautorefresh=1\n");
    fs::write(format!("{repos}/shop.repo"), text).unwrap();
    let how = ["--root", root, "--non-interactive", "--no-gpg-checks", "install", "hello+rpm"];
    run_at_home(server, "zypper", &how)
}

fn install_with_npm(server: &RepoServer, root: &str) -> ProgramOutput {
    fs::create_dir_all(root).unwrap();
    let registry = format!("{}/{NPM_PREFIX}/", server.front);
    let token = run_program("sh", &["-c", &format!("printf '{READ_TOKEN}:x' | base64")]).expect_success();
    let (config, cache) = (format!("{root}/npmrc"), format!("{root}/cache"));
    let at = registry.strip_prefix("http:").unwrap();
    fs::write(&config, format!("{at}:_auth={}\n", token.trim())).unwrap();
    let how = ["--userconfig", &config, "--cache", &cache, "--registry", &registry, "--prefix", root];
    let quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries", "0"];
    run_at_home(server, "npm", &[&["install"][..], &how, &quiet, &["shop-npm"]].concat())
}

fn install_with_gem(server: &RepoServer, root: &str, front: &str) -> ProgramOutput {
    let source = format!("{front}/{GEM_PREFIX}/");
    let how =
        ["install", "--norc", "--no-document", "--clear-sources", "--prerelease", "--install-dir", root];
    run_at_home(server, "gem", &[&how[..], &["--source", &source, "shop-gem"]].concat())
}

fn install_with_uv(server: &RepoServer, root: &str, front: &str) -> ProgramOutput {
    assert!(fs::exists(UV_PATH).unwrap(), "{UV_PATH} is missing: tests/run installs it");
    let (cache, target) = (format!("{root}/cache"), format!("{root}/target"));
    let index = format!("{front}/{PYPI_PREFIX}/simple/");
    let how = ["--no-config", "--no-progress", "--cache-dir", &cache, "pip", "install", "--no-deps"];
    let what = ["--python", "python3", "--target", &target, "--index-url", &index, "shop-wheel"];
    run_at_home(server, UV_PATH, &[&how[..], &what].concat())
}

fn validate_with_maven(server: &RepoServer, root: &str) -> ProgramOutput {
    fs::create_dir_all(root).unwrap();
    let settings = format!("{root}/settings.xml");
    // The first mirror takes maven's own place, which stands before plain HTTP to any host but 127.0.0.1.
    let text = format!(
        "<settings><localRepository>{root}/repository</localRepository><servers><server><id>shop</id><username>{READ_TOKEN}</username><password>x</password></server></servers><mirrors><mirror><id>maven-default-http-blocker</id><mirrorOf>none</mirrorOf><url>http://none</url></mirror><mirror><id>shop</id><mirrorOf>*</mirrorOf><url>{}/{MAVEN_PREFIX}</url></mirror></mirrors></settings>",
        server.front
    );
    fs::write(&settings, text).unwrap();
    let (home, project) = (format!("-Duser.home={root}"), server.path_string("pom.xml"));
    run_at_home(server, "mvn", &["-B", "-q", &home, "-s", &settings, "-f", &project, "validate"])
}

#[track_caller]
fn assert_each_client_installs(server: &RepoServer, round: &str) {
    for fetched in fetch_with_each_client(server, round) {
        let ClientFetch { name, said, has_package } = fetched;
        let told = format!("{}{}", said.out, said.err);
        assert!(said.code == 0 && has_package, "{name}, {round}: {}: {told}", said.code);
    }
}

/// Each is given links to packages that are forged, then expired; those to their indexes are good.
async fn assert_each_client_refused(server: &mut RepoServer, when: &str) {
    let front = server.front.clone();
    for spoilt in ["forged", "expired"] {
        let signed = link_signer(server);
        server.front = bad_links::start_bad_front(Arc::new(move |key| {
            let is_package = PACKAGE_ENDINGS.iter().any(|end| key.ends_with(end));
            match spoilt {
                "forged" if is_package => forge_link(signed(key, 60)),
                "expired" if is_package => signed(key, -1),
                _ => signed(key, 60),
            }
        }));
        put_pages(server).await;
        for fetched in fetch_with_each_client(server, &format!("{when}-{spoilt}")) {
            let ClientFetch { name, said, has_package } = fetched;
            let told = format!("{}{}", said.out, said.err);
            assert!(said.code != 0 && !has_package, "{name}, {when}, {spoilt}: {}: {told}", said.code);
            // zypper says so without the number.
            let words = ["403", "Forbidden", "Permission to access"];
            assert!(words.iter().any(|word| told.contains(word)), "{name}, {when}, {spoilt}: {told}");
        }
    }
    server.front = front;
    put_pages(server).await;
}

#[tokio::test]
async fn the_other_package_managers_install_with_cloudfront_on_off_and_on_again() {
    let mut server = RepoServer::new();
    build_repository(&server);
    server.import_repository();
    server.run_in_sandbox(&["enable", "--upgrade", "--yes"]).expect_success();
    server.start_server(&[]);
    put_pages(&server).await;
    assert_each_client_installs(&server, "on");
    assert_each_client_refused(&mut server, "on").await;

    server.run_in_sandbox(&["disable", "--yes"]).expect_success();
    assert!(server.fetch_redirect_link("1/5/npm/shop-npm").starts_with(&server.aws));
    assert_each_client_installs(&server, "off");

    server.run_in_sandbox(&["enable", "--yes"]).expect_success();
    assert!(server.fetch_redirect_link("1/5/npm/shop-npm").starts_with(&server.edge));
    assert_each_client_installs(&server, "again");
    assert_each_client_refused(&mut server, "again").await;
}

//! A node's own redirect: its front is asked on the node itself, by the curl or wget there, so that a node that the load balancer
//! keeps out is judged too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::SshClient;
use crate::model::url::redirect::{PackagecloudDownloadReply, split_host_and_path};

/// No program is there that can ask.
const NO_PROGRAM_STATUS: i32 = 20;

/// How long the whole answer may take, in seconds.
const ANSWER_SECONDS: u32 = 5;

/// Two configurations of curl, for the node's own IPv4 and IPv6 address; the Host header and the URL at the node's own address, for
/// wget, or nothing where that can't ask. URL and token go in by standard input: an argument is seen by everybody on that node.
/// The certificate is the load balancer's affair, and this asks the node's own address alone. The text is the node's address.
const FRONT_SCRIPT: &str = r#"limit=; command -v timeout >/dev/null 2>&1 && limit="timeout 10"
if command -v curl >/dev/null 2>&1; then
  for config in "$1" "$2"; do
    printf '%s' "$config" | $limit curl -q --config - 2>&1
    [ $? = 7 ] || break
  done
elif [ -n "$4" ] && command -v wget >/dev/null 2>&1 && wget --version 2>/dev/null | grep -q GNU; then
  printf '%s\n' "$4" | HOME=/dev/null $limit wget --no-proxy --no-check-certificate --tries=1 --timeout=5 --max-redirect=0 \
    --no-verbose --server-response --output-document=/dev/null --header="Host: $3" --input-file=- 2>&1
else
  return 20
fi
return 0"#;

/// Where a URL leads, in parts.
#[derive(Debug, PartialEq, Eq)]
struct FrontAddress {
    scheme: &'static str,
    /// Without its port, an IPv6 address in brackets.
    host: String,
    port: u16,
    /// Path and query.
    path: String,
}

impl FrontAddress {
    /// Takes a URL apart, its user name left out; `None` where it is none of http's, and where it holds what no URL does.
    fn split_front_url(url: &str) -> Option<Self> {
        let (scheme, usual_port) = match url.split_once("://")?.0.to_ascii_lowercase().as_str() {
            "https" => ("https", 443),
            "http" => ("http", 80),
            _ => return None,
        };
        let (authority, path) = split_host_and_path(url)?;
        let (host, port) = match authority.rsplit_once(':') {
            // An IPv6 address without a port has colons of its own.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, usual_port),
        };
        let is_plain = |c: char| {
            c.is_ascii_alphanumeric() || ".-_".contains(c) || (host.starts_with('[') && ":[]".contains(c))
        };
        if host.is_empty()
            || !host.chars().all(is_plain)
            || path.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return None;
        }
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self { scheme, host: host.to_owned(), port, path: format!("{slash}{path}") })
    }

    /// A name is looked up; an address is asked as it stands.
    fn is_host_an_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<IpAddr>().is_ok()
    }

    /// The value of the Host header.
    fn render_authority(&self) -> String {
        match (self.scheme, self.port) {
            ("https", 443) | ("http", 80) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    fn render_url_at(&self, host: &str) -> String {
        format!("{}://{host}:{}{}", self.scheme, self.port, self.path)
    }

    /// Renders curl's options as its configuration: `own` is the node's own address.
    fn render_curl_config(&self, own: IpAddr, authorization: Option<&str>) -> String {
        let mut config = format!(
            "silent\nshow-error\ngloboff\ninsecure\nnoproxy = \"*\"\nmax-time = {ANSWER_SECONDS}\noutput = \"/dev/null\"\ndump-header = \"-\"\n"
        );
        let mut add_option = |name: &str, value: &str| {
            let value = value.replace('\\', r"\\").replace('"', "\\\"");
            config.push_str(&format!("{name} = \"{value}\"\n"));
        };
        if self.is_host_an_address() {
            let host = if own.is_ipv6() { format!("[{own}]") } else { own.to_string() };
            add_option("url", &self.render_url_at(&host));
            add_option("header", &format!("Host: {}", self.render_authority()));
        } else {
            // The name stays in the URL: a front may choose by the name in the TLS handshake.
            add_option("url", &self.render_url_at(&self.host));
            add_option("resolve", &format!("{}:{}:{own}", self.host, self.port));
        }
        if let Some(authorization) = authorization {
            add_option("header", &format!("Authorization: {authorization}"));
        }
        config
    }
}

/// Reads what either program printed of the answer: its status and where it redirects.
fn parse_front_reply(said: &str) -> Option<PackagecloudDownloadReply> {
    let mut lines = said.lines().map(str::trim);
    let status = lines.find_map(|line| line.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok())?;
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    Some(PackagecloudDownloadReply { status, location })
}

/// Renders the script's arguments.
fn render_front_arguments(address: &FrontAddress, authorization: Option<&str>) -> [String; 4] {
    [
        address.render_curl_config(Ipv4Addr::LOCALHOST.into(), authorization),
        address.render_curl_config(Ipv6Addr::LOCALHOST.into(), authorization),
        address.render_authority(),
        // wget takes a header as an argument alone.
        if authorization.is_none() { address.render_url_at("127.0.0.1") } else { String::new() },
    ]
}

impl SshClient {
    /// Asks the front of the other host for `url`, on that host.
    ///
    /// # Errors
    /// Says why it could not be asked, as a lower-case fragment.
    pub(in crate::host) async fn ask_own_front(
        &self,
        url: &str,
        authorization: Option<&str>,
    ) -> Result<PackagecloudDownloadReply, String> {
        let address = FrontAddress::split_front_url(url)
            .ok_or("the URL to ask for is none of http or https, or holds what no URL does")?;
        let arguments = render_front_arguments(&address, authorization);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said =
            self.run_remote_script(FRONT_SCRIPT, &arguments).await.map_err(|failure| failure.to_string())?;
        if said.status == NO_PROGRAM_STATUS {
            return Err(
                "there is no curl on it, nor GNU wget, which can ask where no token is needed".to_owned()
            );
        }
        let text = String::from_utf8_lossy(&said.out);
        parse_front_reply(&text).ok_or_else(|| {
            let why = text.lines().map(str::trim).rfind(|line| !line.is_empty());
            format!(
                "no answer at 127.0.0.1:{} there ({})",
                address.port,
                why.unwrap_or("no reason was given")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
        os::unix::fs::PermissionsExt as _,
        path::Path,
        process::{Command, Stdio},
    };

    use super::{
        super::{
            RootEscalation,
            script::{ParsedScriptOutput, parse_remote_script_output, render_remote_script},
        },
        *,
    };

    /// A front that redirects once; what it was sent.
    fn answer_one_request(listener: TcpListener) -> std::thread::JoinHandle<Vec<String>> {
        std::thread::spawn(move || {
            let mut reader = BufReader::new(listener.accept().unwrap().0);
            let mut heard = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                heard.push(line.trim().to_owned());
            }
            let reply = "HTTP/1.1 302 Found\r\nLocation: https://d1.cloudfront.net/a.deb?t=1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            reader.get_mut().write_all(reply.as_bytes()).unwrap();
            heard
        })
    }

    /// Runs the script with these programs alone.
    fn ask_by_script(programs: &Path, arguments: &[&str]) -> (i32, String) {
        // The usual directories are not searched.
        let body = format!("PATH='{}'\n{FRONT_SCRIPT}", programs.display());
        let sent = render_remote_script(&RootEscalation::NotNeeded, &body, arguments, "n1");
        let mut shell = Command::new("sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        shell.stdin.take().unwrap().write_all(&sent).unwrap();
        let out = shell.wait_with_output().unwrap().stdout;
        let text = String::from_utf8_lossy(&out).into_owned();
        match parse_remote_script_output(&out, "n1") {
            ParsedScriptOutput::Whole(said) => (said.status, String::from_utf8_lossy(&said.out).into_owned()),
            // The end is said by head, which is out of reach then.
            other => {
                (if text.contains("n1 ends 20") { NO_PROGRAM_STATUS } else { 0 }, format!("{other:?} {text}"))
            }
        }
    }

    /// A directory that holds these programs of the machine, and `head`, which a script's end needs.
    fn link_programs(names: &[&str]) -> tempfile::TempDir {
        let programs = tempfile::tempdir().unwrap();
        for needed in names.iter().chain(&["head"]) {
            let real = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(needed));
            let real = real.iter().find(|path| path.exists()).expect("curl and wget are installed");
            std::os::unix::fs::symlink(real, programs.path().join(needed)).unwrap();
        }
        programs
    }

    fn ask_for_url(programs: &Path, url: &str, authorization: Option<&str>) -> (i32, String) {
        let arguments = render_front_arguments(&FrontAddress::split_front_url(url).unwrap(), authorization);
        ask_by_script(programs, &arguments.each_ref().map(String::as_str))
    }

    fn redirect_to_packages() -> PackagecloudDownloadReply {
        let location = "https://d1.cloudfront.net/a.deb?t=1".to_owned();
        PackagecloudDownloadReply { status: 302, location: Some(location) }
    }

    #[test]
    fn curl_and_wget_ask_the_nodes_own_address_by_the_sites_name() {
        for (names, authorization, own, site) in [
            (["curl", "timeout"].as_slice(), Some("Basic dG9rZW46"), "127.0.0.1", "packages.example.com"),
            // Neither an address of another host nor a front that listens by IPv6 alone.
            (&["curl"], Some("Basic dG9rZW46"), "127.0.0.1", "192.0.2.1"),
            (&["curl"], None, "[::1]", "packages.example.com"),
            (&["curl"], None, "[::1]", "[2001:db8::1]"),
            (&["wget", "grep", "timeout"], None, "127.0.0.1", "packages.example.com"),
            (&["wget", "grep"], None, "127.0.0.1", "[2001:db8::1]"),
        ] {
            let programs = link_programs(names);
            let listener = TcpListener::bind(format!("{own}:0")).unwrap();
            let port = listener.local_addr().unwrap().port();
            let front = answer_one_request(listener);
            // A user's name in the URL is nobody's affair there.
            let url = format!("http://user:word@{site}:{port}/7/8/a'$(x)\\.deb?x[1]=\"2\"#part");
            let (status, said) = ask_for_url(programs.path(), &url, authorization);
            assert_eq!(
                (status, parse_front_reply(&said)),
                (0, Some(redirect_to_packages())),
                "{names:?} {site}: {said}"
            );
            let heard = front.join().unwrap();
            let path =
                heard[0].replace("%5B", "[").replace("%5D", "]").replace("%22", "\"").replace("%5C", "\\");
            assert_eq!(path, "GET /7/8/a'$(x)\\.deb?x[1]=\"2\" HTTP/1.1", "{names:?}");
            let hosts: Vec<_> =
                heard.iter().filter(|line| line.to_ascii_lowercase().starts_with("host:")).collect();
            assert_eq!(hosts, [&format!("Host: {site}:{port}")], "{heard:?}");
            let sent = heard.iter().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
            assert_eq!(sent.map(|line| &line[15..]), authorization, "{heard:?}");
        }
    }

    #[test]
    fn neither_the_url_nor_the_token_is_an_argument_there() {
        let programs = link_programs(&["grep"]);
        for name in ["curl", "wget"] {
            let program = programs.path().join(name);
            std::fs::write(&program, "#!/bin/sh\necho GNU; echo \"asked with: $*\"\n").unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            let url = "https://packages.example.com/7/8/a.deb?secret=1";
            let authorization = (name == "curl").then_some("Basic dG9rZW46");
            let (status, said) = ask_for_url(programs.path(), url, authorization);
            assert!(status == 0 && said.contains("asked with: -"), "{name}: {said}");
            for word in ["secret", "a.deb", "dG9rZW46"] {
                assert!(!said.contains(word), "{name}: {said}");
            }
            std::fs::remove_file(program).unwrap();
        }
    }

    #[test]
    fn where_neither_program_is_or_nobody_answers_that_is_told() {
        let url = "http://a.example/";
        assert_eq!(ask_for_url(link_programs(&[]).path(), url, None).0, NO_PROGRAM_STATUS);
        let wget = link_programs(&["wget", "grep"]);
        assert_eq!(ask_for_url(wget.path(), url, Some("Basic dG9rZW46")).0, NO_PROGRAM_STATUS);
        // Nobody listens where somebody did a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (status, said) =
            ask_for_url(link_programs(&["curl"]).path(), &format!("http://a.example:{port}"), None);
        assert!(status == 0 && said.contains("curl: (7)"), "{said}");
        for said in ["", &said] {
            assert_eq!(parse_front_reply(said), None);
        }
        let refused = parse_front_reply("HTTP/2 401\r\nwww-authenticate: Basic\r\n\r\n");
        assert_eq!(refused, Some(PackagecloudDownloadReply { status: 401, location: None }));
    }

    #[test]
    fn an_address_is_taken_apart_by_its_scheme() {
        let at = |url: &str| {
            let address = FrontAddress::split_front_url(url)?;
            Some((address.render_authority(), address.render_url_at("127.0.0.1")))
        };
        for (url, authority, own_url) in [
            ("https://packages.example.com/7/a.deb", "packages.example.com", "https://127.0.0.1:443/7/a.deb"),
            ("HTTPS://packages.example.com:443?a=1#b", "packages.example.com", "https://127.0.0.1:443/?a=1"),
            ("http://user:word@[::1]:8080/a", "[::1]:8080", "http://127.0.0.1:8080/a"),
            ("http://[::1]/a", "[::1]", "http://127.0.0.1:80/a"),
        ] {
            assert_eq!(at(url), Some((authority.to_owned(), own_url.to_owned())), "{url}");
        }
        for url in [
            "ftp://packages.example.com/a",
            "packages.example.com/a",
            "https://",
            "https://packages.example.com:http/a",
            "https://packages.example.com:65536/a",
            "https://packages.example.com:/a",
            "https://a.example,b.example:443:192.0.2.1/a",
            "https://a.example:1:2/",
            "https://packages.example.com/a b",
            "https://packages.example.com/a\nurl = file:///etc/shadow",
            "https://a\"b/",
        ] {
            assert_eq!(at(url), None, "{url}");
        }
    }
}

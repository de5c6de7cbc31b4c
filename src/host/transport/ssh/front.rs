//! A node's own redirect: its front is asked on the node itself, by the curl or wget there, so that a node that the load balancer
//! keeps out is judged too.

use super::SshClient;
use crate::model::url::redirect::{PackagecloudDownloadReply, split_host_and_path};

/// No program is there that can ask.
const NO_PROGRAM_STATUS: i32 = 20;

/// The URL, its host's name, its port, the same URL at the node's own address, the Authorization header or nothing. The header
/// goes in by standard input: an argument is seen by everybody on that node, and wget has no other way. The certificate is the load balancer's affair.
const FRONT_SCRIPT: &str = r#"if command -v curl >/dev/null 2>&1; then
  { [ -z "$5" ] || printf 'header = "Authorization: %s"\n' "$5"; } |
    curl -q --config - --silent --show-error --globoff --insecure --noproxy '*' --max-time 5 --output /dev/null \
      --dump-header - --resolve "$2:$3:127.0.0.1" -- "$1" 2>&1
elif [ -z "$5" ] && command -v wget >/dev/null 2>&1; then
  wget --no-proxy --no-check-certificate --tries=1 --timeout=5 --max-redirect=0 --no-verbose \
    --server-response --output-document=/dev/null --header="Host: $2" -- "$4" 2>&1
else
  return 20
fi
return 0"#;

/// Where a URL leads, in parts.
#[derive(Debug, PartialEq, Eq)]
struct FrontAddress {
    /// Without its port.
    host: String,
    port: String,
    /// The same URL, at the node's own address.
    own_url: String,
}

/// Takes a URL apart; `None` where it is none of http's.
fn split_front_address(url: &str) -> Option<FrontAddress> {
    let scheme = url.split_once("://")?.0.to_ascii_lowercase();
    let usual_port = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let (authority, path) = split_host_and_path(url)?;
    let (host, port) = match authority.rsplit_once(':') {
        // An IPv6 address without a port has colons of its own.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, usual_port),
    };
    let own_url = format!("{scheme}://127.0.0.1:{port}{path}");
    Some(FrontAddress { host: host.to_owned(), port: port.to_owned(), own_url })
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
        let address = split_front_address(url).ok_or_else(|| format!("{url} is no URL of http or https"))?;
        let arguments =
            [url, &address.host, &address.port, &address.own_url, authorization.unwrap_or_default()];
        let said =
            self.run_remote_script(FRONT_SCRIPT, &arguments).await.map_err(|failure| failure.to_string())?;
        if said.status == NO_PROGRAM_STATUS {
            return Err(
                "there is no curl there, nor a wget, which is asked where no token is needed".to_owned()
            );
        }
        let text = String::from_utf8_lossy(&said.out);
        parse_front_reply(&text).ok_or_else(|| {
            let why = text.lines().map(str::trim).rfind(|line| !line.is_empty());
            format!("nothing answers at {}: {}", address.own_url, why.unwrap_or("no reason was given"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        net::TcpListener,
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

    #[test]
    fn curl_and_wget_ask_the_nodes_own_address_by_the_sites_name() {
        for (program, authorization) in [("curl", "Basic dG9rZW46"), ("wget", "")] {
            let programs = tempfile::tempdir().unwrap();
            for needed in [program, "head"] {
                let real = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(needed));
                let real = real.iter().find(|path| path.exists()).expect("curl and wget are installed");
                std::os::unix::fs::symlink(real, programs.path().join(needed)).unwrap();
            }
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let url = format!("http://packages.example.com:{port}/7/8/a.deb?x[1]=2");
            let address = split_front_address(&url).unwrap();
            let front = answer_one_request(listener);
            let (status, said) = ask_by_script(
                programs.path(),
                &[&url, &address.host, &address.port, &address.own_url, authorization],
            );
            assert_eq!(
                (status, parse_front_reply(&said)),
                (
                    0,
                    Some(PackagecloudDownloadReply {
                        status: 302,
                        location: Some("https://d1.cloudfront.net/a.deb?t=1".to_owned())
                    })
                ),
                "{program}: {said}"
            );
            let heard = front.join().unwrap();
            assert!(heard[0].starts_with("GET /7/8/a.deb?x"), "{program}: {heard:?}");
            let has = |start: &str| heard.iter().any(|line| line.to_ascii_lowercase().starts_with(start));
            assert!(has("host: packages.example.com"), "{heard:?}");
            assert_eq!(has("authorization: basic dg9rzw46"), !authorization.is_empty(), "{heard:?}");
        }
    }

    #[test]
    fn where_neither_program_is_or_nobody_answers_that_is_told() {
        let programs = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/usr/bin/head", programs.path().join("head")).unwrap();
        let arguments = ["http://a.example/", "a.example", "80", "http://127.0.0.1:80/", ""];
        assert_eq!(ask_by_script(programs.path(), &arguments).0, NO_PROGRAM_STATUS);
        for said in ["", "curl: (7) Failed to connect to a.example port 443: Connection refused\n"] {
            assert_eq!(parse_front_reply(said), None);
        }
        let refused = parse_front_reply("HTTP/2 401\r\nwww-authenticate: Basic\r\n\r\n");
        assert_eq!(refused, Some(PackagecloudDownloadReply { status: 401, location: None }));
    }

    #[test]
    fn an_address_is_taken_apart_by_its_scheme() {
        let parts =
            |url: &str| split_front_address(url).map(|address| (address.host, address.port, address.own_url));
        let own =
            |host: &str, port: &str, url: &str| Some((host.to_owned(), port.to_owned(), url.to_owned()));
        assert_eq!(
            parts("https://packages.example.com/7/8/a.deb"),
            own("packages.example.com", "443", "https://127.0.0.1:443/7/8/a.deb")
        );
        assert_eq!(parts("http://user:word@[::1]:8080/a"), own("[::1]", "8080", "http://127.0.0.1:8080/a"));
        assert_eq!(parts("http://[::1]/a"), own("[::1]", "80", "http://127.0.0.1:80/a"));
        assert_eq!(parts("ftp://packages.example.com/a"), None);
    }
}

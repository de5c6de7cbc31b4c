//! A front beside packagecloud's that sends everybody on with a bad link: what a thief, or a clock that is wrong, would send.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// The link that it answers for a key.
pub type LinkForKey = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Opens it on loopback, for as long as the test runs; gives its address.
pub fn start_bad_front(link: LinkForKey) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let link = link.clone();
            thread::spawn(move || serve_connection(&stream, &link));
        }
    });
    address
}

/// Each request of a connection; its tokens are not looked at.
fn serve_connection(stream: &TcpStream, link: &LinkForKey) -> Option<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    loop {
        let first = lines.next()?;
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
        let key = percent_encoding::percent_decode_str(&path).decode_utf8().ok()?;
        write!(
            &*stream,
            "HTTP/1.1 302 Found\r\nLocation: {}\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n",
            link(&key)
        )
        .ok()?;
    }
}

//! What the binary sends, kept as it came over the wire: a file a connection, the answers let through.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};

/// Listens on loopback, keeps what is sent in `dir`, and passes it on to `to` (`http://127.0.0.1:PORT`). Its own address.
pub fn start_recording_proxy(to: &str, dir: &Path) -> String {
    let to = to.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dir = dir.to_owned();
    thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { return };
            let Ok(server) = TcpStream::connect(&to) else { return };
            relay_connection(stream, server, dir.join(format!("{count:06}")));
        }
    });
    format!("http://{address}")
}

fn relay_connection(mut client: TcpStream, mut server: TcpStream, file: PathBuf) {
    let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let mut kept = File::create(file).unwrap();
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = client.read(&mut bytes) {
            kept.write_all(&bytes[..read]).unwrap();
            if server.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
    });
}

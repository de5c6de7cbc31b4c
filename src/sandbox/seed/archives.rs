//! A Debian package and a Python wheel, made by hand: the same bytes always.
//!
//! They are what dpkg and pip install: an ar of uncompressed tars, and a stored zip with its RECORD.

use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use sha2::Sha256;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Builds a package with one file; `fields` are those of its control file.
pub fn build_deb(fields: &str, path: &str, content: &[u8]) -> Vec<u8> {
    let sums = format!("{}  {}\n", hex::encode(Md5::digest(content)), path.trim_start_matches('/'));
    let control = build_tar(&[("./control", fields.as_bytes()), ("./md5sums", sums.as_bytes())]);
    let mut folders: Vec<String> = Vec::new();
    for (at, _) in path.match_indices('/').skip(1) {
        folders.push(format!(".{}/", &path[..at]));
    }
    let name = format!(".{path}");
    let mut entries: Vec<(&str, &[u8])> = folders.iter().map(|folder| (folder.as_str(), &b""[..])).collect();
    entries.push((&name, content));
    let data = build_tar(&entries);
    let mut ar = b"!<arch>\n".to_vec();
    for (name, content) in [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), ("data.tar", &data)]
    {
        ar.extend_from_slice(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", content.len()).as_bytes(),
        );
        ar.extend_from_slice(content);
        if content.len() % 2 == 1 {
            ar.push(b'\n');
        }
    }
    ar
}

/// A ustar archive; what ends in a slash is a folder.
fn build_tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in entries {
        let folder = name.ends_with('/');
        let mut header = [0_u8; 512];
        let mut set = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        set(0, name.as_bytes());
        set(100, if folder { b"0000755\0" } else { b"0000644\0" });
        set(108, b"0000000\0");
        set(116, b"0000000\0");
        set(124, format!("{:011o}\0", content.len()).as_bytes());
        set(136, b"00000000000\0");
        set(148, b"        ");
        set(156, if folder { b"5" } else { b"0" });
        set(257, b"ustar\x0000");
        set(265, b"root");
        set(297, b"root");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// Builds a pure Python wheel with one module.
pub fn build_wheel(name: &str, version: &str, module: &str) -> Vec<u8> {
    let info = format!("{name}-{version}.dist-info");
    let files = [
        (format!("{name}.py"), module.to_owned()),
        (
            format!("{info}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {}\nVersion: {version}\n", name.replace('_', "-")),
        ),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: packagecloud-sandbox\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
                .to_owned(),
        ),
    ];
    let mut record = String::new();
    for (path, text) in &files {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        let _ = writeln!(record, "{path},sha256={digest},{}", text.len());
    }
    let _ = writeln!(record, "{info}/RECORD,,");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    let whole = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    for (path, text) in whole.chain([(format!("{info}/RECORD").as_str(), record.as_str())]) {
        zip.start_file(path, options).expect("a short name fits a zip in memory");
        zip.write_all(text.as_bytes()).expect("memory takes what is written");
    }
    zip.finish().expect("memory takes what is written").into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deb_is_an_ar_of_three_members_with_checked_headers() {
        let deb = build_deb("Package: x\n", "/usr/share/x", b"hello");
        assert!(
            deb.starts_with(b"!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n")
        );
        let control = &deb[8 + 60 + 4 + 60..];
        let sum: u32 = control[..512]
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        assert_eq!(&control[148..154], format!("{sum:06o}").as_bytes());
        assert_eq!(deb.len() % 2, 0);
    }

    #[test]
    fn a_wheel_is_the_same_bytes_always() {
        assert_eq!(build_wheel("x", "1", "pass\n"), build_wheel("x", "1", "pass\n"));
    }
}

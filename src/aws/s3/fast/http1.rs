//! One HTTP/1.1 request and its reply on a stream, as S3 speaks it: no pipelining, no upgrade, nothing held while it waits.
//!
//! A thousand requests wait side by side, so a waiting one owns no buffer: what arrives is read into the stack, and kept
//! only as far as it is there.

use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, response::Parts};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::sign::SignedRequestHeaderList;

/// More than any head that S3 sends: of 8 KiB of attributes, or 2 KiB of user metadata.
const REPLY_HEAD_MAX_BYTES: usize = 64 << 10;
/// More than a listing of a thousand of the longest keys.
const REPLY_BODY_MAX_BYTES: usize = 64 << 20;
/// Headers of a reply at most.
const REPLY_HEADERS_MAX: usize = 128;
/// Read at once.
const READ_CHUNK_BYTES: usize = 16 << 10;

/// Where a request goes over: TCP, or TLS on it.
pub trait TcpOrTlsStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> TcpOrTlsStream for S {}

/// A reply, and whether the stream can carry another request.
pub struct Http1Reply {
    pub parts: Parts,
    pub body: Bytes,
    pub reusable: bool,
}

fn build_invalid_http_reply_error(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// The request as it goes over the wire.
fn render_http_request(
    method: &Method,
    target: &str,
    headers: &SignedRequestHeaderList,
    body: &[u8],
) -> Vec<u8> {
    let mut text = Vec::with_capacity(1536 + body.len());
    for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        text.extend_from_slice(part.as_bytes());
    }
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    if matches!(*method, Method::PUT | Method::POST) {
        text.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body);
    text
}

/// Sends, and reads the reply to its end.
///
/// # Errors
/// Where the stream breaks, or what comes is no HTTP/1 reply.
pub async fn send_and_read_reply(
    stream: &mut dyn TcpOrTlsStream,
    method: &Method,
    target: &str,
    headers: SignedRequestHeaderList,
    body: Bytes,
) -> io::Result<Http1Reply> {
    {
        let text = render_http_request(method, target, &headers, &body);
        drop((headers, body));
        stream.write_all(&text).await?;
        stream.flush().await?;
    }
    let mut got = Vec::new();
    let parts = loop {
        if let Some(parts) = extract_http_reply_head(&mut got)? {
            // 100 Continue and its like announce the reply, and aren't it.
            if !parts.status.is_informational() {
                break parts;
            }
            continue;
        }
        if got.len() > REPLY_HEAD_MAX_BYTES {
            return Err(build_invalid_http_reply_error("the reply's head doesn't end"));
        }
        read_more_http_reply_bytes(stream, &mut got).await?;
    };
    let keeps =
        parts.version == Version::HTTP_11 && !has_header_word(&parts.headers, &header::CONNECTION, "close");
    let bare = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut reusable = keeps;
    let body = if *method == Method::HEAD || bare {
        Vec::new()
    } else if has_header_word(&parts.headers, &header::TRANSFER_ENCODING, "chunked") {
        read_chunked_body(stream, &mut got).await?
    } else if let Some(length) = parts.headers.get(header::CONTENT_LENGTH) {
        let length = length.to_str().ok().and_then(|text| text.parse().ok());
        let length: usize = length
            .filter(|length| *length <= REPLY_BODY_MAX_BYTES)
            .ok_or_else(|| build_invalid_http_reply_error("a length that can't be"))?;
        while got.len() < length {
            read_more_http_reply_bytes(stream, &mut got).await?;
        }
        let rest = got.split_off(length);
        std::mem::replace(&mut got, rest)
    } else {
        reusable = false;
        read_until_closed(stream, &mut got).await?;
        std::mem::take(&mut got)
    };
    // What nobody asked for belongs to no request that follows.
    reusable &= got.is_empty();
    Ok(Http1Reply { parts, body: body.into(), reusable })
}

/// Returns whether nothing has come over an idle stream, not even its end.
pub fn is_idle_stream_still_open(stream: &mut dyn TcpOrTlsStream) -> bool {
    let mut byte = [MaybeUninit::uninit(); 1];
    let mut context = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_read(&mut context, &mut ReadBuf::uninit(&mut byte)).is_pending()
}

/// Takes the reply's head from what came; none where it isn't whole yet. Its values stay where they are.
fn extract_http_reply_head(got: &mut Vec<u8>) -> io::Result<Option<Parts>> {
    let mut names = [MaybeUninit::uninit(); REPLY_HEADERS_MAX];
    let httparse::Status::Complete(length) = parse_http_reply_head(got, &mut names)?.1 else {
        return Ok(None);
    };
    let rest = got.split_off(length);
    let text = Bytes::from(std::mem::replace(got, rest));
    let mut names = [MaybeUninit::uninit(); REPLY_HEADERS_MAX];
    let (reply, _) = parse_http_reply_head(&text, &mut names)?;
    let mut headers = HeaderMap::with_capacity(reply.headers.len());
    for header in reply.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(io::Error::other)?;
        let value = HeaderValue::from_maybe_shared(text.slice_ref(header.value));
        headers.append(name, value.map_err(io::Error::other)?);
    }
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = StatusCode::from_u16(reply.code.unwrap_or_default()).map_err(io::Error::other)?;
    parts.version = if reply.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    parts.headers = headers;
    Ok(Some(parts))
}

fn parse_http_reply_head<'h, 't>(
    text: &'t [u8],
    names: &'h mut [MaybeUninit<httparse::Header<'t>>],
) -> io::Result<(httparse::Response<'h, 't>, httparse::Status<usize>)> {
    let mut reply = httparse::Response::new(&mut []);
    let read = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut reply, text, names);
    Ok((reply, read.map_err(|error| build_invalid_http_reply_error(&error.to_string()))?))
}

fn has_header_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let mut words = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    words.any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
}

/// Reads what there is, at least a byte.
async fn read_more_http_reply_bytes(stream: &mut dyn TcpOrTlsStream, got: &mut Vec<u8>) -> io::Result<()> {
    if read_available_bytes(stream, got).await? == 0 {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed before the reply's end"));
    }
    Ok(())
}

async fn read_until_closed(stream: &mut dyn TcpOrTlsStream, got: &mut Vec<u8>) -> io::Result<()> {
    while read_available_bytes(stream, got).await? > 0 {
        if got.len() > REPLY_BODY_MAX_BYTES {
            return Err(build_invalid_http_reply_error("a reply without an end"));
        }
    }
    Ok(())
}

async fn read_available_bytes(stream: &mut dyn TcpOrTlsStream, got: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|context| {
        let mut chunk = [MaybeUninit::uninit(); READ_CHUNK_BYTES];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        match Pin::new(&mut *stream).poll_read(context, &mut chunk) {
            Poll::Ready(Ok(())) => {
                got.extend_from_slice(chunk.filled());
                Poll::Ready(Ok(chunk.filled().len()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A body in chunks, its trailers passed over; what follows it stays in `got`.
async fn read_chunked_body(stream: &mut dyn TcpOrTlsStream, got: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_stream_line(stream, got).await?;
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size =
            std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let size = size.ok_or_else(|| build_invalid_http_reply_error("a chunk without a size"))?;
        if size == 0 {
            while !self::read_stream_line(stream, got).await?.is_empty() {}
            return Ok(body);
        }
        if size > REPLY_BODY_MAX_BYTES - body.len() {
            return Err(build_invalid_http_reply_error("a reply without an end"));
        }
        while got.len() < size + 2 {
            read_more_http_reply_bytes(stream, got).await?;
        }
        body.extend_from_slice(&got[..size]);
        if &got[size..size + 2] != b"\r\n" {
            return Err(build_invalid_http_reply_error("a chunk that is longer than it says"));
        }
        got.drain(..size + 2);
    }
}

/// The next line, without its end.
async fn read_stream_line(stream: &mut dyn TcpOrTlsStream, got: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = got.windows(2).position(|pair| pair == b"\r\n") {
            let mut line: Vec<u8> = got.drain(..end + 2).collect();
            line.truncate(end);
            return Ok(line);
        }
        if got.len() > REPLY_HEAD_MAX_BYTES {
            return Err(build_invalid_http_reply_error("a line without an end"));
        }
        read_more_http_reply_bytes(stream, got).await?;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What is made of `reply`, which comes in pieces of `piece` bytes, and then nothing more.
    async fn read_reply_in_pieces(
        method: Method,
        reply: &[u8],
        piece: usize,
        closes: bool,
    ) -> io::Result<(u16, String, bool)> {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 20);
        let reply = reply.to_vec();
        let server = async {
            let mut request = vec![0; 1 << 16];
            let length = theirs.read(&mut request).await.unwrap();
            assert!(request[..length].ends_with(b"\r\n\r\n"));
            for part in reply.chunks(piece) {
                theirs.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            (!closes).then_some(theirs)
        };
        let headers = vec![(header::HOST, HeaderValue::from_static("h"))];
        let asking = send_and_read_reply(&mut ours, &method, "/b/k", headers, Bytes::new());
        let (reply, _open) = tokio::join!(asking, server);
        let reply = reply?;
        Ok((reply.parts.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap(), reply.reusable))
    }

    #[tokio::test]
    async fn every_framing_is_read_to_its_end_however_it_arrives() {
        let none = String::new();
        let table: [(Method, &str, (u16, String, bool)); 9] = [
            (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", (200, "hello".into(), true)),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nt: v\r\n\r\n",
                (200, "hello".into(), true),
            ),
            (
                Method::PUT,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n \r\n4\r\n<a/>\r\n0\r\n\r\n",
                (200, " <a/>".into(), true),
            ),
            (
                Method::HEAD,
                "HTTP/1.1 200 OK\r\ncontent-length: 5000000000\r\n\r\n",
                (200, none.clone(), true),
            ),
            (
                Method::HEAD,
                "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n",
                (404, none.clone(), true),
            ),
            (Method::DELETE, "HTTP/1.1 204 No Content\r\n\r\n", (204, none.clone(), true)),
            (
                Method::PUT,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                (200, none.clone(), true),
            ),
            (
                Method::GET,
                "HTTP/1.1 503 Slow Down\r\nConnection: close\r\ncontent-length: 1\r\n\r\nx",
                (503, "x".into(), false),
            ),
            (Method::GET, "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", (200, "x".into(), false)),
        ];
        for (method, reply, expected) in table {
            for piece in [1, 2, 7, 1000] {
                let read =
                    read_reply_in_pieces(method.clone(), reply.as_bytes(), piece, false).await.unwrap();
                assert_eq!(read, expected, "{reply:?} in pieces of {piece}");
            }
        }
        let unframed =
            read_reply_in_pieces(Method::GET, b"HTTP/1.1 200 OK\r\n\r\nall of it", 3, true).await.unwrap();
        assert_eq!(unframed, (200, "all of it".to_owned(), false));
    }

    #[tokio::test]
    async fn what_nobody_asked_for_ends_the_stream() {
        let twice = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n";
        assert!(!read_reply_in_pieces(Method::GET, twice, 1000, false).await.unwrap().2);
    }

    #[tokio::test]
    async fn half_a_reply_is_none() {
        for reply in [
            "",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
        ] {
            assert!(
                read_reply_in_pieces(Method::GET, reply.as_bytes(), 1000, true).await.is_err(),
                "{reply:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_stream_that_was_closed_is_seen_to_be() {
        let (mut ours, theirs) = tokio::io::duplex(64);
        assert!(is_idle_stream_still_open(&mut ours));
        drop(theirs);
        assert!(!is_idle_stream_still_open(&mut ours));
    }
}

//! As much of an HTTP/1.1 client as etcd's JSON gateway needs: POST with a body, and its answer.
//!
//! One request at a time on one connection, RFC 9112. No redirects, no compression, nothing is sent
//! twice.

use std::io;

use super::line::Line;

/// Longer answers are no answers to what is asked here.
const BYTES_MAX: usize = 1 << 20;
const HEADERS_MAX: usize = 32;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Sends a request and waits for its answer.
pub(super) fn post(
    line: &mut Line,
    host: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> io::Result<Response> {
    let authorization = token.map_or(String::new(), |token| format!("Authorization: {token}\r\n"));
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         {authorization}Content-Length: {length}\r\n\r\n{body}"
    );
    let mut received = Vec::new();
    line.exchange(request.as_bytes(), |bytes| {
        received.extend_from_slice(bytes);
        if received.len() > BYTES_MAX {
            return Err(bad("its answer is too long"));
        }
        parse(&received)
    })
}

/// The answer, if it is complete.
fn parse(bytes: &[u8]) -> io::Result<Option<Response>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|error| bad(&error.to_string()))?;
    let httparse::Status::Complete(head_len) = parsed else { return Ok(None) };
    let status = response.code.unwrap_or(0);
    let header = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let rest = bytes.get(head_len..).unwrap_or(&[]);
    let body = if header("Transfer-Encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
        chunks(rest)?
    } else {
        let length = header("Content-Length").and_then(|text| text.trim().parse().ok());
        let length: usize = length.ok_or_else(|| bad("its answer has no length"))?;
        rest.get(..length).map(<[u8]>::to_vec)
    };
    Ok(body.map(|body| Response { status, body }))
}

/// The body of a chunked answer, if it is complete, its trailers included.
fn chunks(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest).map_err(|_| bad("a malformed chunk"))?;
        let httparse::Status::Complete((head_len, size)) = size else { return Ok(None) };
        let size = usize::try_from(size).ok().filter(|size| *size <= BYTES_MAX);
        let size = size.ok_or_else(|| bad("its answer is too long"))?;
        let chunk = rest.get(head_len..).unwrap_or(&[]);
        if size == 0 {
            let ends = chunk.starts_with(b"\r\n") || chunk.windows(4).any(|it| it == b"\r\n\r\n");
            return Ok(ends.then_some(body));
        }
        let (Some(data), Some(end)) = (chunk.get(..size), chunk.get(size..size + 2)) else {
            return Ok(None);
        };
        if end != b"\r\n" {
            return Err(bad("a malformed chunk"));
        }
        body.extend_from_slice(data);
        rest = chunk.get(size + 2..).unwrap_or(&[]);
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("this is not an etcd: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_every_piece() {
        let counted = "HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 5\r\n\r\nhello";
        let chunked = "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n\
                       2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n";
        let trailed = "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n\
                       5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n";
        for (text, status) in [(counted, 200), (chunked, 503), (trailed, 400)] {
            let whole = Response { status, body: b"hello".to_vec() };
            for end in 0..text.len() {
                assert_eq!(parse(&text.as_bytes()[..end]).unwrap(), None, "{end} of {text}");
            }
            assert_eq!(parse(text.as_bytes()).unwrap(), Some(whole));
        }
    }

    #[test]
    fn what_is_no_answer() {
        for text in [
            "+PONG\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}

//! What a registry was asked, after its access log (Apache's combined format).

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// With the query.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
}

pub(crate) fn read(log: &str) -> Vec<Request> {
    log.lines().filter_map(parse).collect()
}

/// `127.0.0.1 - - [21/Nov/2026:11:12:45 +0000] "GET /v2/ HTTP/1.1" 200 2 "" "curl/7.88.1"`
fn parse(line: &str) -> Option<Request> {
    let (_, rest) = line.split_once("] \"")?;
    let (request, answer) = rest.split_once("\" ")?;
    let mut request = request.split(' ');
    let mut answer = answer.split(' ');
    Some(Request {
        method: request.next()?.to_owned(),
        path: request.next()?.to_owned(),
        status: answer.next()?.parse().ok()?,
        bytes: answer.next()?.parse().ok()?,
    })
}

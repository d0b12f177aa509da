//! The question to a server, by the smallest of HTTP.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::Value;

use super::access::{Access, HEADER, PATH};
use crate::error::Error;

/// How long an answer may take: a server whose threads are all busy answers when one is free.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any answer.
const MOST: u64 = 16 << 20;

/// What the server says.
///
/// # Errors
/// It does not answer, or not with its status.
pub(super) fn ask(access: &Access) -> Result<Value, Error> {
    let answer = exchange(access).map_err(|error| {
        Error::Usage(format!(
            "the server at `{}:{}` does not answer: {error}\nstart it again if it has ended",
            access.address, access.port
        ))
    })?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).unwrap_or("no status");
    if status != "200" {
        return Err(Error::Usage(format!(
            "the server at `{}:{}` answers with {status}\nit may be another one than that of this server root",
            access.address, access.port
        )));
    }
    serde_json::from_str(body)
        .map_err(|error| Error::Usage(format!("the server's status is no JSON: {error}")))
}

fn exchange(access: &Access) -> io::Result<Vec<u8>> {
    let mut last = io::Error::other("the address has no number");
    for address in (access.address.as_str(), access.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return talk(stream, access),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn talk(mut stream: TcpStream, access: &Access) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let token = access.token();
    let host = access.host.as_ref().unwrap_or(&access.address);
    // HTTP/1.0: the answer ends with the connection, without chunks.
    write!(
        stream,
        "GET {PATH} HTTP/1.0\r\nHost: {host}\r\n{HEADER}: {token}\r\n\r\n"
    )?;
    let mut answer = vec![];
    stream.take(MOST).read_to_end(&mut answer)?;
    Ok(answer)
}

//! Where a body ends: lengths, transfer codings, chunks, line ends.

use super::{Row, judged, row, telling};

/// The beginning of most rows.
macro_rules! post {
    ($rest:literal) => {
        concat!("POST /p HTTP/1.1\r\nHost: localhost\r\n", $rest).as_bytes()
    };
}

const ROWS: &[Row] = &[
    row("a length", post!("Content-Length: 5\r\n\r\nhello"), "200 POST |/p content_length=5 body=hello"),
    row("the same length twice", post!("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("two lengths", post!("Content-Length: 5\r\nContent-Length: 43\r\n\r\nhelloGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), "400"),
    row("two lengths in one header", post!("Content-Length: 5, 43\r\n\r\nhelloGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), "400"),
    row("the same twice in one header", post!("Content-Length: 5, 5\r\n\r\nhello"), "400"),
    row("a length with a sign", post!("Content-Length: +5\r\n\r\nhello"), "400"),
    row("a negative length", post!("Content-Length: -5\r\n\r\nhello"), "400"),
    row("a hexadecimal length", post!("Content-Length: 0x5\r\n\r\nhello"), "400"),
    row("an empty length", post!("Content-Length:\r\n\r\nhello"), "400"),
    row("a length with zeros in front", post!("Content-Length: 0005\r\n\r\nhello"), "200 POST |/p content_length=0005 body=hello"),
    row("a length of 2^64 + 5", post!("Content-Length: 18446744073709551621\r\n\r\nhello"), "400"),
    row("a length of 2^63", post!("Content-Length: 9223372036854775808\r\n\r\nhello"), "400"),
    row("a length that is followed by blanks", post!("Content-Length: 5 \t\r\n\r\nhello"), "200 POST |/p content_length=5 body=hello"),
    row("a length with a blank inside", post!("Content-Length: 1 5\r\n\r\nhello"), "400"),
    row("a length and chunks", post!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), "200 POST |/p transfer_encoding=chunked body=abc"),
    row("chunks and a length", post!("Transfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), "200 POST |/p transfer_encoding=chunked"),
    row("chunks", post!("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "200 POST |/p transfer_encoding=chunked body=abcde"),
    row("chunks in capitals", post!("Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "200 POST |/p transfer_encoding=CHUNKED body=abc"),
    row("chunks twice", post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "501"),
    row("chunks and identity", post!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), "400"),
    row("identity and a length", post!("Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("gzip and chunks", post!("Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "501"),
    row("an unknown coding", post!("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("a coding with a vertical tab", post!("Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("a quoted coding", post!("Transfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("chunked with a parameter", post!("Transfer-Encoding: chunked;a=b\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "400"),
    row("chunked with a comma", post!("Transfer-Encoding: chunked,\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "400"),
    row("an empty coding", post!("Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("a coding's name with a blank before its colon", post!("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("a length's name with a blank before its colon", post!("Content-Length : 5\r\n\r\nhello"), "400"),
    row("a coding with an underscore", post!("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"), "200 POST |/p content_length=5 body=hello"),
    row("a coding in a folded line", post!("X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"), "200 POST |/p content_length=5 x=a Transfer-Encoding: chunked body=hello"),
    row("a folded coding", post!("Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "200 POST |/p transfer_encoding=chunked body=abc"),
    row("a coding behind a bare line feed", post!("X: a\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "400"),
    row("a coding behind a bare carriage return", post!("X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"), "400"),
    row("bare line feeds only", b"POST /p HTTP/1.1\nHost: localhost\nContent-Length: 5\n\nhello", "400"),
    row("chunks in HTTP/1.0", b"POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "200 POST |/p transfer_encoding=chunked body=abc"),
    row("a chunk with an extension", post!("Transfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0;c\r\n\r\n"), "200 POST |/p transfer_encoding=chunked body=abc"),
    row("an extension with a bare line feed", post!("Transfer-Encoding: chunked\r\n\r\n3;a\nabc\r\n0\r\n\r\n"), "400"),
    row("a chunk that ends in a bare line feed", post!("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"), "400"),
    row("a chunk that is longer than its size", post!("Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n"), "400"),
    row("a chunk size with a sign", post!("Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"), "400"),
    row("a chunk size with 0x", post!("Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"), "400"),
    row("a negative chunk size", post!("Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"), "400"),
    row("a chunk size of 2^64 + 3", post!("Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"), "413"),
    row("a chunk size behind a blank", post!("Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n"), "400"),
    row("trailers", post!("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\nX: trailer\r\n\r\n"), "200 POST |/p transfer_encoding=chunked body=abc"),
    row("a length in a GET", b"GET /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhelloGET /q HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 GET |/p content_length=5 body=hello, 200 GET |/q"),
    row("two requests", b"GET /p HTTP/1.1\r\nHost: localhost\r\n\r\nGET /q HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 GET |/p, 200 GET |/q"),
    row("empty lines in front", b"\r\n\r\nGET /p HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 GET |/p"),
    row("chunks and a length in HTTP/1.0", b"POST /p HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", "200 POST |/p transfer_encoding=chunked"),
    row("a length that Connection names", post!("Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello"), "200 POST |/p content_length=5 body=hello"),
    row("a coding that Connection names", post!("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "200 POST |/p transfer_encoding=chunked body=abc"),
    row("a body that ends too early", post!("Content-Length: 50\r\n\r\nhello"), "200 POST |/p content_length=50 body=<error>")
        .in_group("400", "the body is taken in before a process is asked")
    .unlike_in_group("500", "it is the client's fault, not the server's"),
    row("chunks that end too early", post!("Transfer-Encoding: chunked\r\n\r\n5\r\nhel"), "200 POST |/p transfer_encoding=chunked body=<error>")
    .unlike_in_group("500", "it is the client's fault, not the server's"),
];

#[test]
fn where_a_body_ends_has_one_reading() {
    let server = telling().start();
    judged(&server, ROWS);
    server.finish();
}

const WITHOUT_CHUNKS: &[Row] = &[
    row(
        "chunks",
        post!(
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        ),
        "411",
    ),
    row(
        "chunks and a length",
        post!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),
        "411",
    ),
];

#[test]
fn chunked_bodies_that_are_not_wanted_end_the_connection() {
    let server = telling().conf("WSGIChunkedRequest Off").start();
    judged(&server, WITHOUT_CHUNKS);
    server.finish();
}

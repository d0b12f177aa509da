//! What of a request's header fields an environ has.

use super::environ::{environ, server};
use crate::harness::{ENVIRON_APP, Environ, Request, Server};

#[test]
fn header_names_become_keys_and_repeated_headers_are_joined() {
    let server = server();
    let request = Request::get("/")
        .header("X-Some-Header", "one")
        .header("x-some-header", "two")
        .header("Accept", "*/*")
        .header("X-Number-9", "n")
        .header("X-Latin", "caf\u{e9}");
    let e = environ(&server, &request);
    e.is("HTTP_X_SOME_HEADER", "'one, two'");
    e.is("HTTP_ACCEPT", "'*/*'");
    e.is("HTTP_X_NUMBER_9", "'n'");
    server.finish();
}

#[test]
fn header_values_are_latin_1() {
    let server = server();
    let mut connection = server.connect();
    connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Latin: caf\xe9\r\n\r\n");
    let e = Environ::parse(&connection.reply("GET").ok().text());
    e.is("HTTP_X_LATIN", "'caf\u{e9}'");
    server.finish();
}

#[test]
fn headers_with_other_characters_than_letters_digits_and_dashes_are_dropped() {
    let server = server();
    let request = Request::get("/")
        .header("X_Under_Score", "1")
        .header("X.Dot", "2")
        .header("X-Good", "3");
    let e = environ(&server, &request);
    e.lacks("HTTP_X_UNDER_SCORE");
    e.lacks("HTTP_X_DOT");
    e.lacks("HTTP_X.DOT");
    e.is("HTTP_X_GOOD", "'3'");
    server.finish();
}

#[test]
fn the_proxy_header_never_becomes_http_proxy() {
    let server = server();
    let e = environ(&server, &Request::get("/").header("Proxy", "http://evil/"));
    e.lacks("HTTP_PROXY");
    server.finish();
}

#[test]
fn authorization_is_kept_from_applications() {
    let server = server();
    let request = Request::get("/")
        .header("Authorization", "Basic Zm9vOmJhcg==")
        .header("Proxy-Authorization", "Basic Zm9vOmJhcg==");
    let e = environ(&server, &request);
    e.lacks("HTTP_AUTHORIZATION");
    e.lacks("HTTP_PROXY_AUTHORIZATION");
    server.finish();
}

#[test]
fn authorization_is_passed_on_request() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .conf("WSGIPassAuthorization On")
        .start();
    let request = Request::get("/")
        .header("Authorization", "Basic Zm9vOmJhcg==")
        .header("Proxy-Authorization", "Basic Zm9vOmJhcg==");
    let e = environ(&server, &request);
    e.is("HTTP_AUTHORIZATION", "'Basic Zm9vOmJhcg=='");
    e.lacks("HTTP_PROXY_AUTHORIZATION");
    server.finish();
}

#[test]
fn cgi_pass_auth_passes_both_headers() {
    let server = Server::builder()
        .serve(ENVIRON_APP)
        .conf("<Location />\nCGIPassAuth On\n</Location>")
        .start();
    let request = Request::get("/")
        .header("Authorization", "Basic Zm9vOmJhcg==")
        .header("Proxy-Authorization", "Basic eDp5");
    let e = environ(&server, &request);
    e.is("HTTP_AUTHORIZATION", "'Basic Zm9vOmJhcg=='");
    e.is("HTTP_PROXY_AUTHORIZATION", "'Basic eDp5'");
    server.finish();
}

#[test]
fn content_headers_have_keys_of_their_own() {
    let server = server();
    let request = Request::new("POST", "/")
        .header("Content-Type", "text/x-test")
        .body("12345");
    let e = environ(&server, &request);
    e.is("CONTENT_TYPE", "'text/x-test'");
    e.is("CONTENT_LENGTH", "'5'");
    e.is("REQUEST_METHOD", "'POST'");
    e.lacks("HTTP_CONTENT_TYPE");
    e.lacks("HTTP_CONTENT_LENGTH");
    server.finish();
}

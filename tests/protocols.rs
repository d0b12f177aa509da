//! TLS and HTTP/2, spoken by curl.

use std::process::Command;

use crate::harness::{Builder, Curl, ENVIRON_APP, Environ, Mode, Server, mode, needs, only_rsgi};

/// A server with a self-signed certificate; `None` where openssl is missing.
fn with_tls(builder: Builder) -> Option<Builder> {
    let conf = builder.root().join("conf");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .arg("-keyout")
        .arg(conf.join("key.pem"))
        .arg("-out")
        .arg(conf.join("cert.pem"))
        .output();
    if !made.is_ok_and(|o| o.status.success()) {
        return None;
    }
    let builder = ["AH01882", "AH01906", "AH01909"]
        .iter()
        .fold(builder, |b, id| b.allow_log(id));
    Some(builder.modules(&["ssl", "socache_shmcb"]).conf(
        "SSLEngine On\nSSLCertificateFile @ROOT@/conf/cert.pem\nSSLCertificateKeyFile @ROOT@/conf/key.pem\n\
         SSLSessionCache shmcb:@ROOT@/work/ssl(64000)",
    ))
}

fn https(server: &Server, path: &str) -> String {
    server.url(path).replace("http:", "https:")
}

#[test]
fn an_application_behind_tls_knows_it() {
    let Some(builder) = with_tls(Server::builder().serve(ENVIRON_APP)) else {
        return crate::harness::say("skipped: no openssl");
    };
    let server = builder.conf("SSLOptions +StdEnvVars").start();
    let curl = Curl::run(&["--http1.1", &https(&server, "/a?b")]);
    assert_eq!((curl.code, curl.status), (0, 200), "{curl:?}");
    let e = Environ::parse(&curl.text());
    e.is("wsgi.url_scheme", "'https'");
    e.is("REQUEST_SCHEME", "'https'");
    e.lacks("HTTPS");
    assert!(
        e.text("SSL_PROTOCOL").starts_with("TLS"),
        "{}",
        e.text("SSL_PROTOCOL")
    );
    e.is("PATH_INFO", "'/a'");
    server.finish();
}

/// What `start_response` is bound to asks mod_ssl. A process of a group has no connection that could be asked.
#[test]
fn applications_ask_mod_ssl_through_start_response() {
    const ASKING: &str = "def application(e, s):\n    ssl = s.__self__\n    \
        said = [ssl.ssl_is_https(), ssl.ssl_var_lookup('SSL_PROTOCOL'), ssl.ssl_var_lookup('NOTHING')]\n    \
        write = s('200 OK', [])\n    said.append(write.__self__.ssl_is_https())\n    return [repr(said).encode()]\n";
    const NOTHING: &str = "[0, None, None, 0]";
    let plain = Server::builder().serve(ASKING).start();
    assert_eq!(plain.text("/"), NOTHING);
    plain.finish();
    let Some(builder) = with_tls(Server::builder().serve(ASKING)) else {
        return crate::harness::say("skipped: no openssl");
    };
    let server = builder.start();
    let curl = Curl::run(&["--http1.1", &https(&server, "/")]);
    assert_eq!((curl.code, curl.status), (0, 200), "{curl:?}");
    let text = curl.text();
    if mode() == Mode::Embedded {
        assert!(
            text.starts_with("[1, 'TLSv1") && text.ends_with(", '', 1]"),
            "{text}"
        );
    } else {
        assert_eq!(text, NOTHING);
    }
    server.finish();
}

#[test]
fn large_bodies_go_through_tls_both_ways() {
    let Some(builder) = with_tls(Server::builder().serve(
        "def application(e, s):\n    data = e['wsgi.input'].read()\n    s('200 OK', [])\n    return [data]\n",
    )) else {
        return crate::harness::say("skipped: no openssl");
    };
    let server = builder
        .file("work/body", &b"0123456789".repeat(300_000))
        .start();
    let file = format!("@{}", server.root().join("work/body").display());
    let curl = Curl::run(&["--http1.1", "--data-binary", &file, &https(&server, "/")]);
    assert_eq!(
        (curl.code, curl.status, curl.body.len()),
        (0, 200, 3_000_000)
    );
    server.finish();
}

#[test]
fn a_file_goes_through_tls() {
    let Some(builder) = with_tls(Server::builder().serve(
        "def application(e, s):\n    s('200 OK', [])\n    return e['wsgi.file_wrapper'](open('@WORK@/body', 'rb'))\n",
    )) else {
        return crate::harness::say("skipped: no openssl");
    };
    let server = builder
        .conf("WSGIEnableSendfile On\nEnableSendfile On")
        .file("work/body", &b"0123456789".repeat(300_000))
        .start();
    let curl = Curl::run(&["--http1.1", &https(&server, "/")]);
    assert_eq!(
        (curl.code, curl.status, curl.body.len()),
        (0, 200, 3_000_000)
    );
    server.finish();
}

fn http2(source: &str) -> Server {
    Server::builder()
        .serve(source)
        .modules(&["http2"])
        .conf("Protocols h2c http/1.1\nWSGIChunkedRequest On")
        .start()
}

#[track_caller]
fn ask(server: &Server, arguments: &[&str]) -> Curl {
    let url = server.url("/");
    let mut all = vec!["--http2-prior-knowledge"];
    all.extend(arguments);
    all.push(&url);
    let curl = Curl::run(&all);
    assert_eq!(curl.version, "2", "{curl:?}");
    curl
}

#[test]
fn http_2_reaches_the_application() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server = http2(ENVIRON_APP);
    let curl = ask(&server, &["-H", "X-Some: thing"]);
    assert_eq!((curl.code, curl.status), (0, 200), "{curl:?}");
    let e = Environ::parse(&curl.text());
    e.is("SERVER_PROTOCOL", "'HTTP/2.0'");
    e.is("HTTP_X_SOME", "'thing'");
    e.is("REQUEST_METHOD", "'GET'");
    server.finish();
}

#[test]
fn http_2_bodies_with_and_without_a_length_arrive() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server = http2(
        "def application(e, s):\n    data = e['wsgi.input'].read()\n    s('200 OK', [])\n    return [str(len(data)).encode()]\n",
    );
    let path = server.root().join("work/body");
    std::fs::write(&path, vec![b'x'; 500_000]).unwrap();
    let file = path.display().to_string();
    let curl = ask(&server, &["--data-binary", &format!("@{file}")]);
    assert_eq!((curl.code, curl.text().as_str()), (0, "500000"), "{curl:?}");
    let curl = ask(
        &server,
        &[
            "-X",
            "POST",
            "-H",
            "Expect:",
            "-H",
            "Content-Length:",
            "--data-binary",
            &format!("@{file}"),
        ],
    );
    assert_eq!((curl.code, curl.text().as_str()), (0, "500000"), "{curl:?}");
    server.finish();
}

#[test]
fn http_2_streams_large_answers() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server = http2(
        "def application(e, s):\n    s('200 OK', [])\n    for n in range(100):\n        yield b'y' * 30000\n",
    );
    let curl = ask(&server, &[]);
    assert_eq!((curl.code, curl.body.len()), (0, 3_000_000));
    server.finish();
}

#[test]
fn http_2_head_of_several_blocks_is_fine() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    only_rsgi!("can end in PROTOCOL_ERROR");
    let server = http2(
        "def application(e, s):\n    s('200 OK', [])\n    for n in range(10):\n        yield b'y' * 1000\n",
    );
    for _ in 0..5 {
        let curl = ask(&server, &["--head"]);
        assert_eq!((curl.code, curl.status), (0, 200), "{curl:?}");
    }
    server.finish();
}

#[test]
fn http_2_resets_the_stream_when_the_application_fails_late() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    only_rsgi!("ends the stream cleanly");
    let server = http2(
        "def application(e, s):\n    s('200 OK', [])\n    yield b'first'\n    raise ValueError('late')\n",
    );
    let curl = ask(&server, &[]);
    assert_eq!(curl.status, 200);
    assert_eq!(curl.code, 92, "the stream ended cleanly: {curl:?}");
    server.expect_traceback("ValueError: late");
    server.finish();
}

#[test]
fn http_2_resets_the_stream_of_a_body_shorter_than_its_length() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    only_rsgi!("ends the stream cleanly");
    let server = http2(
        "def application(e, s):\n    s('200 OK', [('Content-Length', '10')])\n    yield b'123'\n",
    );
    let curl = Curl::run(&["--http2-prior-knowledge", &server.url("/")]);
    assert_eq!(curl.code, 92, "the stream ended cleanly: {curl:?}");
    server.expect_log("RSGI0215: The response is cut");
    server.finish();
}

#[test]
fn http_2_error_before_the_first_block_is_a_clean_500() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server =
        http2("def application(e, s):\n    s('200 OK', [])\n    raise ValueError('early')\n");
    let curl = ask(&server, &[]);
    assert_eq!((curl.code, curl.status), (0, 500), "{curl:?}");
    server.expect_traceback("ValueError: early");
    server.finish();
}

#[test]
fn http_2_over_tls_is_negotiated() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let Some(builder) = with_tls(Server::builder().serve(ENVIRON_APP)) else {
        return crate::harness::say("skipped: no openssl");
    };
    let server = builder
        .modules(&["http2"])
        .conf("Protocols h2 http/1.1")
        .start();
    let curl = Curl::run(&["--http2", &https(&server, "/")]);
    assert_eq!(
        (curl.code, curl.status, curl.version.as_str()),
        (0, 200, "2"),
        "{curl:?}"
    );
    Environ::parse(&curl.text()).is("wsgi.url_scheme", "'https'");
    server.allow_log("AH03490");
    server.finish();
}

#[test]
fn many_http_2_streams_at_once_stay_apart() {
    needs!(Curl::has_http2(), "no curl with HTTP/2");
    let server = http2(
        "def application(e, s):\n    s('200 OK', [])\n    for n in range(20):\n        yield e['QUERY_STRING'].encode() * 100\n",
    );
    let mut arguments = vec![
        "--http2-prior-knowledge".to_owned(),
        "-Z".to_owned(),
        "--parallel-immediate".to_owned(),
    ];
    for n in 0..20 {
        arguments.push("-o".to_owned());
        arguments.push(
            server
                .root()
                .join(format!("work/out{n}"))
                .display()
                .to_string(),
        );
        arguments.push(server.url(&format!("/?{n:02}")));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let curl = Curl::run(&arguments);
    assert_eq!(curl.code, 0, "{curl:?}");
    for n in 0..20 {
        assert_eq!(
            server.read(&format!("work/out{n}")),
            format!("{n:02}").repeat(2000)
        );
    }
    server.finish();
}

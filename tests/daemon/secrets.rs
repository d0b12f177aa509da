//! The private key of a TLS host is in no daemon's memory: an application of that host looks through its own.

use std::process::Command;

use crate::harness::{Builder, Curl, Server, UnderTest, needs, under_test};

/// Looks through all of its memory for each needle of the query. What it is told is one more in each byte than what it
/// looks for, so that it cannot find what it was told, nor its own copies of it.
const SEARCHING: &str = r#"
import ctypes
MORE = bytes((n + 1) & 255 for n in range(256))

def pieces():
    # Not readable for itself after a change of user, until it is dumpable again.
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.readlines():
            fields = line.split()
            if not fields[1].startswith("r") or fields[-1] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                continue
            start, end = (int(n, 16) for n in fields[0].split("-"))
            for at in range(start, end, 1 << 20):
                try:
                    memory.seek(at)
                    yield memory.read(min((1 << 20) + 512, end - at))
                except (OSError, ValueError, OverflowError):
                    break

def application(environ, start_response):
    needles = [bytes.fromhex(part) for part in environ["QUERY_STRING"].split(",")]
    found = [0] * len(needles)
    total = 0
    for piece in pieces():
        total += len(piece)
        piece = piece.translate(MORE)
        for number, needle in enumerate(needles):
            found[number] += piece.count(needle)
    start_response("200 OK", [])
    return [("%d %s" % (total, " ".join(map(str, found)))).encode()]
"#;

/// The two primes of a key, as big-endian bytes.
fn primes(key: &str) -> Option<[Vec<u8>; 2]> {
    let output = Command::new("openssl")
        .args(["rsa", "-in", key, "-noout", "-text"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let prime = |name: &str| -> Option<Vec<u8>> {
        let rest = text.split(&format!("{name}:")).nth(1)?;
        let lines = rest.lines().skip(1).take_while(|l| l.starts_with(' '));
        let hex: String = lines.collect::<String>().replace([' ', ':'], "");
        let bytes = hex.as_bytes().chunks(2);
        let mut number: Vec<u8> = bytes
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        while number.first() == Some(&0) {
            number.remove(0);
        }
        Some(number)
    };
    Some([prime("prime1")?, prime("prime2")?])
}

fn needle(bytes: &[u8]) -> String {
    let more = bytes.iter().map(|byte| byte.wrapping_add(1));
    more.map(|byte| format!("{byte:02x}")).collect()
}

/// The server, and the query that looks for its key.
fn with_key(builder: Builder) -> Option<(Server, String)> {
    let conf = builder.root().join("conf");
    let key = conf.join("key.pem").display().to_string();
    let cert = conf.join("cert.pem").display().to_string();
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost", "-keyout", &key, "-out", &cert])
        .output();
    if !made.is_ok_and(|o| o.status.success()) {
        return None;
    }
    let primes = primes(&key)?;
    assert!(primes.iter().all(|prime| prime.len() == 128), "{primes:?}");
    let pem = std::fs::read_to_string(&key).unwrap();
    let mut needles = Vec::new();
    for prime in &primes {
        let backwards: Vec<u8> = prime.iter().rev().copied().collect();
        needles.extend([needle(prime), needle(&backwards)]);
    }
    needles.push(needle(pem.lines().nth(4).unwrap().as_bytes()));
    let builder = ["AH01882", "AH01906", "AH01909"]
        .iter()
        .fold(builder, |b, id| b.allow_log(id));
    let server = builder
        .modules(&["ssl", "socache_shmcb"])
        .conf(
            "SSLEngine On\nSSLCertificateFile @ROOT@/conf/cert.pem\n\
             SSLCertificateKeyFile @ROOT@/conf/key.pem\nSSLSessionCache shmcb:@ROOT@/work/ssl(64000)",
        )
        .app("search.wsgi", SEARCHING)
        .start();
    Some((server, needles.join(",")))
}

#[track_caller]
fn found(server: &Server, path: &str, query: &str) -> Vec<u64> {
    let url = server.url(path).replace("http:", "https:");
    // A few requests more: the key is used for each handshake.
    for _ in 0..3 {
        Curl::run(&["--http1.1", &format!("{url}?00")]);
    }
    let curl = Curl::run(&["--http1.1", &format!("{url}?{query}")]);
    assert_eq!((curl.code, curl.status), (0, 200), "{curl:?}");
    let text = curl.text();
    crate::harness::say(&format!("{path}: {text}"));
    text.split(' ').map(|n| n.parse().unwrap()).collect()
}

#[test]
fn the_private_key_of_the_tls_host_is_not_in_the_memory_of_a_daemon() {
    let builder = Server::builder()
        .daemon("app", "processes=1 threads=2")
        .conf(
            "WSGIScriptAlias /daemon @APPS@/search.wsgi process-group=app application-group=%{GLOBAL}\n\
             WSGIScriptAlias /child @APPS@/search.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}",
        );
    let with = with_key(builder);
    needs!(with.is_some(), "no openssl");
    let (server, query) = with.unwrap();
    // The search is able to find it: an Apache child has to have it.
    let child = found(&server, "/child", &query);
    assert!(child[1..5].iter().sum::<u64>() > 0, "{child:?}");
    let daemon = found(&server, "/daemon", &query);
    assert!(daemon[0] > 5_000_000, "it did not look: {daemon:?}");
    let count: u64 = daemon[1..].iter().sum();
    match under_test() {
        UnderTest::Rsgi => assert_eq!(count, 0, "{daemon:?}"),
        UnderTest::ModWsgi => assert!(count > 0, "{daemon:?}"),
    }
    // A graceful restart reads the key again before it makes new processes.
    server.graceful();
    let daemon = found(&server, "/daemon", &query);
    if under_test() == UnderTest::Rsgi {
        assert_eq!(daemon[1..].iter().sum::<u64>(), 0, "{daemon:?}");
    }
    server.finish();
}

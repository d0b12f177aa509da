//! What a person does at a site with a browser: fills forms in, uploads files, keeps cookies; and the folders that
//! sites of the tests live in.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Builder, Reply, Request, Server};
use crate::kit::run;

/// The files of an application of this checkout.
pub(crate) fn files_of(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// A server that runs in this environment.
pub(crate) fn in_environment(home: &Path) -> Builder {
    Server::builder()
        .python_home(None)
        .conf(&format!("WSGIPythonHome \"{}\"", home.display()))
}

/// Copies a folder of the checkout below the server root.
pub(crate) fn copied(builder: &Builder, folder: &str, name: &str) -> PathBuf {
    let target = builder.root().join("apps").join(name);
    run(Command::new("cp")
        .arg("-R")
        .arg(files_of(folder))
        .arg(&target));
    run(Command::new("chmod").args(["-R", "go+rX"]).arg(&target));
    target
}

/// A multipart form with one file in the field `file`.
pub(crate) fn upload(target: &str, name: &str, content: &[u8]) -> Request {
    const BORDER: &str = "----border7MA4YWxk";
    let mut body = format!(
        "--{BORDER}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend(content);
    body.extend(format!("\r\n--{BORDER}--\r\n").bytes());
    let kind = format!("multipart/form-data; boundary={BORDER}");
    Request::new("POST", target)
        .header("Content-Type", &kind)
        .body(body)
}

/// Bytes without a pattern that a lost or doubled block would keep.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// SHA-256 in hexadecimal digits, by the system's tool.
pub(crate) fn sha256(server: &Server, content: &[u8]) -> String {
    let file = server.root().join("work/content");
    std::fs::write(&file, content).unwrap();
    let output = run(Command::new("sha256sum").arg(&file));
    output.split(' ').next().unwrap().to_owned()
}

/// A form of fields.
pub(crate) fn form(target: &str, fields: &str) -> Request {
    Request::new("POST", target)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(fields)
}

/// The cookies of a browser, as far as tests go.
#[derive(Default)]
pub(crate) struct Cookies(Vec<(String, String)>);

impl Cookies {
    pub(crate) fn keep(&mut self, reply: &Reply) {
        for cookie in reply.all("Set-Cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap_or_default();
            self.0.retain(|known| known.0 != name);
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|cookie| cookie.0 == name);
        &found.unwrap_or_else(|| panic!("no cookie {name}")).1
    }

    pub(crate) fn ask(&mut self, server: &Server, request: Request) -> Reply {
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = if pairs.is_empty() {
            request
        } else {
            request.header("Cookie", &pairs.join("; "))
        };
        let reply = server.ask(&request);
        self.keep(&reply);
        reply
    }
}

/// The token of the form on a page.
pub(crate) fn form_token(page: &Reply) -> String {
    let text = page.text();
    let rest = text.split("name=\"csrfmiddlewaretoken\" value=\"").nth(1);
    let token = rest.and_then(|rest| rest.split('"').next());
    token
        .unwrap_or_else(|| panic!("no form on {text}"))
        .to_owned()
}

/// A multipart form with fields and a file: its field, its name, its content.
pub(crate) fn upload_of(
    target: &str,
    fields: &[(&str, &str)],
    (field, name, content): (&str, &str, &[u8]),
) -> Request {
    const BORDER: &str = "----border7MA4YWxk";
    let mut body = String::new();
    for (field, value) in fields {
        body.push_str(&format!(
            "--{BORDER}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(&format!(
        "--{BORDER}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    ));
    let mut body = body.into_bytes();
    body.extend(content);
    body.extend(format!("\r\n--{BORDER}--\r\n").bytes());
    let kind = format!("multipart/form-data; boundary={BORDER}");
    Request::new("POST", target)
        .header("Content-Type", &kind)
        .body(body)
}

/// Fields as a form sends them.
pub(crate) fn posted(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The fields that the form with this id brings: inputs, chosen options, areas of text.
#[track_caller]
pub(crate) fn fields_of(page: &str, id: &str) -> Vec<(String, String)> {
    let form = page
        .split("<form")
        .find(|form| form.contains(&format!("id=\"{id}\"")));
    let form = form.unwrap_or_else(|| panic!("no form {id} on {page}"));
    let form = form.split("</form").next().unwrap_or_default();
    let mut fields = Vec::new();
    for tag in form.split('<') {
        let (tag, content) = tag.split_once('>').unwrap_or((tag, ""));
        let Some(name) = attribute(tag, "name") else {
            continue;
        };
        let kind = attribute(tag, "type").unwrap_or_default();
        let is_on = !["checkbox", "radio"].contains(&kind.as_str()) || tag.contains("checked");
        if tag.starts_with("input") && is_on && kind != "submit" {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        } else if tag.starts_with("textarea") {
            fields.push((name, plain(content)));
        }
    }
    fields
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split(&format!(" {name}=\"")).nth(1)?;
    value.split('"').next().map(plain)
}

/// Text of HTML.
fn plain(html: &str) -> String {
    let signs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ];
    signs.iter().fold(html.to_owned(), |text, (name, sign)| {
        text.replace(name, sign)
    })
}

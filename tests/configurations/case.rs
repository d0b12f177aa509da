//! What a file of configurations says of itself, and the server that it asks for.

use super::FOLDER;
use crate::harness::{Builder, Request, Server, id, web_user};

/// Says where it runs, and knows who may come in.
const WHERE: &str = r#"
import os, sys

USERS = {"alice": "secret", "bob": "secret"}

def answer(name):
    def answers(environ, start_response):
        mask = os.umask(0)
        os.umask(mask)
        told = {
            "process": environ["mod_wsgi.process_group"],
            "application": environ["mod_wsgi.application_group"],
            "callable": name,
            "mount": environ["SCRIPT_NAME"],
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "script": environ["SCRIPT_FILENAME"],
            "user": environ.get("REMOTE_USER"),
            "type": environ.get("AUTH_TYPE"),
            "auth": environ.get("HTTP_AUTHORIZATION", "None").split()[0],
            "scheme": environ["wsgi.url_scheme"],
            "addr": environ["REMOTE_ADDR"],
            "host": environ["HTTP_HOST"],
            "multi": "%d%d" % (environ["wsgi.multiprocess"], environ["wsgi.multithread"]),
            "umask": "%o" % mask,
            "cwd": os.getcwd(),
            "lang": os.environ.get("LANG"),
            "prefix": sys.prefix,
        }
        told.update(("env." + key, value) for key, value in environ.items() if isinstance(value, str))
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return ["".join("%s=%s\n" % one for one in told.items()).encode("utf-8")]
    return answers

application = answer("application")
other = answer("other")

def check_password(environ, user, password):
    return USERS[user] == password if user in USERS else None

def get_realm_hash(environ, user, realm):
    return None

def groups_for_user(environ, user):
    return ["staff"] if user == "alice" else ["guests"]
"#;

/// What a file says of itself.
#[derive(Debug, Default)]
pub(super) struct Case {
    conf: String,
    modules: Vec<String>,
    scripts: Vec<String>,
    files: Vec<(String, String)>,
    folders: Vec<String>,
    logs: Vec<String>,
    pub(super) logs_of_mod_wsgi: Vec<String>,
    pub(super) asks: Vec<Ask>,
}

/// A request and what it is answered with.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) line: String,
    pub(super) is_second_port: bool,
    request: Vec<String>,
    pub(super) status: u16,
    pub(super) told: Vec<(String, String)>,
}

impl Case {
    pub(super) fn read(name: &str) -> Self {
        let path = format!("{FOLDER}/{name}.conf");
        let conf = std::fs::read_to_string(&path).unwrap();
        let mut case = Self::default();
        for line in conf.lines().filter_map(|line| line.strip_prefix("#: ")) {
            let (key, value) = line.split_once(' ').unwrap();
            let words = value.split_whitespace().map(str::to_owned);
            match key {
                "modules" => case.modules.extend(words),
                "script" => case.scripts.push(value.to_owned()),
                "folder" => case.folders.push(value.to_owned()),
                "log" => case.logs.push(value.to_owned()),
                "log_of_mod_wsgi" => case.logs_of_mod_wsgi.push(value.to_owned()),
                "file" => {
                    let (path, content) = value.split_once(' ').unwrap();
                    let content = content.replace("\\\\n", "\u{0}").replace("\\n", "\n");
                    let content = content.replace('\u{0}', "\\n");
                    case.files.push((path.to_owned(), content));
                }
                "ask" | "ask2" => case.asks.push(Ask::read(line, key == "ask2", value)),
                _ => panic!("{path}: {line}"),
            }
        }
        assert!(!case.asks.is_empty(), "{path} asks nothing");
        case.conf = conf;
        case
    }

    pub(super) fn builder(&self, second: u16) -> Builder {
        let fill = |text: &str| {
            text.replace("@PORT2@", &second.to_string())
                .replace("@USER@", &web_user())
        };
        let modules: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        let mut builder = Server::builder()
            .embedded()
            .python_home(None)
            .modules(&["info"])
            .modules(&modules);
        for script in &self.scripts {
            builder = builder.file(script, WHERE.as_bytes());
        }
        if self.modules.iter().any(|name| name == "mime") {
            builder = builder.file("mime.types", b"text/plain txt\n");
        }
        for folder in &self.folders {
            std::fs::create_dir_all(builder.root().join(folder)).unwrap();
        }
        for (path, content) in &self.files {
            let content = builder.fill(&fill(content));
            builder = builder.file(path, content.as_bytes());
        }
        for log in &self.logs {
            let is_number = log.chars().all(|one| one.is_ascii_digit());
            let log = if is_number { id(log) } else { log.clone() };
            builder = builder.allow_log(&log);
        }
        builder.conf(&fill(&self.conf))
    }
}

impl Ask {
    fn read(line: &str, is_second_port: bool, text: &str) -> Self {
        let (request, told) = text.split_once(" -> ").unwrap();
        let mut told = told.split_whitespace();
        let status = told.next().unwrap().parse().unwrap();
        let pair = |word: &str| {
            let (key, value) = word.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        };
        Self {
            line: line.to_owned(),
            is_second_port,
            request: request.split_whitespace().map(str::to_owned).collect(),
            status,
            told: told.map(pair).collect(),
        }
    }

    pub(super) fn request(&self, fill: &impl Fn(&str) -> String) -> Request {
        let [method, target, rest @ ..] = self.request.as_slice() else {
            panic!("{}", self.line);
        };
        let mut request = Request::new(method, target);
        for word in rest {
            let (name, value) = word.split_once('=').unwrap();
            request = match name {
                "as" => request.header("Authorization", &format!("Basic {}", base64(value))),
                _ => request.header(name, &fill(value)),
            };
        }
        if method == "POST" {
            request = request.body("");
        }
        request
    }
}

/// The one use of it: a name and a password.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    out
}

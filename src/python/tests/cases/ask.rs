//! Functions of scripts asked outside of a response, in the main interpreter and in another one, also during a request.

use std::path::Path;

use rsgi_bridge::abi;
use rsgi_bridge::ask::{Answer, Asker, Question};
use rsgi_bridge::facts::{FieldList, RequestFacts, TargetFacts, Tries};
use rsgi_core::name::id;

use crate::host::{Bench, Call};

const SCRIPT: &str = r#"
import threading
kept = []

def check_password(environ, user, password):
    kept.append(environ)
    print("printed by", user)
    print("said by", user, file=environ["wsgi.errors"])
    if user == "raises":
        raise RuntimeError("asked and raised")
    return {"none": None, "true": True, "false": False, "name": "\u00e9", "nul": "a\0b", "one": 1}[user]

def get_realm_hash(environ, user, realm):
    return (user + ":" + realm).encode("latin-1") if user != "text" else "\xe9"

def groups_for_user(environ, user):
    if user == "thread":
        # The connection may be asked about by a thread of the script's own.
        found = []
        look = environ["mod_ssl.var_lookup"]
        thread = threading.Thread(target=lambda: found.append(look("SSL_X")))
        thread.start()
        thread.join()
        return found + [str(environ["mod_ssl.is_https"]()), str(look(b"NONE"))]
    return (name for name in [user, b"bytes", environ["HTTP_X_TEST"]])

def allow_access(environ, host):
    for old in kept:
        try:
            old["mod_ssl.var_lookup"]("SSL_X")
        except RuntimeError:
            continue
        return False
    return host == "192.0.2.9"

def process_group(environ):
    return None

def callable_object(environ):
    return b"other" if environ["mod_wsgi.application_group"] else "one"
"#;

#[derive(Default)]
struct Notes {
    texts: Vec<(u32, String)>,
    log: Vec<String>,
    value: Vec<u8>,
}

impl Asker for Notes {
    fn log(&mut self, level: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        self.log.push(format!("{level} {text}"));
    }
    fn give(&mut self, index: u32, text: &[u8]) {
        let text = text.iter().map(|&byte| char::from(byte)).collect();
        self.texts.push((index, text));
    }
    fn is_https(&mut self) -> bool {
        true
    }
    fn variable(&mut self, name: &[u8]) -> Option<&[u8]> {
        self.value = name.to_ascii_lowercase();
        (name != b"NONE").then_some(&self.value)
    }
}

fn ask(bench: &Bench, script: &[u8], group: &str, question: Question<'_>) -> (Answer, Notes) {
    let mut fields = FieldList::with_capacity(2);
    fields.push_named(b"HTTP_X_TEST", b"caf\xe9");
    fields.push(id::MOD_WSGI_APPLICATION_GROUP, group.as_bytes());
    let facts = RequestFacts {
        target: TargetFacts {
            application_group: group.as_bytes(),
            script,
            flags: abi::TARGET_RELOADING,
            ..TargetFacts::default()
        },
        constants: None,
        fields: &fields,
        body: b"",
        flags: 0,
        request_start: 1,
        queue_start: 0,
        daemon_start: 0,
        tries: Tries::NONE,
        apache_request: None,
    };
    let mut notes = Notes::default();
    let answer = bench.layer.ask(&facts, &question, &mut notes);
    (answer, notes)
}

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    let script = bench.script("ask.wsgi", SCRIPT);
    for group in ["", "other"] {
        passwords(&bench, &script, group);
        texts(&bench, &script, group);
    }
    failures(&bench);
    let app = bench.script(
        "app.wsgi",
        "def application(e, s):\n    s('200 OK', [])\n    return [b'still here']\n",
    );
    Call::new(&app, "application")
        .run(&bench)
        .assert_body("still here");
}

fn passwords(bench: &Bench, script: &[u8], group: &str) {
    for (user, expected, log) in [
        ("none", Answer::None, ""),
        ("true", Answer::True, ""),
        ("false", Answer::False, ""),
        ("name", Answer::Texts, ""),
        ("nul", Answer::Failed, "RSGI0177"),
        ("one", Answer::Failed, "RSGI0177"),
        ("raises", Answer::Failed, "RSGI0500: RuntimeError escaped"),
        ("caf", Answer::Failed, "RSGI0500: KeyError"),
    ] {
        let question = Question::Password {
            user: user.as_bytes(),
            password: b"p\xe9",
        };
        let (answer, notes) = ask(bench, script, group, question);
        assert_eq!(answer, expected, "{user}: {:?}", notes.log);
        let has = |text: &str| notes.log.iter().any(|line| line.contains(text));
        assert!(
            has(log) && has(&format!("printed by {user}")),
            "{:?}",
            notes.log
        );
        assert!(has(&format!("said by {user}")), "{:?}", notes.log);
        // In UTF-8, seen as latin-1 here.
        let name = (0, "\u{c3}\u{a9}".to_owned());
        let expected = if user == "name" { vec![name] } else { vec![] };
        assert_eq!(notes.texts, expected);
    }
}

fn texts(bench: &Bench, script: &[u8], group: &str) {
    let given = |question| {
        let (answer, notes) = ask(bench, script, group, question);
        assert_eq!(answer, Answer::Texts, "{:?}", notes.log);
        notes
            .texts
            .into_iter()
            .map(|(index, text)| format!("{index} {text}"))
            .collect::<Vec<_>>()
    };
    let hash = |user| Question::RealmHash { user, realm: b"r" };
    assert_eq!(given(hash(b"u\xe9")), ["0 u\u{e9}:r"]);
    assert_eq!(given(hash(b"text")), ["0 \u{e9}"]);
    let groups = |user| Question::Groups { user };
    assert_eq!(given(groups(b"u")), ["0 u", "1 bytes", "2 caf\u{e9}"]);
    assert_eq!(given(groups(b"thread")), ["0 ssl_x", "1 1", "2 None"]);
    let callable = if group.is_empty() { "2 one" } else { "2 other" };
    assert_eq!(given(Question::Dispatch), [callable]);
    // Environs of questions that were answered are of no use any more.
    let (answer, notes) = ask(
        bench,
        script,
        group,
        Question::Access { host: b"192.0.2.9" },
    );
    assert_eq!(answer, Answer::True, "{:?}", notes.log);
    let (answer, _) = ask(
        bench,
        script,
        group,
        Question::Access { host: b"192.0.2.8" },
    );
    assert_eq!(answer, Answer::False);
}

fn failures(bench: &Bench) {
    let empty = bench.script("empty.wsgi", "");
    let broken = bench.script("broken.wsgi", "this is none");
    for (question, id) in [
        (
            Question::Password {
                user: b"u",
                password: b"p",
            },
            "RSGI0043",
        ),
        (
            Question::RealmHash {
                user: b"u",
                realm: b"r",
            },
            "RSGI0046",
        ),
        (Question::Groups { user: b"u" }, "RSGI0052"),
        (Question::Access { host: b"h" }, "RSGI0056"),
    ] {
        let (answer, notes) = ask(bench, &empty, "", question);
        assert_eq!(answer, Answer::Failed);
        assert!(
            notes.log.iter().any(|line| line.contains(id)),
            "{:?}",
            notes.log
        );
        assert_eq!(ask(bench, &broken, "", question).0, Answer::NotLoaded);
    }
    let (answer, notes) = ask(bench, &empty, "", Question::Dispatch);
    assert_eq!((answer, notes.texts.len()), (Answer::Texts, 0));
    assert_eq!(
        ask(bench, b"/nowhere.wsgi", "", Question::Dispatch).0,
        Answer::NotLoaded
    );
}

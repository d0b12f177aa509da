//! Questions through the ABI, against a layer of this process.

use super::*;
use crate::facts::{FieldList, RequestFacts, TargetFacts, Tries};
use crate::layer::Layer;
use crate::silent;

#[derive(Default)]
struct Notes {
    notes: Vec<String>,
    panics: &'static str,
    value: Vec<u8>,
}

impl Notes {
    fn note(&mut self, name: &str, text: String) {
        assert!(self.panics != name, "{name} is to panic");
        self.notes.push(format!("{name} {text}"));
    }
}

impl Asker for Notes {
    fn log(&mut self, level: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        self.note("log", format!("{level} {text}"));
    }
    fn give(&mut self, index: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        self.note("give", format!("{index} {text}"));
    }
    fn is_https(&mut self) -> bool {
        self.note("is_https", String::new());
        true
    }
    fn variable(&mut self, name: &[u8]) -> Option<&[u8]> {
        self.note("variable", String::from_utf8_lossy(name).into_owned());
        self.value = name.to_ascii_lowercase();
        (name != b"NONE").then_some(&self.value)
    }
}

/// Gives the arguments back, looks two variables up, and answers with the question's number.
extern "C" fn ask(
    request: *const abi::Request,
    question: *const abi::Question,
    asker: *const abi::Asker,
    ctx: *mut c_void,
) -> c_int {
    // SAFETY: the structures that `Layer::ask` made are alive during the call, as all that they name.
    let request = unsafe { &*request };
    // SAFETY: as above.
    let question = unsafe { &*question };
    // SAFETY: as above.
    let asker = unsafe { &*asker };
    // SAFETY: as above.
    let host = unsafe { &*asker.host };
    (host.log)(ctx, 6, request.target.script);
    for index in 0..question.count {
        // SAFETY: as above.
        let place = unsafe { question.arguments.add(index) };
        // SAFETY: as above.
        let argument = unsafe { *place };
        (asker.give)(ctx, u32::try_from(index).unwrap_or(0), argument);
    }
    let mut value = Bytes::EMPTY;
    for name in [&b"SSL_X"[..], b"NONE"] {
        if (asker.variable)(ctx, Bytes::new(name), &raw mut value) == 1 {
            (host.log)(ctx, 7, value);
        }
    }
    if (asker.is_https)(ctx) == 0 {
        return -7;
    }
    assert_eq!(
        (host.send)(ctx, core::ptr::null(), core::ptr::null(), 0, 0),
        abi::SEND_FAILED
    );
    let mut byte = 0;
    assert!((host.read)(ctx, &raw mut byte, 1) < 0);
    c_int::try_from(question.kind).unwrap_or(-1)
}

static TABLE: abi::Layer = abi::Layer {
    ask,
    ..silent::TABLE
};

fn put(question: Question<'_>, notes: &mut Notes) -> Answer {
    let fields = FieldList::default();
    let facts = RequestFacts {
        target: TargetFacts {
            script: b"/auth.wsgi",
            ..TargetFacts::default()
        },
        constants: None,
        fields: &fields,
        body: b"",
        flags: 0,
        request_start: 0,
        queue_start: 0,
        daemon_start: 0,
        tries: Tries::NONE,
        apache_request: None,
    };
    Layer::from_table(&TABLE).ask(&facts, &question, notes)
}

#[test]
fn a_question_s_arguments_and_the_answer_s_texts_arrive() {
    let (user, password) = (&b"u"[..], &b"p"[..]);
    for (question, answer, given) in [
        (
            Question::Password { user, password },
            Answer::True,
            &["give 0 u", "give 1 p"][..],
        ),
        (
            Question::RealmHash { user, realm: b"r" },
            Answer::False,
            &["give 0 u", "give 1 r"],
        ),
        (Question::Groups { user }, Answer::Texts, &["give 0 u"]),
        (
            Question::Access { host: b"h" },
            Answer::Failed,
            &["give 0 h"],
        ),
        (Question::Dispatch, Answer::Failed, &[]),
    ] {
        let mut notes = Notes::default();
        assert_eq!(put(question, &mut notes), answer);
        let mut expected = vec!["log 6 /auth.wsgi"];
        expected.extend(given);
        expected.extend([
            "variable SSL_X",
            "log 7 ssl_x",
            "variable NONE",
            "is_https ",
        ]);
        assert_eq!(notes.notes, expected);
    }
}

#[test]
fn an_asker_that_panics_is_told_and_left_alone() {
    for panics in ["give", "variable", "is_https"] {
        let mut notes = Notes {
            panics,
            ..Notes::default()
        };
        assert_eq!(
            put(Question::Groups { user: b"u" }, &mut notes),
            Answer::Failed
        );
        let last = notes.notes.last().map_or("", String::as_str);
        assert!(last.contains("RSGI0900") && last.contains(panics), "{last}");
    }
}

#[test]
fn codes_that_nobody_knows_are_no_answer() {
    for code in [abi::ANSWER_FAILED, 4, 99, -99] {
        assert_eq!(Answer::from_code(code), Answer::Failed);
    }
    assert_eq!(Answer::from_code(abi::ANSWER_NONE), Answer::None);
    assert_eq!(Answer::from_code(abi::ANSWER_NOT_LOADED), Answer::NotLoaded);
}

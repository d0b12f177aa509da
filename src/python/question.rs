//! Functions of scripts that are asked outside of a response: access control and dispatching.
//!
//! The environ is a plain dict, the answer a number and perhaps texts that the asker is given. Exceptions and answers
//! that mean nothing are logged for the request; what becomes of it then is the asker's business.

#![deny(unsafe_code)]

use std::cell::RefCell;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyString};
use rsgi_bridge::abi::{self, level};

use crate::entry::{AskerRef, FAILED, QuestionView, RequestView};
use crate::exchange::{self, Exchange};
use crate::handler::{InHand, NO_STATE};
use crate::interpreter::{self, At};
use crate::types::{RequestRec, flush_prints};
use crate::worker::Window;
use crate::{capi, environ, gate, loader, process, report};

/// Functions of a dispatch script, in the order in which they are asked.
const DISPATCHERS: [&str; 3] = ["process_group", "application_group", "callable_object"];

/// A function of a script for access control.
struct Function {
    name: &'static str,
    /// How it is called.
    usage: &'static str,
    /// How many arguments there are behind the environ.
    arguments: usize,
    /// The id of the line that says it is not there.
    missing: &'static str,
    /// What it may answer.
    answers: &'static str,
}

/// The code of an answer, or the id of the line that says it means nothing.
type Read = Result<i32, &'static str>;

const PASSWORD: Function = Function {
    name: "check_password",
    usage: "check_password(environ, user, password)",
    arguments: 2,
    missing: "RSGI0043",
    answers: "True, False, None or the name of a user",
};
const REALM_HASH: Function = Function {
    name: "get_realm_hash",
    usage: "get_realm_hash(environ, user, realm)",
    arguments: 2,
    missing: "RSGI0046",
    answers: "None or a hash as text",
};
const GROUPS: Function = Function {
    name: "groups_for_user",
    usage: "groups_for_user(environ, user)",
    arguments: 1,
    missing: "RSGI0052",
    answers: "a list of names",
};
const ACCESS: Function = Function {
    name: "allow_access",
    usage: "allow_access(environ, host)",
    arguments: 1,
    missing: "RSGI0056",
    answers: "True, False or None",
};

/// One question in hand.
struct Inquiry<'a> {
    at: At<'a>,
    request: &'a RequestView<'a>,
    question: &'a QuestionView<'a>,
    asker: AskerRef,
    exchange: &'a Arc<Exchange>,
    /// What is worth nothing any more when the question was answered.
    passed: RefCell<Vec<RequestRec<'a>>>,
}

/// Asks; see `abi::Layer::ask`.
pub(crate) fn ask(request: &RequestView<'_>, question: &QuestionView<'_>, asker: AskerRef) -> i32 {
    let Some(_use) = process::enter() else {
        return FAILED;
    };
    let Ok(interp) = interpreter::find(request.target.application_group) else {
        return FAILED;
    };
    // A subrequest of an application's response may ask, on the same thread.
    let outer = exchange::current();
    let in_hand = InHand::default();
    let mut turn = gate::wait(interp.gate());
    let answer = interpreter::attach(interp, |at| {
        let _stay = turn.enter();
        run(at, request, question, asker, &in_hand)
    });
    drop(turn);
    drop(in_hand);
    drop(exchange::set_current(outer));
    answer.unwrap_or_else(|| {
        asker.host().log(level::ERROR, NO_STATE);
        FAILED
    })
}

fn run(
    at: At<'_>,
    request: &RequestView<'_>,
    question: &QuestionView<'_>,
    asker: AskerRef,
    in_hand: &InHand,
) -> i32 {
    let exchange = Arc::new(Exchange::default());
    exchange.begin(at.py, request, asker.host());
    in_hand.hold(&exchange);
    drop(exchange::set_current(Some(Arc::clone(&exchange))));
    let window = Window::open(at, &request.target);
    let inquiry = Inquiry {
        at,
        request,
        question,
        asker,
        exchange: &exchange,
        passed: RefCell::default(),
    };
    let answer = inquiry.answer();
    drop(inquiry);
    drop(window);
    flush_prints();
    exchange.flush_errors();
    if exchange.is_tracked() {
        at.kit().requests.forget(at.py, &exchange);
    }
    exchange.seal(at.py);
    answer
}

impl<'a> Inquiry<'a> {
    fn answer(&self) -> i32 {
        let Ok(globals) = loader::globals(self.at, &self.request.target, self.exchange) else {
            return abi::ANSWER_NOT_LOADED;
        };
        match self.question.kind {
            abi::ASK_PASSWORD => self.call(&globals, &PASSWORD, Self::verdict_or_user),
            abi::ASK_REALM_HASH => self.call(&globals, &REALM_HASH, Self::hash),
            abi::ASK_GROUPS => self.call(&globals, &GROUPS, Self::names),
            abi::ASK_ACCESS => self.call(&globals, &ACCESS, |_, result| {
                Ok(verdict(result).ok_or("RSGI0055"))
            }),
            abi::ASK_DISPATCH => self.dispatch(&globals),
            _ => FAILED,
        }
    }

    /// Calls one function and has its result read.
    fn call(
        &self,
        globals: &Bound<'a, PyDict>,
        function: &Function,
        read: impl FnOnce(&Self, &Bound<'a, PyAny>) -> PyResult<Read>,
    ) -> i32 {
        let py = self.at.py;
        let Some(callable) = capi::dict_item(globals, &PyString::new(py, function.name)) else {
            self.log(format!(
                "{}: The script {} has no function {}.",
                function.missing,
                self.script(),
                function.usage
            ));
            return FAILED;
        };
        let called = self.environ().and_then(|environ| {
            let mut arguments = vec![environ.into_any()];
            for text in &self.question.arguments()[..function.arguments] {
                arguments.push(capi::latin1(py, text)?.into_any());
            }
            callable.call1(pyo3::types::PyTuple::new(py, arguments)?)
        });
        let read = called.and_then(|result| Ok((read(self, &result)?, result)));
        match read {
            Ok((Ok(answer), _)) => answer,
            Ok((Err(id), result)) => {
                self.log(format!(
                    "{id}: {} of the script {} returned {}, not {}.",
                    function.name,
                    self.script(),
                    shape(&result),
                    function.answers
                ));
                FAILED
            }
            Err(error) => self.failed(&error, function.name),
        }
    }

    fn verdict_or_user(&self, result: &Bound<'a, PyAny>) -> PyResult<Read> {
        if let Some(answer) = verdict(result) {
            return Ok(Ok(answer));
        }
        let Ok(user) = result.cast::<PyString>() else {
            return Ok(Err("RSGI0177"));
        };
        let encoded = user.call_method1("encode", ("utf-8",))?;
        Ok(self.one(
            encoded.cast::<PyBytes>()?.as_bytes(),
            "RSGI0176",
            "RSGI0177",
        ))
    }

    fn hash(&self, result: &Bound<'a, PyAny>) -> PyResult<Read> {
        if result.is_none() {
            return Ok(Ok(abi::ANSWER_NONE));
        }
        Ok(match text_of(result)? {
            Some(hash) => self.one(&hash, "RSGI0178", "RSGI0179"),
            None => Err("RSGI0179"),
        })
    }

    /// Gives a text that C can have: one with a NUL in it would become another one there.
    fn one(&self, text: &[u8], empty: &'static str, wrong: &'static str) -> Read {
        if text.is_empty() {
            return Err(empty);
        }
        if text.contains(&0) {
            return Err(wrong);
        }
        self.give(0, text);
        Ok(abi::ANSWER_TEXTS)
    }

    /// mod_wsgi: takes a str for the list of its letters.
    fn names(&self, result: &Bound<'a, PyAny>) -> PyResult<Read> {
        if result.is_instance_of::<PyString>() || result.is_instance_of::<PyBytes>() {
            return Ok(Err("RSGI0051"));
        }
        let Ok(iterator) = result.try_iter() else {
            return Ok(Err("RSGI0051"));
        };
        let mut names = Vec::new();
        for name in iterator {
            match text_of(&name?)? {
                Some(name) => names.push(name),
                None => return Ok(Err("RSGI0050")),
            }
        }
        for (index, name) in (0..).zip(&names) {
            self.give(index, name);
        }
        Ok(Ok(abi::ANSWER_TEXTS))
    }

    /// Asks the functions that a dispatch script has.
    fn dispatch(&self, globals: &Bound<'a, PyDict>) -> i32 {
        let py = self.at.py;
        let mut environ = None;
        for (index, name) in (0..).zip(DISPATCHERS) {
            let Some(callable) = capi::dict_item(globals, &PyString::new(py, name)) else {
                continue;
            };
            let result = match &environ {
                Some(environ) => Ok(Bound::clone(environ)),
                None => self.environ(),
            }
            .and_then(|made| callable.call1((environ.insert(made).clone(),)))
            .and_then(|result| Ok((text_of(&result)?, result)));
            match result {
                Ok((Some(text), _)) => self.give(index, &text),
                Ok((None, result)) if result.is_none() => {}
                Ok((None, result)) => {
                    self.log(format!(
                        "RSGI0501: {name} of the dispatch script {} returned {}, not None or a name.",
                        self.script(),
                        shape(&result)
                    ));
                    return FAILED;
                }
                Err(error) => return self.failed(&error, name),
            }
        }
        abi::ANSWER_TEXTS
    }

    fn environ(&self) -> PyResult<Bound<'a, PyDict>> {
        let at = self.at;
        let environ = environ::plain(at, self.request)?;
        let types = &at.kit().types;
        let errors = types.errors(at.py, self.exchange)?;
        environ.set_item("wsgi.errors", errors)?;
        if let Some(passed) = RequestRec::new(at.py, self.request)? {
            passed.put(&environ)?;
            self.passed.borrow_mut().push(passed);
        }
        let is_dispatch = self.question.kind == abi::ASK_DISPATCH;
        let ssl = types.inquiry(at.py, is_dispatch, self.exchange)?;
        let ssl = ssl.bind(at.py);
        environ.set_item("mod_ssl.is_https", ssl.getattr("ssl_is_https")?)?;
        environ.set_item("mod_ssl.var_lookup", ssl.getattr("ssl_var_lookup")?)?;
        Ok(environ)
    }

    fn give(&self, index: u32, text: &[u8]) {
        // Not sealed yet.
        let _ = self
            .exchange
            .while_open(self.at.py, || self.asker.give(index, text));
    }

    fn script(&self) -> String {
        format!("'{}'", String::from_utf8_lossy(self.request.target.script))
    }

    fn log(&self, line: String) {
        self.exchange.log(level::ERROR, line.as_bytes());
    }

    fn failed(&self, error: &PyErr, name: &str) -> i32 {
        let what = format!("escaped from {name} of the script {}", self.script());
        report::exception(self.at, Some(self.exchange), error, "RSGI0500", &what);
        FAILED
    }
}

/// What True, False and None say; nothing else is taken for one of them.
fn verdict(result: &Bound<'_, PyAny>) -> Option<i32> {
    if result.is_none() {
        return Some(abi::ANSWER_NONE);
    }
    let is_true = result.cast::<PyBool>().ok()?.is_true();
    Some(if is_true {
        abi::ANSWER_TRUE
    } else {
        abi::ANSWER_FALSE
    })
}

/// The bytes of a bytes object, or of a str in latin-1; none of anything else.
fn text_of(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    let is_text = object.is_instance_of::<PyString>() || object.is_instance_of::<PyBytes>();
    is_text
        .then(|| capi::latin1_bytes(object, "a text"))
        .transpose()
}

/// What a result is, without what it says: a password's hash is nothing for a log.
fn shape(result: &Bound<'_, PyAny>) -> String {
    if result.len().is_ok_and(|length| length == 0) {
        return format!("an empty {}", capi::type_name(result));
    }
    format!("an object of type {}", capi::type_name(result))
}

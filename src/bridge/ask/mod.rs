//! A script's function asked outside of any response: may this user in, which group shall a request go to.
//!
//! Whoever asks implements [`Asker`]; the trampolines here are what the layer calls. Apache's children ask, daemons never.

use core::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;

use crate::abi::{self, Bytes};
use crate::host::{Blocks, Context, HeadView, ReadError, RequestHost, SendFlags, Sent, context};

/// What is asked. The function is the script's; all texts are latin-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'q> {
    /// `check_password(environ, user, password)`
    Password {
        /// Who says to be there.
        user: &'q [u8],
        /// The password given.
        password: &'q [u8],
    },
    /// `get_realm_hash(environ, user, realm)`
    RealmHash {
        /// Who says to be there.
        user: &'q [u8],
        /// What the user asks to be let into.
        realm: &'q [u8],
    },
    /// `groups_for_user(environ, user)`
    Groups {
        /// Who is there.
        user: &'q [u8],
    },
    /// `allow_access(environ, host)`
    Access {
        /// Name or address of the client.
        host: &'q [u8],
    },
    /// `process_group(environ)`, `application_group(environ)` and `callable_object(environ)`, those that are there.
    Dispatch,
}

impl Question<'_> {
    /// Calls `body` with the ABI's form, which is valid only meanwhile.
    pub(crate) fn with_abi<R>(&self, body: impl FnOnce(&abi::Question) -> R) -> R {
        let (kind, arguments): (u32, &[&[u8]]) = match self {
            Self::Password { user, password } => (abi::ASK_PASSWORD, &[user, password]),
            Self::RealmHash { user, realm } => (abi::ASK_REALM_HASH, &[user, realm]),
            Self::Groups { user } => (abi::ASK_GROUPS, &[user]),
            Self::Access { host } => (abi::ASK_ACCESS, &[host]),
            Self::Dispatch => (abi::ASK_DISPATCH, &[]),
        };
        let arguments: Vec<Bytes> = arguments.iter().map(|text| Bytes::new(text)).collect();
        body(&abi::Question {
            size: size_of::<abi::Question>(),
            kind,
            arguments: arguments.as_ptr(),
            count: arguments.len(),
        })
    }
}

/// What came of it.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `None`: the script does not say.
    None,
    /// `True`
    True,
    /// `False`
    False,
    /// Texts, which were given to [`Asker::give`] one by one; of groups there may be none.
    Texts,
    /// No answer, or one that means nothing; the layer has logged why.
    Failed,
    /// The script could not be loaded; the layer has logged why.
    NotLoaded,
}

impl Answer {
    /// From the code that `ask` returned. One that the ABI does not know is no answer.
    pub(crate) const fn from_code(code: c_int) -> Self {
        match code {
            abi::ANSWER_NONE => Self::None,
            abi::ANSWER_TRUE => Self::True,
            abi::ANSWER_FALSE => Self::False,
            abi::ANSWER_TEXTS => Self::Texts,
            abi::ANSWER_NOT_LOADED => Self::NotLoaded,
            _ => Self::Failed,
        }
    }
}

/// The owner of the request that something is asked about. Calls come one at a time while [`crate::layer::Layer::ask`]
/// runs.
pub trait Asker {
    /// Logs one line for the request; `level` is one of [`abi::level`].
    fn log(&mut self, level: u32, text: &[u8]);
    /// Takes a text of the answer; `index` is its place, or which function of a dispatch script it comes from.
    fn give(&mut self, index: u32, text: &[u8]);
    /// Whether the request's connection is encrypted.
    fn is_https(&mut self) -> bool;
    /// A variable of mod_ssl.
    fn variable(&mut self, name: &[u8]) -> Option<&[u8]>;
}

/// An asker as a host: there is no response, and no body is read.
pub(crate) struct Silent<'a, A>(pub(crate) &'a mut A);

impl<A: Asker> RequestHost for Silent<'_, A> {
    fn send(&mut self, _: Option<HeadView<'_>>, _: Blocks<'_>, _: SendFlags) -> Sent {
        Sent::Failed
    }

    fn send_file(
        &mut self,
        _: Option<HeadView<'_>>,
        _: BorrowedFd<'_>,
        _: u64,
        _: u64,
        _: SendFlags,
    ) -> Sent {
        Sent::Failed
    }

    fn read(&mut self, _: &mut [u8]) -> Result<usize, ReadError> {
        Err(ReadError::Failed)
    }

    fn log(&mut self, level: u32, text: &[u8]) {
        self.0.log(level, text);
    }

    fn is_https(&mut self) -> bool {
        self.0.is_https()
    }

    fn variable(&mut self, name: &[u8]) -> Option<&[u8]> {
        self.0.variable(name)
    }
}

impl<A: Asker> Silent<'_, A> {
    /// The table that goes with a [`Context`] of this host.
    pub(crate) const ASKER: &'static abi::Asker = &abi::Asker {
        size: size_of::<abi::Asker>(),
        host: Context::<Self>::TABLE,
        give: give::<A>,
        is_https: Context::<Self>::TABLE.is_https,
        variable: Context::<Self>::TABLE.variable,
    };
}

extern "C" fn give<A: Asker>(ctx: *mut c_void, index: u32, text: Bytes) {
    // SAFETY: the layer passes on what `ask` was given.
    let Some(context) = (unsafe { context::<Silent<'_, A>>(ctx) }) else {
        return;
    };
    // SAFETY: the ABI has the layer keep the text alive during the call.
    let text = unsafe { text.as_slice() };
    context.call("give", (), |host| host.0.give(index, text));
}

#[cfg(test)]
mod tests;

//! Who asks something outside of a response, as safe values.

use core::ffi::c_void;

use rsgi_bridge::abi::{self, Asker, Bytes, Question};

use super::HostRef;

/// The owner of the request that something is asked about.
#[derive(Clone, Copy)]
pub(crate) struct AskerRef {
    // INVARIANT: both are what `ask` was given, and are used only until it returns, by one thread at a time
    // (`Exchange::while_open`).
    asker: *const Asker,
    context: *mut c_void,
}

impl AskerRef {
    /// The asker may be used until `ask` returns.
    pub(super) const fn new(asker: *const Asker, context: *mut c_void) -> Self {
        Self { asker, context }
    }

    fn table(&self) -> &Asker {
        // SAFETY: by the type's invariant.
        unsafe { &*self.asker }
    }

    /// The part of it that logs.
    pub(crate) fn host(&self) -> HostRef {
        // INVARIANT: the asker's host has the same context and lives as long.
        HostRef::new(self.table().host, self.context)
    }

    /// See [`Asker::give`].
    pub(crate) fn give(&self, index: u32, text: &[u8]) {
        (self.table().give)(self.context, index, Bytes::new(text));
    }
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) struct QuestionView<'q> {
    /// An `ASK_*` number.
    pub(crate) kind: u32,
    first: Bytes,
    second: Bytes,
    life: core::marker::PhantomData<&'q [u8]>,
}

impl<'q> QuestionView<'q> {
    /// # Safety
    /// The question and all it names are alive for `'q`.
    pub(super) unsafe fn new(question: &Question) -> Self {
        let argument = |index: usize| {
            if index >= question.count {
                return Bytes::EMPTY;
            }
            // SAFETY: within the array (caller).
            let place = unsafe { question.arguments.add(index) };
            // SAFETY: as above.
            unsafe { *place }
        };
        // INVARIANT: both are empty, or the caller's promise holds for them.
        Self {
            kind: question.kind,
            first: argument(0),
            second: argument(1),
            life: core::marker::PhantomData,
        }
    }

    /// The arguments behind the environ; those that the kind does not have are empty.
    pub(crate) fn arguments(&self) -> [&'q [u8]; 2] {
        // SAFETY: alive for `'q`, as `new` was promised.
        let first = unsafe { self.first.as_slice() };
        // SAFETY: see above.
        let second = unsafe { self.second.as_slice() };
        [first, second]
    }
}

/// The code that says that there is no answer.
pub(crate) const FAILED: i32 = abi::ANSWER_FAILED;

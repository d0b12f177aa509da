//! A layer's table that does nothing, for tests of hosts.

use core::ffi::{c_int, c_void};

use crate::abi::{
    self, Asker, Bytes, ErrorText, Host, Layer, Process, Question, Request, Source, Start, Target,
};

extern "C" fn start(_: *const Start, _: *const Process, _: *mut ErrorText) -> c_int {
    0
}
extern "C" fn handle(_: *const Request, _: *const Host, _: *mut c_void) -> c_int {
    abi::HANDLED
}
extern "C" fn load(_: *const Target) -> c_int {
    0
}
extern "C" fn stop(_: u32) {}
extern "C" fn fault(_: c_int) -> c_int {
    abi::HANDLED_PANIC
}
extern "C" fn worker(_: u32) {}
extern "C" fn interrupt(_: u32, _: i64) -> c_int {
    abi::INTERRUPT_OVER
}
extern "C" fn dump(_: u32) -> c_int {
    0
}
extern "C" fn dump_unsafe(_: c_int) -> c_int {
    0
}
extern "C" fn probe() -> c_int {
    0
}
extern "C" fn run_service(_: *const Target) -> c_int {
    0
}
extern "C" fn stopping(_: Bytes) {}
extern "C" fn serve(_: *const Source, _: *mut c_void) -> c_int {
    0
}
extern "C" fn has_loaded() -> c_int {
    0
}

extern "C" fn ask(_: *const Request, _: *const Question, _: *const Asker, _: *mut c_void) -> c_int {
    abi::ANSWER_FAILED
}

extern "C" fn signal(_: c_int) {}
extern "C" fn cut() {}

/// See the module.
pub(crate) const TABLE: Layer = Layer {
    abi: abi::ABI,
    size: size_of::<Layer>(),
    start,
    handle,
    load,
    stop,
    fault,
    worker,
    interrupt,
    dump,
    dump_unsafe,
    probe,
    run_service,
    stopping,
    serve,
    has_loaded,
    ask,
    signal,
    cut,
};

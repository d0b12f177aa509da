//! A section of mod_status's page (mod_status.h): an optional hook, which nobody runs where mod_status is not loaded.

use std::ffi::c_int;
use std::ptr;

use super::boundary::enter;
use super::hooks::Module;
use super::request::Request;
use crate::ffi;

/// `AP_STATUS_SHORT`: lines for programs.
const SHORT: c_int = 1;
/// `AP_STATUS_NOTABLE`: a page without tables.
const NO_TABLES: c_int = 2;

/// What the section is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageForm {
    /// HTML.
    Tables,
    /// HTML without tables.
    Plain,
    /// Lines of keys and values.
    Lines,
}

/// Registers the section.
pub(super) fn register<M: Module>() {
    let hook: unsafe extern "C" fn(*mut ffi::request_rec, c_int) -> c_int = section::<M>;
    // SAFETY: apr_optional_hooks.h keeps a function of any type as this one; who runs the hook of that name casts it back
    // to the type that mod_status.h declares, which is the one above.
    let hook = unsafe {
        std::mem::transmute::<
            unsafe extern "C" fn(*mut ffi::request_rec, c_int) -> c_int,
            unsafe extern "C" fn(),
        >(hook)
    };
    let (name, order) = (c"status_hook".as_ptr(), ffi::APR_HOOK_MIDDLE as c_int);
    // SAFETY: registers, while httpd loads the module, a function that is never unloaded (nodelete).
    unsafe { ffi::apr_optional_hook_add(name, Some(hook), ptr::null(), ptr::null(), order) };
}

unsafe extern "C" fn section<M: Module>(request: *mut ffi::request_rec, flags: c_int) -> c_int {
    enter("status_hook", ffi::DECLINED as c_int, || {
        // SAFETY: mod_status passes the live request that this thread serves.
        let Some(request) = (unsafe { Request::from_raw(request) }) else {
            return ffi::DECLINED as c_int;
        };
        let form = match (flags & SHORT != 0, flags & NO_TABLES != 0) {
            (true, _) => PageForm::Lines,
            (false, true) => PageForm::Plain,
            (false, false) => PageForm::Tables,
        };
        request.write(M::status_section(request, form).as_bytes());
        ffi::OK as c_int
    })
}

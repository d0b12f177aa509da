//! Access control (mod_auth.h, http_request.h): a provider for users, one for their groups, and the hook before both.
//!
//! A provider is a table of functions under a name that `AuthBasicProvider`, `AuthDigestProvider` or `Require` uses.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;

use super::boundary::enter;
use super::hooks::{Module, Verdict};
use super::request::Request;
use crate::apr::Pool;
use crate::ffi;

/// Kinds of providers, and the version of their tables.
const USERS: &CStr = c"authn";
const GROUPS: &CStr = c"authz";
const VERSION: &CStr = c"0";

/// What a provider says of a user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The password is the user's.
    Granted,
    /// It is not.
    Denied,
    /// There is no such user; the next provider is asked.
    Unknown,
    /// That cannot be told now: a 500.
    Failed,
}

/// What a provider says of a user's password in a realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RealmHash<'r> {
    /// Its hash with both of them, in hexadecimal digits.
    Found(&'r CStr),
    /// There is no such user.
    Unknown,
    /// That cannot be told now: a 500.
    Failed,
}

/// What a provider says of a user and what a `Require` line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authorized {
    /// The user has it.
    Granted,
    /// The user has not.
    Denied,
    /// Nobody has said who it is.
    NoUser,
}

/// Carries the tables of a module's providers.
struct Providers<M>(PhantomData<M>);

impl<M: Module> Providers<M> {
    const USERS: &'static ffi::authn_provider = &ffi::authn_provider {
        check_password: Some(check_password::<M>),
        get_realm_hash: Some(realm_hash::<M>),
    };
    const GROUPS: &'static ffi::authz_provider = &ffi::authz_provider {
        check_authorization: Some(authorize::<M>),
        parse_require_line: None,
    };
}

/// Registers the module's providers and its place in the check of access.
pub(super) fn register<M: Module>(
    pool: Pool<'_>,
    after: *const *const c_char,
    before: *const *const c_char,
) {
    let tables: [(&CStr, &CStr, *const c_void); 2] = [
        (
            USERS,
            M::USER_PROVIDER,
            std::ptr::from_ref(Providers::<M>::USERS).cast(),
        ),
        (
            GROUPS,
            M::GROUP_PROVIDER,
            std::ptr::from_ref(Providers::<M>::GROUPS).cast(),
        ),
    ];
    for (kind, name, table) in tables {
        // SAFETY: the configuration's pool, static strings, and a static table of that kind.
        unsafe {
            ffi::ap_register_auth_provider(
                pool.as_ptr(),
                kind.as_ptr(),
                name.as_ptr(),
                VERSION.as_ptr(),
                table,
                ffi::AP_AUTH_INTERNAL_PER_CONF as c_int,
            );
        }
    }
    // What is asked may look at the URI, so internal requests to other URIs are asked about as well.
    // SAFETY: a registration function of httpd's, called while it loads the module; static lists ended by null.
    unsafe {
        ffi::ap_hook_check_access(
            Some(check_access::<M>),
            after,
            before,
            ffi::APR_HOOK_MIDDLE as c_int,
            ffi::AP_AUTH_INTERNAL_PER_URI as c_int,
        );
    }
}

unsafe extern "C" fn check_access<M: Module>(request: *mut ffi::request_rec) -> c_int {
    super::hooks::request_hook("check_access", request, |request| {
        // A section that could not be merged may be the one that keeps clients out.
        if super::config::take_broken_request() {
            Verdict::Status(500)
        } else {
            M::check_access(request)
        }
    })
}

/// Runs a provider's function for a request and a user; a stopped panic and a null are `failed`.
///
/// # Safety
/// `user` and `other` are null or C strings, and `request` is live, during the call.
unsafe fn asked(
    entry: &'static str,
    request: *mut ffi::request_rec,
    (user, other): (*const c_char, *const c_char),
    run: impl for<'r> FnOnce(Request<'r>, &'r CStr, &'r CStr) -> c_uint,
) -> c_uint {
    enter(entry, ffi::AUTH_GENERAL_ERROR, || {
        if user.is_null() || other.is_null() {
            return ffi::AUTH_GENERAL_ERROR;
        }
        // SAFETY: httpd passes the live request that this thread serves.
        let Some(request) = (unsafe { Request::from_raw(request) }) else {
            return ffi::AUTH_GENERAL_ERROR;
        };
        // SAFETY: a C string during the call (caller).
        let user = unsafe { CStr::from_ptr(user) };
        // SAFETY: as above.
        let other = unsafe { CStr::from_ptr(other) };
        run(request, user, other)
    })
}

unsafe extern "C" fn check_password<M: Module>(
    request: *mut ffi::request_rec,
    user: *const c_char,
    password: *const c_char,
) -> ffi::authn_status {
    let run = |request: Request<'_>, user: &CStr, password: &CStr| match M::check_password(
        request,
        user.to_bytes(),
        password.to_bytes(),
    ) {
        Checked::Granted => ffi::AUTH_GRANTED,
        Checked::Denied => ffi::AUTH_DENIED,
        Checked::Unknown => ffi::AUTH_USER_NOT_FOUND,
        Checked::Failed => ffi::AUTH_GENERAL_ERROR,
    };
    // SAFETY: what httpd gives a provider.
    unsafe { asked("check_password", request, (user, password), run) }
}

unsafe extern "C" fn realm_hash<M: Module>(
    request: *mut ffi::request_rec,
    user: *const c_char,
    realm: *const c_char,
    hash: *mut *mut c_char,
) -> ffi::authn_status {
    let run = |request: Request<'_>, user: &CStr, realm: &CStr| {
        match M::realm_hash(request, user.to_bytes(), realm.to_bytes()) {
            RealmHash::Found(found) => {
                // SAFETY: null or httpd's place for the hash, which lives as long as the request.
                let Some(place) = (unsafe { hash.as_mut() }) else {
                    return ffi::AUTH_GENERAL_ERROR;
                };
                *place = found.as_ptr().cast_mut();
                ffi::AUTH_USER_FOUND
            }
            RealmHash::Unknown => ffi::AUTH_USER_NOT_FOUND,
            RealmHash::Failed => ffi::AUTH_GENERAL_ERROR,
        }
    };
    // SAFETY: what httpd gives a provider.
    unsafe { asked("get_realm_hash", request, (user, realm), run) }
}

unsafe extern "C" fn authorize<M: Module>(
    request: *mut ffi::request_rec,
    line: *const c_char,
    _parsed: *const c_void,
) -> ffi::authz_status {
    enter("check_authorization", ffi::AUTHZ_GENERAL_ERROR, || {
        // SAFETY: httpd passes the live request that this thread serves.
        let Some(request) = (unsafe { Request::from_raw(request) }) else {
            return ffi::AUTHZ_GENERAL_ERROR;
        };
        let line = if line.is_null() {
            c""
        } else {
            // SAFETY: httpd passes the rest of the Require line as a C string.
            unsafe { CStr::from_ptr(line) }
        };
        match M::authorize(request, line.to_bytes()) {
            Authorized::Granted => ffi::AUTHZ_GRANTED,
            Authorized::Denied => ffi::AUTHZ_DENIED,
            Authorized::NoUser => ffi::AUTHZ_DENIED_NO_USER,
        }
    })
}

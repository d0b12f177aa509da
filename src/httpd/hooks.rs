//! The module record and the hooks (http_config.h): one trait, fenced functions that httpd calls.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::auth::{self, Authorized, Checked, RealmHash};
use super::boundary::{self, enter};
use super::command::{Command, CommandContext};
use super::config::{self, Slot};
use super::log;
use super::page::{self, PageForm};
use super::phase::{Phase, Refused};
use super::request::Request;
use super::server::Server;
use crate::apr::Pool;
use crate::ffi;

/// What a module is to httpd.
pub(crate) trait Module: Sized + 'static {
    /// Its configuration of a server.
    type ServerConfig: Slot;
    /// Its configuration of a directory section.
    type DirectoryConfig: Slot;
    /// Its directives.
    const COMMANDS: &'static [Command];
    /// The name of its provider for users.
    const USER_PROVIDER: &'static CStr;
    /// The name of its provider for the groups of users.
    const GROUP_PROVIDER: &'static CStr;

    /// Reads one directive: `words` is the rest of its line.
    fn directive(context: &mut CommandContext<'_, Self>, words: &[u8]) -> Result<(), String>;
    /// The section that [`Module::directive`] has read the first line of is over, and what is in it was read.
    fn section_end(server: &mut Self::ServerConfig);
    /// The modules are loaded, the directives not yet read.
    fn pre_config(phase: Phase<'_>) -> Result<(), Refused>;
    /// The directives are read; also under `httpd -t`.
    fn check_config(phase: Phase<'_>) -> Result<(), Refused>;
    /// The configuration is about to serve.
    fn post_config(phase: Phase<'_>) -> Result<(), Refused>;
    /// All modules have taken the configuration: nothing but the forks of children lies between this and serving.
    fn serve(phase: Phase<'_>) -> Result<(), Refused>;
    /// Called in the parent about every ten seconds.
    fn monitor(phase: Phase<'_>);
    /// A process that the parent watches ([`super::watch`]) has ended.
    fn process_ended(pid: i32, server: Option<Server<'_>>);
    /// The children are being stopped: those of a generation that is over, or all.
    fn children_stop(pid: i32, server: Option<Server<'_>>);
    /// A child process starts; its pool is cleared when it ends.
    fn child_init(phase: Phase<'_>);
    /// Maps a URI to a file.
    fn translate_name(request: Request<'_>) -> Verdict;
    /// Lets a client in, or not; before any user is asked for.
    fn check_access(request: Request<'_>) -> Verdict;
    /// Whether a password is a user's.
    fn check_password(request: Request<'_>, user: &[u8], password: &[u8]) -> Checked;
    /// The hash of a user's password in a realm.
    fn realm_hash<'r>(request: Request<'r>, user: &[u8], realm: &[u8]) -> RealmHash<'r>;
    /// Whether the request's user has what a `Require` line names.
    fn authorize(request: Request<'_>, line: &[u8]) -> Authorized;
    /// Our section of mod_status's page.
    fn status_section(request: Request<'_>, form: PageForm) -> String;
    /// Answers a request.
    fn handler(request: Request<'_>) -> Verdict;
}

/// A hook's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not ours: others may.
    Declined,
    /// Done.
    Ok,
    /// httpd answers with this status and its error page.
    Status(u16),
}

impl Verdict {
    fn to_raw(self) -> c_int {
        match self {
            Self::Declined => ffi::DECLINED as c_int,
            Self::Ok => ffi::OK as c_int,
            Self::Status(status) => c_int::from(status),
        }
    }
}

/// Names of modules, ended by null: what the registration functions take for an order.
struct Order<const N: usize>([*const c_char; N]);

// SAFETY: pointers to constants, which nobody writes.
unsafe impl<const N: usize> Sync for Order<N> {}

/// Whose `translate_name` goes first: an Alias wins over a WSGIScriptAlias.
static AFTER: Order<2> = Order([c"mod_alias.c".as_ptr(), ptr::null()]);
/// Whose `translate_name` comes later.
static BEFORE: Order<3> = Order([
    c"mod_userdir.c".as_ptr(),
    c"mod_vhost_alias.c".as_ptr(),
    ptr::null(),
]);

/// Who says before us whether a client is let in: what mod_ssl refuses nobody else is asked about.
static AFTER_ENCRYPTION: Order<2> = Order([c"mod_ssl.c".as_ptr(), ptr::null()]);
/// Who says so later.
static BEFORE_HOSTS: Order<2> = Order([c"mod_authz_host.c".as_ptr(), ptr::null()]);

/// The record through which httpd loaded the module, while a configuration that loads it is alive.
static ACTIVE: AtomicPtr<ffi::module> = AtomicPtr::new(ptr::null_mut());

/// Builds a module's record; `register` calls [`register`] with the address of the record.
pub(crate) const fn record<M: Module>(
    name: &'static std::ffi::CStr,
    commands: *const ffi::command_rec,
    register: unsafe extern "C" fn(*mut ffi::apr_pool_t),
) -> ffi::module {
    ffi::module {
        version: ffi::MODULE_MAGIC_NUMBER_MAJOR as c_int,
        minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR as c_int,
        module_index: -1,
        name: name.as_ptr(),
        dynamic_load_handle: ptr::null_mut(),
        next: ptr::null_mut(),
        magic: ffi::MODULE_MAGIC_COOKIE as _,
        rewrite_args: None,
        create_dir_config: Some(config::create_directory::<M>),
        merge_dir_config: Some(config::merge_directory::<M>),
        create_server_config: Some(config::create_server::<M>),
        merge_server_config: Some(config::merge_server::<M>),
        cmds: commands,
        register_hooks: Some(register),
        flags: 0,
    }
}

/// Registers the hooks of the module behind `record`.
///
/// # Safety
/// Called by httpd while it loads the module: `record` is the module's exported record, `pool` the configuration's.
pub(crate) unsafe fn register<M: Module>(record: *mut ffi::module, pool: *mut ffi::apr_pool_t) {
    boundary::install();
    enter("register_hooks", (), || {
        ACTIVE.store(record, Ordering::Release);
        // SAFETY: the configuration's pool (caller).
        if let Some(pool) = unsafe { Pool::from_raw(pool) } {
            pool.on_cleanup(|| {
                ACTIVE.store(ptr::null_mut(), Ordering::Release);
                log::set_main_server(ptr::null_mut());
            });
        }
        let none: *const *const c_char = ptr::null();
        let (after, before) = (AFTER.0.as_ptr(), BEFORE.0.as_ptr());
        macro_rules! hook {
            ($register:ident, $function:ident, $after:expr, $before:expr) => {
                hook!($register, $function, $after, $before, ffi::APR_HOOK_MIDDLE)
            };
            ($register:ident, $function:ident, $after:expr, $before:expr, $order:expr) => {
                // SAFETY: a registration function of httpd's, called while it loads the module; the function is
                // never unloaded (nodelete) and the lists, ended by null, are static.
                unsafe {
                    ffi::$register(Some($function::<M>), $after, $before, $order as c_int);
                }
            };
        }
        hook!(ap_hook_pre_config, pre_config, none, none);
        hook!(ap_hook_check_config, check_config, none, none);
        hook!(ap_hook_post_config, post_config, none, none);
        // Last of all: what other modules refuse is never begun, and what they fork inherits nothing of ours.
        hook!(
            ap_hook_post_config,
            serve,
            none,
            none,
            ffi::APR_HOOK_REALLY_LAST
        );
        hook!(ap_hook_monitor, monitor, none, none);
        hook!(ap_hook_child_init, child_init, none, none);
        hook!(ap_hook_translate_name, translate_name, after, before);
        hook!(ap_hook_handler, handler, none, none);
        page::register::<M>();
        // SAFETY: the configuration's pool (caller).
        if let Some(pool) = unsafe { Pool::from_raw(pool) } {
            auth::register::<M>(pool, AFTER_ENCRYPTION.0.as_ptr(), BEFORE_HOSTS.0.as_ptr());
        }
    });
}

/// The record in use, null when the module is not loaded.
pub(super) fn active_record() -> *mut ffi::module {
    ACTIVE.load(Ordering::Acquire)
}

/// The module's index in httpd's configuration vectors and log levels (`APLOG_MODULE_INDEX`).
pub(super) fn module_index() -> c_int {
    let record = active_record();
    if record.is_null() {
        return ffi::APLOG_NO_MODULE as c_int;
    }
    // SAFETY: the exported record of this shared object, which is never unloaded (nodelete).
    unsafe { (*record).module_index }
}

/// The server's slot of the module.
///
/// # Safety
/// `server` is live for `'s`, and no other reference to the slot is used meanwhile.
pub(super) unsafe fn server_config_mut<'s, M: Module>(
    server: *mut ffi::server_rec,
) -> Option<&'s mut M::ServerConfig> {
    let record = active_record();
    if record.is_null() {
        return None;
    }
    // SAFETY: a live server (caller).
    let slots = unsafe { (*server).module_config };
    // SAFETY: the server's slots and the record through which httpd made ours.
    let slot = unsafe { ffi::ap_get_module_config(slots, record) };
    // SAFETY: null or made by `create_server::<M>` or `merge_server::<M>`.
    unsafe { slot.cast::<M::ServerConfig>().as_mut() }
}

/// The slot of the directory sections that apply to a request.
///
/// # Safety
/// `request` is live for `'r`.
pub(super) unsafe fn directory_config<'r, M: Module>(
    request: *mut ffi::request_rec,
) -> Option<&'r M::DirectoryConfig> {
    let record = active_record();
    if record.is_null() {
        return None;
    }
    // SAFETY: a live request (caller).
    let slots = unsafe { (*request).per_dir_config };
    // SAFETY: the request's slots and the record through which httpd made ours.
    let slot = unsafe { ffi::ap_get_module_config(slots, record) };
    // SAFETY: null or made by `create_directory::<M>` or `merge_directory::<M>`.
    unsafe { slot.cast::<M::DirectoryConfig>().as_ref() }
}

/// Runs a configuration hook.
fn phase(
    name: &'static str,
    pool: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
    run: impl FnOnce(Phase<'_>) -> Result<(), Refused>,
) -> c_int {
    enter(name, ffi::HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        // SAFETY: httpd passes the live pool of the configuration or the process.
        let Some(pool) = (unsafe { Pool::from_raw(pool) }) else {
            return ffi::HTTP_INTERNAL_SERVER_ERROR as c_int;
        };
        // SAFETY: null, or the main server of the configuration.
        let server = unsafe { Server::from_raw(server) };
        match run(Phase { pool, server }) {
            Ok(()) => ffi::OK as c_int,
            Err(Refused) => ffi::HTTP_INTERNAL_SERVER_ERROR as c_int,
        }
    })
}

unsafe extern "C" fn pre_config<M: Module>(
    conf: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temp: *mut ffi::apr_pool_t,
) -> c_int {
    phase("pre_config", conf, ptr::null_mut(), M::pre_config)
}

unsafe extern "C" fn check_config<M: Module>(
    conf: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temp: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    phase("check_config", conf, server, |phase| {
        if config::take_broken() {
            return Err(Refused::because(
                "RSGI0303: the configuration could not be taken in, as the line before says",
            ));
        }
        M::check_config(phase)
    })
}

unsafe extern "C" fn post_config<M: Module>(
    conf: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temp: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    log::set_main_server(server);
    // SAFETY: looks optional functions up, on the thread that reads the configuration.
    unsafe { ffi::rsgi_retrieve_optional() };
    phase("post_config", conf, server, M::post_config)
}

unsafe extern "C" fn serve<M: Module>(
    conf: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temp: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    phase("serve", conf, server, M::serve)
}

unsafe extern "C" fn monitor<M: Module>(
    pool: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    phase("monitor", pool, server, |phase| {
        M::monitor(phase);
        Ok(())
    });
    ffi::DECLINED as c_int
}

unsafe extern "C" fn child_init<M: Module>(
    pool: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) {
    phase("child_init", pool, server, |phase| {
        M::child_init(phase);
        Ok(())
    });
}

/// Runs a request hook; a stopped panic is a 500.
pub(super) fn request_hook(
    name: &'static str,
    request: *mut ffi::request_rec,
    run: impl FnOnce(Request<'_>) -> Verdict,
) -> c_int {
    enter(name, ffi::HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        // SAFETY: httpd passes the live request that this thread serves.
        let Some(request) = (unsafe { Request::from_raw(request) }) else {
            return ffi::DECLINED as c_int;
        };
        run(request).to_raw()
    })
}

unsafe extern "C" fn translate_name<M: Module>(request: *mut ffi::request_rec) -> c_int {
    request_hook("translate_name", request, M::translate_name)
}

unsafe extern "C" fn handler<M: Module>(request: *mut ffi::request_rec) -> c_int {
    request_hook("handler", request, |request| {
        if config::take_broken_request() {
            Verdict::Status(500)
        } else {
            M::handler(request)
        }
    })
}

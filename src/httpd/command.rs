//! Configuration directives (http_config.h): the command table and its one setter.
//!
//! Every directive is registered as RAW_ARGS: the module parses its own words and gives its own messages.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr;

use super::boundary::enter;
use super::hooks::Module;
use crate::apr::Pool;
use crate::ffi;

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Main server only (`GLOBAL_ONLY` is checked by the setter, with httpd's own message).
    Global,
    /// Main server and virtual hosts.
    Server,
    /// Servers, and directory sections, never `.htaccess`.
    ServerAndDirectory,
    /// Servers, directory sections, and `.htaccess` with `AllowOverride FileInfo`.
    FileInfo,
    /// Directory sections, and `.htaccess` with `AllowOverride AuthConfig`.
    AuthConfig,
    /// Anywhere.
    Anywhere,
}

impl Scope {
    const fn to_raw(self) -> i32 {
        match self {
            Self::Global | Self::Server => ffi::RSRC_CONF,
            Self::ServerAndDirectory => ffi::RSRC_CONF | ffi::ACCESS_CONF,
            Self::FileInfo => ffi::OR_FILEINFO,
            Self::AuthConfig => ffi::OR_AUTHCFG,
            Self::Anywhere => ffi::RSRC_CONF | ffi::ACCESS_CONF | ffi::OR_ALL,
        }
    }
}

/// One directive of a module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// Its name.
    pub(crate) name: &'static CStr,
    /// Where it may stand.
    pub(crate) scope: Scope,
    /// One line of help (`httpd -L`).
    pub(crate) help: &'static CStr,
}

/// Makes httpd's table, ended by an empty entry; `N` is one more than the number of commands.
pub(crate) const fn command_table<M: Module, const N: usize>(
    commands: &[Command],
) -> [ffi::command_rec; N] {
    assert!(
        commands.len() + 1 == N,
        "one entry a command, and the empty one"
    );
    let mut table = [EMPTY; N];
    let mut at = 0;
    while at < commands.len() {
        table[at] = ffi::command_rec {
            name: commands[at].name.as_ptr(),
            func: ffi::cmd_func {
                raw_args: Some(set::<M>),
            },
            cmd_data: ptr::without_provenance_mut(at),
            req_override: commands[at].scope.to_raw(),
            args_how: ffi::RAW_ARGS,
            errmsg: commands[at].help.as_ptr(),
        };
        at += 1;
    }
    table
}

const EMPTY: ffi::command_rec = ffi::command_rec {
    name: ptr::null(),
    func: ffi::cmd_func { raw_args: None },
    cmd_data: ptr::null_mut(),
    req_override: 0,
    args_how: 0,
    errmsg: ptr::null(),
};

/// Where a directive was found, and what it may change.
pub(crate) struct CommandContext<'c, M: Module> {
    raw: &'c ffi::cmd_parms,
    /// Index into the module's commands.
    pub(crate) index: usize,
    /// The server's configuration.
    pub(crate) server: &'c mut M::ServerConfig,
    /// The directory section's configuration; `None` directly in a server.
    pub(crate) directory: Option<&'c mut M::DirectoryConfig>,
    life: PhantomData<M>,
}

impl<M: Module> CommandContext<'_, M> {
    /// The file and line of the directive, for sentences; empty where httpd does not say.
    pub(crate) fn place(&self) -> String {
        // SAFETY: null or the directive that is being read, part of the configuration's tree.
        let Some(directive) = (unsafe { self.raw.directive.as_ref() }) else {
            return String::new();
        };
        if directive.filename.is_null() {
            return String::new();
        }
        // SAFETY: the name of a file of the configuration, a C string of its pool.
        let file = unsafe { CStr::from_ptr(directive.filename) };
        format!("line {} of {}", directive.line_num, file.to_string_lossy())
    }

    /// The names of the directives inside, for a section.
    pub(crate) fn content(&self) -> impl Iterator<Item = &CStr> {
        // SAFETY: null or the directive that is being read, part of the configuration's tree.
        let own = unsafe { self.raw.directive.as_ref() };
        let next = |one: *const ffi::ap_directive_t| {
            // SAFETY: null or a directive of the tree, which lives as long as this call.
            unsafe { one.as_ref() }
        };
        let first = own.and_then(|own| next(own.first_child));
        std::iter::successors(first, move |one| next(one.next))
            .filter(|one| !one.directive.is_null())
            .map(|one| {
                // SAFETY: the name of a directive, a C string of the configuration's pool.
                unsafe { CStr::from_ptr(one.directive) }
            })
    }

    /// Whether it stands in a file that is read for one request (`.htaccess`) while others are served.
    pub(crate) fn is_for_one_request(&self) -> bool {
        let raw = ptr::from_ref(self.raw).cast_mut();
        // SAFETY: the live cmd_parms of this call.
        let message = unsafe { ffi::ap_check_cmd_context(raw, ffi::NOT_IN_HTACCESS as _) };
        !message.is_null()
    }

    /// httpd's own refusal when the directive stands anywhere but in the main server.
    fn global_only(&self) -> Option<*const c_char> {
        // SAFETY: the live cmd_parms of this call.
        let message = unsafe {
            ffi::ap_check_cmd_context(ptr::from_ref(self.raw).cast_mut(), ffi::GLOBAL_ONLY as _)
        };
        (!message.is_null()).then_some(message)
    }
}

unsafe extern "C" fn set<M: Module>(
    cmd: *mut ffi::cmd_parms,
    directory: *mut c_void,
    args: *const c_char,
) -> *const c_char {
    let fallback = c"an internal error of mod_rsgi was stopped while this directive was read: the log says where".as_ptr();
    enter("directive", fallback, || {
        // SAFETY: httpd calls setters with live parameters of this configuration.
        let Some(raw) = (unsafe { cmd.as_ref() }) else {
            return fallback;
        };
        // SAFETY: the pool of the configuration being read.
        let Some(pool) = (unsafe { Pool::from_raw(raw.pool) }) else {
            return fallback;
        };
        // SAFETY: the command that httpd looked up is an entry of our table, whose data is its index.
        let index = unsafe { (*raw.cmd).cmd_data }.addr();
        // SAFETY: the server's slot was made by `create_server` before any directive is read.
        let Some(server) = (unsafe { super::hooks::server_config_mut::<M>(raw.server) }) else {
            return fallback;
        };
        let directory = if raw.path.is_null() {
            None
        } else {
            // SAFETY: httpd passes the section's slot, made by `create_directory`.
            unsafe { directory.cast::<M::DirectoryConfig>().as_mut() }
        };
        let mut context = CommandContext {
            raw,
            index,
            server,
            directory,
            life: PhantomData,
        };
        if M::COMMANDS
            .get(index)
            .is_some_and(|command| command.scope == Scope::Global)
            && let Some(message) = context.global_only()
        {
            return message;
        }
        let words: &[u8] = if args.is_null() {
            &[]
        } else {
            // SAFETY: httpd passes the rest of the line as a C string.
            unsafe { CStr::from_ptr(args) }.to_bytes()
        };
        let is_section = M::COMMANDS
            .get(index)
            .is_some_and(|command| command.name.to_bytes().starts_with(b"<"));
        match M::directive(&mut context, words) {
            Ok(()) if is_section => walk::<M>(cmd),
            Ok(()) => ptr::null(),
            Err(message) => pool.copy_c(message.as_bytes()).as_ptr(),
        }
    })
}

/// Has httpd read the directives inside of a section, and says that it is over. Nothing borrowed from `cmd` is alive.
fn walk<M: Module>(cmd: *mut ffi::cmd_parms) -> *const c_char {
    // SAFETY: the live parameters of this setter, says the caller, and no reference into them is left.
    let parms = unsafe { *cmd };
    // SAFETY: null or the section, part of the configuration's tree.
    let Some(section) = (unsafe { parms.directive.as_ref() }) else {
        return ptr::null();
    };
    // SAFETY: a tree of directives, live parameters and the section's place, as httpd's own sections pass them.
    let message = unsafe { ffi::ap_walk_config(section.first_child, cmd, parms.context) };
    // SAFETY: the server's slot, to which the setters inside have let go of their references.
    if let Some(config) = unsafe { super::hooks::server_config_mut::<M>(parms.server) } {
        M::section_end(config);
    }
    message
}

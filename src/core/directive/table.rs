//! The table of directives, in the order of [`Kind`].

use std::ffi::CStr;

use super::{Arguments, Context, Kind, Spec};

/// Every directive; the index is its [`Kind`].
pub static DIRECTIVES: [Spec; 35] = [
    spec(
        Kind::ScriptAlias,
        c"WSGIScriptAlias",
        Context::Server,
        Arguments::Raw,
        c"a URL path, a WSGI script or folder of scripts, and options: process-group= application-group= callable-object= pass-authorization=On|Off",
    ),
    spec(
        Kind::ScriptAliasMatch,
        c"WSGIScriptAliasMatch",
        Context::Server,
        Arguments::Raw,
        c"a regular expression for URL paths, a WSGI script with $0 to $9, and options: process-group= application-group= callable-object= pass-authorization=On|Off",
    ),
    spec(
        Kind::CallableObject,
        c"WSGICallableObject",
        Context::FileInfo,
        Arguments::Take1,
        c"the name of the application in the WSGI script (default: application)",
    ),
    spec(
        Kind::ApplicationGroup,
        c"WSGIApplicationGroup",
        Context::ServerDirectory,
        Arguments::Take1,
        c"the interpreter that applications run in: a name, %{GLOBAL}, %{SERVER}, %{RESOURCE}, %{HOST} or %{ENV:variable} (default: %{RESOURCE})",
    ),
    spec(
        Kind::HandlerScript,
        c"WSGIHandlerScript",
        Context::ServerDirectory,
        Arguments::Raw,
        c"a handler name, a script that handles it, and options: process-group= application-group= pass-authorization=On|Off",
    ),
    spec(
        Kind::ImportScript,
        c"WSGIImportScript",
        Context::Server,
        Arguments::Raw,
        c"a script to load when processes start, with process-group= and application-group=",
    ),
    spec(
        Kind::PythonHome,
        c"WSGIPythonHome",
        Context::Global,
        Arguments::Take1,
        c"the folder of the Python installation or virtual environment",
    ),
    spec(
        Kind::PythonPath,
        c"WSGIPythonPath",
        Context::Global,
        Arguments::Take1,
        c"folders for Python's module search path, joined by colons",
    ),
    spec(
        Kind::PythonOptimize,
        c"WSGIPythonOptimize",
        Context::Global,
        Arguments::Take1,
        c"Python's optimisation level: 0, 1 or 2 (default: 0)",
    ),
    spec(
        Kind::PythonHashSeed,
        c"WSGIPythonHashSeed",
        Context::Global,
        Arguments::Take1,
        c"the seed of Python's hashes: random, or a number up to 4294967295 (default: random)",
    ),
    spec(
        Kind::PythonWarnings,
        c"WSGIPythonWarnings",
        Context::Global,
        Arguments::Take1,
        c"a warning filter as python -W takes it; may be repeated",
    ),
    flag(
        Kind::DontWriteBytecode,
        c"WSGIDontWriteBytecode",
        Context::Global,
        c"On to write no .pyc files (default: Off)",
    ),
    flag(
        Kind::DestroyInterpreter,
        c"WSGIDestroyInterpreter",
        Context::Global,
        c"Off to leave interpreters as they are when a process ends (default: On)",
    ),
    flag(
        Kind::RestrictStdin,
        c"WSGIRestrictStdin",
        Context::Global,
        c"On to make any use of sys.stdin an error (default: Off)",
    ),
    flag(
        Kind::RestrictStdout,
        c"WSGIRestrictStdout",
        Context::Global,
        c"On to make any use of sys.stdout an error (default: Off)",
    ),
    flag(
        Kind::RestrictSignal,
        c"WSGIRestrictSignal",
        Context::Global,
        c"Off to let applications register signal handlers (default: On)",
    ),
    flag(
        Kind::CaseSensitivity,
        c"WSGICaseSensitivity",
        Context::Global,
        c"Off where upper and lower case name the same file",
    ),
    flag(
        Kind::ScriptReloading,
        c"WSGIScriptReloading",
        Context::FileInfo,
        c"Off to keep a script although its file changes (default: On)",
    ),
    flag(
        Kind::PassAuthorization,
        c"WSGIPassAuthorization",
        Context::FileInfo,
        c"On to give applications the Authorization header (default: Off)",
    ),
    flag(
        Kind::ChunkedRequest,
        c"WSGIChunkedRequest",
        Context::FileInfo,
        c"On to accept chunked request bodies (default: Off)",
    ),
    spec(
        Kind::MapHeadToGet,
        c"WSGIMapHEADToGET",
        Context::FileInfo,
        Arguments::Take1,
        c"whether applications see GET in place of HEAD: On, Off or Auto (default: Auto)",
    ),
    flag(
        Kind::EnableSendfile,
        c"WSGIEnableSendfile",
        Context::FileInfo,
        c"On to let the kernel send files of wsgi.file_wrapper (default: Off)",
    ),
    spec(
        Kind::DaemonProcess,
        c"WSGIDaemonProcess",
        Context::Server,
        Arguments::Raw,
        c"the name of a process group, and its options: user= group= processes= threads= home= python-home= and more",
    ),
    spec(
        Kind::ProcessGroup,
        c"WSGIProcessGroup",
        Context::ServerDirectory,
        Arguments::Take1,
        c"the process group that applications run in: a name, %{SERVER}, %{RESOURCE}, %{HOST} or %{ENV:variable}; %{GLOBAL} is Apache's own processes (default)",
    ),
    spec(
        Kind::RestrictProcess,
        c"WSGIRestrictProcess",
        Context::ServerDirectory,
        Arguments::Raw,
        c"the process groups that may be used here; %{GLOBAL} is Apache's own processes",
    ),
    flag(
        Kind::RestrictEmbedded,
        c"WSGIRestrictEmbedded",
        Context::Global,
        c"On to run no application in Apache's own processes (default: Off)",
    ),
    spec(
        Kind::SocketPrefix,
        c"WSGISocketPrefix",
        Context::Global,
        Arguments::Take1,
        c"where mod_wsgi has its sockets; mod_rsgi has no socket files and only reads the line",
    ),
    flag(
        Kind::SocketRotation,
        c"WSGISocketRotation",
        Context::Global,
        c"whether mod_wsgi renames its sockets at a restart; mod_rsgi has no socket files and only reads the line",
    ),
    spec(
        Kind::AcceptMutex,
        c"WSGIAcceptMutex",
        Context::Global,
        Arguments::Take1,
        c"mod_wsgi's lock round accept: Default, flock, fcntl, sysvsem, posixsem or pthread; mod_rsgi needs none and only reads the line",
    ),
    flag(
        Kind::IgnoreActivity,
        c"WSGIIgnoreActivity",
        Context::FileInfo,
        c"On for requests that do not count for inactivity-timeout (default: Off)",
    ),
    flag(
        Kind::ErrorOverride,
        c"WSGIErrorOverride",
        Context::FileInfo,
        c"On to answer with Apache's error pages where an application in a process group says 4xx or 5xx (default: Off)",
    ),
    spec(
        Kind::RequestBuffer,
        c"RSGIRequestBuffer",
        Context::FileInfo,
        Arguments::Take1,
        c"how many bytes of a request body are taken in before a process group is asked, or Off (default: 1048576)",
    ),
    flag(
        Kind::Overlap,
        c"RSGIOverlap",
        Context::Global,
        c"Off to end a process of a process group before its successor starts (default: On)",
    ),
    spec(
        Kind::TrustedProxies,
        c"WSGITrustedProxies",
        Context::FileInfo,
        Arguments::Raw,
        c"the addresses and networks of proxies whose headers are believed (default: everybody)",
    ),
    spec(
        Kind::TrustedProxyHeaders,
        c"WSGITrustedProxyHeaders",
        Context::FileInfo,
        Arguments::Raw,
        c"the headers by which proxies say who asked them for what: X-Forwarded-For, X-Forwarded-Proto, Forwarded and more (default: none)",
    ),
];

const fn spec(
    kind: Kind,
    name: &'static CStr,
    context: Context,
    arguments: Arguments,
    usage: &'static CStr,
) -> Spec {
    Spec {
        kind,
        name,
        context,
        arguments,
        usage,
    }
}

const fn flag(kind: Kind, name: &'static CStr, context: Context, usage: &'static CStr) -> Spec {
    spec(kind, name, context, Arguments::Flag, usage)
}

//! Builds what binds the module to this machine's httpd: asks apxs for flags and folders, runs bindgen over
//! `src/ffi.h`, compiles `src/shim.c`, and has the C compiler confirm every structure layout that bindgen read.
//!
//! Each thing that is missing ends the build with one sentence that names the package to install.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// Types whose layout both compilers have to agree on.
const LAYOUTS: &[&str] = &[
    "request_rec",
    "conn_rec",
    "server_rec",
    "module",
    "command_rec",
    "cmd_parms",
    "apr_bucket",
    "apr_bucket_brigade",
    "apr_table_entry_t",
    "apr_array_header_t",
    "ap_filter_t",
    "ap_filter_rec_t",
    "ap_regmatch_t",
    "apr_sockaddr_t",
    "apr_finfo_t",
    "authn_provider",
    "authz_provider",
    "global_score",
    "process_score",
    "worker_score",
];

/// Functions, types and variables of httpd and APR that the rooms `apr` and `httpd` use.
const FUNCTIONS: &str = "rsgi_.*|ap_hook_(pre_config|check_config|post_config|child_init|translate_name|check_access|handler|monitor|optional_fn_retrieve)\
|ap_log_(r|c|p|)error_|ap_get_(request_module_loglevel|server_module_loglevel|module_config|server_revision|server_banner|server_description|server_name_for_url|server_name|server_port|\
server_built|brigade|core_module_config|limit_req_body|remote_host|basic_auth_pw)|ap_set_module_config|ap_add_version_component\
|ap_exists_scoreboard_image|ap_get_scoreboard_(global|process)|ap_copy_scoreboard_worker|ap_mpm_query|ap_close_listeners|apr_proc_other_child_register|ap_show_mpm|ap_state_query|ap_pass_brigade|ap_bucket_error_create|ap_set_content_(type|length)\
|ap_discard_request_body|ap_check_cmd_context|ap_walk_config|ap_pregcomp|ap_regexec_len|ap_regexec|ap_regerror|ap_regcomp|ap_regfree|ap_exists_config_define\
|ap_document_root|ap_context_(prefix|document_root)|ap_http_scheme|ap_run_http_scheme|ap_run_default_port|ap_escape_html2\
|ap_add_common_vars|ap_find_linked_module|ap_server_root_relative|ap_allow_options|ap_remove_output_filter\
|ap_is_directory|ap_register_auth_provider|ap_get_useragent_host|ap_psignature|ap_auth_type|ap_update_child_status|ap_make_full_path|ap_get_conn_socket|ap_condition_if.*\
|ap_log_rid|ap_run_generate_log_id|ap_run_log_config|ap_sock_disable_nagle|ap_setup_client_block\
|apr_pool_(create_ex|destroy|cleanup_register|cleanup_kill|cleanup_null|cleanup_run)|apr_p(alloc|calloc|strdup|strndup|strmemdup|memdup)\
|apr_table_(get|set|setn|add|addn|unset|mergen|elts|clear|make)|apr_array_.*|apr_brigade_(create|cleanup|destroy|length|insert_file|write)\
|apr_bucket_(transient_create|heap_create|eos_create|flush_create|file_create|immortal_create)\
|apr_os_file_put|apr_strerror|apr_time_now|apr_socket_.*|apr_os_sock_get|apr_optional_fn_.*|apr_hook_.*|apr_stat|apr_dso_.*\
|apr_optional_hook_add|ap_rwrite|apr_is_empty_.*|apr_sockaddr_ip_getbuf|apr_file_.*|unixd_.*|ap_unixd_.*|ap_is_initial_req|ap_os_is_path_absolute|ap_no2slash";

fn main() {
    for file in ["src/ffi.h", "src/shim.c", "build.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed=APXS");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "macos") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-undefined,dynamic_lookup");
    } else {
        // Rust's std cannot be unloaded safely, and httpd unloads its modules at each restart.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    let httpd = Httpd::ask();
    let out =
        PathBuf::from(env::var("OUT_DIR").unwrap_or_else(|_| fail("cargo did not set OUT_DIR")));
    compile_shim(&httpd, &["src/shim.c".into()], "rsgi_shim");
    let bindings = bind(&httpd);
    let file = out.join("ffi.rs");
    if let Err(error) = fs::write(&file, &bindings) {
        fail(&format!("cannot write {}: {error}", file.display()));
    }
    confirm_layouts(&httpd, &bindings, &out);
}

/// Ends the build with one sentence.
#[expect(
    clippy::print_stderr,
    clippy::exit,
    reason = "a build script speaks to cargo by these"
)]
fn fail(sentence: &str) -> ! {
    eprintln!("\nmod_rsgi cannot be built: {sentence}\n");
    exit(1)
}

/// The packages that bring one thing, in the order Debian/Ubuntu, Fedora/RHEL, Alpine, macOS.
fn install(debian: &str, fedora: &str, alpine: &str, macos: &str) -> String {
    format!(
        "install it with `apt install {debian}` (Debian, Ubuntu), `dnf install {fedora}` (Fedora, RHEL), \
         `apk add {alpine}` (Alpine) or `{macos}` (macOS)"
    )
}

/// What apxs knows about the httpd that the module is built for.
struct Httpd {
    includes: Vec<PathBuf>,
    flags: Vec<String>,
}

impl Httpd {
    /// Asks `$APXS`, else `apxs`, `apxs2` or the usual places of it.
    fn ask() -> Self {
        let apxs = find_apxs();
        let includes: Vec<PathBuf> = ["INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR"]
            .map(|name| query(&apxs, name).into())
            .into();
        let folder = &includes[0];
        if !folder.join("httpd.h").is_file() {
            fail(&format!(
                "`httpd.h` is not in {} where {} says it is; {}",
                folder.display(),
                apxs.display(),
                install(
                    "apache2-dev",
                    "httpd-devel",
                    "apache2-dev",
                    "brew install httpd"
                )
            ));
        }
        let mut flags: Vec<String> = Vec::new();
        for name in ["EXTRA_CPPFLAGS", "EXTRA_CFLAGS", "CPPFLAGS"] {
            flags.extend(
                query(&apxs, name)
                    .split_whitespace()
                    .filter(|word| word.starts_with("-D"))
                    .map(str::to_owned),
            );
        }
        Self { includes, flags }
    }
}

fn find_apxs() -> PathBuf {
    if let Ok(given) = env::var("APXS") {
        if runs(Path::new(&given)) {
            return given.into();
        }
        fail(&format!(
            "APXS is set to `{given}`, which does not run; set it to the apxs of your httpd or unset it"
        ));
    }
    let places = [
        "apxs",
        "apxs2",
        "/usr/bin/apxs",
        "/usr/sbin/apxs",
        "/usr/local/bin/apxs",
        "/usr/local/apache2/bin/apxs",
        "/opt/homebrew/bin/apxs",
    ];
    places.iter().map(PathBuf::from).find(|place| runs(place)).unwrap_or_else(|| {
        fail(&format!(
            "`apxs`, the tool that tells how this machine's Apache was built, was not found; {}, or set APXS to its path",
            install("apache2-dev", "httpd-devel", "apache2-dev", "brew install httpd")
        ))
    })
}

fn runs(apxs: &Path) -> bool {
    Command::new(apxs)
        .args(["-q", "INCLUDEDIR"])
        .output()
        .is_ok_and(|output| output.status.success())
}

/// One value of apxs; empty when it does not know the name.
fn query(apxs: &Path, name: &str) -> String {
    Command::new(apxs)
        .args(["-q", name])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn compile_shim(httpd: &Httpd, files: &[PathBuf], name: &str) {
    let mut build = cc::Build::new();
    build
        .includes(&httpd.includes)
        .include("src")
        .files(files)
        .warnings(true)
        .extra_warnings(false)
        .cargo_metadata(true);
    for flag in &httpd.flags {
        build.flag(flag);
    }
    if build.try_get_compiler().is_err() || !compiler_runs(&build) {
        fail(&format!(
            "no C compiler was found; {}",
            install(
                "gcc libc6-dev",
                "gcc glibc-devel",
                "gcc musl-dev",
                "xcode-select --install"
            )
        ));
    }
    if let Err(error) = build.try_compile(name) {
        fail(&format!(
            "the C compiler refused {} ({error}); the headers of httpd, APR and libc have to belong together: {}",
            files
                .iter()
                .map(|file| file.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
            install(
                "apache2-dev libapr1-dev libc6-dev",
                "httpd-devel apr-devel glibc-devel",
                "apache2-dev apr-dev musl-dev",
                "brew install httpd"
            )
        ));
    }
}

fn compiler_runs(build: &cc::Build) -> bool {
    build.try_get_compiler().is_ok_and(|compiler| {
        compiler
            .to_command()
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

/// The bindings' text.
fn bind(httpd: &Httpd) -> String {
    let silent = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let clang = panic::catch_unwind(bindgen::clang_version);
    panic::set_hook(silent);
    if clang.is_err() {
        fail(&format!(
            "libclang, with which the headers of httpd are read, was not found; {}",
            install(
                "libclang-dev",
                "clang-devel",
                "clang-dev",
                "xcode-select --install"
            )
        ));
    }
    let mut builder = bindgen::Builder::default()
        .header("src/ffi.h")
        .allowlist_function(FUNCTIONS)
        .allowlist_type(LAYOUTS.join("|"))
        .allowlist_type("core_request_config|core_dir_config|apr_hook_.*|unixd_config_rec|ap_version_t|apr_status_t|ap_bucket_error|auth[nz]_status")
        .allowlist_var("MODULE_MAGIC_.*|OR_.*|RSRC_CONF|ACCESS_CONF|EXEC_ON_READ|AP_SQ_.*|AP_MPMQ_.*|APLOG_.*|AP_FTYPE_.*|APR_HOOK_.*|APR_ENOSPC|APR_NOFILE|APR_DIR|APR_REG|APR_FINFO_MIN|APR_(OC_REASON_.*|SUCCESS|EOF|EGENERAL|ECONNABORTED|FOPEN_.*|OS_START_.*)|AP_FILTER_ERROR|HTTP_.*|OPT_EXECCGI|AP_REQ_.*|NOT_IN_.*|GLOBAL_ONLY|AP_REG_.*|ap_unixd_config|ap_top_module|ap_conftree|AP_SERVER_.*|AP_AUTH_INTERNAL_.*|REMOTE_HOST|DONE|OK|DECLINED")
        .blocklist_function(".*printf.*|str(to|from).*|q?(e|f|g)cvt(_r)?")
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(false)
        .derive_debug(false)
        .generate_comments(false)
        .layout_tests(true)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .formatter(bindgen::Formatter::None)
        .clang_args(&httpd.flags);
    for folder in &httpd.includes {
        builder = builder.clang_arg(format!("-I{}", folder.display()));
    }
    match builder.generate() {
        Ok(bindings) => bindings.to_string(),
        Err(error) => fail(&format!(
            "libclang could not read the headers of httpd ({}); {}",
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or("no reason given"),
            install(
                "apache2-dev libclang-dev libc6-dev",
                "httpd-devel clang-devel",
                "apache2-dev clang-dev musl-dev",
                "brew install httpd"
            )
        )),
    }
}

/// Turns bindgen's own layout assertions into C ones and compiles them with the flags of the shim, so that a
/// difference between what libclang and the C compiler see is an error here and not a crash in httpd.
fn confirm_layouts(httpd: &Httpd, bindings: &str, out: &Path) {
    let mut text = String::from("#include \"ffi.h\"\n#include <stddef.h>\n");
    let mut sizes = 0;
    for rest in bindings.split("\"Size of ").skip(1) {
        let Some((name, number)) = assertion(rest) else {
            continue;
        };
        if LAYOUTS.contains(&name) {
            let _ = writeln!(
                text,
                "_Static_assert(sizeof({name}) == {number}, \"size of {name}\");"
            );
            sizes += 1;
        }
    }
    for rest in bindings.split("\"Offset of field: ").skip(1) {
        let Some((place, number)) = assertion(rest) else {
            continue;
        };
        let Some((name, field)) = place.split_once("::") else {
            continue;
        };
        // Rust keywords carry an underscore in the bindings.
        let field = field.trim_end_matches('_');
        if LAYOUTS.contains(&name) {
            let _ = writeln!(
                text,
                "_Static_assert(offsetof({name}, {field}) == {number}, \"{name}.{field}\");"
            );
        }
    }
    if sizes < LAYOUTS.len() / 2 {
        fail(
            "bindgen wrote no layout assertions to check the structures of httpd with; use the version of bindgen in Cargo.lock",
        );
    }
    let file = out.join("layouts.c");
    if let Err(error) = fs::write(&file, text) {
        fail(&format!("cannot write {}: {error}", file.display()));
    }
    compile_shim(httpd, &[file], "rsgi_layouts");
}

/// Splits `name" ] [ … - 704usize ] ;…` into the name and the number.
fn assertion(rest: &str) -> Option<(&str, &str)> {
    let (name, rest) = rest.split_once('"')?;
    let end = rest.find("usize")?;
    let number = rest[..end].rsplit(|c: char| !c.is_ascii_digit()).next()?;
    Some((name, number))
}

//! What a test asks of its server: configuration, applications, modules, MPM; and checking a
//! configuration without starting it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::server::{Port, Server};
use super::{UnderTest, module_path, say, under_test};

/// The multi-processing module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mpm {
    Event,
    Worker,
    Prefork,
}

impl Mpm {
    pub(crate) const ALL: [Self; 3] = [Self::Event, Self::Worker, Self::Prefork];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Worker => "worker",
            Self::Prefork => "prefork",
        }
    }
}

/// A server root in the making.
#[derive(Debug)]
pub(crate) struct Builder {
    root: Root,
    port: Port,
    conf: String,
    before: String,
    modules: Vec<String>,
    mpm: Mpm,
    processes: u32,
    threads: u32,
    log_level: String,
    home: Option<String>,
    module_symbol: Option<&'static str>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    allowed: Vec<String>,
}

/// What `httpd -t` said.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) is_accepted: bool,
    pub(crate) output: String,
}

impl Check {
    /// Fails unless httpd refused and its message has all of these.
    #[track_caller]
    pub(crate) fn refused_with(&self, parts: &[&str]) {
        assert!(!self.is_accepted, "httpd accepted it: {}", self.output);
        for part in parts {
            assert!(
                self.output.contains(part),
                "no {part:?} in: {}",
                self.output
            );
        }
    }

    /// Fails unless httpd accepted.
    #[track_caller]
    pub(crate) fn accepted(&self) {
        assert!(self.is_accepted, "httpd refused: {}", self.output);
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        let root = Root::fresh();
        for folder in ["apps", "htdocs", "work", "conf"] {
            make_folder(&root.join(folder));
        }
        allow(&root.join("work"), 0o777);
        Self {
            root,
            port: Port::take(),
            conf: String::new(),
            before: String::new(),
            modules: Vec::new(),
            mpm: Mpm::Event,
            processes: 1,
            threads: 8,
            log_level: "info".to_owned(),
            home: std::env::var("RSGI_TEST_PYTHON")
                .ok()
                .filter(|h| !h.is_empty() && h != "/usr"),
            module_symbol: Some("wsgi_module"),
            arguments: Vec::new(),
            environment: Vec::new(),
            allowed: Vec::new(),
        }
    }

    /// Adds configuration; `@ROOT@`, `@APPS@`, `@WORK@` and `@PORT@` are filled in here and in applications.
    pub(crate) fn conf(mut self, text: &str) -> Self {
        self.conf.push_str(&self.fill(text));
        self.conf.push('\n');
        self
    }

    /// Configuration in front of the module under test's LoadModule.
    pub(crate) fn conf_before_module(mut self, text: &str) -> Self {
        self.before.push_str(&self.fill(text));
        self.before.push('\n');
        self
    }

    /// Writes an application (or any file) below the folder of applications.
    pub(crate) fn app(self, name: &str, source: &str) -> Self {
        let text = self.fill(source);
        self.file(&format!("apps/{name}"), text.as_bytes())
    }

    /// The usual case: one application at `/`, in the main interpreter.
    pub(crate) fn serve(self, source: &str) -> Self {
        self.app("app.wsgi", source)
            .conf("WSGIScriptAlias / @APPS@/app.wsgi\nWSGIApplicationGroup %{GLOBAL}")
    }

    /// Writes a file below the server root, with the folders on its way.
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        let path = self.root.join(name);
        make_folder(path.parent().expect("a file has a folder"));
        std::fs::write(&path, content).unwrap();
        self
    }

    /// Loads modules of the httpd distribution: `rewrite` stands for `mod_rewrite.so`.
    pub(crate) fn modules(mut self, names: &[&str]) -> Self {
        self.modules.extend(names.iter().map(|&n| n.to_owned()));
        self
    }

    pub(crate) fn mpm(mut self, mpm: Mpm) -> Self {
        self.mpm = mpm;
        self
    }

    /// How many children may run, all started at once.
    pub(crate) fn processes(mut self, count: u32) -> Self {
        self.processes = count;
        self
    }

    pub(crate) fn threads(mut self, count: u32) -> Self {
        self.threads = count;
        self
    }

    pub(crate) fn log_level(mut self, level: &str) -> Self {
        self.log_level = level.to_owned();
        self
    }

    /// The WSGIPythonHome of the generated configuration; `None` writes none.
    pub(crate) fn python_home(mut self, home: Option<&str>) -> Self {
        self.home = home.map(str::to_owned);
        self
    }

    /// The symbol that LoadModule names; `None` leaves the module out.
    pub(crate) fn module_symbol(mut self, symbol: Option<&'static str>) -> Self {
        self.module_symbol = symbol;
        self
    }

    /// One more argument for httpd, such as `-X`.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A warning or error that the log may hold: any line with that text.
    pub(crate) fn allow_log(mut self, text: &str) -> Self {
        self.allowed.push(text.to_owned());
        self
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn fill(&self, text: &str) -> String {
        let root = self.root.display().to_string();
        text.replace("@APPS@", &format!("{root}/apps"))
            .replace("@WORK@", &format!("{root}/work"))
            .replace("@ROOT@", &root)
            .replace("@PORT@", &self.port.number().to_string())
    }

    /// Starts httpd and waits until it serves.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        let conf = self.write_conf();
        let command = self.command(&conf);
        Server::start(
            self.root,
            self.port,
            conf,
            command,
            &self.arguments,
            self.allowed,
        )
    }

    /// Lets httpd read the configuration only.
    pub(crate) fn check(self) -> Check {
        let conf = self.write_conf();
        let output = self
            .command(&conf)
            .arg("-t")
            .output()
            .expect("httpd starts");
        let text = [output.stdout, output.stderr].concat();
        Check {
            is_accepted: output.status.success(),
            output: String::from_utf8_lossy(&text).into_owned(),
        }
    }

    fn command(&self, conf: &Path) -> Command {
        let mut command = Command::new(httpd());
        command
            .arg("-d")
            .arg(&*self.root)
            .arg("-f")
            .arg(conf)
            .args(&self.arguments);
        command.env("RSGI_E2E_ROOT", &*self.root);
        for name in std::env::vars()
            .map(|v| v.0)
            .filter(|n| n.starts_with("PYTHON"))
        {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned());
        command
    }

    fn write_conf(&self) -> PathBuf {
        let path = self.root.join("conf/httpd.conf");
        std::fs::write(&path, self.httpd_conf()).unwrap();
        path
    }

    fn httpd_conf(&self) -> String {
        let mut text = String::new();
        let loaded = ["authz_core", "unixd", "log_config"].map(str::to_owned);
        let mpm = format!("mpm_{}", self.mpm.name());
        for name in loaded.iter().chain([&mpm]).chain(&self.modules) {
            text.push_str(&load_line(name));
        }
        text.push_str(&self.before);
        if let Some(symbol) = self.module_symbol {
            writeln!(text, "LoadModule {symbol} \"{}\"", module_path().display()).unwrap();
        }
        text.push_str(&self.fill(BASE));
        if is_root() {
            text.push_str(&format!("User {0}\nGroup {0}\n", web_user()));
        }
        text.push_str(&self.mpm_conf());
        writeln!(text, "LogLevel {}", self.log_level).unwrap();
        if let (Some(home), UnderTest::Rsgi) = (&self.home, under_test()) {
            writeln!(text, "WSGIPythonHome \"{home}\"").unwrap();
        }
        text.push_str(&self.conf);
        text
    }

    /// Processes of the old generation may still exist while a graceful restart hands over; a worker MPM counts
    /// them against MaxRequestWorkers.
    fn mpm_conf(&self) -> String {
        let (processes, threads) = (self.processes, self.threads);
        let limit = processes + 4;
        if self.mpm == Mpm::Prefork {
            let count = processes.max(threads);
            return format!(
                "ServerLimit {count}\nStartServers {count}\nMinSpareServers 1\n\
                 MaxSpareServers {count}\nMaxRequestWorkers {count}\n"
            );
        }
        format!(
            "ServerLimit {limit}\nThreadLimit {threads}\nThreadsPerChild {threads}\n\
             StartServers {processes}\nMinSpareThreads 1\nMaxSpareThreads {all}\n\
             MaxRequestWorkers {most}\n",
            all = processes * threads,
            most = match self.mpm {
                Mpm::Worker => limit * threads,
                _ => processes * threads,
            }
        )
    }
}

const BASE: &str = r#"
ServerName localhost
Listen 127.0.0.1:@PORT@
PidFile "@ROOT@/httpd.pid"
DefaultRuntimeDir "@ROOT@"
ErrorLog "@ROOT@/error.log"
DocumentRoot "@ROOT@/htdocs"
LogFormat "%h %m %U%q %>s %B %O %X" tests
CustomLog "@ROOT@/access.log" tests
Timeout 10
KeepAliveTimeout 10
MaxKeepAliveRequests 0
GracefulShutdownTimeout 10
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory "@ROOT@">
    Require all granted
</Directory>
"#;

/// The program of the web server.
pub(crate) fn httpd() -> PathBuf {
    if let Some(path) = std::env::var_os("RSGI_TEST_HTTPD") {
        return path.into();
    }
    let places = [
        "/usr/sbin/apache2",
        "/usr/sbin/httpd",
        "/usr/local/apache2/bin/httpd",
    ];
    let found = places.iter().map(Path::new).find(|p| p.exists());
    found.expect("an httpd is installed (ci/setup)").to_owned()
}

/// LoadModule for a module that is not compiled in; nothing where it is.
pub(crate) fn load_line(name: &str) -> String {
    static BUILT_IN: OnceLock<String> = OnceLock::new();
    let built_in = BUILT_IN.get_or_init(|| {
        let output = Command::new(httpd())
            .arg("-l")
            .output()
            .expect("httpd starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    if built_in.contains(&format!("mod_{name}.c")) {
        return String::new();
    }
    let file = modules_folder().join(format!("mod_{name}.so"));
    format!("LoadModule {name}_module \"{}\"\n", file.display())
}

/// Where the distribution keeps httpd's modules.
pub(crate) fn modules_folder() -> PathBuf {
    if let Some(path) = std::env::var_os("RSGI_TEST_HTTPD_MODULES") {
        return path.into();
    }
    let places = [
        "/usr/lib/apache2/modules",
        "/usr/lib64/httpd/modules",
        "/usr/local/apache2/modules",
    ];
    let found = places.iter().map(Path::new).find(|p| p.exists());
    found.expect("httpd's modules are installed").to_owned()
}

pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The unprivileged user that the distribution's httpd runs as.
pub(crate) fn web_user() -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let names = ["www-data", "apache", "_www", "nobody"];
    let has = |name: &&str| passwd.lines().any(|l| l.starts_with(&format!("{name}:")));
    (*names
        .iter()
        .find(|n| has(n))
        .expect("there is a user for the web server"))
    .to_owned()
}

/// The folder of one server; gone with this value, unless a test failed and RSGI_TEST_KEEP is set.
#[derive(Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let base =
            std::env::var_os("RSGI_TEST_TMP").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // No root is the beginning of another: processes are found by it.
        let root = base.join(format!("rsgi-e2e-{}-{count:04}", std::process::id()));
        std::fs::remove_dir_all(&root).ok();
        make_folder(&root);
        Self(root)
    }
}

impl std::ops::Deref for Root {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("RSGI_TEST_KEEP").is_some() {
            say(&format!("kept: {}", self.0.display()));
        } else {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }
}

fn make_folder(path: &Path) {
    if path.exists() {
        return;
    }
    std::fs::create_dir_all(path).expect("a folder can be made");
    allow(path, 0o755);
}

/// Sets a file's mode, whatever the umask is.
pub(crate) fn allow(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

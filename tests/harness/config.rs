//! What a test asks of its server: configuration, applications, modules, MPM; and checking a
//! configuration without starting it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::check::Check;
use super::httpd::{httpd, is_root, load_line, web_user};
use super::mode::{GROUP, Mode, is_without_gil, mode};
use super::mpm::Mpm;
use super::root::{Root, allow, make_folder};
use super::server::{Port, Server};
use super::{UnderTest, module_path, under_test};

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
    /// The home is that of the run, not one of the test.
    is_home_the_runs: bool,
    module_symbol: Option<&'static str>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    allowed: Vec<String>,
    groups: Groups,
}

/// The daemon process groups of a server.
#[derive(Debug)]
enum Groups {
    /// What the mode of the run says, with these options more.
    OfTheMode(String),
    /// What the test says, and nothing else.
    OfTheTest(String),
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
            is_home_the_runs: true,
            module_symbol: Some("wsgi_module"),
            arguments: Vec::new(),
            environment: Vec::new(),
            allowed: Vec::new(),
            groups: Groups::OfTheMode(String::new()),
        }
    }

    /// Adds configuration; `@ROOT@`, `@APPS@`, `@WORK@` and `@PORT@` are filled in here and in applications.
    pub(crate) fn conf(mut self, text: &str) -> Self {
        self.conf.push_str(&self.fill(text));
        self.conf.push('\n');
        self
    }

    /// Applications run in Apache's children unless the test's own configuration says otherwise, whatever the mode.
    pub(crate) fn embedded(mut self) -> Self {
        if let Groups::OfTheMode(_) = self.groups {
            self.groups = Groups::OfTheTest(String::new());
        }
        self
    }

    /// All requests go to one process, whose state the test looks at; its threads stay as many as the mode says.
    pub(crate) fn one_process(mut self) -> Self {
        if let (Groups::OfTheMode(options), Mode::Daemon) = (&mut self.groups, mode()) {
            // A later option of the same name wins.
            options.push_str(" processes=1");
        }
        self
    }

    /// Request bodies reach the application as they come. In front of a process group a short one is taken in first.
    pub(crate) fn streamed(self) -> Self {
        if mode() == Mode::Embedded || under_test() == UnderTest::ModWsgi {
            return self;
        }
        self.conf("RSGIRequestBuffer Off")
    }

    /// A daemon process group with these options, whatever the mode; applications run in the first.
    pub(crate) fn daemon(mut self, name: &str, options: &str) -> Self {
        let options = self.fill(options);
        let mut text = match self.groups {
            Groups::OfTheMode(_) => format!("WSGIProcessGroup {name}\n"),
            Groups::OfTheTest(ref text) if text.is_empty() => format!("WSGIProcessGroup {name}\n"),
            Groups::OfTheTest(ref text) => text.clone(),
        };
        // mod_wsgi: its processes are forked from the parent, and told apart by their title only.
        let title = match under_test() {
            UnderTest::ModWsgi if !options.contains("display-name") => "display-name=%{GROUP}",
            _ => "",
        };
        writeln!(text, "WSGIDaemonProcess {name} {options} {title}").unwrap();
        self.groups = Groups::OfTheTest(text);
        self
    }

    /// Folders in front of `sys.path`: WSGIPythonPath, or `python-path` of the mode's group.
    pub(crate) fn python_path(mut self, folders: &str) -> Self {
        let folders = self.fill(folders);
        match &mut self.groups {
            Groups::OfTheMode(options) if mode() != Mode::Embedded => {
                write!(options, " python-path=\"{folders}\"").unwrap();
            }
            _ => writeln!(self.conf, "WSGIPythonPath \"{folders}\"").unwrap(),
        }
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
        self.is_home_the_runs = false;
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
        let workers = match (&self.groups, mode()) {
            (Groups::OfTheMode(options), Mode::Daemon) if !options.contains("processes=1") => 2,
            (Groups::OfTheMode(_), Mode::Daemon | Mode::Single) => 1,
            _ => 0,
        };
        let mut server = Server::start(
            self.root,
            self.port,
            conf,
            command,
            &self.arguments,
            self.allowed,
        );
        server.expect_workers(workers);
        server
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

    /// Starts an httpd that refuses to serve; what it said and logged.
    pub(crate) fn start_in_vain(self) -> Check {
        let conf = self.write_conf();
        let output = self
            .command(&conf)
            .arg("-DFOREGROUND")
            .output()
            .expect("httpd starts");
        let log = std::fs::read(self.root.join("error.log")).unwrap_or_default();
        let text = [output.stdout, output.stderr, log].concat();
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
        if under_test() == UnderTest::ModWsgi {
            // Ours has no socket files.
            text.push_str(&self.fill("WSGISocketPrefix \"@ROOT@/wsgi\"\n"));
        }
        if let (Some(home), UnderTest::Rsgi) = (&self.home, under_test()) {
            writeln!(text, "WSGIPythonHome \"{home}\"").unwrap();
            if self.is_home_the_runs && is_without_gil() {
                text.push_str("WSGIFreeThreading On\n");
            }
        }
        match (&self.groups, mode().options()) {
            (Groups::OfTheMode(more), Some(options))
                if self.module_symbol.is_some() && !self.conf.contains("WSGIDaemonProcess") =>
            {
                text.push_str(&mode_conf(&format!("{options}{more}")));
                // Scripts that are loaded before any request follow the requests.
                let group = format!("process-group={GROUP}");
                text.push_str(&self.conf.replace("process-group=%{GLOBAL}", &group));
            }
            (Groups::OfTheTest(groups), _) => {
                text.push_str(groups);
                text.push_str(&self.conf);
            }
            _ => text.push_str(&self.conf),
        }
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

/// The group that all applications of a server run in, with these options.
fn mode_conf(options: &str) -> String {
    let title = match under_test() {
        UnderTest::ModWsgi => "display-name=%{GROUP}",
        UnderTest::Rsgi => "",
    };
    format!("WSGIDaemonProcess {GROUP} {options} {title}\nWSGIProcessGroup {GROUP}\n")
}

/// What the configuration of each server begins with.
const BASE: &str = include_str!("httpd.conf");

//! Runs rsgi-express on a directory of its own.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{
    Connection, Port, Reply, Request, UnderTest, allow, comes_true, is_root, module_path, signal,
    under_test, wait_until, web_user, with_marker,
};

/// An application that answers with what the environ says about the URL.
pub(crate) const HELLO: &str = r#"
def application(environ, start_response):
    body = "|".join([environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["mod_wsgi.application_group"]])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode("latin-1")]
"#;

/// A command line in the making, with the directory it works in.
#[derive(Debug)]
pub(crate) struct Launcher {
    directory: PathBuf,
    port: u16,
    /// Nobody else's for as long as this lives.
    _claim: Port,
    user: Option<u32>,
    /// What runs the program, such as `unshare` with its options.
    wrapper: Vec<String>,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Launcher {
    /// A fresh directory with `hello.py` in it.
    pub(crate) fn new() -> Self {
        Self::named("app")
    }

    /// The same, where the directory's name is given: odd ones are worth a test.
    pub(crate) fn named(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let outer = format!("/tmp/rsgi-express-{}-{count}", std::process::id());
        let directory = Path::new(&outer).join(name);
        std::fs::create_dir_all(&directory).unwrap();
        allow(Path::new(&outer), 0o755);
        allow(&directory, 0o755);
        let claim = Port::take();
        let launcher = Self {
            directory,
            port: claim.number(),
            _claim: claim,
            user: None,
            wrapper: vec![],
            arguments: vec![],
            environment: vec![],
        };
        launcher.file("hello.py", HELLO)
    }

    /// Writes a file below the directory.
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        let path = self.path(name);
        for folder in path.ancestors().skip(1).take_while(|p| !p.exists()) {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(&path, content).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Listens on this port instead of a free one.
    pub(crate) fn on_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Runs as somebody without rights, who gets the directory.
    pub(crate) fn run_by(mut self, id: u32) -> Self {
        std::os::unix::fs::chown(&self.directory, Some(id), Some(id)).unwrap();
        self.user = Some(id);
        self
    }

    /// Has another program run the launcher.
    pub(crate) fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The server root that the commands get.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// The command with the options that every test needs.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(program()),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program());
                command
            }
        };
        if let Some(id) = self.user {
            command.uid(id).gid(id);
        }
        command.arg(name).current_dir(&self.directory);
        if name.ends_with("-server") {
            command
                .arg("--port")
                .arg(self.port().to_string())
                .arg("--server-root")
                .arg(self.root());
        }
        for variable in std::env::vars().map(|v| v.0) {
            if variable.starts_with("PYTHON") || variable == "VIRTUAL_ENV" {
                command.env_remove(variable);
            }
        }
        self.choose_who_serves(&mut command, name);
        command
            .args(&self.arguments)
            .env("RSGI_MODULE", module_path())
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// The Python, and the user where the original would not take the web's by itself.
    fn choose_who_serves(&self, command: &mut Command, name: &str) {
        let is_given = |option: &str| self.arguments.iter().any(|argument| argument == option);
        if under_test() == UnderTest::ModWsgi {
            // mod_wsgi: serves with the Python it is installed in, and as root where nobody is named.
            if is_root() && self.user.is_none() && name.ends_with("-server") {
                let user = web_user();
                command.args(["--user", &user, "--group", &user]);
            }
            // httpd: stops its whole process group, which here would be that of the tests.
            std::os::unix::process::CommandExt::process_group(command, 0);
            return;
        }
        // The system's python3 rather than one that happens to be first on the developer's PATH.
        let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_else(|_| "/usr".into());
        if !is_given("--python") {
            command.env("VIRTUAL_ENV", python);
        }
    }

    /// Runs a command to its end.
    pub(crate) fn output(&self, name: &str) -> Output {
        self.command(name).output().expect("rsgi-express starts")
    }

    /// Writes the configuration, which Apache has accepted when this returns.
    #[track_caller]
    pub(crate) fn setup(&self) -> String {
        let output = self.output("setup-server");
        let text = text(&output);
        assert!(output.status.success(), "setup-server failed: {text}");
        text
    }

    /// Fails unless start-server ends with this code and one error, whose lines have all of these parts.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, parts: &[&str]) {
        let output = self.output("start-server");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        let errors: Vec<_> = text.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "not one line of error: {text}");
        assert!(!text.contains("Traceback"), "{text}");
        let told: Vec<_> = text
            .lines()
            .skip_while(|line| !line.starts_with("error: "))
            .collect();
        let told = told.join("\n");
        for part in parts {
            assert!(told.contains(part), "no {part:?} in: {text}");
        }
        assert!(self.processes().is_empty(), "Apache was started");
    }

    /// Starts the server and waits until it answers.
    #[track_caller]
    pub(crate) fn start(self) -> Run {
        let output = File::create(self.path("output")).unwrap();
        let child = self
            .command("start-server")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("rsgi-express starts");
        let mut run = Run {
            launcher: self,
            child,
        };
        let is_up = comes_true(crate::harness::PATIENCE, || {
            run.has_ended() || run.is_serving()
        });
        assert!(
            is_up && !run.has_ended(),
            "start-server did not start: {}",
            run.output()
        );
        run
    }

    /// Starts the server and waits until it listens: for logs that are elsewhere.
    #[track_caller]
    pub(crate) fn start_without_log(self) -> Run {
        let output = File::create(self.path("output")).unwrap();
        let child = self
            .command("start-server")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("rsgi-express starts");
        let run = Run {
            launcher: self,
            child,
        };
        wait_until("the server listens", || run.is_listening());
        run
    }

    /// The processes that the server root has alive.
    pub(crate) fn processes(&self) -> Vec<i32> {
        with_marker(&self.root().display().to_string())
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        for pid in self.processes() {
            signal(pid, libc::SIGKILL);
        }
        if std::env::var_os("RSGI_TEST_KEEP").is_none()
            && let Some(outer) = self.directory.parent()
        {
            std::fs::remove_dir_all(outer).ok();
        }
    }
}

/// A start-server that runs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) launcher: Launcher,
    child: Child,
}

impl Run {
    /// The launcher's process id.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What the launcher and, with `--log-to-terminal`, Apache have said.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(self.launcher.path("output")).unwrap_or_default()
    }

    /// Apache's error log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.launcher.root().join("error_log")).unwrap_or_default()
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        Connection::open(self.launcher.port()).ask(&Request::get(target))
    }

    /// GET, then a whole 200's body as text.
    #[track_caller]
    pub(crate) fn text(&self, target: &str) -> String {
        self.get(target).ok().text()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    fn is_serving(&self) -> bool {
        [self.log(), self.output()]
            .concat()
            .contains("resuming normal operations")
            && self.is_listening()
    }

    fn is_listening(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.launcher.port())).is_ok()
    }

    /// The process id of the httpd parent.
    pub(crate) fn httpd(&self) -> i32 {
        let file = self.launcher.root().join("httpd.pid");
        let text = std::fs::read_to_string(file).unwrap();
        text.trim().parse().unwrap()
    }

    /// Sends the launcher a signal, waits for its end, and returns its exit code.
    #[track_caller]
    pub(crate) fn end(&mut self, number: i32) -> Option<i32> {
        signal(self.pid(), number);
        wait_until("the launcher ends", || self.has_ended());
        self.child.wait().unwrap().code()
    }

    /// Fails when a process or a pid file is left.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        assert_eq!(self.launcher.processes(), Vec::<i32>::new(), "processes");
        assert!(!self.launcher.root().join("httpd.pid").exists(), "pid file");
        assert!(!self.is_listening(), "the port is still open");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.has_ended() {
            // At once, without the grace that SIGTERM gives.
            signal(self.pid(), libc::SIGINT);
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            crate::harness::say(&format!("{}\nerror log:\n{}", self.output(), self.log()));
        }
    }
}

/// The program under test: RSGI_TEST_EXPRESS, or the one built beside the module.
pub(crate) fn program() -> PathBuf {
    let path = std::env::var_os("RSGI_TEST_EXPRESS").map_or_else(
        || module_path().with_file_name("rsgi-express"),
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is missing: run the end-to-end tests with ci/e2e",
        path.display()
    );
    path
}

/// All that a command said.
pub(crate) fn text(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

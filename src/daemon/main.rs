//! The program of a daemon process: see `rsgi_daemon::program`.

fn main() {
    rsgi_daemon::program::run();
}

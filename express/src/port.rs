//! Finds out before Apache does whether the port can be listened on, and who has it.

use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs as _};

use crate::error::Error;
use crate::settings::{Settings, bracketed};

/// Listens on the ports for a moment.
///
/// # Errors
/// One is taken, needs root, or the host is not this machine.
pub(crate) fn check(settings: &Settings) -> Result<(), Error> {
    let listening = &settings.listening;
    let host = listening.host.as_deref();
    check_one("--port", host, listening.port)?;
    if let Some(tls) = &settings.tls {
        check_one("--https-port", host, tls.port)?;
    }
    match settings.metrics.ui_port() {
        Some(port) => check_one("--telemetry-ui-port", Some("127.0.0.1"), port),
        None => Ok(()),
    }
}

/// The same for the port of one option.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_one(option: &str, host: Option<&str>, port: u16) -> Result<(), Error> {
    let result = match host {
        Some(host) => listen(host, port),
        // Apache's Listen without an address takes IPv6 and IPv4 at once where there is both.
        None => match listen("::", port) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => listen("0.0.0.0", port),
            result => result,
        },
    };
    let Err(error) = result else { return Ok(()) };
    let text = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = holder(port).map_or_else(String::new, |who| format!(" by {who}"));
            format!("port `{port}` is in use{holder}\nchoose another one with `{option}`")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "port `{port}` needs root\nstart as root, or choose one from 1024 up with `{option}`"
            )
        }
        _ => {
            let host = bracketed(host.unwrap_or("localhost"));
            format!("cannot listen on `{host}:{port}`: {error}")
        }
    };
    Err(Error::Port(text))
}

/// std sets SO_REUSEADDR as Apache does, so connections of an earlier server do not count.
fn listen(host: &str, port: u16) -> io::Result<()> {
    for address in (host, port).to_socket_addrs()? {
        TcpListener::bind(address)?;
    }
    Ok(())
}

/// The process that listens on the port, as `name` (pid n), where /proc tells.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| has_one_of(*pid, &inodes))
        .collect();
    // The parent of a server's processes has the lowest number, but for a wrap-around.
    pids.sort_unstable();
    let pid = pids.first()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("`{}` (process {pid})", name.trim()))
}

fn has_one_of(pid: u32, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|link| {
            sockets
                .iter()
                .any(|socket| link.as_os_str() == socket.as_str())
        })
}

/// Inodes of the sockets in state LISTEN (0A) on the port, from the text of /proc/net/tcp.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let is_listening = fields.get(3) == Some(&"0A") && fields.get(1)?.ends_with(&suffix);
            is_listening.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listening_socket_is_found_in_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n\
             1: 0100007F:1F40 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n";
        assert_eq!(listening_inodes(table, 8000), ["4711"]);
        assert!(listening_inodes(table, 8001).is_empty());
    }

    #[test]
    fn this_process_is_named_as_the_holder_of_its_port() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = holder(port).unwrap();
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    }
}

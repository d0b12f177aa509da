//! What a service manager wants to know: that the server answers, that it stops (sd_notify's protocol, which is a
//! datagram to the socket that NOTIFY_SOCKET names).

use std::env;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The variable with the socket's name. Apache does not get it: only the launcher speaks for the unit.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";

/// Tells the service manager, where there is one. That nobody listens is no reason to stop.
pub(crate) fn tell(state: &str) {
    let Some(name) = env::var_os(SOCKET).filter(|name| !name.is_empty()) else {
        return;
    };
    let Some(address) = address(&name.to_string_lossy()) else {
        return;
    };
    if let Ok(socket) = UnixDatagram::unbound() {
        drop(socket.send_to_addr(state.as_bytes(), &address));
    }
}

/// A path, or a name of the abstract namespace with `@` in front.
fn address(name: &str) -> Option<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(abstract_name) = name.strip_prefix('@') {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(abstract_name).ok();
    }
    SocketAddr::from_pathname(name).ok()
}

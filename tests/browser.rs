//! A client that keeps its connection as browsers do: when the server has closed it since the last answer, the
//! request goes to a fresh connection, but only if nothing of an answer had come.

use crate::harness::{Connection, Reply, Request};

/// One client of one server.
#[derive(Debug)]
pub(crate) struct Browser {
    port: u16,
    kept: Option<Connection>,
    /// How often a kept connection turned out to be closed.
    pub(crate) retried: usize,
}

impl Browser {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            kept: None,
            retried: 0,
        }
    }

    /// Asks; a fresh connection has to answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        if let Some(mut connection) = self.kept.take() {
            let reply = if connection.try_send(request.to_bytes()) {
                connection.reply(&request.method())
            } else {
                Reply::default()
            };
            if reply.status != 0 {
                return self.keep(connection, reply);
            }
            self.retried += 1;
        }
        let mut connection = Connection::open(self.port);
        let reply = connection.ask(request);
        self.keep(connection, reply)
    }

    /// Lets the connection go: the next request opens one.
    pub(crate) fn hang_up(&mut self) {
        self.kept = None;
    }

    fn keep(&mut self, connection: Connection, reply: Reply) -> Reply {
        let is_last = reply
            .header("Connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.kept = (!is_last && !reply.is_cut).then_some(connection);
        reply
    }
}

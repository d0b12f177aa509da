//! What comes with a new connection through a slot's intake.

use super::error::WireError;
use super::frame::Fields;

/// The protocol of this build; httpd and daemon come from one build, so any other number is a mistake.
pub const VERSION: u32 = 4;

/// Bytes of a hello.
pub const HELLO: usize = 24;

const MAGIC: [u8; 4] = *b"RSGI";

/// Who makes a connection, and to which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The child's row in the scoreboard.
    pub row: u32,
    /// The process that the connection is for; any other closes it.
    pub incarnation: u32,
    /// The child's process id.
    pub pid: u32,
}

impl Hello {
    /// The message.
    #[must_use]
    pub fn encode(self) -> [u8; HELLO] {
        let mut message = [0; HELLO];
        let words = [VERSION, self.row, self.incarnation, self.pid];
        message[..4].copy_from_slice(&MAGIC);
        for (place, word) in message[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        message
    }

    /// Reads a message.
    ///
    /// # Errors
    /// It is none, or of another build.
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields(message);
        if fields.array("the hello")? != MAGIC {
            return Err(WireError::Value("the hello's first word"));
        }
        let version = fields.u32("the hello")?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let hello = Self {
            row: fields.u32("the hello")?,
            incarnation: fields.u32("the hello")?,
            pid: fields.u32("the hello")?,
        };
        if fields.u32("the hello")? != 0 {
            return Err(WireError::Value("the hello's last word"));
        }
        fields.end("the hello")?;
        Ok(hello)
    }
}

//! What the tests of the program share: a process with everything that it is born with, and a child that talks to it.

mod child;
mod files;
mod process;

pub(crate) use child::{Answer, Child, Form, Request, pass};
pub(crate) use process::{Daemon, Ended, import, until};

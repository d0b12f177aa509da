//! What is expected of the program.

mod hostile;
mod identity;
mod life;
mod serving;
mod timers;

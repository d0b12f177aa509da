//! What is expected of the program.

mod cost;
mod hostile;
mod identity;
mod life;
mod serving;
mod timers;

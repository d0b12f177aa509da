//! Workers that take their requests from the host.

#![deny(unsafe_code)]

use rsgi_bridge::abi;

use crate::entry::{Next, SourceRef, fenced};
use crate::handler;

/// Runs what `source` has until that says that it is enough; see [`abi::Layer::serve`].
pub(crate) fn serve(source: SourceRef) {
    loop {
        match source.next(abi::NEXT_WAIT) {
            Next::Ready(taken) => {
                let code = fenced("serve", Some(taken.host), abi::HANDLED_PANIC, || {
                    handler::handle(&taken.view(), taken.host)
                });
                source.done(code, 0);
            }
            Next::None => {}
            Next::End => return,
        }
    }
}

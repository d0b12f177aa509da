//! What a request has in hand while it runs, and gives back when it is over.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use pyo3::prelude::*;

use crate::exchange::{self, Exchange};
use crate::interpreter::At;
use crate::spares::Spares;
use crate::types::RequestObjects;

/// The exchange of the request in hand; forgets its host at the latest when it drops, which is done detached.
#[derive(Default)]
pub(crate) struct InHand {
    pub(super) exchange: RefCell<Option<Arc<Exchange>>>,
    /// That of the request for which a filter runs this one.
    pub(super) outer: Cell<Option<Arc<Exchange>>>,
    /// Its objects, where nobody else has them, and whose they are.
    objects: Cell<Option<(RequestObjects, &'static Spares)>>,
}

impl InHand {
    /// The exchange, once there is one.
    pub(crate) fn exchange(&self) -> Option<Arc<Exchange>> {
        self.exchange.borrow().clone()
    }

    /// Takes an exchange in hand.
    pub(crate) fn hold(&self, exchange: &Arc<Exchange>) {
        self.exchange.replace(Some(Arc::clone(exchange)));
    }

    /// Keeps the objects of the request until it is over.
    pub(super) fn spare(&self, at: At<'_>, objects: RequestObjects) {
        self.objects.set(Some((objects, &at.kit().spares)));
    }

    fn give_back(&self) {
        if let Some((objects, spares)) = self.objects.take() {
            spares.keep(objects);
        }
    }

    /// The request is over. Attached.
    pub(crate) fn close(&self, py: Python<'_>) {
        if let Some(exchange) = self.exchange.take() {
            drop(exchange::set_current(self.outer.take()));
            exchange.close_attached(py);
        }
        self.give_back();
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        // Normally done long before; not after a panic.
        if let Some(exchange) = self.exchange.take() {
            drop(exchange::set_current(self.outer.take()));
            exchange.close();
        }
        self.give_back();
    }
}

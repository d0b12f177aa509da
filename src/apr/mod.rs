//! APR values as safe types: pools, tables, brigades, status codes.
//!
//! Wraps apr_pools.h, apr_tables.h, apr_buckets.h and apr_errno.h. Knows nothing of httpd's requests or servers.

mod brigade;
pub(crate) mod fence;
mod pool;
mod status;
mod table;

pub(crate) use brigade::{Block, Brigade, FilePart};
pub(crate) use fence::{fault, is_wanting};
pub(crate) use pool::Pool;
pub(crate) use status::Status;
pub(crate) use table::Table;

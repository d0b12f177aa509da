//! mod_rsgi.
#![allow(dead_code)]
mod apr;
mod ffi;
mod httpd;

/* What src/ffi.rs binds: the parts of httpd's and APR's public headers that the rooms apr and httpd wrap,
 * and the functions of src/shim.c. Read by bindgen and included by shim.c, so both see the same headers. */
#ifndef RSGI_FFI_H
#define RSGI_FFI_H

#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>
#include <ap_listen.h>
#include <ap_mmn.h>
#include <ap_mpm.h>
#include <mod_auth.h>
#include <mpm_common.h>
#include <scoreboard.h>
#include <ap_regex.h>
#include <util_filter.h>
#include <util_script.h>
#include <unixd.h>
#include <apr_buckets.h>
#include <apr_optional.h>
#include <apr_optional_hooks.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_proc.h>
#include <apu_version.h>

/* The macro layer of apr_buckets.h, one function each (bindgen does not bind function-like macros). */
apr_bucket *rsgi_brigade_first(apr_bucket_brigade *bb);
apr_bucket *rsgi_brigade_sentinel(apr_bucket_brigade *bb);
apr_bucket *rsgi_bucket_next(apr_bucket *e);
void rsgi_brigade_insert_tail(apr_bucket_brigade *bb, apr_bucket *e);
apr_status_t rsgi_bucket_read(apr_bucket *e, const char **data, apr_size_t *length, apr_read_type_e block);
void rsgi_bucket_delete(apr_bucket *e);
void rsgi_bucket_split(apr_bucket *e, apr_size_t point);
/* The file is read by pieces of that size, and not mapped. */
void rsgi_bucket_file_read_by(apr_bucket *e, apr_size_t size);
int rsgi_bucket_is_eos(const apr_bucket *e);
int rsgi_bucket_is_metadata(const apr_bucket *e);
int rsgi_status_is_eagain(apr_status_t status);
int rsgi_status_is_timeup(apr_status_t status);

/* Whether mod_ssl says that the connection is encrypted; 0 where mod_ssl is not there. The optional function is
 * looked up once a configuration, by rsgi_retrieve_optional. */
void rsgi_retrieve_optional(void);
int rsgi_connection_is_https(conn_rec *c);
/* A variable of mod_ssl as a string of the request, null where there is none. */
const char *rsgi_ssl_variable(request_rec *r, const char *name);

/* Bytes the kernel will take from this connection's client socket without waiting, 0 when that is not known
 * (a secondary connection, an encrypted one, output already held back in a filter). */
apr_size_t rsgi_connection_room(conn_rec *c);

/* The same without a promise, for those who would rather not wait: encrypted connections are counted by their socket,
 * and -1 says that nothing is known (a secondary connection). What the last filter has kept back is written first, as
 * far as the client takes it. */
apr_ssize_t rsgi_connection_space(conn_rec *c);

/* Whether a refusal to let the client in may be made good by a user's password (Satisfy Any). */
int rsgi_may_satisfy_otherwise(request_rec *r);

/* The client's socket, -1 where the connection has none of its own. */
int rsgi_client_socket(conn_rec *c);

/* Tells a client that waits for `100 Continue` to go on: httpd's filter does that by itself only for reads that wait. */
void rsgi_continue(request_rec *r);

/* Answers the request with another URI of this server, as GET without a body. */
void rsgi_internal_redirect(request_rec *r, const char *uri);

/* The bit fields and macros that need C to be read. */
void rsgi_mark_eos_sent(request_rec *r);
int rsgi_expects_continue(const request_rec *r);
void rsgi_stop_expecting(request_rec *r);
int rsgi_passes_credentials(const request_rec *r);
int rsgi_uses_current_uri(const request_rec *r);
const char *rsgi_redirect_url(const request_rec *r);
int rsgi_connection_aborted(const conn_rec *c);
void rsgi_connection_abort(conn_rec *c);
int rsgi_regex_flags(void);

#endif

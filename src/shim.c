/* The C that cannot be Rust: httpd's and APR's function-like macros, as functions. No decisions are made here.
 * Called by the rooms src/apr and src/httpd only. */
#include "ffi.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#if defined(__linux__)
#include <linux/sockios.h>
#endif

APR_DECLARE_OPTIONAL_FN(int, ssl_is_https, (conn_rec *));

APR_DECLARE_OPTIONAL_FN(char *, ssl_var_lookup, (apr_pool_t *, server_rec *, conn_rec *, request_rec *, char *));

static APR_OPTIONAL_FN_TYPE(ssl_is_https) *optional_ssl_is_https;
static APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *optional_ssl_var_lookup;

apr_bucket *rsgi_brigade_first(apr_bucket_brigade *bb) { return APR_BRIGADE_FIRST(bb); }

apr_bucket *rsgi_brigade_sentinel(apr_bucket_brigade *bb) { return APR_BRIGADE_SENTINEL(bb); }

apr_bucket *rsgi_bucket_next(apr_bucket *e) { return APR_BUCKET_NEXT(e); }

void rsgi_brigade_insert_tail(apr_bucket_brigade *bb, apr_bucket *e) { APR_BRIGADE_INSERT_TAIL(bb, e); }

apr_status_t rsgi_bucket_read(apr_bucket *e, const char **data, apr_size_t *length, apr_read_type_e block)
{
    return apr_bucket_read(e, data, length, block);
}

void rsgi_bucket_delete(apr_bucket *e) { apr_bucket_delete(e); }

void rsgi_bucket_split(apr_bucket *e, apr_size_t point) { apr_bucket_split(e, point); }

void rsgi_bucket_file_read_by(apr_bucket *e, apr_size_t size)
{
    apr_bucket_file_enable_mmap(e, 0);
#if APU_MAJOR_VERSION > 1 || APU_MINOR_VERSION >= 6
    apr_bucket_file_set_buf_size(e, size);
#else
    (void)size; /* Always APR_BUCKET_BUFF_SIZE. */
#endif
}

int rsgi_bucket_is_eos(const apr_bucket *e) { return APR_BUCKET_IS_EOS(e); }

int rsgi_bucket_is_metadata(const apr_bucket *e) { return APR_BUCKET_IS_METADATA(e); }

int rsgi_status_is_eagain(apr_status_t status) { return APR_STATUS_IS_EAGAIN(status); }

int rsgi_status_is_timeup(apr_status_t status) { return APR_STATUS_IS_TIMEUP(status); }

void rsgi_retrieve_optional(void)
{
    optional_ssl_is_https = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
    optional_ssl_var_lookup = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
}

int rsgi_connection_is_https(conn_rec *c)
{
    return optional_ssl_is_https != NULL && optional_ssl_is_https(c);
}

const char *rsgi_ssl_variable(request_rec *r, const char *name)
{
    if (optional_ssl_var_lookup == NULL) {
        return NULL;
    }
    return optional_ssl_var_lookup(r->pool, r->server, r->connection, r, apr_pstrdup(r->pool, name));
}

int rsgi_may_satisfy_otherwise(request_rec *r) { return ap_satisfies(r) == SATISFY_ANY && ap_some_auth_required(r); }

int rsgi_client_socket(conn_rec *c)
{
    apr_socket_t *socket = c->master == NULL ? ap_get_conn_socket(c) : NULL;
    apr_os_sock_t fd;

    return socket != NULL && apr_os_sock_get(&fd, socket) == APR_SUCCESS ? fd : -1;
}

/* Writes what httpd's last filter has kept back as far as the client takes it, as an MPM does for a response that is
 * complete: the filter takes a null brigade for that. */
static void write_pending(conn_rec *c)
{
    ap_filter_t *filter = c->output_filters;

    while (filter != NULL && filter->next != NULL) {
        filter = filter->next;
    }
    if (filter != NULL && filter->frec == ap_core_output_filter_handle) {
        filter->frec->filter_func.out_func(filter, NULL);
    }
}

apr_ssize_t rsgi_connection_space(conn_rec *c)
{
#if defined(SIOCOUTQ)
    int fd = rsgi_client_socket(c);
    int queued = 0;
    int size = 0;
    socklen_t length = sizeof(size);

    if (fd < 0) {
        return -1;
    }
    if (c->data_in_output_filters) {
        write_pending(c);
    }
    if (c->aborted) {
        return APR_INT32_MAX; /* The next write tells, without waiting. */
    }
    if (c->data_in_output_filters || ioctl(fd, SIOCOUTQ, &queued) != 0
        || getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) != 0) {
        return 0;
    }
    /* The kernel counts its own overhead against SO_SNDBUF: only half of it holds payload. */
    return size / 2 > queued ? size / 2 - queued : 0;
#else
    (void)c;
    return -1;
#endif
}

apr_size_t rsgi_connection_room(conn_rec *c)
{
    apr_ssize_t space = c->data_in_output_filters || rsgi_connection_is_https(c) ? 0 : rsgi_connection_space(c);
    return space > 0 ? (apr_size_t)space : 0;
}

void rsgi_continue(request_rec *r)
{
    int status = r->status;
    const char *line = r->status_line;

    if (!r->expecting_100 || r->proto_num < HTTP_VERSION(1, 1) || r->eos_sent || r->bytes_sent > 0) {
        return;
    }
    r->status = HTTP_CONTINUE;
    r->status_line = NULL;
    ap_send_interim_response(r, 0);
    r->expecting_100 = 0;
    r->status = status;
    r->status_line = line;
}

void rsgi_internal_redirect(request_rec *r, const char *uri)
{
    r->method = "GET";
    r->method_number = M_GET;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect_handler(uri, r);
}

void rsgi_mark_eos_sent(request_rec *r) { r->eos_sent = 1; }

int rsgi_expects_continue(const request_rec *r) { return r->expecting_100 != 0; }

void rsgi_stop_expecting(request_rec *r) { r->expecting_100 = 0; }

/* CGIPassAuth On, CGIVar REQUEST_URI current-uri and QualifyRedirectURL: bit fields of core's configuration. */
int rsgi_passes_credentials(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    return core->cgi_pass_auth == AP_CGI_PASS_AUTH_ON;
}

int rsgi_uses_current_uri(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const char *rule;

    if (core->cgi_var_rules == NULL) {
        return 0;
    }
    rule = apr_hash_get(core->cgi_var_rules, "REQUEST_URI", APR_HASH_KEY_STRING);
    return rule != NULL && strcmp(rule, "current-uri") == 0;
}

const char *rsgi_redirect_url(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    if (r->prev == NULL) {
        return NULL;
    }
    return core->qualify_redirect_url == AP_CORE_CONFIG_ON
        ? ap_construct_url(r->pool, r->prev->uri, r->prev)
        : r->prev->uri;
}

int rsgi_connection_aborted(const conn_rec *c) { return c->aborted != 0; }

void rsgi_connection_abort(conn_rec *c)
{
    c->keepalive = AP_CONN_CLOSE;
    c->aborted = 1;
}

int rsgi_regex_flags(void) { return AP_REG_EXTENDED; }

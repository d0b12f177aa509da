/*
 * The limit that no module in Apache can pass: a handler in C that answers with bytes that are
 * ready, and ends its response with a flush in the same brigade as its end of stream.
 * httpd then looks for the client's next request in the same worker, without the listener and
 * two wake-ups. ci/bench builds it with apxs; it is never installed.
 *
 *   /hello  12 bytes        /100k  100 KB        /post  reads the body, answers its length
 */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"
#include "apr_strings.h"

#define BIG_SIZE (100 * 1024)

static const char HELLO[] = "Hello World!";
static char big_body[BIG_SIZE];

/* Reads the whole request body and throws it away; answers how long it was, or -1. */
static apr_off_t drain_body(request_rec *r)
{
    char buffer[16384];
    apr_off_t total = 0;
    long count;

    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK) {
        return -1;
    }
    if (!ap_should_client_block(r)) {
        return 0;
    }
    while ((count = ap_get_client_block(r, buffer, sizeof(buffer))) > 0) {
        total += count;
    }
    return count < 0 ? -1 : total;
}

/* Sends `body`, the end of the stream and a flush as one brigade. */
static int answer(request_rec *r, const char *body, apr_size_t length)
{
    apr_bucket_alloc_t *allocator = r->connection->bucket_alloc;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, allocator);

    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, (apr_off_t)length);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_immortal_create(body, length, allocator));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_eos_create(allocator));
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(allocator));
    /* ap_pass_brigade notes an end of stream only where it is the last bucket. */
    r->eos_sent = 1;
    if (ap_pass_brigade(r->output_filters, brigade) != APR_SUCCESS) {
        return AP_FILTER_ERROR;
    }
    return OK;
}

static int bench_handler(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "bench-handler") != 0) {
        return DECLINED;
    }
    if (strcmp(r->uri, "/100k") == 0) {
        return answer(r, big_body, BIG_SIZE);
    }
    if (strcmp(r->uri, "/post") == 0) {
        apr_off_t length = drain_body(r);
        const char *text;

        if (length < 0) {
            return HTTP_BAD_REQUEST;
        }
        text = apr_psprintf(r->pool, "%" APR_OFF_T_FMT, length);
        return answer(r, text, strlen(text));
    }
    return answer(r, HELLO, sizeof(HELLO) - 1);
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    memset(big_body, 'x', sizeof(big_body));
    ap_hook_handler(bench_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(bench_handler) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};

/* A socket in pjsua's own event loop: one byte there ends its wait at once. */
#include <pjsua-lib/pjsua.h>

#include "notes.h"

static struct {
    pj_pool_t *pool;
    pj_ioqueue_key_t *key;
    pj_ioqueue_op_key_t operation;
    char buffer[64];
} watching;

static void read_again(void)
{
    pj_ssize_t length;
    pj_status_t status;

    do {
        length = sizeof watching.buffer;
        status = pj_ioqueue_recv(watching.key, &watching.operation, watching.buffer, &length, 0);
    } while (status == PJ_SUCCESS && length > 0);
}

static void readable(pj_ioqueue_key_t *key, pj_ioqueue_op_key_t *operation, pj_ssize_t length)
{
    (void)key;
    (void)operation;
    if (length > 0)
        read_again();
}

int watch_open(int descriptor)
{
    static const pj_ioqueue_callback callbacks = {.on_read_complete = readable};
    pj_ioqueue_t *queue = pjsip_endpt_get_ioqueue(pjsua_get_pjsip_endpt());
    pj_status_t status;

    watching.pool = pjsua_pool_create("callcore-wake", 512, 512);
    if (watching.pool == NULL)
        return PJ_ENOMEM;
    status = pj_ioqueue_register_sock(watching.pool, queue, descriptor, NULL, &callbacks,
                                      &watching.key);
    if (status != PJ_SUCCESS) {
        pj_pool_release(watching.pool);
        watching.pool = NULL;
        return status;
    }
    pj_ioqueue_op_key_init(&watching.operation, sizeof watching.operation);
    read_again();
    return PJ_SUCCESS;
}

void watch_close(void)
{
    if (watching.pool == NULL)
        return;
    pj_ioqueue_unregister(watching.key); /* closes the socket as well */
    pj_pool_release(watching.pool);
    watching.pool = NULL;
}

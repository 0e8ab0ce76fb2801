/* A port's life: opened by the owner of pjsua2's objects, let go by it and by the bridge's clock. */
#include "port.h"

#include <stdlib.h>

static atomic_long blocks;

void *block_new(size_t count, size_t size)
{
    void *block = calloc(count, size);
    if (block != NULL)
        atomic_fetch_add(&blocks, 1);
    return block;
}

void block_free(void *block)
{
    if (block != NULL)
        atomic_fetch_sub(&blocks, 1);
    free(block);
}

long ports_blocks(void)
{
    return atomic_load(&blocks);
}

void port_let_go(struct port *port)
{
    if (atomic_fetch_sub(&port->users, 1) > 1)
        return;
    pthread_mutex_destroy(&port->lock);
    block_free(port->sounds);
    block_free(port);
}

/* The bridge removes a port at its next tick, on its clock's thread. */
static pj_status_t bridge_left(pjmedia_port *base)
{
    port_let_go((struct port *)base);
    return PJ_SUCCESS;
}

struct port *port_open(int *status)
{
    return port_open_with(tap_frame, status);
}

struct port *port_open_with(pj_status_t (*put)(pjmedia_port *, pjmedia_frame *), int *status)
{
    static const pj_str_t name = {"callcore", 8};
    struct port *port = NULL;
    pj_pool_t *pool = NULL;

    *status = PJ_ENOMEM;
    port = block_new(1, sizeof *port);
    pool = pjsua_pool_create("callcore", 512, 512);
    if (port == NULL || pool == NULL)
        goto done;
    pthread_mutex_init(&port->lock, NULL);
    pjmedia_port_info_init(&port->base.info, &name, PJMEDIA_SIG_PORT_MEM_PLAYER, PORT_RATE, 1, 16,
                           PORT_FRAME);
    port->base.get_frame = player_frame;
    port->base.put_frame = put;
    port->base.on_destroy = bridge_left;
    atomic_init(&port->users, 1);
    *status = pjsua_conf_add_port(pool, &port->base, &port->slot);
    if (*status == PJ_SUCCESS)
        atomic_fetch_add(&port->users, 1);
done:
    /* The bridge took from the pool's factory only. */
    if (pool != NULL)
        pj_pool_release(pool);
    if (*status == PJ_SUCCESS)
        return port;
    block_free(port);
    return NULL;
}

int port_slot(const struct port *port)
{
    return port->slot;
}

void port_close(struct port *port)
{
    port_halt(port);
    pjsua_conf_remove_port(port->slot);
    /* Our hold on the lock that pjmedia made for it: the bridge's own ends with the removal. */
    pjmedia_port_destroy(&port->base);
    port_let_go(port);
}

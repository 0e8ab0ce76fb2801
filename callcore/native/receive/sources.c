/* Which stream a datagram belongs to: the streams of a receiver by id and by source address. */
#include "receive.h"

#include <errno.h>
#include <string.h>

enum { SLOT_BITS = 16 };

struct slot {
    struct stream *stream; /* NULL: free */
    uint16_t generation;   /* so that an old id never finds a new stream */
    int socket;
    bool known;            /* source is known: announced, or learnt */
    struct address source;
};

struct sources {
    size_t room;
    size_t used;      /* slots below this one have been taken at some time */
    size_t learning;  /* streams whose source is not known yet */
    size_t mask;      /* of the hash table */
    struct slot *slots;
    uint32_t *table;  /* slot + 1; 0: empty. At most half full. */
};

struct sources *sources_new(size_t room)
{
    struct sources *sources = audio_calloc(1, sizeof *sources);
    if (sources == NULL || room == 0 || room > (1u << SLOT_BITS))
        goto failed;
    size_t size = 16;
    while (size < 2 * room)
        size *= 2;
    sources->room = room;
    sources->mask = size - 1;
    sources->slots = audio_calloc(room, sizeof *sources->slots);
    sources->table = audio_calloc(size, sizeof *sources->table);
    if (sources->slots != NULL && sources->table != NULL)
        return sources;
failed:
    sources_free(sources);
    return NULL;
}

void sources_free(struct sources *sources)
{
    if (sources == NULL)
        return;
    for (size_t i = 0; i < sources->used; i++)
        stream_free(sources->slots[i].stream);
    audio_free(sources->slots);
    audio_free(sources->table);
    audio_free(sources);
}

static size_t place_of(const struct sources *sources, int socket, const struct address *source)
{
    uint32_t ip;
    memcpy(&ip, source->ip + 12, sizeof ip);
    const uint64_t key = (uint64_t)ip << 24 ^ (uint64_t)source->port << 4 ^ (unsigned)socket;
    /* The product's highest bits: all of the key's have a part in them. */
    return (size_t)(key * 0x9e3779b97f4a7c15u >> (64 - SLOT_BITS - 1)) & sources->mask;
}

static bool same(const struct slot *slot, int socket, const struct address *source)
{
    return slot->socket == socket && slot->source.port == source->port
        && memcmp(slot->source.ip, source->ip, sizeof source->ip) == 0;
}

static struct slot *find(const struct sources *sources, int socket, const struct address *source)
{
    for (size_t at = place_of(sources, socket, source);; at = (at + 1) & sources->mask) {
        if (sources->table[at] == 0)
            return NULL;
        struct slot *slot = &sources->slots[sources->table[at] - 1];
        if (same(slot, socket, source))
            return slot;
    }
}

static void enter(struct sources *sources, const struct slot *slot)
{
    size_t at = place_of(sources, slot->socket, &slot->source);
    while (sources->table[at] != 0)
        at = (at + 1) & sources->mask;
    sources->table[at] = (uint32_t)(slot - sources->slots) + 1;
}

static void settle(struct sources *sources, struct slot *slot, const struct address *source)
{
    slot->source = *source;
    slot->known = true;
    enter(sources, slot);
}

static bool socket_in_use(const struct sources *sources, int socket, bool learning)
{
    for (size_t i = 0; i < sources->used; i++)
        if (sources->slots[i].stream != NULL && sources->slots[i].socket == socket
            && (learning || !sources->slots[i].known))
            return true;
    return false;
}

static struct slot *free_slot(struct sources *sources)
{
    for (size_t i = 0; i < sources->used; i++)
        if (sources->slots[i].stream == NULL)
            return &sources->slots[i];
    return sources->used < sources->room ? &sources->slots[sources->used++] : NULL;
}

int64_t sources_reserve(struct sources *sources, int socket, const struct address *source)
{
    if (source != NULL && find(sources, socket, source) != NULL)
        return -EEXIST;
    /* Learning from the first packet is safe only where nobody else is expected. */
    if (socket != NO_SOCKET && socket_in_use(sources, socket, source == NULL))
        return -EBUSY;
    const struct slot *slot = free_slot(sources);
    if (slot == NULL)
        return -ENOSPC;
    return (int64_t)slot->generation << SLOT_BITS | (slot - sources->slots);
}

void sources_add(struct sources *sources, int socket, const struct address *source,
                 struct stream *stream)
{
    struct slot *slot = &sources->slots[stream->id & ((1u << SLOT_BITS) - 1)];
    slot->stream = stream;
    slot->socket = socket;
    if (source != NULL)
        settle(sources, slot, source);
    else
        sources->learning += socket != NO_SOCKET;
}

static struct slot *slot_of(const struct sources *sources, uint32_t id)
{
    const size_t place = id & ((1u << SLOT_BITS) - 1);
    if (place >= sources->used || sources->slots[place].stream == NULL
        || sources->slots[place].generation != id >> SLOT_BITS)
        return NULL;
    return &sources->slots[place];
}

struct stream *sources_by_id(const struct sources *sources, uint32_t id)
{
    const struct slot *slot = slot_of(sources, id);
    return slot != NULL ? slot->stream : NULL;
}

struct stream *sources_remove(struct sources *sources, uint32_t id)
{
    struct slot *slot = slot_of(sources, id);
    if (slot == NULL)
        return NULL;
    struct stream *stream = slot->stream;
    sources->learning -= !slot->known && slot->socket != NO_SOCKET;
    *slot = (struct slot){.generation = (uint16_t)(slot->generation + 1)};
    /* Rebuilt whole: a hole would hide those entered behind it. */
    memset(sources->table, 0, (sources->mask + 1) * sizeof *sources->table);
    for (size_t i = 0; i < sources->used; i++)
        if (sources->slots[i].stream != NULL && sources->slots[i].known)
            enter(sources, &sources->slots[i]);
    return stream;
}

struct stream *sources_by_address(const struct sources *sources, int socket,
                                  const struct address *source)
{
    const struct slot *slot = find(sources, socket, source);
    return slot != NULL ? slot->stream : NULL;
}

struct stream *sources_learning(const struct sources *sources, int socket)
{
    for (size_t i = 0; sources->learning > 0 && i < sources->used; i++) {
        const struct slot *slot = &sources->slots[i];
        if (slot->stream != NULL && slot->socket == socket && !slot->known)
            return slot->stream;
    }
    return NULL;
}

void sources_learnt(struct sources *sources, uint32_t id, const struct address *source)
{
    settle(sources, slot_of(sources, id), source);
    sources->learning--;
}

size_t sources_used(const struct sources *sources)
{
    return sources->used;
}

struct stream *sources_at(const struct sources *sources, size_t place)
{
    return sources->slots[place].stream;
}

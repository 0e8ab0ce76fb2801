/* Queues with one writer and one reader each, and the socket that wakes the reader. */
#include "notes.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { REFER_ROOM = 64, GLARE_ROOM = 64 };

static uint64_t played[NOTE_ROOM];
static atomic_size_t played_put, played_taken;
static struct refer refers[REFER_ROOM];
static atomic_size_t refers_put, refers_taken;
static int glares[GLARE_ROOM];
static atomic_size_t glares_put, glares_taken;
static atomic_int wake = -1;

static void wake_reader(void)
{
    int descriptor = atomic_load(&wake);
    /* Full: the reader has not slept since. */
    if (descriptor >= 0)
        (void)!send(descriptor, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void notes_wake_by(int descriptor)
{
    atomic_store(&wake, descriptor);
}

bool notes_played(uint64_t serial)
{
    size_t put = atomic_load(&played_put);
    if (put - atomic_load(&played_taken) >= NOTE_ROOM)
        return false;
    played[put % NOTE_ROOM] = serial;
    atomic_store(&played_put, put + 1);
    wake_reader();
    return true;
}

size_t notes_take_played(uint64_t *serials, size_t room)
{
    size_t taken = atomic_load(&played_taken), put = atomic_load(&played_put), count = 0;
    while (taken < put && count < room)
        serials[count++] = played[taken++ % NOTE_ROOM];
    atomic_store(&played_taken, taken);
    return count;
}

bool notes_refer(const struct refer *refer)
{
    size_t put = atomic_load(&refers_put);
    if (put - atomic_load(&refers_taken) >= REFER_ROOM)
        return false;
    refers[put % REFER_ROOM] = *refer;
    atomic_store(&refers_put, put + 1);
    return true;
}

bool notes_take_refer(struct refer *refer)
{
    size_t taken = atomic_load(&refers_taken);
    if (taken == atomic_load(&refers_put))
        return false;
    *refer = refers[taken % REFER_ROOM];
    atomic_store(&refers_taken, taken + 1);
    return true;
}

bool notes_glare(int call)
{
    size_t put = atomic_load(&glares_put);
    if (put - atomic_load(&glares_taken) >= GLARE_ROOM)
        return false;
    glares[put % GLARE_ROOM] = call;
    atomic_store(&glares_put, put + 1);
    return true;
}

bool notes_take_glare(int *call)
{
    size_t taken = atomic_load(&glares_taken);
    if (taken == atomic_load(&glares_put))
        return false;
    *call = glares[taken % GLARE_ROOM];
    atomic_store(&glares_taken, taken + 1);
    return true;
}

/* A UDP socket with room for the bursts that many sources send at once. */
#define _GNU_SOURCE
#include "receive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKET_BUFFER = 4 << 20 }; /* asked for; the kernel may give less */

static int resolve(const char *host, uint16_t port, struct addrinfo **found)
{
    char service[8];
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_DGRAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
    };
    snprintf(service, sizeof service, "%u", port);
    return getaddrinfo(host, service, &hints, found) == 0 ? 0 : EINVAL;
}

static int bind_socket(const struct addrinfo *where, uint16_t *bound)
{
    const int room = SOCKET_BUFFER;
    struct sockaddr_in6 name;
    socklen_t length = sizeof name;
    const int fd = socket(where->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* Beyond rmem_max where we may; what the kernel gives is enough for some hundred streams. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, where->ai_addr, where->ai_addrlen) != 0
        || getsockname(fd, (struct sockaddr *)&name, &length) != 0) {
        const int failure = errno;
        close(fd);
        return -failure;
    }
    /* The port stands at the same place in sockaddr_in and sockaddr_in6. */
    *bound = ntohs(name.sin6_port);
    return fd;
}

int udp_socket(const char *host, uint16_t port, uint16_t *bound)
{
    struct addrinfo *where;
    const int wrong = resolve(host, port, &where);
    if (wrong)
        return -wrong;
    const int fd = bind_socket(where, bound);
    freeaddrinfo(where);
    return fd;
}

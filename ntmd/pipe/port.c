// SPDX-License-Identifier: GPL-2.0
#include "pipe/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define ASK_AFTER 32u /* reads: a flood on one socket does not silence the others */

/* The owner's */

static void destroy(struct ntm_garbage *garbage)
{
	struct ntm_pipe_port *port = (struct ntm_pipe_port *)garbage;

	close(port->fd);
	free(port);
}

static void tell_reader(struct ntm_pipe_ports *ports)
{
	const uint64_t one = 1;

	atomic_store(&ports->changed, true);
	(void)!write(ports->kick, &one, sizeof(one));
}

static struct ntm_pipe_port *_Atomic *free_slot(struct ntm_pipe_ports *ports)
{
	for (unsigned int i = 0; i < NTM_PIPE_PORT_SLOTS; i++)
		if (!atomic_load(&ports->slots[i]))
			return &ports->slots[i];
	return NULL;
}

static int make_port(int fd, struct ntm_pipe_port **out)
{
	struct ntm_pipe_port *port = calloc(1, sizeof(*port));
	socklen_t len = sizeof(port->family);
	int err;

	if (!port)
		return -ENOMEM;
	port->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (port->fd < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &port->family, &len)) {
		err = -errno;
		if (port->fd >= 0)
			close(port->fd);
		free(port);
		return err;
	}
	ntm_sock_prepare(port->fd, port->family);
	*out = port;
	return 0;
}

int ntm_pipe_ports_add(struct ntm_pipe_ports *ports, int fd, bool replaces,
		       struct ntm_pipe_port **port)
{
	struct ntm_pipe_port *_Atomic *slot = free_slot(ports);
	int err;

	if (!slot || ports->count - replaces >= NTM_PIPE_PORTS)
		return -ENOSPC;
	err = make_port(fd, port);
	if (err)
		return err;
	if (!++ports->last_id)
		ports->last_id = 1;
	(*port)->id = ports->last_id;
	ports->count++;
	atomic_store(slot, *port);
	tell_reader(ports);
	return 0;
}

void ntm_pipe_ports_remove(struct ntm_pipe_ports *ports, struct ntm_pipe_port *port)
{
	ports->count--;
	atomic_store(&port->gone,
		     true); /* @port may be freed by anyone who collects, from now on */
	tell_reader(ports);
}

void ntm_pipe_ports_done(struct ntm_pipe_ports *ports)
{
	for (unsigned int i = 0; i < NTM_PIPE_PORT_SLOTS; i++) {
		struct ntm_pipe_port *port = atomic_exchange(&ports->slots[i], NULL);

		if (port)
			destroy(&port->garbage);
	}
}

/* The reader's */

static void take_change(struct ntm_pipe_ports *ports, unsigned int slot)
{
	struct ntm_pipe_port *port = atomic_load(&ports->slots[slot]);

	if (!port)
		return;
	if (atomic_load(&port->gone)) {
		atomic_store(&ports->slots[slot], NULL);
		ntm_garbage_discard(ports->bin, &port->garbage, destroy);
		return;
	}
	/* More are never there at once; what changes meanwhile is looked at again */
	if (ports->mine_count < NTM_PIPE_PORTS) {
		ports->may[ports->mine_count] = true;
		ports->mine[ports->mine_count++] = port;
	}
}

bool ntm_pipe_ports_any(struct ntm_pipe_ports *ports)
{
	if (atomic_load_explicit(&ports->changed, memory_order_relaxed) &&
	    atomic_exchange(&ports->changed, false)) {
		ports->mine_count = 0;
		for (unsigned int i = 0; i < NTM_PIPE_PORT_SLOTS; i++)
			take_change(ports, i);
	}
	return ports->mine_count;
}

static void ask_again(struct ntm_pipe_ports *ports)
{
	if (++ports->unasked < ASK_AFTER)
		return;
	ports->unasked = 0;
	for (unsigned int i = 0; i < ports->mine_count; i++)
		ports->may[i] = true;
}

int ntm_pipe_ports_read(struct ntm_pipe_ports *ports, struct ntm_sock_in *in, uint8_t *bufs,
			uint32_t *id)
{
	ask_again(ports);
	for (unsigned int i = 0; i < ports->mine_count; i++) {
		const unsigned int at = ports->next++ % ports->mine_count;
		int n;

		if (!ports->may[at])
			continue;
		n = ntm_sock_read(ports->mine[at]->fd, in, bufs);
		ports->may[at] = n == NTM_SOCK_BATCH;
		*id = ports->mine[at]->id;
		if (n != -EAGAIN)
			return n;
	}
	return 0;
}

void ntm_pipe_ports_wait(struct ntm_pipe_ports *ports, const struct ntm_sock *sock,
			 struct ntm_sock_ready *ready)
{
	struct pollfd pfd[3 + NTM_PIPE_PORTS];
	uint64_t kicks;

	pfd[2] = (struct pollfd){ .fd = ports->kick, .events = POLLIN };
	for (unsigned int i = 0; i < ports->mine_count; i++)
		pfd[3 + i] = (struct pollfd){ .fd = ports->mine[i]->fd, .events = POLLIN };
	ntm_sock_poll(sock, ready, pfd, 3 + ports->mine_count);
	if (pfd[2].revents)
		(void)!read(ports->kick, &kicks, sizeof(kicks));
	ports->unasked = 0;
	for (unsigned int i = 0; i < ports->mine_count; i++)
		ports->may[i] = pfd[3 + i].revents;
}

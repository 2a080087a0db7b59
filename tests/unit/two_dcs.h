/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two coordinators, their nodes, and a DNS, in memory: packets go through one queue in order, time is a number. Included by one file
 * of a test program.
 */
#ifndef NTM_TWO_DCS_H
#define NTM_TWO_DCS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ntm_test.h"

#include "dc/admin.h"
#include "dc/link.h"
#include "dc_files.h"

#define QUEUE 4096
#define LOOKUPS 8
#define STEP_MS 20

struct world;

struct packet {
	union ntm_addr from, to;
	size_t len;
	uint8_t bytes[NTM_DATAGRAM_MAX];
};

/*
 * @alive: packets reach it; @dns, @dns_fails: what the DNS says of its zone; @dns_silent: it says nothing; @late: if set, the next
 * packet from here to the other DC is put there, and does not arrive
 */
struct dc {
	struct world *w;
	struct ntm_core core;
	struct ntm_dc_config config;
	char directory[64];
	union ntm_addr addr;
	bool open, alive, dns_fails, dns_silent;
	struct ntm_found dns;
	struct packet *late;
	char lookups[LOOKUPS][NTM_NAME_MAX + 1];
	unsigned int lookup_count, looked_up;
};

/* @got: the last message of each type that came; @count: how many of each */
struct node {
	struct world *w;
	struct dc *dc;
	struct ntm_noise_keypair key;
	struct ntm_hs_init hs;
	struct ntm_hs_cookie_jar jar;
	struct ntm_session session;
	bool has_session;
	union ntm_addr addr;
	uint32_t next_id;
	struct ntm_msg got[NTM_MSG_ZONE_RESPONSE + 1];
	unsigned int count[NTM_MSG_ZONE_RESPONSE + 1];
};

struct world {
	uint64_t now;
	struct dc dc[2];
	struct node *nodes[8];
	unsigned int node_count;
	struct packet queue[QUEUE];
	unsigned int head, tail;
	struct packet
		*recorded; /* the last packet from the first DC to the second one, if this is set */
};

static int64_t test_wall(void)
{
	return 1700000000;
}

static void fill(struct packet *p, const union ntm_addr *from, const union ntm_addr *to,
		 const uint8_t *bytes, size_t len)
{
	p->from = *from;
	p->to = *to;
	p->len = len;
	memcpy(p->bytes, bytes, len);
}

static void enqueue(struct world *w, const union ntm_addr *from, const union ntm_addr *to,
		    const uint8_t *bytes, size_t len)
{
	assert_true(w->tail - w->head < QUEUE);
	fill(&w->queue[w->tail++ % QUEUE], from, to, bytes, len);
}

static struct dc *other_dc(struct dc *dc)
{
	return &dc->w->dc[dc == dc->w->dc];
}

static int dc_send(void *ctx, const union ntm_addr *to, const uint8_t *packet, size_t len)
{
	struct dc *dc = ctx;

	if (dc->late && ntm_addr_equal(to, &other_dc(dc)->addr)) {
		fill(dc->late, &dc->addr, to, packet, len);
		dc->late = NULL;
	} else {
		enqueue(dc->w, &dc->addr, to, packet, len);
	}
	return 0;
}

static int dc_find(void *ctx, const char *zone)
{
	struct dc *dc = ctx;

	assert_true(dc->lookup_count < LOOKUPS);
	dc->looked_up++;
	strcpy(dc->lookups[dc->lookup_count++], zone);
	return 0;
}

static void dc_start(struct dc *dc)
{
	char error[256] = "";

	if (ntm_core_open(&dc->core, &dc->config, dc->w->now, error, sizeof(error)))
		fail_msg("%s", error);
	dc->core.send = dc_send;
	dc->core.send_ctx = dc;
	dc->core.find = dc_find;
	dc->core.find_ctx = dc;
	dc->core.wall = test_wall;
	dc->open = dc->alive = true;
	dc->lookup_count = 0;
}

static void dc_stop(struct dc *dc)
{
	ntm_core_close(&dc->core, dc->w->now);
	dc->open = dc->alive = false;
}

static void dc_configure(struct dc *dc, const char *zone, const char *peer, const char *addr,
			 const char *pool4, const char *pool6)
{
	struct ntm_dc_config *c = &dc->config;

	strcpy(dc->directory, "/tmp/ntm-zones-XXXXXX");
	assert_non_null(mkdtemp(dc->directory));
	strcpy(c->zone, zone);
	strcpy(c->state, dc->directory);
	strcpy(c->peer_zones[0], peer);
	c->peer_zone_count = peer[0] != '\0';
	assert_null(ntm_pool_parse(&c->pool4, AF_INET, pool4));
	assert_null(ntm_pool_parse(&c->pool6, AF_INET6, pool6));
	c->lease = 7200;
	c->keepalive = 25;
	c->handshake_rate = 1000;
	c->invite_lifetime = 86400;
	dc->addr = test_addr(addr);
	c->advertise[0] = dc->addr;
	c->advertise_count = 1;
}

static void publish(struct dc *dc)
{
	memset(&dc->dns, 0, sizeof(dc->dns));
	memcpy(dc->dns.key, dc->core.self.public, 32);
	dc->dns.addrs[0] = dc->addr;
	dc->dns.addr_count = 1;
	dc->dns.ttl = 3600;
}

static void make_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	ntm_log_init("test", NTM_LOG_ERROR);
	w->now = 1000000;
	w->dc[0].w = w->dc[1].w = w;
	dc_configure(&w->dc[0], "a.example", "b.example", "192.0.2.1", "100.64.0.0/16",
		     "fd00:a::/64");
	dc_configure(&w->dc[1], "b.example", "a.example", "192.0.2.2", "100.65.0.0/16",
		     "fd00:b::/64");
}

static void start_world(struct world *w)
{
	for (int i = 0; i < 2; i++) {
		dc_start(&w->dc[i]);
		publish(&w->dc[i]);
	}
}

static void end_world(struct world *w)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (w->dc[i].open)
			dc_stop(&w->dc[i]);
		assert_int_equal(remove_dc_files(w->dc[i].directory), 0);
	}
}

static void node_packet(struct node *n, const struct packet *p)
{
	struct ntm_hs_keys keys;
	struct ntm_msg m;
	bool newest;

	if (p->bytes[0] == NTM_PKT_SESSION_RESPONSE &&
	    !ntm_hs_response(&n->hs, p->bytes, p->len, &keys, &m)) {
		n->session = keys.session;
		n->has_session = true;
	} else if (p->bytes[0] == NTM_PKT_SEALED &&
		   !ntm_session_open(&n->session, p->bytes, p->len, &m, &newest)) {
		n->got[m.type] = m;
		n->count[m.type]++;
	}
}

static void deliver(struct world *w, const struct packet *p)
{
	for (int i = 0; i < 2; i++) {
		struct dc *dc = &w->dc[i];

		if (!ntm_addr_equal(&dc->addr, &p->to))
			continue;
		if (i == 1 && w->recorded && ntm_addr_equal(&p->from, &w->dc[0].addr))
			*w->recorded = *p;
		if (dc->alive)
			ntm_core_packet(&dc->core, p->bytes, p->len, &p->from, w->now);
	}
	for (unsigned int i = 0; i < w->node_count; i++) {
		if (ntm_addr_equal(&w->nodes[i]->addr, &p->to))
			node_packet(w->nodes[i], p);
	}
}

static void look_up(struct world *w, struct dc *dc)
{
	char zone[NTM_NAME_MAX + 1];

	while (dc->lookup_count) {
		const struct dc *other = NULL;

		strcpy(zone, dc->lookups[--dc->lookup_count]);
		for (int i = 0; i < 2; i++) {
			if (!strcmp(w->dc[i].config.zone, zone))
				other = &w->dc[i];
		}
		if (other && other->dns_silent)
			continue;
		if (other && !other->dns_fails)
			ntm_link_found(&dc->core, zone, &other->dns, NULL, w->now);
		else
			ntm_link_found(&dc->core, zone, NULL, "the DNS does not answer", w->now);
	}
}

/* All that happens at this moment */
static void settle(struct world *w)
{
	while (w->head != w->tail || w->dc[0].lookup_count || w->dc[1].lookup_count) {
		while (w->head != w->tail)
			deliver(w, &w->queue[w->head++ % QUEUE]);
		for (int i = 0; i < 2; i++) {
			if (w->dc[i].alive)
				look_up(w, &w->dc[i]);
			else
				w->dc[i].lookup_count = 0;
		}
	}
}

static void pass(struct world *w, uint64_t ms)
{
	const uint64_t end = w->now + ms;

	settle(w);
	while (w->now < end) {
		w->now += STEP_MS;
		for (int i = 0; i < 2; i++) {
			if (w->dc[i].alive && ntm_core_next_ms(&w->dc[i].core) <= w->now)
				ntm_core_tick(&w->dc[i].core, w->now);
		}
		settle(w);
	}
}

static json_t *admin(struct dc *dc, json_t *request)
{
	json_t *response = ntm_admin_run(&dc->core, request, true, dc->w->now);

	json_decref(request);
	return response;
}

static void node_connect(struct node *n)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_hs_request(&n->hs, NTM_PKT_SESSION_REQUEST, &n->key, n->dc->core.self.public,
				 NULL, n->next_id++, 0, NULL, &n->jar, n->w->now, packet,
				 sizeof(packet));

	assert_true(len > 0);
	n->has_session = false;
	enqueue(n->w, &n->addr, &n->dc->addr, packet, (size_t)len);
	settle(n->w);
	assert_true(n->has_session);
}

static void node_say(struct node *n, const struct ntm_msg *m)
{
	uint8_t packet[NTM_DATAGRAM_MAX];
	int len = ntm_session_seal(&n->session, m, packet, sizeof(packet));

	assert_true(len > 0);
	enqueue(n->w, &n->addr, &n->dc->addr, packet, (size_t)len);
}

static void node_init(struct node *n, struct dc *dc, const char *addr)
{
	memset(n, 0, sizeof(*n));
	n->w = dc->w;
	n->dc = dc;
	n->next_id = 1000;
	n->addr = test_addr(addr);
	ntm_noise_generate(&n->key);
	n->w->nodes[n->w->node_count++] = n;
}

static void node_register(struct node *n, const struct ntm_join *join)
{
	struct ntm_msg m = { .type = NTM_MSG_REGISTRATION_REQUEST, .request_id = 1 };

	m.lifetime = 7200;
	m.suites = 6;
	NTM_SET(&m, LIFETIME);
	NTM_SET(&m, SUITES);
	if (join) {
		memcpy(m.token, join->token, sizeof(m.token));
		NTM_SET(&m, TOKEN);
	}
	node_say(n, &m);
	settle(n->w);
	assert_int_equal(n->got[NTM_MSG_REGISTRATION_RESPONSE].status, NTM_ST_OK);
}

static void node_join(struct node *n, struct dc *dc, const char *name, const char *addr)
{
	json_t *response = admin(dc, json_pack("{s:s,s:[s]}", "command", "invite", "names", name));
	struct ntm_join join;

	assert_null(ntm_join_parse(
		&join, json_string_value(json_array_get(json_object_get(response, "joins"), 0))));
	json_decref(response);
	node_init(n, dc, addr);
	node_connect(n);
	node_register(n, &join);
}

static void node_ask(struct node *n, const char *name, uint32_t request_id)
{
	struct ntm_msg m = { .type = NTM_MSG_DIRECTION_REQUEST, .request_id = request_id };

	memset(n->count, 0, sizeof(n->count));
	snprintf(m.name, sizeof(m.name), "%s", name);
	NTM_SET(&m, NAME);
	node_say(n, &m);
	settle(n->w);
}

#endif

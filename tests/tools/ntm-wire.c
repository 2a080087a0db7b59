// SPDX-License-Identifier: GPL-2.0
/*
 * ntm-wire: a wire in user space, for kernels that have no netem.
 *
 *   ntm-wire run SOCKET TAP TAP [KEY=VALUE...]
 *       makes the two TAP devices and goes to the background; what enters one
 *       leaves the other. Ends with its network namespace, or by a signal
 *   ntm-wire set SOCKET [KEY=VALUE...]
 *       what the wire does from now on
 *
 * In each direction alike: rate=20mbit (kbit, mbit, gbit), delay=20ms (us, ms, s), jitter=5ms around the delay, loss=1%,
 * duplicate=1%: such frames leave twice, each copy with a delay of its own; corrupt=1%: such IP packets get one wrong bit
 * (ARP does not: it has no checksum, and a host would believe it for a minute, from which the checksum of a real Ethernet
 * keeps it); queue=50ms: how long a frame may wait for the rate. What is not named is not done to frames; a queue is 50 ms.
 *
 * The devices take no offloads, so that the kernel cuts aggregates into frames before they come here. A frame that has
 * come gets the time at which it leaves at once: when the frames before it have passed at the rate, and the delay later.
 * What leaves too late, because the machine was busy, does not delay what follows.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000ull
#define FRAME_MAX 65550u
#define FRAMES_MAX 20000u /* in one direction: 200 Mbit/s, full frames, more than 1 s */
#define READS_AT_ONCE 64u
#define BURST_NS (5 * NS / 1000) /* of the rate's time that a late reader may catch up with */
#define QUEUE_NS (50 * NS / 1000)
#define ETHERNET 14u /* bytes of header */
#define TYPE_IP 0x0800u
#define TYPE_IP6 0x86ddu
#define ALL (1ull << 32)

/** struct shape - what happens to frames; zeroes: nothing */
struct shape {
	uint64_t rate;		       /* bits per second */
	uint64_t delay, jitter, queue; /* ns */
	uint64_t loss, duplicate;      /* of ALL */
	uint64_t corrupt;	       /* of ALL */
};

struct frame {
	uint64_t due, number;
	size_t len;
	uint8_t data[];
};

/** struct lane - one direction: a heap of frames, by the time at which they leave */
struct lane {
	int from, to;
	uint64_t free_at; /* when the last bit of the last frame has passed at the rate */
	uint64_t numbers;
	size_t count;
	struct frame *heap[FRAMES_MAX];
};

static struct shape shape;
static struct lane lanes[2];
static uint64_t seed;

static void die(const char *what)
{
	fprintf(stderr, "ntm-wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS + (uint64_t)ts.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* KEY=VALUE */

struct unit {
	const char *name;
	double factor;
};

static const struct unit rates[] = { { "bit", 1 },
				     { "kbit", 1e3 },
				     { "mbit", 1e6 },
				     { "gbit", 1e9 },
				     { NULL, 0 } };
static const struct unit times[] = { { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 }, { NULL, 0 } };
static const struct unit parts[] = { { "%", ALL / 100.0 }, { NULL, 0 } };

static bool parse_number(const char *text, const struct unit *unit, uint64_t *value)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || !(number >= 0 && number <= 1e9))
		return false;
	for (; unit->name; unit++) {
		if (strcmp(end, unit->name))
			continue;
		*value = (uint64_t)(number * unit->factor);
		return true;
	}
	return false;
}

static bool parse_pair(struct shape *s, const char *pair)
{
	const struct {
		const char *key;
		const struct unit *units;
		uint64_t *value;
	} keys[] = {
		{ "rate=", rates, &s->rate },	    { "delay=", times, &s->delay },
		{ "jitter=", times, &s->jitter },   { "loss=", parts, &s->loss },
		{ "queue=", times, &s->queue },	    { "duplicate=", parts, &s->duplicate },
		{ "corrupt=", parts, &s->corrupt },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t len = strlen(keys[i].key);

		if (!strncmp(pair, keys[i].key, len))
			return parse_number(pair + len, keys[i].units, keys[i].value);
	}
	return false;
}

/* Returns the first pair that is wrong, or NULL */
static const char *parse_shape(struct shape *s, char **pairs, int count)
{
	*s = (struct shape){ .queue = QUEUE_NS };
	for (int i = 0; i < count; i++) {
		if (!parse_pair(s, pairs[i]))
			return pairs[i];
	}
	return NULL;
}

/* The heap: the frame that leaves next is the first */

static bool before(const struct frame *a, const struct frame *b)
{
	return a->due < b->due || (a->due == b->due && a->number < b->number);
}

static void heap_push(struct lane *lane, struct frame *frame)
{
	size_t i = lane->count++;

	while (i && before(frame, lane->heap[(i - 1) / 2])) {
		lane->heap[i] = lane->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	lane->heap[i] = frame;
}

static struct frame *heap_pop(struct lane *lane)
{
	struct frame *first = lane->heap[0], *last = lane->heap[--lane->count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < lane->count) {
		if (child + 1 < lane->count && before(lane->heap[child + 1], lane->heap[child]))
			child++;
		if (!before(lane->heap[child], last))
			break;
		lane->heap[i] = lane->heap[child];
		i = child;
	}
	lane->heap[i] = last;
	return first;
}

/* Frames */

/* When the last bit of a frame has passed at the rate; 0: it finds the queue full */
static uint64_t pass_rate(struct lane *lane, size_t len, uint64_t now)
{
	uint64_t start;

	if (!shape.rate)
		return now;
	start = now - BURST_NS;
	if (lane->free_at > start)
		start = lane->free_at;
	if (start > now + shape.queue)
		return 0;
	lane->free_at = start + len * 8 * NS / shape.rate;
	return lane->free_at > now ? lane->free_at : now;
}

static uint64_t delay_of_one(void)
{
	uint64_t delay = shape.delay;

	if (!shape.jitter)
		return delay;
	delay += draw() % (2 * shape.jitter);
	return delay > shape.jitter ? delay - shape.jitter : 0;
}

static bool happens(uint64_t part)
{
	return (draw() >> 32) < part;
}

static bool is_ip(const struct frame *frame)
{
	const uint8_t *type = frame->data + ETHERNET - 2;
	const unsigned int number = (unsigned int)type[0] << 8 | type[1];

	return frame->len > ETHERNET && (number == TYPE_IP || number == TYPE_IP6);
}

static void spoil(struct frame *frame)
{
	uint64_t bit;

	if (!is_ip(frame) || !happens(shape.corrupt))
		return;
	bit = draw() % ((frame->len - ETHERNET) * 8);
	frame->data[ETHERNET + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void enter(struct lane *lane, const uint8_t *data, size_t len, uint64_t now)
{
	struct frame *frame;
	uint64_t passed;

	if (happens(shape.loss) || lane->count == FRAMES_MAX)
		return;
	passed = pass_rate(lane, len, now);
	if (!passed)
		return;
	frame = malloc(sizeof(*frame) + len);
	if (!frame)
		die("malloc");
	frame->due = passed + delay_of_one();
	frame->number = lane->numbers++;
	frame->len = len;
	memcpy(frame->data, data, len);
	spoil(frame);
	heap_push(lane, frame);
}

static void take_frames(struct lane *lane, uint64_t now)
{
	static uint8_t data[FRAME_MAX];
	ssize_t len;

	for (unsigned int i = 0; i < READS_AT_ONCE; i++) {
		len = read(lane->from, data, sizeof(data));
		if (len < 0 && errno != EINTR)
			break;
		if (len <= 0)
			continue;
		enter(lane, data, (size_t)len, now);
		if (happens(shape.duplicate))
			enter(lane, data, (size_t)len, now);
	}
}

/* A device that is down refuses them, as a wire without a plug loses them. */
static void send_frames(struct lane *lane, uint64_t now)
{
	while (lane->count && lane->heap[0]->due <= now) {
		struct frame *frame = heap_pop(lane);

		if (write(lane->to, frame->data, frame->len) < 0 && errno == EBADFD)
			die("the device is gone");
		free(frame);
	}
}

static uint64_t next_due(void)
{
	uint64_t due = UINT64_MAX;

	for (int i = 0; i < 2; i++) {
		if (lanes[i].count && lanes[i].heap[0]->due < due)
			due = lanes[i].heap[0]->due;
	}
	return due;
}

/* The socket: one line of pairs, answered by one line; empty: done */

static int socket_at(const char *path, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr->sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(addr->sun_path, path);
	return fd;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr;
	int fd = socket_at(path, &addr);

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 8))
		die(path);
	return fd;
}

static const char *obey(char *line)
{
	struct shape asked;
	char *pairs[16], *word;
	const char *wrong;
	int count = 0;

	for (word = strtok(line, " "); word && count < 16; word = strtok(NULL, " "))
		pairs[count++] = word;
	wrong = parse_shape(&asked, pairs, count);
	if (wrong)
		return wrong;
	shape = asked;
	lanes[0].free_at = lanes[1].free_at = 0;
	return "";
}

static void serve(int listener)
{
	char line[512];
	const char *answer;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return;
	len = recv(fd, line, sizeof(line) - 1, 0);
	if (len >= 0) {
		line[len] = '\0';
		answer = obey(line);
		send(fd, answer, strlen(answer) + 1, MSG_NOSIGNAL);
	}
	close(fd);
}

static int tell(const char *path, char **pairs, int count)
{
	struct sockaddr_un addr;
	char line[512] = "", answer[512] = "";
	int fd = socket_at(path, &addr);

	for (int i = 0; i < count; i++) {
		strncat(line, pairs[i], sizeof(line) - strlen(line) - 2);
		strcat(line, " ");
	}
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(path);
	if (send(fd, line, strlen(line) + 1, 0) < 0 || recv(fd, answer, sizeof(answer) - 1, 0) <= 0)
		die(path);
	if (!*answer)
		return 0;
	fprintf(stderr, "ntm-wire: wrong: '%s'\n", answer);
	return 2;
}

/* Life */

static int open_tap(const char *name)
{
	struct ifreq req = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	if (strlen(name) >= IFNAMSIZ) {
		errno = ENAMETOOLONG;
		die(name);
	}
	strcpy(req.ifr_name, name);
	if (ioctl(fd, TUNSETIFF, &req))
		die(name);
	return fd;
}

static void wait_until(struct pollfd *fds, nfds_t count, uint64_t due)
{
	uint64_t now = now_ns(), left = due > now ? due - now : 0;
	struct timespec ts = { (time_t)(left / NS), (long)(left % NS) };

	if (ppoll(fds, count, due == UINT64_MAX ? NULL : &ts, NULL) < 0 && errno != EINTR)
		die("ppoll");
}

static void carry(int listener)
{
	struct pollfd fds[3] = {
		{ .fd = lanes[0].from, .events = POLLIN },
		{ .fd = lanes[1].from, .events = POLLIN },
		{ .fd = listener, .events = POLLIN },
	};

	for (;;) {
		wait_until(fds, 3, next_due());
		if ((fds[0].revents | fds[1].revents) & POLLERR)
			return; /* the devices went with their namespace */
		if (fds[2].revents)
			serve(listener);
		for (int i = 0; i < 2; i++) {
			if (fds[i].revents)
				take_frames(&lanes[i], now_ns());
		}
		for (int i = 0; i < 2; i++)
			send_frames(&lanes[i], now_ns());
	}
}

static int run(char **args, int count)
{
	const char *wrong = parse_shape(&shape, args + 3, count - 3);
	int a, b, listener;

	if (wrong) {
		fprintf(stderr, "ntm-wire: wrong: '%s'\n", wrong);
		return 2;
	}
	a = open_tap(args[1]);
	b = open_tap(args[2]);
	lanes[0].from = lanes[1].to = a;
	lanes[1].from = lanes[0].to = b;
	listener = listen_at(args[0]);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		die("getrandom");
	if (daemon(1, 1))
		die("daemon");
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul,
	      0ul); /* ns; the ordinary 50 us are added to every delay */
	carry(listener);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && !strcmp(argv[1], "run"))
		return run(argv + 2, argc - 2);
	if (argc >= 3 && !strcmp(argv[1], "set"))
		return tell(argv[2], argv + 3, argc - 3);
	fprintf(stderr,
		"Usage: ntm-wire run SOCKET TAP TAP [KEY=VALUE...] | set SOCKET [KEY=VALUE...]\n");
	return 2;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * A plain main() for a fuzz target, for compilers without libFuzzer: replay ROUNDS [DIR].
 *
 * Every file of DIR goes in as it is. Then ROUNDS inputs made from them (or from nothing): bytes changed, cut, doubled, joined, drawn
 * by a generator of its own, so that a run is the same each time. A fault is the target's abort(), or a sanitizer's word.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUTS 1024u
#define SIZE 2048u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct input {
	size_t len;
	uint8_t *data;
} inputs[INPUTS];
static unsigned int count;

static uint32_t draw(uint32_t below)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return below ? (uint32_t)(x >> 16) % below : 0;
}

/* From exactly as many bytes as there are, so that reading beyond is seen */
static void run(const uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	memcpy(exact, data, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

static void keep(const char *dir, const char *name)
{
	static uint8_t buf[1 << 17];
	char path[4096];
	struct input *in = &inputs[count];
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (count == INPUTS || stat(path, &st) || !S_ISREG(st.st_mode))
		return;
	f = fopen(path, "re");
	in->len = f ? fread(buf, 1, sizeof(buf), f) : 0;
	in->data = malloc(in->len ? in->len : 1);
	if (!f || !in->data) {
		perror(path);
		exit(1);
	}
	fclose(f);
	memcpy(in->data, buf, in->len);
	count++;
}

static void load(const char *dir)
{
	struct dirent **names;
	const int n = scandir(dir, &names, NULL, alphasort);

	if (n < 0) {
		perror(dir);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		keep(dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static size_t start_from(uint8_t *buf)
{
	const struct input *in = &inputs[draw(count)];
	size_t len = in->len < SIZE ? in->len : SIZE;

	if (!count) {
		len = draw(SIZE / 8);
		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)draw(256);
	} else {
		memcpy(buf, in->data, len);
	}
	return len;
}

static size_t change(uint8_t *buf, size_t len)
{
	const size_t at = draw((uint32_t)len), n = draw((uint32_t)(len - at) + 1);
	const struct input *other = &inputs[draw(count)];

	switch (draw(6)) {
	case 0:
		buf[at] ^= (uint8_t)(1u << draw(8));
		return len;
	case 1:
		buf[at] = (uint8_t)draw(256);
		return len;
	case 2:
		memset(buf + at, draw(2) ? 0xff : 0, n);
		return len;
	case 3: /* without a piece */
		memmove(buf + at, buf + at + n, len - at - n);
		return len - n;
	case 4: /* a piece twice */
		if (len + n > SIZE)
			return len;
		memmove(buf + at + n, buf + at, len - at);
		return len + n;
	default: /* and one of another */
		if (!count || len + other->len > SIZE)
			return len;
		memcpy(buf + len, other->data, other->len);
		return len + other->len;
	}
}

int main(int argc, char **argv)
{
	static uint8_t buf[SIZE];
	const unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

	if (argc > 2)
		load(argv[2]);
	run(buf, 0);
	for (unsigned int i = 0; i < count; i++)
		run(inputs[i].data, inputs[i].len);
	for (unsigned long i = 0; i < rounds; i++) {
		size_t len = start_from(buf);

		for (unsigned int n = 1 + draw(4); len && n; n--)
			len = change(buf, len);
		run(buf, len);
	}
	printf("%u of the corpus, %lu made of them\n", count, rounds);
	for (unsigned int i = 0; i < count; i++)
		free(inputs[i].data);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
#include "dnsconf_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DNS_PORT 53
#define MARK "# Written by ntmd(8), which puts the file of before back when it ends.\n"
#define SERVER "nameserver"
#define OPTIONS "options"
#define BLANK " \t"

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

static bool is_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(text, word, len) && (!text[len] || isspace((unsigned char)text[len]));
}

static bool comment_has(const char *line, const char *word)
{
	size_t len = strcspn(line, "\n"), word_len = strlen(word);

	for (size_t i = 0; i + word_len <= len; i++) {
		if (!strncasecmp(line + i, word, word_len))
			return true;
	}
	return false;
}

static enum ntm_resolv_owner owner_of_comment(const char *line)
{
	static const struct {
		const char *word;
		enum ntm_resolv_owner owner;
	} words[] = {
		{ "systemd-resolved", NTM_RESOLV_RESOLVED },
		{ "NetworkManager", NTM_RESOLV_NM },
		{ "resolvconf", NTM_RESOLV_RESOLVCONF },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (comment_has(line, words[i].word))
			return words[i].owner;
	}
	return NTM_RESOLV_UNKNOWN;
}

/* The comments above the first option */
static enum ntm_resolv_owner owner_of(const char *text)
{
	enum ntm_resolv_owner owner;

	if (!strncmp(text, MARK, strlen(MARK)))
		return NTM_RESOLV_OURS;
	for (; *text == '#' || *text == ';' || *text == '\n'; text = next_line(text)) {
		owner = owner_of_comment(text);
		if (owner != NTM_RESOLV_UNKNOWN)
			return owner;
	}
	return NTM_RESOLV_UNKNOWN;
}

static void add_server(struct ntm_resolv *resolv, const char *line)
{
	char text[NTM_ADDR_STR];
	size_t len;

	line += strlen(SERVER);
	line += strspn(line, " \t");
	len = strcspn(line, " \t\r\n");
	if (resolv->count == NTM_RESOLV_SERVERS || len >= sizeof(text))
		return;
	memcpy(text, line, len);
	text[len] = '\0';
	if (!ntm_addr_parse(&resolv->servers[resolv->count], text, DNS_PORT))
		resolv->count++;
}

/* glibc looks at no more of a word than the option's name; 0: none of those */
static unsigned int option_of(const char *word)
{
	static const struct {
		const char *name;
		unsigned int option;
	} options[] = { { "rotate", NTM_RESOLV_ROTATE }, { "use-vc", NTM_RESOLV_USE_VC } };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (!strncmp(word, options[i].name, strlen(options[i].name)))
			return options[i].option;
	}
	return 0;
}

/* The next word of a line from @at on; NULL: there is none */
static const char *next_word(const char *at)
{
	at += strspn(at, BLANK);
	return *at && *at != '\n' ? at : NULL;
}

static size_t word_len(const char *word)
{
	return strcspn(word, BLANK "\n");
}

static unsigned int options_of(const char *line)
{
	unsigned int options = 0;

	for (line += strlen(OPTIONS); (line = next_word(line)); line += word_len(line))
		options |= option_of(line);
	return options;
}

void ntm_resolv_parse(struct ntm_resolv *resolv, const char *text)
{
	*resolv = (struct ntm_resolv){ .owner = owner_of(text) };
	for (; *text; text = next_line(text)) {
		text += strspn(text, " \t");
		if (is_word(text, SERVER))
			add_server(resolv, text);
		else if (is_word(text, OPTIONS))
			resolv->options |= options_of(text);
	}
}

union ntm_addr ntm_resolv_default(void)
{
	return (union ntm_addr){ .v4 = { .sin_family = AF_INET,
					 .sin_port = htons(DNS_PORT),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
}

static void remove_words(char *at, unsigned int options)
{
	const char *word;
	char *end;

	while ((word = next_word(at))) {
		end = at + (word - at) + word_len(word);
		if (option_of(word) & options)
			memmove(at, end, strlen(end) + 1);
		else
			at = end;
	}
}

/* A line that has none left goes whole: for some programs it would spoil the file */
static void remove_options(char *line, unsigned int options)
{
	char *at = line + strspn(line, BLANK) + strlen(OPTIONS);
	const char *next;

	remove_words(at, options);
	if (next_word(at))
		return;
	next = next_line(at);
	memmove(line, next, strlen(next) + 1);
}

int ntm_resolv_write(const char *old, const char *stub, unsigned int options, char *out,
		     size_t size)
{
	int len = snprintf(out, size, MARK SERVER " %s\n%s", stub, old);
	char *line = out;

	if (len < 0 || (size_t)len >= size)
		return -E2BIG;
	while (*line) {
		const char *text = line + strspn(line, BLANK);

		if (is_word(text, OPTIONS) && options_of(text) & options)
			remove_options(line, options);
		else
			line += next_line(line) - line;
	}
	return 0;
}

void ntm_resolv_strip(char *text)
{
	const char *rest = text;

	if (owner_of(text) != NTM_RESOLV_OURS)
		return;
	rest = next_line(rest);
	if (is_word(rest, SERVER))
		rest = next_line(rest);
	memmove(text, rest, strlen(rest) + 1);
}

bool ntm_resolv_nss(const char *text)
{
	for (; *text; text = next_line(text)) {
		const char *end = text + strcspn(text, "#\n");

		text += strspn(text, " \t");
		if (strncmp(text, "hosts:", 6) != 0)
			continue;
		for (const char *word = text + 6; word < end; word += strcspn(word, " \t\n")) {
			word += strspn(word, " \t");
			if (word < end && is_word(word, "resolve"))
				return true;
		}
	}
	return false;
}

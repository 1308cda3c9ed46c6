// SPDX-License-Identifier: Apache-2.0
//
// Lines for people, see output.h. A log template is read anew for each line: it
// is short, and lines are few.
#include "controller/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_FORMAT							\
	"bulkhead: {boottime}s: <{thread}> {level}:{location} -- {msg}"
#define MAX_LINE 2048u

/* One of each in a process: standard error and the log. */
static struct {
	const char *format;
	int fd;			/* -1: the log file is not open yet */
	bool raw;
	bool journal;		/* standard error is systemd's */
	char early[4096];	/* lines until then */
	size_t nearly;
	struct timespec start;
	unsigned int pid;	/* asked for once: no call once the filter is there */
} out = { .format = DEFAULT_FORMAT, .fd = STDERR_FILENO };

struct record {
	enum log_level level;
	const char *thread;
	unsigned int pid;
	const char *text;
	struct timespec boot, wall;
	struct tm utc, local;
};

typedef int token_fn(char *buf, size_t size, const struct record *r);

static const char *const level_words[] = {
	[LOG_ERROR] = "ERROR", [LOG_WARN] = "WARN", [LOG_INFO] = "INFO",
	[LOG_DEBUG] = "DEBUG",
};

/* In front of a line, for the journal: sd-daemon(3). */
static const char *const journal_levels[] = {
	[LOG_ERROR] = "<3>", [LOG_WARN] = "<4>", [LOG_INFO] = "<6>",
	[LOG_DEBUG] = "<7>",
};

#define TOKEN(name, ...)						\
	static int token_##name(char *buf, size_t size,			\
	    const struct record *r)					\
	{								\
		return snprintf(buf, size, __VA_ARGS__);		\
	}

#define MICROS (r->wall.tv_nsec / 1000)
TOKEN(boottime, "%5lld.%06ld", (long long)r->boot.tv_sec,
    r->boot.tv_nsec / 1000)
TOKEN(wallclock, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ", r->utc.tm_year + 1900,
    r->utc.tm_mon + 1, r->utc.tm_mday, r->utc.tm_hour, r->utc.tm_min,
    r->utc.tm_sec, MICROS)
TOKEN(glog, "%02d%02d %02d:%02d:%02d.%06ld", r->utc.tm_mon + 1, r->utc.tm_mday,
    r->utc.tm_hour, r->utc.tm_min, r->utc.tm_sec, MICROS)
TOKEN(localglog, "%02d%02d %02d:%02d:%02d.%06ld", r->local.tm_mon + 1,
    r->local.tm_mday, r->local.tm_hour, r->local.tm_min, r->local.tm_sec,
    MICROS)
TOKEN(thread, "%s", r->thread)
TOKEN(level, "%s", level_words[r->level])
TOKEN(levelchar, "%c", level_words[r->level][0])
TOKEN(location, "%.*s", (int)strcspn(r->thread, " "), r->thread)
TOKEN(msg, "%s", r->text)
TOKEN(pid, "%u", r->pid)
TOKEN(year, "%04d", r->utc.tm_year + 1900)
TOKEN(month, "%02d", r->utc.tm_mon + 1)
TOKEN(day, "%02d", r->utc.tm_mday)
TOKEN(hour, "%02d", r->utc.tm_hour)
TOKEN(minute, "%02d", r->utc.tm_min)
TOKEN(second, "%02d", r->utc.tm_sec)
TOKEN(micros, "%06ld", MICROS)
TOKEN(offset, "+00:00%.0s", r->text)
TOKEN(localyear, "%04d", r->local.tm_year + 1900)
TOKEN(localmonth, "%02d", r->local.tm_mon + 1)
TOKEN(localday, "%02d", r->local.tm_mday)
TOKEN(localhour, "%02d", r->local.tm_hour)
TOKEN(localminute, "%02d", r->local.tm_min)
TOKEN(localsecond, "%02d", r->local.tm_sec)
TOKEN(localoffset, "%c%02ld:%02ld", r->local.tm_gmtoff < 0 ? '-' : '+',
    labs(r->local.tm_gmtoff) / 3600, labs(r->local.tm_gmtoff) / 60 % 60)

#define ROW(name) { #name, token_##name }
static const struct {
	const char *name;
	token_fn *print;
} tokens[] = {
	ROW(boottime), ROW(wallclock), ROW(glog), ROW(localglog), ROW(thread),
	ROW(level), ROW(levelchar), ROW(location), ROW(msg), ROW(pid),
	{ "tid", token_pid },	/* every process but the vcpu-worker has one thread */
	ROW(year), ROW(month), ROW(day), ROW(hour), ROW(minute), ROW(second),
	ROW(micros), ROW(offset), ROW(localyear), ROW(localmonth),
	ROW(localday), ROW(localhour), ROW(localminute), ROW(localsecond),
	{ "localmicros", token_micros }, ROW(localoffset),
};
#define NTOKENS (sizeof(tokens) / sizeof(tokens[0]))

static token_fn *
token_of(const char *name, size_t len)
{
	for (size_t i = 0; i < NTOKENS; i++)
		if (strlen(tokens[i].name) == len &&
		    memcmp(tokens[i].name, name, len) == 0)
			return tokens[i].print;
	return NULL;
}

/* "{{" and "}}" are braces; *name and *len are set at a token. */
static const char *
next_part(const char *p, const char **name, size_t *len)
{
	*name = NULL;
	*len = 0;
	if ((p[0] == '{' || p[0] == '}') && p[1] == p[0])
		return p + 2;
	if (p[0] == '{') {
		const char *end = strchr(p, '}');

		*name = p + 1;
		*len = end != NULL ? (size_t)(end - p - 1) : 0;
		return end != NULL ? end + 1 : NULL;
	}
	return p[0] == '}' ? NULL : p + 1;
}

const char *
output_check_format(const char *format)
{
	const char *name;
	size_t len;

	while (*format != '\0') {
		format = next_part(format, &name, &len);
		if (format == NULL)
			return "a brace without its pair; write {{ or }} for one";
		if (name != NULL && token_of(name, len) == NULL)
			return "an unknown token; as {boottime}, {level}, "
			       "{thread}, {location}, {msg}, {pid}";
	}
	return NULL;
}

static size_t
put(char *line, size_t at, const char *text, size_t len)
{
	if (len > MAX_LINE - at)
		len = MAX_LINE - at;
	memcpy(line + at, text, len);
	return at + len;
}

static void
write_line(int fd, char *line, size_t len, bool raw)
{
	/* One write a line, so that lines of two programs do not mix. */
	if (raw)
		line[len++] = '\r';
	line[len++] = '\n';
	while (write(fd, line, len) < 0 && errno == EINTR)
		;
}

static void
print(const struct record *r)
{
	char line[MAX_LINE + 2], part[MAX_LINE];
	const char *p = out.format, *name;
	size_t at = 0, len;

	if (out.journal && out.fd == STDERR_FILENO)
		at = put(line, at, journal_levels[r->level], 3);
	while (*p != '\0') {
		const char *next = next_part(p, &name, &len);
		token_fn *token = name != NULL ? token_of(name, len) : NULL;
		int n;

		if (next == NULL)
			break;
		if (token == NULL) {
			at = put(line, at, p, 1);
		} else {
			n = token(part, sizeof(part), r);
			if (n > 0)
				at = put(line, at, part, strlen(part));
		}
		p = next;
	}
	if (out.fd >= 0) {
		write_line(out.fd, line, at,
		    out.raw && out.fd == STDERR_FILENO);
	} else if (at + 1 <= sizeof(out.early) - out.nearly) {
		line[at++] = '\n';
		memcpy(out.early + out.nearly, line, at);
		out.nearly += at;
	}
}

void
output_child(const char *name, unsigned int pid, enum log_level level,
    const char *text)
{
	struct record r = { .level = level, .thread = name, .pid = pid,
			    .text = text };

	clock_gettime(CLOCK_MONOTONIC, &r.boot);
	clock_gettime(CLOCK_REALTIME, &r.wall);
	r.boot.tv_sec -= out.start.tv_sec;
	r.boot.tv_nsec -= out.start.tv_nsec;
	if (r.boot.tv_nsec < 0) {
		r.boot.tv_sec--;
		r.boot.tv_nsec += 1000000000;
	}
	gmtime_r(&r.wall.tv_sec, &r.utc);
	localtime_r(&r.wall.tv_sec, &r.local);
	print(&r);
}

static void
own_line(enum log_level level, const char *line, void *arg)
{
	(void)arg;
	output_child("controller", out.pid, level, line);
}

/* "device:inode" of the journal's stream, which whoever redirects leaves behind. */
static bool
is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (stream == NULL || fstat(fd, &st) < 0)
		return false;
	(void)snprintf(own, sizeof(own), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return strcmp(stream, own) == 0;
}

void
output_open(const struct log_spec *log)
{
	enum log_level level = log->verbosity == 0 ? LOG_WARN :
	    log->verbosity == 1 ? LOG_INFO : LOG_DEBUG;

	clock_gettime(CLOCK_MONOTONIC, &out.start);
	out.journal = is_journal(STDERR_FILENO);
	out.pid = (unsigned int)getpid();
	tzset();
	if (log->format != NULL)
		out.format = log->format;
	if (log->file != NULL)
		out.fd = -1;
	log_open(level, own_line, NULL);
}

void
output_to(int fd)
{
	size_t at = 0;

	out.fd = fd;
	while (at < out.nearly) {
		ssize_t n = write(fd, out.early + at, out.nearly - at);

		if (n < 0 && errno != EINTR)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	out.nearly = 0;
}

void
output_end(void)
{
	if (out.fd < 0)
		output_to(STDERR_FILENO);
}

void
output_raw(bool raw)
{
	out.raw = raw;
}

void
output_user(const char *fmt, ...)
{
	char line[MAX_LINE + 2];
	size_t prefix = 0;
	va_list ap;
	int n;

	if (out.journal)
		prefix = put(line, prefix, journal_levels[LOG_ERROR], 3);
	prefix = put(line, prefix, "bulkhead: ", strlen("bulkhead: "));
	va_start(ap, fmt);
	n = vsnprintf(line + prefix, MAX_LINE - prefix, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	/* Text of children and paths: printable, but nobody's word on that. */
	for (char *c = line; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	write_line(STDERR_FILENO, line, strlen(line), out.raw);
	if (out.fd >= 0 && out.fd != STDERR_FILENO)
		output_child("controller", out.pid, LOG_ERROR, line + prefix);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading a snapshot, see job.h.
 */
#include "controller/migration/job.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build_id.h"
#include "controller/migration/files.h"
#include "controller/migration/parts.h"
#include "ipc/chan.h"
#include "ipc/log.h"
#include "proto/check.h"

#define MANIFEST BH__SNAPSHOT_FILE__SNAPSHOT_FILE_MANIFEST
#define CONFIG BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONFIG
#define MEMORY BH__SNAPSHOT_FILE__SNAPSHOT_FILE_MEMORY
#define RANGES BH__SNAPSHOT_FILE__SNAPSHOT_FILE_MEMORY_RANGES

static int
fail(struct job *j, uint32_t file, int rc, const char *what)
{
	(void)snprintf(j->why, sizeof(j->why), "%s: %s", snapshot_names[file], what);
	return rc;
}

static int
fail_errno(struct job *j, uint32_t file, int rc, const char *verb)
{
	(void)snprintf(j->why, sizeof(j->why), "%s: cannot be %s: %s",
	    snapshot_names[file], verb, log_errtext(rc));
	return rc;
}

static bool
has_parts(uint32_t file)
{
	return file != MANIFEST && file != MEMORY && file != RANGES;
}

/* ---- save ------------------------------------------------------------------------- */

static int
sync_file(struct job *j, uint32_t file)
{
	while (fsync(j->files[file]) != 0)
		if (errno != EINTR)
			return fail_errno(j, file, -errno, "written");
	return 0;
}

/* @f was written: into the manifest with it. */
static int
written(struct job *j, uint32_t file, struct hashed *f)
{
	struct manifest_file *m = &j->manifest.files[j->manifest.nfiles++];

	(void)snprintf(m->name, sizeof(m->name), "%s", snapshot_names[file]);
	m->size = f->size;
	hashed_end(f, m->digest);
	return sync_file(j, file);
}

static int
save_parts(struct job *j, uint32_t file)
{
	struct hashed f;

	hashed_begin(&f, j->files[file]);
	for (uint32_t i = 0; i < j->nparts; i++) {
		const struct job_part *p = &j->parts[i];
		int rc;

		if (p->file != file)
			continue;
		rc = parts_write(&f, p->index, p->fd, p->size);
		if (rc != 0)
			return fail_errno(j, file, rc, "written");
	}
	return written(j, file, &f);
}

/* By address, as pages_save() wants them. */
static void
sort_regions(struct job *j)
{
	for (uint32_t i = 1; i < j->nregions; i++)
		for (uint32_t k = i; k > 0 &&
		    j->regions[k - 1].gpa > j->regions[k].gpa; k--) {
			struct pages_region r = j->regions[k];

			j->regions[k] = j->regions[k - 1];
			j->regions[k - 1] = r;
		}
}

static int
save_memory(struct job *j)
{
	struct hashed memory, ranges;
	int rc;

	sort_regions(j);
	hashed_begin(&memory, j->files[MEMORY]);
	hashed_begin(&ranges, j->files[RANGES]);
	rc = pages_save(j->regions, j->nregions, &memory, &ranges);
	if (rc != 0)
		return fail_errno(j, MEMORY, rc, "written");
	rc = written(j, MEMORY, &memory);
	return rc == 0 ? written(j, RANGES, &ranges) : rc;
}

static int
save_manifest(struct job *j)
{
	static char text[MANIFEST_MAX_SIZE];
	struct hashed f;
	int rc;

	hashed_begin(&f, j->files[MANIFEST]);
	rc = hashed_write(&f, text, manifest_write(&j->manifest, text));
	if (rc != 0)
		return fail_errno(j, MANIFEST, rc, "written");
	return sync_file(j, MANIFEST);
}

int
job_save(struct job *j)
{
	int rc = 0;

	for (uint32_t i = 0; i < SNAPSHOT_LIMIT_FILES; i++)
		if (j->files[i] < 0)
			return fail(j, i, -EINVAL, "is missing");
	j->manifest = (struct manifest){ .version = MANIFEST_VERSION,
	    .build = BULKHEAD_BUILD_ID };
	for (uint32_t i = 0; rc == 0 && i < SNAPSHOT_LIMIT_FILES; i++)
		if (has_parts(i))
			rc = save_parts(j, i);
	if (rc == 0)
		rc = save_memory(j);
	/* The last: what has one is whole. */
	return rc == 0 ? save_manifest(j) : rc;
}

/* ---- read ------------------------------------------------------------------------- */

/* It is there, and as long as the manifest says. */
static int
check_size(struct job *j, uint32_t file)
{
	const struct manifest_file *m = manifest_find(&j->manifest,
	    snapshot_names[file]);
	off_t size;

	if (m == NULL)
		return fail(j, file, -EINVAL, "is not in the manifest");
	if (j->files[file] < 0)
		return fail(j, file, -ENOENT, "is missing");
	size = lseek(j->files[file], 0, SEEK_END);
	if (size < 0)
		return fail_errno(j, file, -errno, "read");
	if ((uint64_t)size != m->size)
		return fail(j, file, -EINVAL, (uint64_t)size < m->size ?
		    "is shorter than the manifest says" :
		    "is longer than the manifest says");
	return 0;
}

static int
read_manifest(struct job *j)
{
	static char text[MANIFEST_MAX_SIZE + 1];
	const char *why = "";
	size_t len = 0;
	int rc;

	if (j->files[MANIFEST] < 0)
		return fail(j, MANIFEST, -ENOENT, "is missing");
	while (len < sizeof(text)) {
		ssize_t n = pread(j->files[MANIFEST], text + len,
		    sizeof(text) - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(j, MANIFEST, -errno, "read");
		if (n == 0)
			break;
		len += (size_t)n;
	}
	rc = manifest_read(&j->manifest, text, len, &why);
	if (rc == -EPROTONOSUPPORT)
		(void)snprintf(j->why, sizeof(j->why), "it is of version %u, and "
		    "this program reads version %u", j->manifest.version,
		    MANIFEST_VERSION);
	else if (rc != 0)
		(void)snprintf(j->why, sizeof(j->why), "%s", why);
	for (uint32_t i = 0; rc == 0 && i < SNAPSHOT_LIMIT_FILES; i++)
		if (i != MANIFEST)
			rc = check_size(j, i);
	return rc;
}

static int
compare(struct job *j, uint32_t file, struct hashed *f)
{
	const struct manifest_file *m = manifest_find(&j->manifest,
	    snapshot_names[file]);
	uint8_t digest[HASHED_DIGEST];

	hashed_end(f, digest);
	if (memcmp(digest, m->digest, sizeof(digest)) != 0)
		return fail(j, file, -EINVAL, "is damaged: its hash is not the "
		    "one in the manifest");
	return 0;
}

static uint64_t
size_of(const struct job *j, uint32_t file)
{
	return manifest_find(&j->manifest, snapshot_names[file])->size;
}

/* Before anybody looks into a small file: it is what was written. */
static int
verify(struct job *j, uint32_t file)
{
	static uint8_t chunk[65536];
	uint64_t left = size_of(j, file);
	struct hashed f;

	hashed_begin(&f, j->files[file]);
	while (left > 0) {
		size_t n = left < sizeof(chunk) ? (size_t)left : sizeof(chunk);
		int rc = hashed_read(&f, chunk, n);

		if (rc != 0)
			return fail_errno(j, file, rc, "read");
		left -= n;
	}
	return compare(j, file, &f);
}

static int
broken(struct job *j, uint32_t file, int rc, const char *why)
{
	return rc == -EINVAL ? fail(j, file, rc, why) :
	    fail_errno(j, file, rc, "read");
}

static int
load_parts(struct job *j, uint32_t file)
{
	uint64_t end = size_of(j, file);
	const char *why = "";
	struct hashed f;
	int rc = verify(j, file);

	if (rc != 0)
		return rc;
	hashed_begin(&f, j->files[file]);
	for (uint32_t i = 0; i < j->nparts; i++) {
		const struct job_part *p = &j->parts[i];

		if (p->file != file)
			continue;
		rc = parts_read(&f, end, p->index, p->size, p->fd, &why);
		if (rc != 0)
			return broken(j, file, rc, why);
	}
	if (f.size != end)
		return fail(j, file, -EINVAL,
		    "is of more devices than this VM has");
	return 0;
}

static int
load_memory(struct job *j)
{
	struct hashed memory, ranges;
	const char *why = "";
	int rc = verify(j, RANGES);

	if (rc != 0)
		return rc;
	hashed_begin(&memory, j->files[MEMORY]);
	hashed_begin(&ranges, j->files[RANGES]);
	rc = pages_load(&j->mem, &memory, size_of(j, MEMORY), &ranges,
	    size_of(j, RANGES), &why);
	if (rc != 0)
		return broken(j, RANGES, rc, why);
	return compare(j, MEMORY, &memory);
}

int
job_load(struct job *j)
{
	int rc = read_manifest(j);

	for (uint32_t i = 0; rc == 0 && i < SNAPSHOT_LIMIT_FILES; i++)
		if (has_parts(i) && i != CONFIG)
			rc = load_parts(j, i);
	return rc == 0 ? load_memory(j) : rc;
}

/* ---- configuration ------------------------------------------------------------------ */

static int
take_config(struct job *j, struct hashed *f, size_t size, job_config_fn *take,
    void *arg)
{
	static uint8_t bytes[SNAPSHOT_LIMIT_CONFIG];
	static struct chan_arena arena;
	ProtobufCAllocator alloc = chan_arena_allocator(&arena);
	Bh__SnapshotConfig *config;
	const char *why;
	int rc = hashed_read(f, bytes, size);

	if (rc != 0)
		return fail_errno(j, CONFIG, rc, "read");
	arena.used = 0;
	config = bh__snapshot_config__unpack(&alloc, size, bytes);
	if (config == NULL)
		return fail(j, CONFIG, -EINVAL, "is no configuration");
	CHAN_PACKET(p, SNAPSHOT_CONFIG, snapshot_config, config);
	why = proto_check(&p);
	if (why != NULL)
		return fail(j, CONFIG, -EINVAL, why);
	rc = take(arg, config);
	return rc == 0 ? 0 : fail_errno(j, CONFIG, rc, "passed on");
}

int
job_config(struct job *j, job_config_fn *take, void *arg)
{
	const char *why = "";
	struct hashed f;
	uint64_t end;
	int rc = read_manifest(j);

	if (rc == 0)
		rc = verify(j, CONFIG);
	if (rc != 0)
		return rc;
	end = size_of(j, CONFIG);
	hashed_begin(&f, j->files[CONFIG]);
	for (uint32_t i = 0; rc == 0 && f.size < end; i++) {
		uint32_t index;
		uint64_t size;

		rc = parts_head(&f, end, &index, &size, &why);
		if (rc != 0)
			return broken(j, CONFIG, rc, why);
		if (index != i || size > SNAPSHOT_LIMIT_CONFIG)
			return fail(j, CONFIG, -EINVAL, "has a part that is none");
		rc = take_config(j, &f, (size_t)size, take, arg);
	}
	return rc;
}

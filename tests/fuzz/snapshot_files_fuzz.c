/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a snapshot that hold parts: a configuration, a device's record. Input: a
 * byte that says which, then the file. The manifest is made to agree with it, so that
 * what is behind the hash is reached.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controller/migration/files.h"
#include "controller/migration/job.h"

#define RECORD 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct job job;

static void
put(int fd, const void *data, size_t len)
{
	if (ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
}

static int
take(void *arg, Bh__SnapshotConfig *config)
{
	(void)arg;
	for (size_t i = 0; i < config->n_options; i++)
		if (config->options[i]->option[0] == '\0')
			abort();
	return 0;
}

static void
set_up(void)
{
	for (unsigned int i = 0; i < SNAPSHOT_LIMIT_FILES; i++)
		job.files[i] = memfd_create("file", 0);
	if (gmem_init(&job.mem, 0) != 0)
		abort();
	job.nparts = 2;
	for (uint32_t i = 0; i < 2; i++)
		job.parts[i] = (struct job_part){ .index = i * 2, .size = RECORD,
		    .file = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_BLK,
		    .fd = memfd_create("part", 0) };
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[MANIFEST_MAX_SIZE];
	uint32_t which = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_BLK;
	struct manifest m = { .version = MANIFEST_VERSION, .build = "f" };
	off_t len;

	if (job.nparts == 0)
		set_up();
	if (size < 1)
		return -1;
	if (data[0] % 2 == 0)
		which = BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONFIG;
	for (uint32_t i = 1; i < SNAPSHOT_LIMIT_FILES; i++) {
		struct manifest_file *f = &m.files[m.nfiles++];
		struct hashed h;

		put(job.files[i], data + 1, i == which ? size - 1 : 0);
		strcpy(f->name, snapshot_names[i]);
		f->size = i == which ? size - 1 : 0;
		hashed_begin(&h, job.files[i]);
		sha256_update(&h.sha, f->size, data + 1);
		hashed_end(&h, f->digest);
	}
	put(job.files[0], text, manifest_write(&m, text));
	if (which == BH__SNAPSHOT_FILE__SNAPSHOT_FILE_CONFIG) {
		if (job_config(&job, take, NULL) != 0 && job.why[0] == '\0')
			abort();
		return 0;
	}
	if (job_load(&job) != 0)
		return job.why[0] == '\0' ? abort(), 0 : 0;
	for (uint32_t i = 0; i < 2; i++) {
		len = lseek(job.parts[i].fd, 0, SEEK_END);
		if (len != RECORD)
			abort();
	}
	return 0;
}

# SPDX-License-Identifier: Apache-2.0

SNAPSHOT_SRCS := $(addprefix controller/migration/,hashed.c pages.c manifest.c parts.c)
SNAPSHOT_JOB_SRCS := $(addprefix controller/migration/,job.c files.c) $(SNAPSHOT_SRCS)

PROGRAMS += bulkhead-migration
bulkhead-migration_SRCS := controller/migration/main.c $(SNAPSHOT_JOB_SRCS) ipc/gmem.c \
	$(CHILD_SRCS)
bulkhead-migration_POLICY := controller/migration/migration_policy.c
bulkhead-migration_LDLIBS := -lnettle

# The controller's side of a job, for tests/native/migration.
PROGRAMS += bulkhead-test-migration
bulkhead-test-migration_SRCS := tests/native/migration_drive.c controller/migration/files.c \
	$(IPC_SRCS)

UNIT_TESTS += snapshot_manifest snapshot_pages
$(foreach t,manifest pages,$(eval \
	unit_snapshot_$(t)_SRCS := tests/unit/snapshot_$(t)_test.c $$(SNAPSHOT_SRCS) \
	ipc/gmem.c))
unit_snapshot_manifest_LDLIBS := -lnettle
unit_snapshot_pages_LDLIBS := -lnettle

FUZZERS += snapshot_manifest snapshot_pages snapshot_files
$(foreach t,manifest pages,$(eval \
	fuzz_snapshot_$(t)_SRCS := tests/fuzz/snapshot_$(t)_fuzz.c $$(SNAPSHOT_SRCS) \
	ipc/gmem.c))
fuzz_snapshot_files_SRCS := tests/fuzz/snapshot_files_fuzz.c $(SNAPSHOT_JOB_SRCS) \
	ipc/gmem.c $(IPC_SRCS)
fuzz_snapshot_manifest_LDLIBS := -lnettle
fuzz_snapshot_pages_LDLIBS := -lnettle
fuzz_snapshot_files_LDLIBS := -lnettle

# SPDX-License-Identifier: Apache-2.0

SNAPSHOT_SRCS := $(addprefix controller/migration/,hashed.c pages.c manifest.c)

UNIT_TESTS += snapshot_manifest snapshot_pages
$(foreach t,manifest pages,$(eval \
	unit_snapshot_$(t)_SRCS := tests/unit/snapshot_$(t)_test.c $$(SNAPSHOT_SRCS) \
	ipc/gmem.c))
unit_snapshot_manifest_LDLIBS := -lnettle
unit_snapshot_pages_LDLIBS := -lnettle

FUZZERS += snapshot_manifest snapshot_pages
$(foreach t,manifest pages,$(eval \
	fuzz_snapshot_$(t)_SRCS := tests/fuzz/snapshot_$(t)_fuzz.c $$(SNAPSHOT_SRCS) \
	ipc/gmem.c))
fuzz_snapshot_manifest_LDLIBS := -lnettle
fuzz_snapshot_pages_LDLIBS := -lnettle

# SPDX-License-Identifier: Apache-2.0

LOADER_LIB_SRCS := controller/loader/load.c controller/loader/image.c \
	controller/loader/memmap.c controller/loader/elf.c \
	controller/loader/bzimage.c controller/loader/pvh.c \
	controller/loader/acpi.c controller/loader/acpi_cpus.c \
	controller/loader/smbios.c controller/loader/writer.c $(GEN)/dsdt.c

PROGRAMS += bulkhead-loader
bulkhead-loader_SRCS := controller/loader/main.c $(LOADER_LIB_SRCS) ipc/gmem.c \
	$(CHILD_SRCS)
bulkhead-loader_POLICY := controller/loader/loader_policy.c

# The DSDT: C preprocessor (for layout.h), iasl, and then a C array with the
# offsets of the names that are patched. iasl's own C output has the date in it.
IASL ?= iasl
$(GEN)/dsdt.c: controller/loader/dsdt.asl arch/x86_64/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -undef -x c -I. $< | sed 's/\(0x[0-9a-f]*\)ull/\1/g' > $(@D)/dsdt.asl
	$(Q)$(IASL) -we -so -p $(@D)/dsdt $(@D)/dsdt.asl > $(@D)/dsdt.log 2>&1 || \
		{ cat $(@D)/dsdt.log; exit 1; }
	$(Q){ echo '#include "controller/loader/dsdt.h"'; \
	echo 'const uint8_t dsdt_aml[] = {'; \
	od -An -v -tx1 $(@D)/dsdt.aml | sed 's/ \(..\)/0x\1,/g'; echo '};'; \
	echo 'const uint32_t dsdt_aml_size = sizeof(dsdt_aml);'; \
	sed -n 's/^ *{"\(P64B\|P64L\|COMS\|NCPU\|NMEM\)", *\(0x[0-9A-F]*, *\)\{3\}\(0x[0-9A-F]*\),.*/const uint32_t dsdt_offset_\1 = \3;/p' \
		$(@D)/dsdt.offset.h; } > $@

# ---- tests

LOADER_TEST_SRCS := $(LOADER_LIB_SRCS) ipc/gmem.c ipc/errname.c
UNIT_TESTS += loader_memmap loader_elf loader_bzimage loader_tables
$(foreach t,memmap elf bzimage tables,$(eval \
	unit_loader_$(t)_SRCS := tests/unit/loader_$(t)_test.c $$(LOADER_TEST_SRCS)))

FUZZERS += elf bzimage
fuzz_elf_SRCS := tests/fuzz/elf_fuzz.c $(LOADER_TEST_SRCS)
fuzz_bzimage_SRCS := tests/fuzz/bzimage_fuzz.c $(LOADER_TEST_SRCS)

# Writes the ACPI tables for tests/acpi/run.
$(BUILD)/test/acpi-dump: tests/acpi/dump.c controller/loader/acpi.c \
    controller/loader/acpi_cpus.c controller/loader/writer.c $(GEN)/dsdt.c \
    $(GEN)/bulkhead.pb-c.c $(wildcard controller/loader/*.h arch/x86_64/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -O1 -D_GNU_SOURCE -I. -isystem $(GEN) -o $@ \
		tests/acpi/dump.c controller/loader/acpi.c \
		controller/loader/acpi_cpus.c controller/loader/writer.c \
		controller/loader/image.c \
		ipc/gmem.c ipc/errname.c $(GEN)/dsdt.c $(GEN)/bulkhead.pb-c.c -lprotobuf-c

# The controller's side of one load, for tests/native/loader.
PROGRAMS += bulkhead-test-loader
bulkhead-test-loader_SRCS := tests/native/loader_drive.c $(IPC_SRCS)

# SPDX-License-Identifier: Apache-2.0

ACPI_SRCS := $(addprefix controller/loader/,acpi.c acpi_cpus.c acpi_numa.c acpi_segments.c aml.c writer.c) \
	$(GEN)/dsdt.c $(GEN)/segment.c
LOADER_LIB_SRCS := controller/loader/load.c controller/loader/image.c \
	controller/loader/memmap.c controller/loader/elf.c \
	controller/loader/bzimage.c controller/loader/pvh.c \
	$(ACPI_SRCS) controller/loader/smbios.c


PROGRAMS += bulkhead-loader
bulkhead-loader_SRCS := controller/loader/main.c $(LOADER_LIB_SRCS) ipc/gmem.c \
	$(CHILD_SRCS)
bulkhead-loader_POLICY := controller/loader/loader_policy.c

# ASL: C preprocessor (for layout.h), iasl, and then a C array with the offsets of the
# names that are patched. iasl's own C output has the date in it.
IASL ?= iasl
ASL_NAMES_dsdt := P32L P64B P64L COMS NCPU NMEM NSEG
ASL_NAMES_segment := SEGN ECAM W32B W32L W64B W64L NODE
$(GEN)/%.c: controller/loader/%.asl controller/loader/slots.asl arch/x86_64/layout.h
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -undef -x c -I. $< | sed 's/\(0x[0-9a-f]*\)ull/\1/g' > $(@D)/$*.asl
	$(Q)$(IASL) -we -so -p $(@D)/$* $(@D)/$*.asl > $(@D)/$*.log 2>&1 || \
		{ cat $(@D)/$*.log; exit 1; }
	$(Q){ echo '#include "controller/loader/dsdt.h"'; \
	echo 'const uint8_t $*_aml[] = {'; \
	od -An -v -tx1 $(@D)/$*.aml | sed 's/ \(..\)/0x\1,/g'; echo '};'; \
	echo 'const uint32_t $*_aml_size = sizeof($*_aml);'; \
	for n in $(ASL_NAMES_$*); do \
	sed -n "s/^ *{\"[A-Z0-9_.]*$$n\", *\(0x[0-9A-F]*, *\)\{3\}\(0x[0-9A-F]*\),.*/const uint32_t $*_offset_$$n = \2;/p" \
		$(@D)/$*.offset.h; done; \
	LC_ALL=C grep -obUa SG00 $(@D)/$*.aml | \
		sed 's/\(.*\):SG00/const uint32_t $*_offset_SG00 = \1;/'; } > $@

# ---- tests

LOADER_TEST_SRCS := $(LOADER_LIB_SRCS) ipc/gmem.c ipc/errname.c
UNIT_TESTS += loader_memmap loader_elf loader_bzimage loader_tables
$(foreach t,memmap elf bzimage tables,$(eval \
	unit_loader_$(t)_SRCS := tests/unit/loader_$(t)_test.c $$(LOADER_TEST_SRCS)))

FUZZERS += elf bzimage
fuzz_elf_SRCS := tests/fuzz/elf_fuzz.c $(LOADER_TEST_SRCS)
fuzz_bzimage_SRCS := tests/fuzz/bzimage_fuzz.c $(LOADER_TEST_SRCS)

# Writes the ACPI tables for tests/acpi/run.
$(BUILD)/test/acpi-dump: tests/acpi/dump.c $(ACPI_SRCS) \
    $(GEN)/bulkhead.pb-c.c $(wildcard controller/loader/*.h arch/x86_64/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -O1 -D_GNU_SOURCE -I. -isystem $(GEN) -o $@ \
		tests/acpi/dump.c $(ACPI_SRCS) controller/loader/image.c \
		ipc/gmem.c ipc/errname.c $(GEN)/bulkhead.pb-c.c -lprotobuf-c

# The controller's side of one load, for tests/native/loader.
PROGRAMS += bulkhead-test-loader
bulkhead-test-loader_SRCS := tests/native/loader_drive.c $(IPC_SRCS)

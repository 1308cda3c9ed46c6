# SPDX-License-Identifier: Apache-2.0
#
# make guests      tiny bare-metal guests, build/guest/*.elf (tests/guest/run)

GUESTS := boot pci_guest blk rng net console reset_device reboot smp msix legacy \
	hostile registers traffic storm isolated power nmi highmem smbios user fs panic balloon mem dimms \
	cpus
GUESTS += flow pmem steady watchdog rtc hotplug vsock share kept lies capacity zones
GUEST_DIR := tests/guest
GUEST_LIB := $(addprefix $(GUEST_DIR)/lib/,start.S rt.c pci.c virtio.c vq.c blk.c pace.c window.c units.c)
GUEST_HEADERS := $(wildcard $(GUEST_DIR)/lib/*.h) arch/x86_64/layout.h
GUEST_CC ?= gcc
GUEST_FLAGS := -std=gnu17 -m32 -march=i686 -Os -ffreestanding -fno-pic -fno-pie \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -fwrapv \
	-I. -I$(GUEST_DIR) -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wno-format -Werror
GUEST_LINK := -m32 -nostdlib -static -no-pie -Wl,-T,$(GUEST_DIR)/lib/guest.ld \
	-Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments

GUEST_LIB_OBJ := $(patsubst $(GUEST_DIR)/lib/%,$(BUILD)/guest/lib/%.o,$(GUEST_LIB))

$(BUILD)/guest/lib/%.o: $(GUEST_DIR)/lib/% $(GUEST_HEADERS) $(GUEST_DIR)/build.mk
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(GUEST_FLAGS) -c -o $@ $<

# Linked as a 32-bit ELF, which is kept beside it, and turned into the 64-bit
# one that kernels are.
$(BUILD)/guest/%.elf: $(GUEST_DIR)/%.c $(GUEST_LIB_OBJ) $(GUEST_HEADERS) \
    $(GUEST_DIR)/lib/guest.ld $(GUEST_DIR)/build.mk
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(GUEST_FLAGS) $(GUEST_LINK) -o $@.32 $< $(GUEST_LIB_OBJ)
	$(Q)objcopy -O elf64-x86-64 $@.32 $@

# The same that stays where others power off.
$(BUILD)/guest/ten.elf $(BUILD)/guest/still.elf: $(GUEST_DIR)/ten.S $(GUEST_DIR)/lib/guest.ld
	@mkdir -p $(@D)
	$(Q)$(GUEST_CC) $(GUEST_FLAGS) $(if $(filter %still.elf,$@),-DSTILL) $(GUEST_LINK) -o $@.32 $<
	$(Q)objcopy -O elf64-x86-64 $@.32 $@

# What the runner needs on the host.
$(BUILD)/guest/%: $(GUEST_DIR)/host/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -o $@ $<

# Static, as the jail has no libraries: programs that are no workers.
$(BUILD)/guest/idle $(BUILD)/guest/exits: $(GUEST_DIR)/host/idle.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -static \
		$(if $(filter %exits,$@),-DEXITS) -o $@ $<

guests: $(patsubst %,$(BUILD)/guest/%.elf,$(GUESTS) ten still) $(BUILD)/guest/watch $(BUILD)/guest/sockio \
	$(BUILD)/guest/tapfd $(BUILD)/guest/udp $(BUILD)/guest/idle $(BUILD)/guest/exits \
	$(BUILD)/guest/killat $(BUILD)/guest/jump
.PHONY: guests

# SPDX-License-Identifier: Apache-2.0
#
# The targets that test, analyse, show and install; the work is done by scripts
# in this folder.

FUZZ_SECONDS = $(or $(TIME),180)

help:
	@printf '%s\n' \
	'make                        build everything into build/' \
	'make demo                   boot a Debian guest; with a terminal, its shell' \
	'make check                  unit, native and lab tests, analysers, 3 minutes of fuzzing' \
	'make check-all              every test at full size; updates docs/tests.md' \
	'make unit-tests fuzzers     build the unit tests, the fuzz targets' \
	'make analyze                gcc, clang, clang-tidy, cppcheck, headers' \
	'make docs                   docs/sandbox.md, from the policies' \
	'make bench                  beside the other VMMs that are here: build/bench/table.md' \
	'make fuzz TIME=seconds      all fuzz targets, for that long together' \
	'make install PREFIX= DESTDIR=   default PREFIX=/usr/local' \
	'make deps                   install the Debian packages that all this needs' \
	'make clean                  remove build/' \
	'tests/run SUITE...          one suite: unit native guest jail errors api acpi' \
	'                            formal lab analyze sanitized fuzz' \
	'tests/lab/run NAME...       one lab test: a stock guest, its log in build/lab/' \
	'V=1 shows commands, SAN=1 builds with ASan and UBSan into build/san'

deps:
	tests/deps

demo:
	tests/deps build guest
	+$(MAKE) all
	tests/demo/run

check:
	+tests/run check

check-all:
	+tests/run check-all

analyze:
	+tests/run analyze

bench:
	tests/deps build lab bench
	+$(MAKE) all guests
	tests/bench/run

fuzz: fuzzers
	tests/fuzz/run $(FUZZ_SECONDS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBEXEC)
	install -m 755 $(addprefix $(BUILD)/,$(INSTALL_BIN)) $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(addprefix $(BUILD)/,$(INSTALL_LIBEXEC)) $(DESTDIR)$(LIBEXEC)/
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 controller/ctl/bulkheadctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/bulkheadctl
	install -m 644 controller/ctl/_bulkheadctl $(DESTDIR)$(PREFIX)/share/zsh/site-functions/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for f in controller/ctl/bulkhead@.service controller/ctl/bulkhead@.socket; do \
		sed 's,@PREFIX@,$(PREFIX),' $$f \
			>$(DESTDIR)$(PREFIX)/lib/systemd/system/$$(basename $$f); \
	done
	install -d $(DESTDIR)$(LIBEXEC)/attack
	install -m 755 $(addprefix $(TWIN_DIR)/twins/bulkhead-,$(TWIN_KINDS)) \
		$(DESTDIR)$(LIBEXEC)/attack/
	install -d $(DESTDIR)$(PREFIX)/share/qemu/vhost-user
	for f in $(VHU_JSON); do \
		sed 's,@LIBEXEC@,$(LIBEXEC),' $$f \
			>$(DESTDIR)$(PREFIX)/share/qemu/vhost-user/$$(basename $$f .in); \
	done

# What a person starts, and the children; test programs have other names.
INSTALL_BIN = $(filter bulkhead bulkheadctl,$(PROGRAMS))
INSTALL_LIBEXEC = $(filter-out bulkhead-test-%,$(filter bulkhead-%,$(PROGRAMS)))

# For the scripts: the value of a variable of this description.
print-%:
	@echo '$($*)'

.PHONY: help deps demo check check-all analyze fuzz install

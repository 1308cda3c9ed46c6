# SPDX-License-Identifier: Apache-2.0
$(foreach p,$(BENCH_PROGRAMS),$(eval $(call program_rule,$(p))))

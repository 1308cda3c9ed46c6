# SPDX-License-Identifier: Apache-2.0
# The two seams; who needs the real ones names their files (vcpu-worker). Every
# function of both contracts, called: links only if the stubs have all of them.
PROGRAMS += stub-check
stub-check_SRCS := arch/stub_check.c arch/mshv/mshv.c arch/aarch64/arch.c

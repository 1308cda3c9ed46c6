/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkheadctl: for the person who runs VMs. doctor looks at the host, audit at a
 * running VM from outside; the others (remote.c) speak to a VM's API socket.
 */
#include <stdio.h>
#include <string.h>

#include "build_id.h"
#include "controller/ctl/audit.h"
#include "controller/ctl/doctor.h"
#include "controller/ctl/gc.h"
#include "controller/ctl/remote.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: bulkheadctl doctor [--stock-guests]\n"
    "       bulkheadctl audit VM | --diff A B | --policy KIND\n"
    "       bulkheadctl --api-socket <path> COMMAND\n"
    "\n"
    "  doctor            what of this host Bulkhead can use, a line an item:\n"
    "                      ok       it is there\n"
    "                      gap      a VM runs without it; the line says what to do\n"
    "                      MISSING  no VM runs; the line says what to do\n"
    "                    Exit status 0 if a VM with a stock kernel can run, else 1\n"
    "  --stock-guests    say nothing; exit status 0 if this host's KVM runs\n"
    "                    stock guests, else 1\n"
    "\n"
    "  audit             what each process of a running VM can do, looked at from\n"
    "                    outside and compared with what is declared; see\n"
    "                    bulkheadctl audit --help\n"
    "\n"
    "  gc [CGROUP...]    remove cgroups that killed VMs left in CGROUP, or in one's own\n"
    "\n"
    "  --help, --version\n";

static int
fail_usage(const char *what, const char *word)
{
	(void)fprintf(stderr, "bulkheadctl: %s: %s; see bulkheadctl --help\n", word,
	    what);
	return EXIT_USAGE;
}

static int
doctor(int argc, char **argv)
{
	if (argc == 0)
		return doctor_run();
	if (strcmp(argv[0], "--help") == 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (strcmp(argv[0], "--stock-guests") != 0)
		return fail_usage("unknown option", argv[0]);
	if (argc > 1)
		return fail_usage("unexpected argument", argv[1]);
	return doctor_stock_guests();
}

int
main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (argc < 2) {
		(void)fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
		(void)fputs(usage, stdout);
		remote_help();
		return 0;
	}
	if (strcmp(command, "--version") == 0 || strcmp(command, "-V") == 0) {
		(void)printf("bulkheadctl %s (%s)\n", BULKHEAD_VERSION,
		    BULKHEAD_BUILD_ID);
		return 0;
	}
	if (strcmp(command, "doctor") == 0)
		return doctor(argc - 2, argv + 2);
	if (strcmp(command, "audit") == 0)
		return audit_main(argc - 2, argv + 2);
	if (strcmp(command, "gc") == 0)
		return gc_main(argc - 2, argv + 2);
	if (remote_takes(command))
		return remote_main(argc, argv);
	return fail_usage(command[0] == '-' ? "unknown option" :
	    "unknown command", command);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The test harness's main program; see test.h.
 */
#include "test.h"

#include <tlbtag_port.h>

#include <stdarg.h>
#include <stdio.h>

/* One broken loop should not bury the other tests' messages. */
#define MESSAGES_PER_TEST 20u

bool test_checked;

static struct test_case *first_test;
static struct test_case **last_link = &first_test;
static unsigned int failed_checks;

void test_register(struct test_case *test)
{
	*last_link = test;
	last_link = &test->next;
}

void test_failed(const char *file, int line, const char *format, ...)
{
	unsigned int nr = __atomic_fetch_add(&failed_checks, 1, __ATOMIC_RELAXED);
	char text[1024];
	va_list values;

	if (nr > MESSAGES_PER_TEST)
		return;
	if (nr == MESSAGES_PER_TEST) {
		printf("%s:%d: and more that are not shown\n", file, line);
		return;
	}
	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	printf("%s:%d: failed: %s\n", file, line, text);
}

static bool test_passes(const struct test_case *test)
{
	failed_checks = 0;
	test_checked = false;
	tlbtag_sim_warnings_reset();
	tlbtag_sim_rule_all_on();
	test->run();
	if (tlbtag_sim_warnings_unseen() != 0)
		test_failed(__FILE__, __LINE__, "an unexpected warning of the library: %s",
			    tlbtag_sim_last_warning());
	if (!test_checked)
		printf("%s: failed: made no check\n", test->name);
	if (failed_checks != 0)
		printf("%s: %u failed checks\n", test->name, failed_checks);
	return test_checked && failed_checks == 0;
}

int main(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : "";
	unsigned int passed = 0;
	unsigned int failed = 0;

	/* A crash must not swallow the lines before it. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (const struct test_case *test = first_test; test; test = test->next) {
		if (!strstr(test->name, wanted))
			continue;
		if (test_passes(test)) {
			passed++;
			printf("ok   %s\n", test->name);
		} else {
			failed++;
			printf("FAIL %s\n", test->name);
		}
	}
	if (passed + failed == 0) {
		failed++;
		printf("FAIL no test is called \"%s\"\n", wanted);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
